"""A network that reads images, float or quantized, and images."""

from __future__ import annotations

import models_zoo as zoo
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from qbench.tflite.builder import Affine, Graph

SIDE, CLASSES, EXAMPLES = 8, 3, 60


def network(seed: int = 0, *, quantized: bool = False) -> bytes:
    """One FULLY_CONNECTED that reads an image of shape (8, 8, 1)."""
    weights, bias = zoo.dense_weights(SIDE * SIDE, CLASSES, seed)
    weights -= weights.mean(axis=1, keepdims=True)  # All pixels together tell nothing, or one class would win always.
    graph = Graph()
    if quantized:
        stored, affine = zoo._quantize_channels(weights)
        given = Affine(1 / 255, -128)
        x = graph.tensor("x", [1, SIDE, SIDE, 1], "int8", given)
        y = graph.tensor("y", [1, CLASSES], "int8", Affine(0.1, 0))
        bias_affine = Affine(given.scale * np.asarray(affine.scale))
        bias = np.rint(bias / bias_affine.scale).astype(np.int32)
        operands = [x, graph.constant("weights", stored, affine), graph.constant("bias", bias, bias_affine)]
    else:
        x, y = graph.tensor("x", [1, SIDE, SIDE, 1]), graph.tensor("y", [1, CLASSES])
        operands = [x, graph.constant("weights", weights), graph.constant("bias", bias)]
    graph.operator("FULLY_CONNECTED", operands, [y], schema.FullyConnectedOptionsT(), version=4 if quantized else 1)
    return graph.build([x], [y])


def photos(seed: int = 0) -> np.ndarray:
    """uint8 images of noise."""
    return np.random.default_rng(seed).integers(0, 256, (EXAMPLES, SIDE, SIDE, 1), np.uint8)
