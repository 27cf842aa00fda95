"""Tiny `.tflite` files, made in a few milliseconds without TensorFlow.

Each function returns the bytes of one model that is there for one reason: a dtype, a float island, a
damage, a crash. Weights come from a seed, so that the same call always returns the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from qbench.tflite.builder import Affine, Graph
from qbench.tflite.reader import read_model
from qbench.tflite.rewrite import with_constants

if TYPE_CHECKING:
    from qbench.tflite.graph import Array

# --- dense layers: one FULLY_CONNECTED, y = x @ weights.T + bias -----------------------------------------

#: Quantization of the input and the output of the dense models, by dtype of the activations.
DENSE_INPUT = {"int8": Affine(0.02, 3), "uint8": Affine(0.02, 131), "int16": Affine(1e-4)}
DENSE_OUTPUT = {"int8": Affine(0.05, -7), "uint8": Affine(0.05, 121), "int16": Affine(2e-4)}


def dense_weights(inputs: int = 4, outputs: int = 3, seed: int = 0) -> tuple[Array, Array]:
    """Float weights (outputs, inputs) and bias (outputs,) that all dense models start from."""
    generator = np.random.default_rng(seed)
    weights = generator.normal(size=(outputs, inputs)).astype(np.float32)
    return weights, generator.normal(size=outputs).astype(np.float32)


def dense_float(inputs: int = 4, outputs: int = 3, seed: int = 0, *, batch: int = 1) -> bytes:
    """float32 throughout; a `batch` of -1 is dynamic."""
    weights, bias = dense_weights(inputs, outputs, seed)
    return _dense_float(weights, bias, batch)


def _dense_float(weights: Array, bias: Array, batch: int = 1) -> bytes:
    outputs, inputs = weights.shape
    graph = Graph()
    x, y = graph.tensor("x", [batch, inputs]), graph.tensor("y", [batch, outputs])
    operands = [x, graph.constant("weights", weights), graph.constant("bias", bias)]
    return _finish_dense(graph, operands, y)


def dense_fp16(inputs: int = 4, outputs: int = 3, seed: int = 0) -> bytes:
    """float32 compute on weights that are stored as float16 and dequantized, as the fp16 recipe makes them."""
    weights, bias = dense_weights(inputs, outputs, seed)
    graph = Graph()
    x, y = graph.tensor("x", [1, inputs]), graph.tensor("y", [1, outputs])
    operands = [x]
    for name, values in {"weights": weights, "bias": bias}.items():
        half = graph.constant(f"{name}/half", values.astype(np.float16))
        operands.append(graph.tensor(name, values.shape))
        graph.operator("DEQUANTIZE", [half], operands[-1:], schema.DequantizeOptionsT(), version=3)
    return _finish_dense(graph, operands, y)


def dense_hybrid(inputs: int = 4, outputs: int = 3, seed: int = 0) -> bytes:
    """float32 activations on int8 weights, as dynamic-range quantization makes it."""
    weights, bias = dense_weights(inputs, outputs, seed)
    stored, affine = _quantize_channels(weights)
    graph = Graph()
    x, y = graph.tensor("x", [1, inputs]), graph.tensor("y", [1, outputs])
    operands = [x, graph.constant("weights", stored, affine), graph.constant("bias", bias)]
    return _finish_dense(graph, operands, y, version=9)


def dense_int8(inputs: int = 4, outputs: int = 3, seed: int = 0, *, batch: int = 1) -> bytes:
    """int8 in and out, int8 weights per channel, int32 bias."""
    return _dense_quantized("int8", inputs, outputs, seed, batch)


def saturated_bias(stored: int = -(1 << 31), dtype: str = "int8") -> bytes:
    """`dense_int8` (or `dense_int16`) whose bias of channel 1 is `stored`."""
    content = _dense_quantized(dtype, 4, 3, 0, 1)
    bias = read_model(content).subgraphs[0].tensors[3].constant()
    assert bias is not None
    bias = bias.copy()
    bias[1] = stored
    return with_constants(content, {3: bias})


def undelegated_int8() -> bytes:
    """`dense_int8` that XNNPACK leaves to the runtime, with equal results: its bias has no quantization parameters."""
    return _dense_quantized("int8", 4, 3, 0, 1, delegated=False)


def dense_int8_and_back(*operators: str) -> bytes:
    """`dense_int8`, then DEQUANTIZE, each of `operators` with a constant below everything, and QUANTIZE.

    With MAXIMUM the operators change no value: what is predicted is what `dense_int8` predicts.
    """
    weights, bias = dense_weights()
    stored, affine = _quantize_channels(weights)
    bias_scale = DENSE_INPUT["int8"].scale * affine.scale
    graph = Graph()
    x = graph.tensor("x", [1, 4], "int8", DENSE_INPUT["int8"])
    dense, y = (graph.tensor(name, [1, 3], "int8", DENSE_OUTPUT["int8"]) for name in ("dense", "y"))
    operands = [x, graph.constant("weights", stored, affine)]
    operands.append(graph.constant("bias", np.rint(bias / bias_scale).astype(np.int32), Affine(bias_scale)))
    graph.operator("FULLY_CONNECTED", operands, [dense], schema.FullyConnectedOptionsT(), version=4)
    real = graph.tensor("real", [1, 3])
    graph.operator("DEQUANTIZE", [dense], [real], schema.DequantizeOptionsT(), version=2)
    for operator in operators:
        other = graph.tensor(f"{operator.lower()}_of_{real}", [1, 3])
        low = graph.constant(f"low{real}", np.full(1, -1e9, np.float32))
        graph.operator(operator, [real, low], [other], schema.MaximumMinimumOptionsT())
        real = other
    graph.operator("QUANTIZE", [real], [y], schema.QuantizeOptionsT())
    return graph.build([x], [y])


def dense_int16(inputs: int = 4, outputs: int = 3, seed: int = 0) -> bytes:
    """16x8: int16 in and out without zero point, int8 weights per channel, int64 bias."""
    return _dense_quantized("int16", inputs, outputs, seed, 1)


def dense_uint8(inputs: int = 4, outputs: int = 3, seed: int = 0) -> bytes:
    """The older scheme: uint8 in, out and weights, all per tensor with a zero point, int32 bias."""
    return _dense_quantized("uint8", inputs, outputs, seed, 1)


def dense_int4(inputs: int = 4, outputs: int = 4, seed: int = 0) -> bytes:
    """float32 activations on int4 weights, two in a byte."""
    weights, bias = dense_weights(inputs, outputs, seed)
    stored, affine = _quantize_channels(weights, most=7)
    graph = Graph()
    x, y = graph.tensor("x", [1, inputs]), graph.tensor("y", [1, outputs])
    operands = [x, graph.constant("weights", stored, affine, dtype="int4"), graph.constant("bias", bias)]
    return _finish_dense(graph, operands, y, version=9)


def _dense_quantized(dtype: str, inputs: int, outputs: int, seed: int, batch: int, *, delegated: bool = True) -> bytes:
    weights, bias = dense_weights(inputs, outputs, seed)
    if dtype == "uint8":
        affine = Affine(float(np.abs(weights).max() / 127), 128)
        stored = (np.rint(weights / affine.scale) + 128).astype(np.uint8)
    else:
        stored, affine = _quantize_channels(weights)
    bias_scale = DENSE_INPUT[dtype].scale * affine.scale
    stored_bias = np.rint(bias / bias_scale).astype(np.int64 if dtype == "int16" else np.int32)
    graph = Graph()
    x = graph.tensor("x", [batch, inputs], dtype, DENSE_INPUT[dtype])
    y = graph.tensor("y", [batch, outputs], dtype, DENSE_OUTPUT[dtype])
    bias_affine = Affine(bias_scale) if delegated else None
    operands = [x, graph.constant("weights", stored, affine), graph.constant("bias", stored_bias, bias_affine)]
    return _finish_dense(graph, operands, y, version={"uint8": 1, "int8": 4, "int16": 7}[dtype])


def _finish_dense(graph: Graph, operands: list[int], y: int, version: int = 1) -> bytes:
    graph.operator("FULLY_CONNECTED", operands, [y], schema.FullyConnectedOptionsT(), version=version)
    return graph.build(operands[:1], [y])


def _quantize_channels(weights: Array, most: int = 127) -> tuple[Array, Affine]:
    """Symmetric int8 weights with one scale for each index of dimension 0."""
    scale = np.abs(weights).reshape(len(weights), -1).max(axis=1) / np.float32(most)
    stored = np.rint(weights / scale.reshape(-1, *[1] * (weights.ndim - 1))).astype(np.int8)
    return stored, Affine(scale)


def dynamic_batch_float() -> bytes:
    """`dense_float` whose first dimension is -1."""
    return dense_float(batch=-1)


def dynamic_batch_int8() -> bytes:
    """`dense_int8` whose first dimension is -1."""
    return dense_int8(batch=-1)


# --- other healthy models ---------------------------------------------------------------------------------


def conv_int8(size: int = 8, seed: int = 0) -> bytes:
    """One CONV_2D 3x3 from 3 to 4 channels on (1, size, size, 3), int8 per channel, same padding."""
    graph = Graph()
    x = graph.tensor("x", [1, size, size, 3], "int8", Affine(0.02, 3))
    y = _conv(graph, x, (size, size, 3, 4), seed)
    return graph.build([x], [y])


def _conv(graph: Graph, x: int, shape: tuple[int, int, int, int], seed: int) -> int:
    """Add an int8 CONV_2D 3x3 to `graph`; `shape` is (height, width, channels in, channels out)."""
    height, width, channels, filters = shape
    generator = np.random.default_rng(seed)
    stored, affine = _quantize_channels(generator.normal(size=(filters, 3, 3, channels)).astype(np.float32))
    bias = generator.integers(-500, 500, size=filters, dtype=np.int32)
    y = graph.tensor(f"conv{seed}", [1, height, width, filters], "int8", Affine(0.1, -5))
    operands = [x, graph.constant(f"weights{seed}", stored, affine)]
    operands.append(graph.constant(f"bias{seed}", bias, Affine(0.02 * np.asarray(affine.scale))))
    options = schema.Conv2DOptionsT(padding=schema.Padding.SAME, strideH=1, strideW=1)
    graph.operator("CONV_2D", operands, [y], options, version=3)
    return y


def float_island(seed: int = 0) -> bytes:
    """int8 CONV_2D, then EXP and RESHAPE in float between DEQUANTIZE and QUANTIZE, then int8 CONV_2D."""
    graph = Graph()
    shape = (1, 4, 4, 3)
    x = graph.tensor("x", shape, "int8", Affine(0.02, 3))
    first = _conv(graph, x, (4, 4, 3, 3), seed)
    real, grown, shaped = (graph.tensor(name, shape) for name in ("real", "grown", "shaped"))
    graph.operator("DEQUANTIZE", [first], [real], schema.DequantizeOptionsT(), version=2)
    graph.operator("EXP", [real], [grown], schema.ExpOptionsT())
    graph.operator("RESHAPE", [grown, graph.constant("shape", np.array(shape, np.int32))], [shaped])
    back = graph.tensor("back", shape, "int8", Affine(0.02, -128))
    graph.operator("QUANTIZE", [shaped], [back], schema.QuantizeOptionsT())
    y = _conv(graph, back, (4, 4, 3, 3), seed + 1)
    return graph.build([x], [y])


def two_inputs_two_outputs() -> bytes:
    """Float ``left + right`` and ``left * right`` of shape (1, 4), with the signature ``serving_default``."""
    graph = Graph()
    left, right, total, product = (graph.tensor(name, [1, 4]) for name in ("left", "right", "sum", "product"))
    graph.operator("ADD", [left, right], [total], schema.AddOptionsT())
    graph.operator("MUL", [left, right], [product], schema.MulOptionsT())
    graph.signature("serving_default", {"left": left, "right": right}, {"sum": total, "product": product})
    return graph.build([left, right], [total, product])


def string_input() -> bytes:
    """Whether each of two strings equals itself: a healthy model whose input is no number."""
    graph = Graph()
    x, y = graph.tensor("x", [2], "string"), graph.tensor("y", [2], "bool")
    graph.operator("EQUAL", [x, x], [y], schema.EqualOptionsT(), version=3)
    return graph.build([x], [y])


# --- models with a defect ---------------------------------------------------------------------------------


def nan_output() -> bytes:
    """`dense_float` with a NaN among its weights: output 0 is NaN for every input, the others are fine."""
    weights, bias = dense_weights()
    weights[0, 0] = np.nan
    return _dense_float(weights, bias)


def unresolved_custom_operator() -> bytes:
    """A custom operator ``NoSuchKernel`` that no runtime resolves: allocating tensors fails."""
    graph = Graph()
    x, y = graph.tensor("x", [1, 4]), graph.tensor("y", [1, 4])
    graph.operator("custom:NoSuchKernel", [x], [y])
    return graph.build([x], [y])


def empty_weights() -> bytes:
    """`dense_float` whose weights have a buffer without data, as a conversion leaves it that lost them."""
    graph = Graph()
    x, y = graph.tensor("x", [1, 4]), graph.tensor("y", [1, 3])
    weights = graph.tensor("weights", [3, 4], buffer=graph.buffer(None))
    operands = [x, weights, graph.constant("bias", np.zeros(3, np.float32))]
    return _finish_dense(graph, operands, y)


def aborting() -> bytes:
    """Ends its process with SIGABRT in `allocate_tensors`, on every instruction set and with every op resolver.

    An int8 ADD whose output scale (1e-9) is far too small for its inputs' (1.0). XNNPACK declines it, and
    the kernel's preparation wants a rescaling factor below 1 so much that it calls ``abort()``: one wrong
    scale in a quantized model kills whoever loads it.
    """
    graph = Graph()
    left, right = (graph.tensor(name, [1, 4], "int8", Affine(1.0)) for name in ("left", "right"))
    total = graph.tensor("sum", [1, 4], "int8", Affine(1e-9))
    graph.operator("ADD", [left, right], [total], schema.AddOptionsT(), version=2)
    return graph.build([left, right], [total])


def aborting_in_invoke() -> bytes:
    """Loads and allocates, then ends its process with SIGFPE in `invoke`, on x86 only.

    FLOOR_MOD of the smallest int32 by -1, an overflow that x86 traps; the kernel guards only against
    division by zero. Other instruction sets do not trap it and answer 0.
    """
    graph = Graph()
    x, y = graph.tensor("x", [1], "int32"), graph.tensor("y", [1], "int32")
    smallest = graph.constant("smallest", np.array([np.iinfo(np.int32).min], np.int32))
    minus_one = graph.constant("minus_one", np.array([-1], np.int32))
    rest = graph.tensor("rest", [1], "int32")
    graph.operator("FLOOR_MOD", [smallest, minus_one], [rest], schema.FloorModOptionsT())
    graph.operator("ADD", [x, rest], [y], schema.AddOptionsT())
    return graph.build([x], [y])


def hanging() -> bytes:
    """Loads and allocates, but `invoke` never returns: a WHILE whose condition is 1 == 1, for every input."""
    graph = Graph()
    x, y = graph.tensor("x", [1]), graph.tensor("y", [1])
    condition, body = Graph(graph), Graph(graph)
    state, always = condition.tensor("state", [1]), condition.tensor("always", [1], "bool")
    one = condition.constant("one", np.ones(1, np.int32))
    condition.operator("EQUAL", [one, one], [always], schema.EqualOptionsT(), version=2)
    condition.ends([state], [always])
    before, after = body.tensor("before", [1]), body.tensor("after", [1])
    body.operator("ABS", [before], [after], schema.AbsOptionsT())
    body.ends([before], [after])
    loop = schema.WhileOptionsT(condSubgraphIndex=condition.index, bodySubgraphIndex=body.index)
    graph.operator("WHILE", [x], [y], loop)
    return graph.build([x], [y])
