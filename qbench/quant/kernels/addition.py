"""ADD and SUB of two quantized tensors, which broadcast as numpy's do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qbench.errors import UnspecifiedError
from qbench.quant.fixedpoint import multiply_by_quantized_multiplier, quantize_multiplier, rounding_divide_by_pot
from qbench.quant.kernels.activation_range import activation_range
from qbench.quant.kernels.elementwise import checked_dtype, combine_elements, is_delegated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qbench.quant.affine import Array, QuantizationParameters
    from qbench.quant.family import Family
    from qbench.quant.kernels.elementwise import Combine

#: For which families each oracle is claimed to be exact to the bit, by dtype of the activations. The optimized ADD
#: shifts before it multiplies where `add` rounds twice: 1 to 100 results in 40 million differ by one.
EXACT: Mapping[str, Mapping[str, frozenset[Family]]] = {
    "ADD": {
        "int8": frozenset({"reference", "xnnpack"}),
        "uint8": frozenset({"reference", "xnnpack"}),
        "int16": frozenset({"reference"}),
    },
    "SUB": {
        "int8": frozenset({"reference", "builtin", "xnnpack"}),
        "uint8": frozenset({"reference", "builtin", "xnnpack"}),
        "int16": frozenset({"reference", "builtin"}),
    },
}

#: How far inputs are shifted to the left before they are scaled, so that rounding them loses nothing that matters.
_LEFT_SHIFT = {"int8": 20, "uint8": 20, "int16": 15}
#: Ratios of an input's scale to the output's that the delegate takes: [low, high).
_DELEGATED = (2.0**-10, 2.0**8)
#: XNNPACK scales the larger of two summands by a multiplier of this many bits after the first.
_MULTIPLIER_BITS = 20
#: How far from an integer the logarithm of a scale may be for the scale to count as a power of two.
_LOGARITHM_TOLERANCE = 1e-3


def add(
    a: Array,
    b: Array,
    *,
    a_params: QuantizationParameters,
    b_params: QuantizationParameters,
    output_params: QuantizationParameters,
    activation: str = "NONE",
    pot_scale_int16: bool = True,
    family: Family = "reference",
) -> Array:
    """``activation(a + b)``.

    The kernels of the runtime bring both inputs to the scale ``2 * max(a_scale, b_scale) / 2**left_shift`` (20 for
    8 bits, 15 for int16), add, and bring the sum to the output's scale; each of the three steps rounds as
    `multiply_by_quantized_multiplier` does. XNNPACK rounds once: with the integers ``m = rint(scale / output_scale *
    2**shift)``, the larger of which has 21 bits, ``(m_a * (a - a_zero) + m_b * (b - b_zero) + 2**(shift-1)) >> shift``.
    The optimized kernels (``builtin``) may be off by one, and 8-bit ones wrap where a sum is ``2**15`` or more of the
    output's steps before it is clamped; this oracle gives what ``reference`` gives.

    Parameters
    ----------
    a, b
        Stored values, int8, uint8 or int16, of any shapes that broadcast; constants or not.
    a_params, b_params, output_params
        One scale and zero point each, and the same dtype; int16 has zero points of 0.
    activation
        ``NONE``, ``RELU``, ``RELU_N1_TO_1`` or ``RELU6``.
    pot_scale_int16
        The option of the operator, which is True where a file does not say. It matters only for int16 with
        all three scales powers of two: the inputs are then shifted to the output's scale and added, saturating.
    family
        Kernels to follow. Where the delegate leaves the operator to the runtime (int16, or an input's scale
        outside of ``[2**-10, 2**8)`` times the output's), ``xnnpack`` means ``builtin``.

    Returns
    -------
    Array
        Stored values of the output in the shape that both inputs broadcast to.

    Raises
    ------
    UnspecifiedError
        If the runtime refuses the parameters, or ends the process: for inputs of ``2**19`` times the output's
        scale (int16: ``2**14``), and for shapes that differ where powers of two are shifted.

    Notes
    -----
    ``tflite/kernels/add.cc``, ``tflite/kernels/internal/reference/add.h`` and ``integer_ops/add.h``; XNNPACK's
    ``src/microparams-init.c`` and ``src/qs8-vadd``.
    """
    return _sum(a, b, 1, (a_params, b_params, output_params), activation, pot_scale_int16, family)


def sub(
    a: Array,
    b: Array,
    *,
    a_params: QuantizationParameters,
    b_params: QuantizationParameters,
    output_params: QuantizationParameters,
    activation: str = "NONE",
    pot_scale_int16: bool = True,
    family: Family = "reference",
) -> Array:
    """``activation(a - b)``: as `add`, with the second scaled input subtracted.

    Two things differ. Where powers of two are shifted, shapes may differ. And an output scale of less than
    ``2**-19`` (int16: ``2**-14``) times an input's is let through by the runtime, whose kernels then shift by a
    negative number of bits: what C leaves undefined is here the shift to the left that was meant.

    Notes
    -----
    ``tflite/kernels/sub.cc`` and ``tflite/kernels/internal/reference/sub.h``; XNNPACK negates the second scale.
    """
    return _sum(a, b, -1, (a_params, b_params, output_params), activation, pot_scale_int16, family)


def _sum(
    a: Array,
    b: Array,
    sign: int,
    params: tuple[QuantizationParameters, QuantizationParameters, QuantizationParameters],
    activation: str,
    pot_scale_int16: bool,  # noqa: FBT001 - passed on
    family: Family,
) -> Array:
    dtype = checked_dtype(a, b, params, family)
    ratios = [np.float32(each.scale) / np.float32(params[2].scale) for each in params[:2]]
    if family == "xnnpack" and is_delegated(dtype, _DELEGATED, *ratios):
        combine = _sum_rounded_once(params, sign, activation_range(activation, params[2], family="xnnpack"))
    elif dtype == "int16" and pot_scale_int16 and all(_is_power_of_two(each.scale) for each in params):
        if sign == 1 and a.shape != b.shape:
            raise UnspecifiedError(
                f"the runtime ends the process for an int16 ADD of {a.shape} and {b.shape} whose scales are powers "
                "of two: give the operator the option pot_scale_int16 = false"
            )
        combine = _sum_of_shifted(params, sign, activation_range(activation, params[2]))
    else:
        combine = _sum_rounded_thrice(params, sign, activation_range(activation, params[2]))
    return combine_elements(combine, a, b, dtype)


def _sum_rounded_thrice(params: tuple[QuantizationParameters, ...], sign: int, bounds: tuple[int, int]) -> Combine:
    zero_a, zero_b, zero = (int(each.zero_point) for each in params)
    left_shift = _LEFT_SHIFT[params[2].dtype]
    scale_a, scale_b, scale = (float(each.scale) for each in params)
    common = 2 * max(scale_a, scale_b)
    output_factor = common / (2.0**left_shift * scale)
    if (sign == 1 and output_factor >= 1) or output_factor == 1:
        raise UnspecifiedError(
            f"the runtime ends the process for inputs with scales {scale_a:g} and {scale_b:g} and an output with scale "
            f"{scale:g}, which must be more than 2**{1 - left_shift} times the larger of them"
        )
    significand_a, shift_a = quantize_multiplier(scale_a / common)
    significand_b, shift_b = quantize_multiplier(scale_b / common)
    significand, shift = quantize_multiplier(output_factor)

    def combine(x: Array, y: Array) -> Array:
        scaled_x = multiply_by_quantized_multiplier((x - zero_a) << left_shift, significand_a, shift_a)
        scaled_y = multiply_by_quantized_multiplier((y - zero_b) << left_shift, significand_b, shift_b)
        total = multiply_by_quantized_multiplier(scaled_x + sign * scaled_y, significand, shift)
        return np.clip(total + zero, *bounds)

    return combine


def _sum_of_shifted(params: tuple[QuantizationParameters, ...], sign: int, bounds: tuple[int, int]) -> Combine:
    log_a, log_b, log = (int(np.rint(np.log2(each.scale))) for each in params)
    right_a, right_b = log - log_a, log - log_b
    if min(right_a, right_b) != 0:
        raise UnspecifiedError(
            "where powers of two are shifted, the larger input scale must be the output's: "
            f"got 2**{log_a} and 2**{log_b} into 2**{log}"
        )

    def combine(x: Array, y: Array) -> Array:
        return np.clip(rounding_divide_by_pot(x, right_a) + sign * rounding_divide_by_pot(y, right_b), *bounds)

    return combine


def _sum_rounded_once(params: tuple[QuantizationParameters, ...], sign: int, bounds: tuple[int, int]) -> Combine:
    zero_a, zero_b, zero = (int(each.zero_point) for each in params)
    ratios = np.array([each.scale / params[2].scale for each in params[:2]], np.float32)
    shift = _MULTIPLIER_BITS - (int(np.frexp(ratios.max())[1]) - 1)
    factor_a, factor_b = (int(factor) for factor in np.rint(np.ldexp(ratios, shift)))
    factor_b *= sign
    bias = (1 << (shift - 1)) - factor_a * zero_a - factor_b * zero_b

    def combine(x: Array, y: Array) -> Array:
        return np.asarray(np.clip(((x * factor_a + y * factor_b + bias) >> shift) + zero, *bounds))

    return combine


def _is_power_of_two(scale: Array) -> bool:
    logarithm = np.log2(np.float32(scale))
    return bool(abs(logarithm - np.rint(logarithm)) < _LOGARITHM_TOLERANCE)
