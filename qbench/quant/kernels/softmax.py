"""SOFTMAX of integers, over the last axis."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.errors import UnspecifiedError
from qbench.quant.fixedpoint import (
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    round_half_away,
    saturating_rounding_doubling_high_mul,
)
from qbench.quant.kernels.arguments import check_family, check_params, check_scale, check_symmetric, check_tensor
from qbench.quant.kernels.gemmlowp import exp_on_negative_values, one_over_one_plus_x

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    from qbench.quant.affine import Array, QuantizationParameters
    from qbench.quant.family import Family

#: ``builtin`` is left out for 8 bits: it adds float32 exponentials of the host's C library, and on AArch64 it is
#: another algorithm.
EXACT: Mapping[str, Mapping[str, frozenset[Family]]] = {
    "SOFTMAX": {
        "int8": frozenset({"reference"}),
        "uint8": frozenset({"reference"}),
        "int16": frozenset({"reference", "builtin"}),
    },
}

_DIFFERENCE_BITS, _SUM_BITS = 5, 12
#: The `int16` kernel takes exponentials in this range for what is not negligible.
_EXP_RANGE = 10.0
#: What a step of an output is, and the zero point of ``int8``; the runtime refuses any other.
_PROBABILITY_STEPS, _LOWEST = {"int8": 1 / 256, "int16": 1 / 32768}, -128


def softmax(
    inputs: Array,
    *,
    beta: float = 1.0,
    input_params: QuantizationParameters,
    output_params: QuantizationParameters,
    family: Family = "reference",
) -> Array:
    """``exp(beta * x) / sum(exp(beta * x))`` over the last axis.

    Parameters
    ----------
    inputs
        Stored values of any shape with at least one axis; ``int8``, ``uint8`` or ``int16``.
    beta
        Positive factor of the inputs.
    input_params
        Only the scale counts.
    output_params
        Its dtype is that of the inputs, or ``int16`` for 8 bits. The 8-bit kernels take the scale for 1/256, the
        ``int16`` kernels for 1/32768 (``builtin`` uses the one it is given), with the lowest value of the dtype as
        the zero point, or 0 for ``int16``; an ``int16`` output of an 8-bit input starts at -32768 in ``reference``.
    family
        Kernels to follow. The delegate leaves quantized SOFTMAX to the runtime: ``xnnpack`` is ``builtin``.

        ``reference`` (8 bits)
            gemmlowp's fixed-point exponential of the differences to the maximum, a sum with 19 fractional bits,
            and its reciprocal by Newton's method.
        ``builtin`` (8 bits, x86-64)
            float32 all through: a table of 256 exponentials, added in order, ``round(e * (1 / (sum * scale)))``.
        ``int16``
            Two tables of 513 entries with interpolation, for exp on [-10, 0] and 1 / (1 + x), in all families.

    Returns
    -------
    Array
        Of the shape of `inputs` and the dtype of `output_params`.

    Raises
    ------
    UnspecifiedError
        For wrong dtypes; for a scale or zero point of the output that the runtime refuses, which looks at those of
        ``int8`` and ``int16`` outputs of inputs alike only; and for what ends the process in the runtime: with
        ``reference`` and 8 bits, ``beta * scale <= 2**-26``, and rows whose exponentials add up to 512 or more
        (``int8``) times the largest one.

    Notes
    -----
    ``tflite/kernels/activations.cc``, ``tflite/kernels/internal/reference/softmax.h``,
    ``tflite/kernels/internal/optimized/optimized_ops.h``.
    """
    check_family(family)
    check_tensor("inputs", inputs, input_params)
    _check_output(input_params, output_params)
    if not inputs.ndim:
        raise UnspecifiedError("found inputs without axes, expected one at least")
    if inputs.dtype == np.int16:
        return _softmax_int16(inputs, beta, input_params)
    if family == "reference":
        return _softmax_fixed_point(inputs, beta, input_params, output_params)
    return _softmax_float(inputs, beta, input_params, output_params)


def _check_output(input_params: QuantizationParameters, output_params: QuantizationParameters) -> None:
    check_params("outputs", output_params, (input_params.dtype, "int16"))
    check_symmetric(input_params)
    dtype = output_params.dtype
    if input_params.dtype != dtype or dtype == "uint8":
        return
    check_symmetric(output_params)
    check_scale(output_params, _PROBABILITY_STEPS[dtype], tolerance=0.001)
    if dtype == "int8" and output_params.zero_point != _LOWEST:
        raise UnspecifiedError(f"found the zero point {output_params.zero_point} of the output, expected {_LOWEST}")


def _softmax_fixed_point(
    inputs: Array, beta: float, input_params: QuantizationParameters, output_params: QuantizationParameters
) -> Array:
    real = float(np.float32(beta)) * float(input_params.scale) * 2.0 ** (31 - _DIFFERENCE_BITS)
    if real <= 1:
        raise UnspecifiedError(
            f"the kernel ends the process if beta * scale <= 2**-26, got {beta} * {input_params.scale}"
        )
    multiplier, shift = quantize_multiplier(min(real, 2.0**31 - 1))
    lowest_difference = -(((1 << _DIFFERENCE_BITS) - 1) << (31 - _DIFFERENCE_BITS) >> int(shift))
    stored = inputs.astype(np.int64)
    differences = stored - stored.max(axis=-1, keepdims=True)
    counted = differences >= lowest_difference
    scaled = saturating_rounding_doubling_high_mul(np.where(counted, differences, 0) << int(shift), multiplier)
    exponentials = exp_on_negative_values(scaled, integer_bits=_DIFFERENCE_BITS)
    rounded = (exponentials + (1 << (_SUM_BITS - 1))) >> _SUM_BITS
    sums = np.where(counted, rounded, 0).sum(axis=-1, keepdims=True)
    limits = np.iinfo(output_params.dtype)
    headroom = _leading_zeros(sums)
    right_shift = _SUM_BITS - headroom + 31 - limits.bits
    if right_shift.size and right_shift.max() > 31:  # noqa: PLR2004 - bits of an int32
        raise UnspecifiedError(
            "the kernel ends the process: the exponentials of a row add up to"
            f" {np.ldexp(float(sums.max()), _SUM_BITS - 31):g} times the largest"
        )
    reciprocal = one_over_one_plus_x((sums << headroom) - (np.int64(1) << 31))
    product = saturating_rounding_doubling_high_mul(reciprocal, exponentials).astype(np.int64)
    result = ((product + (np.int64(1) << right_shift >> 1)) >> right_shift) + limits.min
    return np.where(counted, np.clip(result, limits.min, limits.max), limits.min).astype(limits.dtype)


def _softmax_float(
    inputs: Array, beta: float, input_params: QuantizationParameters, output_params: QuantizationParameters
) -> Array:
    scale = np.float32(input_params.scale) * np.float32(beta)
    stored = inputs.astype(np.int32)
    below_maximum = stored.max(axis=-1, keepdims=True) - stored
    table = np.exp((-scale * np.arange(256, dtype=np.float32)).astype(np.float64)).astype(np.float32)
    exponentials = table[below_maximum]
    # Added one after the other, as the kernel does; `sum` would add in pairs.
    sums = np.add.accumulate(exponentials, axis=-1, dtype=np.float32)[..., -1:]
    rescaled = exponentials * (np.float32(1) / (sums * np.float32(output_params.scale)))
    limits = np.iinfo(output_params.dtype)
    if output_params.dtype == "uint8":
        # Cut, not rounded, and without the zero point.
        whole = np.trunc(rescaled + np.float32(0.5))
    else:
        whole = round_half_away(rescaled) + int(output_params.zero_point)
    return np.asarray(np.clip(whole, limits.min, limits.max).astype(limits.dtype))


def _softmax_int16(inputs: Array, beta: float, input_params: QuantizationParameters) -> Array:
    step = _EXP_RANGE / 65535
    multiplier, shift = quantize_multiplier(float(np.float32(input_params.scale) * np.float32(beta)) / step)
    stored = inputs.astype(np.int32)
    differences = stored - stored.max(axis=-1, keepdims=True)
    scaled = multiply_by_quantized_multiplier(differences, multiplier, shift).astype(np.int64)
    exponentials = _interpolate(np.clip(scaled + 32767, -32768, 32767), _exp_table())
    sums = exponentials.sum(axis=-1, keepdims=True)
    headroom = _leading_zeros(sums)
    # With its leading one at bit 17: 1 + x, x in [0, 1) as 16 bits.
    normalized = ((sums << (headroom - 1)) + (1 << 13)) >> 14
    reciprocal = _interpolate(np.clip(normalized - (1 << 16) - (1 << 15), -32768, 32767), _reciprocal_table())
    right_shift = 31 - headroom
    result = (exponentials * reciprocal + (np.int64(1) << (right_shift - 1))) >> right_shift
    return np.clip(result, 0, 32767).astype(np.int16)


def _leading_zeros(x: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Zero bits above the highest one in 32 bits, of positive numbers."""
    return np.asarray(32 - np.frexp(x.astype(np.float64))[1].astype(np.int64))


@lru_cache(maxsize=1)
def _exp_table() -> npt.NDArray[np.int64]:
    return _table(np.exp, -_EXP_RANGE, 0.0)


@lru_cache(maxsize=1)
def _reciprocal_table() -> npt.NDArray[np.int64]:
    return _table(lambda x: 1.0 / (1.0 + x), 0.0, 1.0)


def _table(function: Callable[[Any], Any], low: float, high: float) -> npt.NDArray[np.int64]:
    """513 values of `function`, a number in [0, 1], in units of 2**-15.

    Each is moved by half of what linear interpolation would miss in the middle of the interval that it begins.
    """
    steps = np.arange(512)
    step = (high - low) / 512
    values, following = function(low + steps * step) * 32768, function(low + (steps + 1) * step) * 32768
    middle = round_half_away(function(low + steps * step + step / 2) * 32768)
    rounded = round_half_away(values)
    interpolated = round_half_away((following + rounded) / 2)
    table = np.append(
        rounded - round_half_away((interpolated - middle) / 2), round_half_away(function(np.float64(high)) * 32768)
    )
    return np.clip(table, -32768, 32767).astype(np.int64)


def _interpolate(x: npt.NDArray[Any], table: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Value of a table over the whole range of int16 at `x`: 9 bits of index, 7 of fraction."""
    index, offset = 256 + (x >> 7), x & 127
    return np.asarray(table[index] + (((table[index + 1] - table[index]) * offset + 64) >> 7))
