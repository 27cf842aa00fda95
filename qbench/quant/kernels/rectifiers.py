"""RELU and its relatives as operators of their own, LEAKY_RELU and HARD_SWISH, of integers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.errors import UnspecifiedError
from qbench.quant.fixedpoint import multiply_by_quantized_multiplier, quantize_multiplier
from qbench.quant.kernels.activation_range import activation_range
from qbench.quant.kernels.arguments import check_unary

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from qbench.quant.affine import Array, QuantizationParameters
    from qbench.quant.family import Family

    Int64Array = npt.NDArray[np.int64]

_RUNTIME: frozenset[Family] = frozenset({"reference", "builtin"})
_ALL: frozenset[Family] = frozenset({"reference", "builtin", "xnnpack"})

EXACT: Mapping[str, Mapping[str, frozenset[Family]]] = {
    "RELU": {"int8": _RUNTIME, "uint8": _RUNTIME, "int16": _RUNTIME},
    "RELU6": {"int8": _RUNTIME, "uint8": _RUNTIME, "int16": _RUNTIME},
    "RELU_N1_TO_1": {"int8": _RUNTIME, "uint8": _RUNTIME},
    "LEAKY_RELU": {"int8": _ALL, "uint8": _ALL, "int16": _RUNTIME},
    "HARD_SWISH": {"int8": _RUNTIME, "uint8": _RUNTIME},
}

_OPERATORS = ("RELU", "RELU6", "RELU_N1_TO_1")
_INT16_MAX = 32767


def rectifier(
    inputs: Array,
    *,
    activation: str,
    input_params: QuantizationParameters,
    output_params: QuantizationParameters,
    family: Family = "reference",
) -> Array:
    """RELU, RELU6 and RELU_N1_TO_1: the input at the output's scale, clamped.

    ``clamp(output_zero_point + (x - input_zero_point) * input_scale / output_scale)`` in fixed point, with the
    bounds of `activation_range`.

    Parameters
    ----------
    inputs
        Stored values of any shape; ``int8``, ``uint8``, or ``int16`` (but RELU_N1_TO_1).
    activation
        ``RELU``, ``RELU6`` or ``RELU_N1_TO_1``.
    input_params, output_params
        Of the dtype of the inputs; zero points of ``int16`` are 0.
    family
        Without effect: all kernels are the same, and the delegate leaves them to the runtime.

    Returns
    -------
    Array
        Of the shape and dtype of `inputs`.

    Raises
    ------
    UnspecifiedError
        If the output's scale is so small that a bound does not fit in int32. The conversion is undefined in C.

    Notes
    -----
    ``tflite/kernels/activations.cc``, ``ReluX`` in ``tflite/kernels/internal/reference/reference_ops.h``.
    """
    if activation not in _OPERATORS:
        raise UnspecifiedError(f"found the operator {activation!r}, expected one of {', '.join(_OPERATORS)}")
    check_unary(inputs, (input_params, output_params), family, tuple(EXACT[activation]))
    ratio = np.float32(input_params.scale) / np.float32(output_params.scale)
    scaled = _rescale(_distance(inputs, input_params), ratio) + int(output_params.zero_point)
    low, high = activation_range(activation, output_params)
    return np.asarray(np.minimum(np.maximum(scaled, low), high).astype(inputs.dtype))


def leaky_relu(
    inputs: Array,
    *,
    alpha: float,
    input_params: QuantizationParameters,
    output_params: QuantizationParameters,
    family: Family = "reference",
) -> Array:
    """``x`` at and above 0, ``alpha * x`` below.

    Parameters
    ----------
    inputs
        Stored values of any shape; ``int8``, ``uint8`` or ``int16``.
    alpha
        Any float32 for ``reference``.
    input_params, output_params
        Of the dtype of the inputs; zero points of ``int16`` are 0.
    family
        ``reference`` and ``builtin`` rescale in fixed point with 31 bits. ``xnnpack`` does with factors in units
        of 1/256, rounded half to even, and rounds the product half up; it leaves ``int16`` and factors that
        do not fit 16 bits to the runtime.

    Returns
    -------
    Array
        Of the shape and dtype of `inputs`.

    Notes
    -----
    ``tflite/kernels/activations.cc``, ``tflite/kernels/internal/reference/leaky_relu.h``; XNNPACK's
    ``src/qs8-vlrelu`` and ``VisitUnaryNode`` of ``tflite/delegates/xnnpack/xnnpack_delegate.cc``.
    """
    check_unary(inputs, (input_params, output_params), family)
    distance = _distance(inputs, input_params)
    with np.errstate(over="ignore"):
        positive = np.float32(input_params.scale) / np.float32(output_params.scale)
    if family == "xnnpack" and inputs.dtype != np.int16 and _fits_xnnpack(positive, positive * np.float32(alpha)):
        factors = np.rint(np.float32(256) * np.array([positive * np.float32(alpha), positive], np.float32))
        product = distance * factors.astype(np.int64)[(distance >= 0).astype(np.int64)]
        scaled = (product + 128) >> 8
    else:
        negative = np.float32(input_params.scale) * np.float32(alpha) / np.float32(output_params.scale)
        sign = int(np.sign(negative))
        # A half is rounded up before a negative slope turns it around, or after: only `int16` differs.
        turned_first = family != "reference" and inputs.dtype == np.int16
        below = _rescale(distance * sign, abs(negative)) if turned_first else _rescale(distance, abs(negative)) * sign
        scaled = np.where(distance >= 0, _rescale(distance, positive), below)
    limits = np.iinfo(inputs.dtype)
    return np.asarray(np.clip(scaled + int(output_params.zero_point), limits.min, limits.max).astype(inputs.dtype))


def hard_swish(
    inputs: Array,
    *,
    input_params: QuantizationParameters,
    output_params: QuantizationParameters,
    family: Family = "reference",
) -> Array:
    """``x * clamp(x + 3, 0, 6) / 6``, in fixed point of 16 bits.

    Parameters
    ----------
    inputs
        Stored values of any shape; ``int8`` or ``uint8``.
    input_params, output_params
        Of the dtype of the inputs.
    family
        Without effect: the kernels agree, and the delegate leaves the operator to the runtime.

    Returns
    -------
    Array
        Of the shape and dtype of `inputs`.

    Raises
    ------
    UnspecifiedError
        If the input's scale is 128 times the output's or more: the runtime refuses that model too.

    Notes
    -----
    ``tflite/kernels/activations.cc``, ``tflite/kernels/internal/reference/hard_swish.h``. Shifts to the right of
    more than 15 bits give 1 where they should give 0, as they do there.
    """
    check_unary(inputs, (input_params, output_params), family, tuple(EXACT["HARD_SWISH"]))
    fine_scale = np.float32(input_params.scale) * np.float32(1 / 128)
    output_multiplier, output_exponent = _int16_multiplier(fine_scale / np.float32(output_params.scale))
    if output_exponent > 0:
        raise UnspecifiedError(
            f"the runtime refuses an input scale of 128 times the output's or more, got {input_params.scale}"
            f" and {output_params.scale}"
        )
    gate_multiplier, gate_exponent = _int16_multiplier(fine_scale / np.float32(3 / 32768))
    fine = _distance(inputs, input_params) << 7
    unshifted = _high_mul_int16(fine, output_multiplier)
    # The gate maps [-3, 3] to the range of int16. The last bit of a left shift comes after the multiplication,
    # so that what saturates before it saturates after it too.
    gate = _saturate_int16(fine << max(gate_exponent - 1, 0))
    gate = _saturate_int16(_high_mul_int16(gate, gate_multiplier) << int(gate_exponent > 0))
    gate = (_shift_right_int16(gate, max(-gate_exponent, 0)) + (1 << 15)) >> 1
    product = gate * unshifted
    cut = np.where(product < 0, -(-product >> 15), product >> 15)  # towards zero
    limits = np.iinfo(inputs.dtype)
    result = _shift_right_int16(cut, -output_exponent) + int(output_params.zero_point)
    return np.asarray(np.clip(result, limits.min, limits.max).astype(inputs.dtype))


def _distance(inputs: Array, params: QuantizationParameters) -> Int64Array:
    return inputs.astype(np.int64) - int(params.zero_point)


def _rescale(x: Int64Array, ratio: np.float32) -> Int64Array:
    multiplier, shift = quantize_multiplier(float(ratio))
    return multiply_by_quantized_multiplier(x, multiplier, shift).astype(np.int64)


def _fits_xnnpack(positive: np.float32, negative: np.float32) -> bool:
    """Whether the delegate takes LEAKY_RELU with these ratios of an output to an input, in units of scales."""
    smallest, largest = 1 / 256, 128
    lowest = -127.99609375  # of a 16-bit multiplier with 8 bits of fraction
    return bool(smallest <= positive <= largest and lowest <= negative <= largest and abs(negative) >= smallest)


def _int16_multiplier(real: np.float32) -> tuple[int, int]:
    multiplier, shift = (int(part) for part in quantize_multiplier(float(real)))
    return min((multiplier + (1 << 15)) >> 16, _INT16_MAX), shift


def _high_mul_int16(a: Int64Array, b: int) -> Int64Array:
    """High half of twice the product of 16-bit numbers, halves up."""
    return np.asarray(np.minimum((a * b + (1 << 14)) >> 15, _INT16_MAX))


def _saturate_int16(x: Int64Array) -> Int64Array:
    return np.clip(x, -_INT16_MAX - 1, _INT16_MAX)


def _shift_right_int16(x: Int64Array, exponent: int) -> Int64Array:
    """``x / 2**exponent``, halves away from zero, in 16 bits: from 16 on, the mask of the dropped bits is -1."""
    mask = (1 << exponent) - 1 if exponent <= 15 else -1  # noqa: PLR2004 - bits of an int16
    threshold: Any = (mask >> 1) + (x < 0)
    return np.asarray((x >> exponent) + ((x & mask) > threshold))
