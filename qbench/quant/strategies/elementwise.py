"""Strategies for operators that take elements by themselves: arithmetic, activations, conversions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from qbench.quant.affine import QuantizationParameters
from qbench.quant.strategies.layers import activation

if TYPE_CHECKING:
    from qbench.quant.strategies.draft import Draft, Signal


def _power_of_two(scale: float) -> bool:
    return math.frexp(scale)[0] == 0.5  # noqa: PLR2004 - frexp's fraction of a power of two


def _second(draft: Draft, x: Signal, params: QuantizationParameters) -> Signal:
    """An operand that x can be broadcast with: as large, 1 in some dimensions, or of a lower rank."""
    for signal in reversed(draft.earlier):
        if signal.shape == x.shape and signal.params is not None and draft.boolean():
            return signal
    kind = draft.choice("same", "same", "ones", "last", "scalar")
    shape = x.shape
    if kind == "ones":
        shape = tuple(size if draft.boolean() else 1 for size in x.shape)
    elif kind == "last":
        shape = x.shape[-1:]
    elif kind == "scalar":
        shape = (1,)
    return draft.operand(shape, params)


def _sum(draft: Draft, x: Signal, name: str, options: Any) -> Signal:
    scale = float(x.stored_as.scale)
    # int16 has two kernels: one for powers of two, by shifts alone, and one for all other scales.
    shifts = draft.dtype == "int16" and _power_of_two(scale) and draft.boolean()
    options.potScaleInt16 = shifts
    fused = activation(draft)
    options.fusedActivationFunction = fused.number
    if shifts:
        y = draft.operand(x.shape, draft.params(scale * 2.0 ** draft.integer(-3, 3)))
    else:
        y = _second(draft, x, draft.params(scale * 2.0 ** draft.integer(-4, 4) * draft.choice(1.0, 1.25, 1.0371)))
    scales = scale, float(y.stored_as.scale)
    magnitude = math.hypot(x.rms * scales[0], y.rms * scales[1])
    if shifts:
        params = draft.params(max(scales))
    else:
        # The optimized ADD of int8 wraps what leaves 16 bits: twice 255 steps of the larger scale must not.
        at_least = max(scales) / 64
        params = draft.output_params(magnitude, at_least=at_least, at_most=fused.max_scale, halfway=fused.halfway)
    output = draft.output(np.broadcast_shapes(x.shape, y.shape), params, magnitude=magnitude)
    order = [x.index, y.index] if draft.choice(True, True, False) else [y.index, x.index]  # noqa: FBT003
    versions = (2, 2 if shifts else 3) if name == "ADD" else (2, 2 if shifts else 5)
    return draft.operator(name, order, output, options, versions=versions)


def add(draft: Draft, x: Signal) -> Signal:
    """ADD of two tensors, or of a tensor and a constant, broadcast."""
    return _sum(draft, x, "ADD", schema.AddOptionsT())


def sub(draft: Draft, x: Signal) -> Signal:
    """SUB, as ADD."""
    return _sum(draft, x, "SUB", schema.SubOptionsT())


def _reach(x: Signal) -> int:
    """How far a stored value can be from the zero point."""
    params = x.stored_as
    return max(params.qmax - int(params.zero_point), int(params.zero_point) - params.qmin)


def mul(draft: Draft, x: Signal) -> Signal:
    """MUL of two tensors, or of a tensor and a constant, broadcast."""
    y = _second(draft, x, draft.params())
    fused = activation(draft)
    options = schema.MulOptionsT(fusedActivationFunction=fused.number)
    product = float(x.stored_as.scale) * float(y.stored_as.scale)
    magnitude = product * x.rms * y.rms
    # XNNPACK takes factors below 256 only, and the optimized kernel of int8 wraps what leaves 16 bits.
    at_least = product * (_reach(x) * _reach(y) / 32000 if draft.dtype == "int8" else 1 / 64)
    params = draft.output_params(
        magnitude,
        at_least=at_least,
        at_most=fused.max_scale,
        powers_of=draft.choice(None, None, product),
        halfway=fused.halfway,
    )
    output = draft.output(np.broadcast_shapes(x.shape, y.shape), params, magnitude=magnitude)
    order = [x.index, y.index] if draft.choice(True, True, False) else [y.index, x.index]  # noqa: FBT003
    return draft.operator("MUL", order, output, options, versions=(2, 4))


def _fixed(draft: Draft, x: Signal, name: str, *, bits: int, zero_point: int, options: Any = None) -> Signal:
    """An operator whose output has parameters that the specification sets: ``2**-bits`` and `zero_point`."""
    if draft.dtype == "int16":
        bits, zero_point = 15, 0
    params = QuantizationParameters(np.float32(2.0**-bits), zero_point, dtype=draft.dtype)
    return draft.operator(name, [x.index], draft.output(x.shape, params, magnitude=0.5), options, versions=(2, 3))


def softmax(draft: Draft, x: Signal) -> Signal:
    """SOFTMAX over the last dimension, with a beta that is mostly 1."""
    options = schema.SoftmaxOptionsT(beta=draft.choice(1.0, 1.0, 1.0, 0.5, 2.0))
    return _fixed(draft, x, "SOFTMAX", bits=8, zero_point=-128, options=options)


def logistic(draft: Draft, x: Signal) -> Signal:
    """LOGISTIC."""
    return _fixed(draft, x, "LOGISTIC", bits=8, zero_point=-128)


def tanh(draft: Draft, x: Signal) -> Signal:
    """TANH."""
    return _fixed(draft, x, "TANH", bits=7, zero_point=0)


def _rescaled(
    draft: Draft,
    x: Signal,
    name: str,
    options: Any = None,
    *,
    versions: tuple[int, int] = (2, 2),
    halfway: float | None = None,
) -> Signal:
    """An operator whose output has parameters of its own, near the input's as converters make them."""
    scale = float(x.stored_as.scale)
    magnitude = x.rms * scale
    if draft.choice(True, False, False):  # noqa: FBT003
        params = draft.params(scale)
    else:
        params = draft.output_params(magnitude, at_least=scale / 64, halfway=halfway)
    output = draft.output(x.shape, params, magnitude=magnitude)
    return draft.operator(name, [x.index], output, options, versions=versions)


def relu(draft: Draft, x: Signal) -> Signal:
    """RELU as an operator of its own, which rescales."""
    return _rescaled(draft, x, "RELU", versions=(2, 3))


def relu6(draft: Draft, x: Signal) -> Signal:
    """RELU6 as an operator of its own."""
    return _rescaled(draft, x, "RELU6", versions=(2, 3), halfway=draft.choice(None, None, 6.0))


def hard_swish(draft: Draft, x: Signal) -> Signal:
    """HARD_SWISH, of int8 only."""
    return _rescaled(draft, x, "HARD_SWISH", schema.HardSwishOptionsT(), versions=(1, 1))


def leaky_relu(draft: Draft, x: Signal) -> Signal:
    """LEAKY_RELU with a slope from 0.01 to 1, and some below 0."""
    alpha = draft.choice(0.5, 1.0, 0.25, 0.1, 0.2, 0.3, 0.01, -0.5)
    return _rescaled(draft, x, "LEAKY_RELU", schema.LeakyReluOptionsT(alpha=alpha), versions=(2, 2))


def quantize(draft: Draft, x: Signal) -> Signal:
    """QUANTIZE of float32."""
    unit = draft.choice(None, x.unit)
    # In steps of twice the unit, half of the values are halves.
    params = draft.output_params(x.rms, at_least=2 * unit if unit else 0.0, powers_of=unit)
    output = draft.output(x.shape, params, magnitude=x.rms)
    return draft.operator("QUANTIZE", [x.index], output, schema.QuantizeOptionsT(), versions=(1, 2))


def requantize(draft: Draft, x: Signal) -> Signal:
    """QUANTIZE of quantized values: other parameters for the same type."""
    return _rescaled(draft, x, "QUANTIZE", schema.QuantizeOptionsT(), versions=(1, 2))


def dequantize(draft: Draft, x: Signal) -> Signal:
    """DEQUANTIZE to float32."""
    output = draft.output(x.shape, None, magnitude=x.rms * float(x.stored_as.scale))
    return draft.operator("DEQUANTIZE", [x.index], output, schema.DequantizeOptionsT(), versions=(2, 3))
