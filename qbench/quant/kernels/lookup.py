"""LOGISTIC, TANH and ELU of integers: one table for the 256 values of 8 bits, another with interpolation for ``int16``.

The 8-bit tables are computed in float32 by the C library of the host. Here float64 is rounded once, which is what a
good expf gives in all but a few arguments of a thousand, and tanhf and expm1f, with errors up to a unit of the last
place, less often. A last bit moves an 8-bit result where the value is halfway between two integers: that was
2 of 9 million values of TANH. So TANH and ELU of 8 bits are within 1, and no exactness is claimed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.errors import UnspecifiedError
from qbench.quant.fixedpoint import round_half_away
from qbench.quant.kernels import gemmlowp
from qbench.quant.kernels.arguments import check_scale, check_unary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    from qbench.quant.affine import Array, QuantizationParameters
    from qbench.quant.family import Family

    FloatArray = npt.NDArray[np.float32]

EXACT: Mapping[str, Mapping[str, frozenset[Family]]] = {
    "LOGISTIC": {
        "int8": frozenset({"reference", "builtin", "xnnpack"}),
        "uint8": frozenset({"reference", "builtin", "xnnpack"}),
        "int16": frozenset({"reference", "builtin"}),
    },
    "TANH": {
        "int8": frozenset(),
        "uint8": frozenset(),
        "int16": frozenset({"reference", "builtin"}),
    },
    "ELU": {"int8": frozenset()},
}

#: The kernels for `int16` look their input up in steps of 1/24 for LOGISTIC, with 9 bits of fraction.
_TABLE_STEP = 24
_TABLE_SIZE = 256


def logistic(
    inputs: Array,
    *,
    input_params: QuantizationParameters,
    output_params: QuantizationParameters,
    family: Family = "reference",
) -> Array:
    """``1 / (1 + exp(-x))``.

    Parameters
    ----------
    inputs
        Stored values of any shape; ``int8``, ``uint8`` or ``int16``.
    input_params
        For ``int16``, the zero point is 0.
    output_params
        Of the same dtype. The runtime takes no scale but 1/256 (8 bits; the delegate takes any), 1/32768 with zero
        point 0 (``int16``).
    family
        Kernels to follow; see `_look_up` and `_rescaled_int16` for the two widths. The delegate leaves ``int16``
        to the runtime.

    Returns
    -------
    Array
        Of the shape and dtype of `inputs`.

    Raises
    ------
    UnspecifiedError
        If the dtypes differ, or the runtime refuses the scale or the zero point of the output.

    Notes
    -----
    ``tflite/kernels/activations.cc``, ``LUTPopulate`` in ``tflite/kernels/internal/common.h``,
    ``tflite/kernels/internal/reference/integer_ops/logistic.h``, ``logistic_op`` of ``optimized_ops.h``;
    XNNPACK's ``src/reference/unary-elementwise.cc``.
    """
    check_unary(inputs, (input_params, output_params), family)
    if inputs.dtype == np.int16:
        check_scale(output_params, 1 / 32768)
    elif family != "xnnpack":
        check_scale(output_params, 1 / 256)
    if inputs.dtype == np.int16:
        if family != "reference" and _pot_shift(input_params) == 0:
            return gemmlowp.logistic(inputs, integer_bits=3).astype(np.int16)
        x = _rescaled_int16(inputs, input_params, {0})
        whole = _sigmoid_16_9(np.abs(x), fraction_bits=9, saturated=0x7FFF << 10)
        return ((np.where(x >= 0, whole, (1 << 25) - 1 - whole) + (1 << 9)) >> 10).astype(np.int16)
    function = _logistic_xnnpack if family == "xnnpack" else _logistic_float
    return _look_up(inputs, function, input_params, output_params, family)


def tanh(
    inputs: Array,
    *,
    input_params: QuantizationParameters,
    output_params: QuantizationParameters,
    family: Family = "reference",
) -> Array:
    """``tanh(x)``; parameters, result and sources as of `logistic`, with ``tanh.h``.

    The scale of an 8-bit output is 1/128 by the specification, but the kernels take any.
    """
    check_unary(inputs, (input_params, output_params), family)
    if inputs.dtype == np.int16:
        _check_is_2_to_the_minus_15(output_params)
        shift = _pot_shift(input_params)
        if family != "reference" and shift in {0, 1}:
            shifted = np.clip(inputs.astype(np.int64) << int(shift), -32768, 32767)
            return gemmlowp.tanh(shifted, integer_bits=3).astype(np.int16)
        x = _rescaled_int16(inputs, input_params, {0, 1})
        # tanh(x) = 2 * sigmoid(2x) - 1: the same table with half the step.
        whole = _sigmoid_16_9(np.abs(x), fraction_bits=8, saturated=0xFFFF << 8) - (1 << 23)
        return ((np.where(x >= 0, whole, -1 - whole) + (1 << 7)) >> 8).astype(np.int16)
    return _look_up(inputs, _in_float64(np.tanh), input_params, output_params, family)


def elu(
    inputs: Array,
    *,
    input_params: QuantizationParameters,
    output_params: QuantizationParameters,
    family: Family = "builtin",
) -> Array:
    """``exp(x) - 1`` below 0, ``x`` above; ``int8`` only. The runtime has no kernel of it in ``reference``."""
    check_unary(inputs, (input_params, output_params), family, ("int8",))
    return _look_up(inputs, _elu_float, input_params, output_params, family)


def _look_up(
    inputs: Array,
    function: Callable[[FloatArray], FloatArray],
    input_params: QuantizationParameters,
    output_params: QuantizationParameters,
    family: Family,
) -> Array:
    """`function` of every stored value of 8 bits, quantized in float32.

    With ``inverse = 1 / output_scale``: ``reference`` and ``builtin`` give
    ``round_half_away(y * inverse) + zero_point``, ``xnnpack`` ``round_half_even(y * inverse + zero_point)``.
    """
    limits = np.iinfo(inputs.dtype)
    distances = np.arange(limits.min, limits.max + 1) - int(input_params.zero_point)
    inverse = np.float32(1) / np.float32(output_params.scale)
    zero_point = np.float32(output_params.zero_point)
    with np.errstate(over="ignore"):
        rescaled = function(distances.astype(np.float32) * np.float32(input_params.scale)) * inverse
    whole = np.rint(rescaled + zero_point) if family == "xnnpack" else round_half_away(rescaled) + zero_point
    table = np.clip(whole, limits.min, limits.max).astype(limits.dtype)
    return np.asarray(table[inputs.astype(np.int64) - limits.min])


def _in_float64(function: Callable[[Any], Any]) -> Callable[[FloatArray], FloatArray]:
    def rounded_once(x: FloatArray) -> FloatArray:
        return np.asarray(function(x.astype(np.float64)).astype(np.float32))

    return rounded_once


def _logistic_float(x: FloatArray) -> FloatArray:
    with np.errstate(over="ignore"):
        return np.asarray(np.float32(1) / (np.float32(1) + _in_float64(np.exp)(-x)))


def _logistic_xnnpack(x: FloatArray) -> FloatArray:
    # Beyond 100 the result is 1 or 0 to the last bit of float32 anyhow, which is where the kernel stops computing.
    exponential = np.exp(np.clip(x, -200, 100).astype(np.float64))
    return np.asarray((exponential / (1 + exponential)).astype(np.float32))


def _elu_float(x: FloatArray) -> FloatArray:
    return np.where(x < 0, _in_float64(np.expm1)(np.minimum(x, 0)), x)


def _pot_shift(params: QuantizationParameters) -> int | None:
    """How far a scale is above 2**-12, as a power of two; None if it is not within 0.07% of one."""
    logarithm = np.log(np.float32(params.scale)) * (np.float32(1) / np.log(np.float32(2)))
    nearest = round_half_away(np.asarray(logarithm))
    is_power = abs(logarithm - nearest) < np.float32(1e-3)
    return 12 + int(nearest) if is_power else None


def _check_is_2_to_the_minus_15(params: QuantizationParameters) -> None:
    if _pot_shift(params) != 12 - 15:
        raise UnspecifiedError(f"found the scale {params.scale} of the output, expected 2**-15 within 0.07%")


def _rescaled_int16(inputs: Array, params: QuantizationParameters, pot_shifts: set[int]) -> npt.NDArray[np.int64]:
    """Inputs in steps of ``1 / (3 * 4096)``, which are the steps of the table with its bits of fraction.

    A power of two among `pot_shifts` is multiplied by 3 exactly; another scale by a multiplier of 15 bits, cut, not
    rounded. Products wrap in 32 bits, as they do in the runtime from a scale of 5 on.
    """
    power = _pot_shift(params)
    if power in pot_shifts:
        return inputs.astype(np.int64) * (3 << power)
    multiplier, shift = float(params.scale) * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and shift <= 30:  # noqa: PLR2004 - as it stands there
        multiplier, shift = multiplier * 2.0, shift + 1
    product = inputs.astype(np.int64) * int(multiplier) + (1 << shift >> 1)
    return np.asarray(product.astype(np.int32).astype(np.int64) >> shift)


def _sigmoid_16_9(magnitude: npt.NDArray[np.int64], *, fraction_bits: int, saturated: int) -> npt.NDArray[np.int64]:
    """``sigmoid`` in units of ``2**-(16 + fraction_bits)``, between entries of the table by linear interpolation."""
    table = _sigmoid_table()
    index, offset = magnitude >> fraction_bits, magnitude & ((1 << fraction_bits) - 1)
    inside = np.minimum(index, _TABLE_SIZE - 2)
    value = (table[inside] << fraction_bits) + offset * (table[inside + 1] - table[inside])
    return np.where(index >= _TABLE_SIZE - 1, saturated, value)


@lru_cache(maxsize=1)
def _sigmoid_table() -> npt.NDArray[np.int64]:
    """``sigmoid(i / 24)`` in units of 2**-16, plus half of what interpolation loses in the middle of the next step."""
    points = np.arange(_TABLE_SIZE)

    def sigmoid(x: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        return np.asarray(65536 / (1 + np.exp(-x / _TABLE_STEP)))

    lost = sigmoid(points + 0.5) - (sigmoid(points) + sigmoid(points + 1)) / 2
    table = np.rint(sigmoid(points) + lost / 2).astype(np.int64)
    table[-1] = 65535
    return table
