"""A small float network that can be trained in seconds, and a task that it can learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from qbench.tflite.builder import Graph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qbench.tflite.graph import Array

SIZE, FILTERS, CLASSES = 8, 6, 4

#: Tensors of weights and biases by what they belong to, in the order of the file.
CONV, DEPTHWISE, DENSE = "conv", "depthwise", "dense"


def weights(seed: int = 0) -> dict[str, Array]:
    """Random weights and biases by tensor."""
    generator = np.random.default_rng(seed)
    features = FILTERS * (SIZE // 2) ** 2
    shapes = {CONV: (FILTERS, 3, 3, 1), DEPTHWISE: (1, 3, 3, FILTERS), DENSE: (CLASSES, features)}
    made: dict[str, Array] = {}
    for name, shape in shapes.items():
        made[name] = generator.normal(0, 0.3, shape).astype(np.float32)
        made[f"{name}/bias"] = generator.normal(0, 0.1, shape[3 if name == DEPTHWISE else 0]).astype(np.float32)
    return made


def network(values: Mapping[str, Array] | None = None) -> bytes:
    """CONV_2D, DEPTHWISE_CONV_2D, MAX_POOL_2D, a flattening that computes its shape, FULLY_CONNECTED and SOFTMAX."""
    values = weights() if values is None else values
    graph = Graph()
    image = graph.tensor("image", [-1, SIZE, SIZE, 1])
    first, second = (graph.tensor(name, [-1, SIZE, SIZE, FILTERS]) for name in ("first", "second"))
    constants = {name: graph.constant(name, array) for name, array in values.items()}
    same: dict[str, Any] = {"padding": schema.Padding.SAME, "strideH": 1, "strideW": 1, "fusedActivationFunction": 1}
    graph.operator(
        "CONV_2D", [image, constants[CONV], constants[f"{CONV}/bias"]], [first], schema.Conv2DOptionsT(**same)
    )
    options = schema.DepthwiseConv2DOptionsT(**same, depthMultiplier=1)
    operands = [first, constants[DEPTHWISE], constants[f"{DEPTHWISE}/bias"]]
    graph.operator("DEPTHWISE_CONV_2D", operands, [second], options)
    pooled = graph.tensor("pooled", [-1, SIZE // 2, SIZE // 2, FILTERS])
    window = schema.Pool2DOptionsT(padding=schema.Padding.VALID, strideH=2, strideW=2, filterHeight=2, filterWidth=2)
    graph.operator("MAX_POOL_2D", [second], [pooled], window)
    flat = graph.tensor("flat", [-1, FILTERS * (SIZE // 2) ** 2])
    shape = graph.constant("flat/shape", np.array([-1, FILTERS * (SIZE // 2) ** 2], np.int32))
    graph.operator("RESHAPE", [pooled, shape], [flat])
    scores, probabilities = graph.tensor("scores", [-1, CLASSES]), graph.tensor("probabilities", [-1, CLASSES])
    operands = [flat, constants[DENSE], constants[f"{DENSE}/bias"]]
    graph.operator("FULLY_CONNECTED", operands, [scores], schema.FullyConnectedOptionsT())
    graph.operator("SOFTMAX", [scores], [probabilities], schema.SoftmaxOptionsT(beta=1.0))
    graph.signature("serving_default", {"image": image}, {"probabilities": probabilities})
    return graph.build([image], [probabilities])


def examples(seed: int, count: int) -> tuple[Array, Array]:
    """uint8 images with a bright quarter, and which quarter it is."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 120, (count, SIZE, SIZE, 1))
    labels = generator.integers(0, CLASSES, count)
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 2)
        image[row * 4 : row * 4 + 4, column * 4 : column * 4 + 4] += 100
    return images.astype(np.uint8), labels
