"""The runtime's fixed-point arithmetic: a real factor as a 31-bit significand and a shift.

The integer kernels scale a 32-bit accumulator by a real number ``d`` without floating point. ``d`` is stored
as ``significand / 2**31 * 2**shift`` with a significand in ``[2**30, 2**31)``, and the product is rounded to
an integer. How it is rounded is a choice of whoever compiled the kernel, and moves results by one:

* ``double``: once when the product is cut to its high 32 bits, and again when it is shifted right. This is
  what the runtime's own kernels are compiled with.
* ``single``: once, half up. The runtime has it behind a compile switch (``TFLITE_SINGLE_ROUNDING``).

Everything here takes arrays of any shape, broadcasts them, and gives what the C code gives on
two's-complement hardware, wrapped overflows included, as long as C defines the shift that is asked for.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from qbench.errors import UnspecifiedError

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.floating[Any]]
Int32Array = npt.NDArray[np.int32]

_INT32 = np.iinfo(np.int32)
#: A product shifted right by more than this would lose all of its bits.
_LOWEST_SHIFT = -31
_HIGHEST_SHIFT = {"double": 31, "single": 30}
#: What the 64-bit variant takes: the product with a 15-bit multiplier must fit 63 bits.
_INT64_BITS, _INT64_HIGHEST_SHIFT = 47, 7


def quantize_multiplier(real: npt.ArrayLike) -> tuple[Int32Array, Int32Array]:
    """Significand and shift of positive factors: ``real ~ significand * 2**(shift - 31)``.

    Parameters
    ----------
    real
        Factors of any shape, computed with in float64. A factor that needs a shift below -31 becomes 0.

    Returns
    -------
    significand
        int32, in ``[2**30, 2**31)``, or 0 for a factor of 0 or one so small.
    shift
        int32; positive is to the left.

    Raises
    ------
    UnspecifiedError
        If a factor is negative, NaN or infinite.

    Notes
    -----
    ``tflite/kernels/internal/quantization_util.cc``, ``QuantizeMultiplier``.
    """
    factors = np.asarray(real, np.float64)
    usable = np.isfinite(factors) & (factors >= 0)
    if not usable.all():
        raise UnspecifiedError(f"a multiplier must be a finite number of at least 0, got {factors[~usable].flat[0]}")
    fraction, shift = np.frexp(factors)
    significand = np.asarray(round_half_away(np.ldexp(fraction, 31)).astype(np.int64))
    # Rounding up may reach 2**31, which is no int32: the same number, one shift further.
    carried = significand == 1 << 31
    significand = np.where(carried, 1 << 30, significand)
    shift = shift + carried
    vanishing = shift < _LOWEST_SHIFT
    return (
        np.asarray(np.where(vanishing, 0, significand), np.int32),
        np.asarray(np.where(vanishing, 0, shift), np.int32),
    )


def saturating_rounding_doubling_high_mul(a: npt.ArrayLike, b: npt.ArrayLike) -> Int32Array:
    """High half of twice the product: ``a * b / 2**31`` rounded to the nearest, halves up.

    Up for negative products too: their nudge is ``1 - 2**30``, and the division truncates. The one product that
    does not fit, ``(-2**31)**2``, gives ``2**31 - 1``.

    Parameters
    ----------
    a, b
        int32 arrays that broadcast.

    Notes
    -----
    gemmlowp's ``fixedpoint.h``, ``SaturatingRoundingDoublingHighMul``.
    """
    product = _int32("a", a).astype(np.int64) * _int32("b", b)
    nudged = product + np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    # C divides towards zero, a shift rounds down: what it drops from a negative number is made up for.
    quotient = (nudged + np.where(nudged < 0, (1 << 31) - 1, 0)) >> 31
    return np.asarray(np.minimum(quotient, _INT32.max), np.int32)


def rounding_divide_by_pot(x: npt.ArrayLike, exponent: npt.ArrayLike) -> Int32Array:
    """``x / 2**exponent`` rounded to the nearest, halves away from zero.

    Parameters
    ----------
    x
        int32 array.
    exponent
        Integers from 0 to 31; broadcast with `x`.

    Raises
    ------
    UnspecifiedError
        If an exponent is outside of 0 to 31.

    Notes
    -----
    gemmlowp's ``fixedpoint.h``, ``RoundingDivideByPOT``.
    """
    power = _shifts("the exponent of a rounding division", exponent, 0, 31)
    wide = _int32("x", x).astype(np.int64)
    half = (np.int64(1) << power) >> 1
    # Just short of half for a negative number sends its ties down; exponent 0 has no ties.
    return np.asarray((wide + half - ((wide < 0) & (power > 0))) >> power, np.int32)


def multiply_by_quantized_multiplier(
    x: npt.ArrayLike,
    multiplier: npt.ArrayLike,
    shift: npt.ArrayLike,
    *,
    rounding: Literal["double", "single"] = "double",
) -> Int32Array:
    """``x * multiplier * 2**(shift - 31)`` rounded to an integer; within 1 of the exact product.

    Parameters
    ----------
    x
        int32 array.
    multiplier, shift
        As `quantize_multiplier` gives them; broadcast with `x`.
    rounding
        ``double``: the left shift is done before the multiplication, in 32 bits, and wraps as the runtime's
        does; see `saturating_rounding_doubling_high_mul` and `rounding_divide_by_pot`. ``single``: half up.

    Raises
    ------
    UnspecifiedError
        If a multiplier is negative, or a shift is one that C leaves undefined: outside of -31 to 31 for
        ``double`` and of -31 to 30 for ``single``.

    Notes
    -----
    ``tflite/kernels/internal/common.cc``, ``MultiplyByQuantizedMultiplier`` of an ``int32_t``.
    """
    shifts = _shifts("the shift of a multiplier", shift, _LOWEST_SHIFT, _HIGHEST_SHIFT[rounding])
    accumulators, significands = _int32("x", x), _multipliers(multiplier)
    if rounding == "single":
        right = 31 - shifts
        product = accumulators.astype(np.int64) * significands + (np.int64(1) << (right - 1))
        return np.asarray((product >> right).astype(np.int32))
    shifted = (accumulators.astype(np.int64) << np.maximum(shifts, 0)).astype(np.int32)
    return rounding_divide_by_pot(saturating_rounding_doubling_high_mul(shifted, significands), np.maximum(-shifts, 0))


def multiply_int64_by_quantized_multiplier(
    x: npt.ArrayLike, multiplier: npt.ArrayLike, shift: npt.ArrayLike
) -> Int32Array:
    """The same for the 64-bit accumulators of 16x8 kernels, with the multiplier cut to 15 bits; half up.

    ``m = (multiplier + 2**15) >> 16``, or ``2**15 - 1`` from 0x7FFF0000 on, and
    ``(x * m + 2**(14 - shift)) >> (15 - shift)``.

    Parameters
    ----------
    x
        int64 array of values in ``[-2**47, 2**47)``.
    multiplier, shift
        As `quantize_multiplier` gives them; broadcast with `x`.

    Raises
    ------
    UnspecifiedError
        If a value, a multiplier or a shift (-31 to 7) is outside of what the runtime's function is defined for.

    Notes
    -----
    ``tflite/kernels/internal/common.cc``, ``MultiplyByQuantizedMultiplier`` of an ``int64_t``. The result is
    cut to 32 bits without saturating: choosing scales so that it fits is the caller's part of the contract.
    """
    accumulators = np.asarray(x)
    limit = 1 << _INT64_BITS
    if accumulators.size and not (accumulators.min() >= -limit and accumulators.max() < limit):
        raise UnspecifiedError(
            f"a 16x8 accumulator must be in [-2**{_INT64_BITS}, 2**{_INT64_BITS}), "
            f"got values from {accumulators.min()} to {accumulators.max()}"
        )
    right = 15 - _shifts("the shift of a 16x8 multiplier", shift, _LOWEST_SHIFT, _INT64_HIGHEST_SHIFT)
    wide = _multipliers(multiplier).astype(np.int64)
    reduced = np.where(wide < 0x7FFF0000, (wide + (1 << 15)) >> 16, 0x7FFF)  # noqa: PLR2004 - as it stands there
    result = (accumulators.astype(np.int64) * reduced + (np.int64(1) << (right - 1))) >> right
    return np.asarray(result.astype(np.int32))


def round_half_away(x: FloatArray) -> FloatArray:
    """The nearest integer, halves away from zero, as C's ``std::round``; float32 stays float32.

    ``floor(x + 0.5)`` is another function: it rounds 0.49999997 up, because the sum rounds to 1.
    NaN, infinities and the sign of zero are kept.
    """
    values = np.asarray(x)
    whole = np.trunc(values)
    with np.errstate(invalid="ignore"):  # An infinity has no fraction.
        away = np.abs(values - whole) >= 0.5  # noqa: PLR2004 - half
    return np.asarray(whole + np.copysign(away.astype(values.dtype), values))


def _int32(name: str, value: npt.ArrayLike) -> Int32Array:
    array = np.asarray(value)
    if not np.can_cast(array.dtype, np.int32):
        if array.dtype.kind not in "iu":
            raise UnspecifiedError(f"{name} must be integers of 32 bits, got {array.dtype}")
        if array.size and not (array.min() >= _INT32.min and array.max() <= _INT32.max):
            raise UnspecifiedError(f"{name} must fit 32 bits, got values from {array.min()} to {array.max()}")
    return array.astype(np.int32, copy=False)


def _multipliers(value: npt.ArrayLike) -> Int32Array:
    array = _int32("the multiplier", value)
    if array.size and array.min() < 0:
        raise UnspecifiedError(f"a quantized multiplier is at least 0, got {array.min()}")
    return array


def _shifts(name: str, value: npt.ArrayLike, low: int, high: int) -> npt.NDArray[np.int64]:
    array = np.asarray(value)
    if array.size and not (array.min() >= low and array.max() <= high):
        raise UnspecifiedError(f"{name} must be from {low} to {high}, got values from {array.min()} to {array.max()}")
    return array.astype(np.int64)
