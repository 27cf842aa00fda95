"""ADD, SUB and MUL of two quantized tensors, which broadcast as numpy's do.

The kernels work element by element, so that the result of 8-bit tensors is a function of 65,536 pairs of
stored values. For tensors with more elements than that, the function is tabulated and looked up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qbench.errors import UnspecifiedError
from qbench.quant.fixedpoint import multiply_by_quantized_multiplier, quantize_multiplier, rounding_divide_by_pot
from qbench.quant.kernels.activation_range import activation_range
from qbench.quant.kernels.arguments import check_broadcast, check_family, check_params, check_tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qbench.quant.affine import QuantizationParameters
    from qbench.quant.family import Family

    #: From two int32 arrays of stored values that broadcast to int32 stored values.
    Combine = Callable[["Array", "Array"], "Array"]

Array = npt.NDArray[Any]

#: For which families each oracle is claimed to be exact to the bit, by dtype of the activations. The optimized ADD
#: shifts before it multiplies where `add` rounds twice: 1 to 100 results in 40 million differ by one. XNNPACK's
#: MUL is meant on x86: on ARM it scales in fixed point.
EXACT: Mapping[str, Mapping[str, frozenset[Family]]] = {
    "ADD": {
        "int8": frozenset({"reference", "xnnpack"}),
        "uint8": frozenset({"reference", "xnnpack"}),
        "int16": frozenset({"reference"}),
    },
    **{
        name: {
            "int8": frozenset({"reference", "builtin", "xnnpack"}),
            "uint8": frozenset({"reference", "builtin", "xnnpack"}),
            "int16": frozenset({"reference", "builtin"}),
        }
        for name in ("SUB", "MUL")
    },
}

#: How far inputs are shifted to the left before they are scaled, so that rounding them loses nothing that matters.
_LEFT_SHIFT = {"int8": 20, "uint8": 20, "int16": 15}
#: Ratios of an input's scale (MUL: of the product of both) to the output's that the delegate takes: [low, high).
_DELEGATED_SUM, _DELEGATED_PRODUCT = (2.0**-10, 2.0**8), (2.0**-16, 2.0**8)
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


def mul(
    a: Array,
    b: Array,
    *,
    a_params: QuantizationParameters,
    b_params: QuantizationParameters,
    output_params: QuantizationParameters,
    activation: str = "NONE",
    family: Family = "reference",
) -> Array:
    """``activation(a * b)``: ``(a - a_zero) * (b - b_zero)`` scaled by ``a_scale * b_scale / output_scale``.

    The factor is computed in float32. The runtime scales by its significand and shift, rounding twice; XNNPACK
    multiplies in float32 and rounds halves to even. The optimized 8-bit kernel narrows to 16 bits before it clamps,
    and so wraps where a result is ``2**15`` or more of the output's steps; this oracle clamps.

    Parameters
    ----------
    a, b, a_params, b_params, output_params, activation
        As for `add`.
    family
        Kernels to follow; ``xnnpack`` means ``builtin`` for int16, and for a factor outside of ``[2**-16, 2**8)``.

    Returns
    -------
    Array
        Stored values of the output in the shape that both inputs broadcast to.

    Raises
    ------
    UnspecifiedError
        If the runtime refuses the parameters. (Its int16 inputs with 8-bit outputs are not covered.)

    Notes
    -----
    ``tflite/kernels/mul.cc``, ``tflite/kernels/internal/reference/mul.h`` and ``integer_ops/mul.h``; XNNPACK's
    ``src/qs8-vmul``.
    """
    dtype = _checked_dtype(a, b, (a_params, b_params, output_params), family)
    zero_a, zero_b, zero = int(a_params.zero_point), int(b_params.zero_point), int(output_params.zero_point)
    factor = np.float32(a_params.scale * b_params.scale) / np.float32(output_params.scale)
    if family == "xnnpack" and _delegated(dtype, _DELEGATED_PRODUCT, factor):
        limits = np.iinfo(dtype)
        low, high = activation_range(activation, output_params, family="xnnpack")

        def combine(x: Array, y: Array) -> Array:
            real = ((x - zero_a) * (y - zero_b)).astype(np.float32) * factor
            stored = np.rint(np.clip(real, limits.min - zero, limits.max - zero)).astype(np.int32) + zero
            return np.asarray(np.clip(stored, low, high))

    else:
        low, high = activation_range(activation, output_params)
        significand, shift = quantize_multiplier(factor)

        def combine(x: Array, y: Array) -> Array:
            product = multiply_by_quantized_multiplier((x - zero_a) * (y - zero_b), significand, shift)
            return np.clip(product + zero, low, high)

    return _elementwise(combine, a, b, dtype)


def _sum(
    a: Array,
    b: Array,
    sign: int,
    params: tuple[QuantizationParameters, QuantizationParameters, QuantizationParameters],
    activation: str,
    pot_scale_int16: bool,  # noqa: FBT001 - passed on
    family: Family,
) -> Array:
    dtype = _checked_dtype(a, b, params, family)
    ratios = [np.float32(each.scale) / np.float32(params[2].scale) for each in params[:2]]
    if family == "xnnpack" and _delegated(dtype, _DELEGATED_SUM, *ratios):
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
    return _elementwise(combine, a, b, dtype)


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


def _elementwise(combine: Combine, a: Array, b: Array, dtype: str) -> Array:
    shape = np.broadcast_shapes(a.shape, b.shape)
    limits = np.iinfo(dtype)
    pairs = 1 << (2 * limits.bits)
    if limits.bits > 8 or np.prod(shape, dtype=np.int64) <= pairs:  # noqa: PLR2004 - 8 bits
        return np.asarray(combine(a.astype(np.int32), b.astype(np.int32))).astype(dtype)
    stored = np.arange(limits.min, limits.max + 1, dtype=np.int32)
    table = combine(stored[:, None], stored).astype(dtype).reshape(-1)
    high = (a.astype(np.int32) - limits.min).astype(np.uint16) << np.uint16(8)
    return np.asarray(table[high + (b.astype(np.int32) - limits.min).astype(np.uint16)])


def _checked_dtype(
    a: Array,
    b: Array,
    params: tuple[QuantizationParameters, QuantizationParameters, QuantizationParameters],
    family: Family,
) -> str:
    check_family(family)
    dtype = _common_dtype(*params)
    check_tensor("the first input", a, params[0])
    check_tensor("the second input", b, params[1])
    check_params("outputs", params[2])
    check_broadcast(a, b)
    return dtype


def _common_dtype(*params: QuantizationParameters) -> str:
    dtypes = {each.dtype for each in params}
    if len(dtypes) > 1 or not dtypes <= _LEFT_SHIFT.keys():
        raise UnspecifiedError(
            f"both inputs and the output must have one dtype of {', '.join(_LEFT_SHIFT)}, got {dtypes}"
        )
    if dtypes == {"int16"} and any(each.zero_point.any() for each in params):
        raise UnspecifiedError("int16 tensors must have zero points of 0")
    return dtypes.pop()


def _delegated(dtype: str, interval: tuple[float, float], *ratios: np.float32) -> bool:
    return dtype != "int16" and all(interval[0] <= ratio < interval[1] for ratio in ratios)


def _is_power_of_two(scale: Array) -> bool:
    logarithm = np.log2(np.float32(scale))
    return bool(abs(logarithm - np.rint(logarithm)) < _LOGARITHM_TOLERANCE)
