"""Functions of a real variable in the fixed-point arithmetic of gemmlowp, which the oldest integer kernels use.

A number ``x`` in ``[-2**m, 2**m)`` is held as the integer ``x * 2**(bits - 1 - m)``, with 32 bits for SOFTMAX and
16 for LOGISTIC and TANH of ``int16``. Arrays here are int64 and hold such integers; sums that the C code
computes in 16 bits saturate as they do there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from qbench.quant.fixedpoint import rounding_divide_by_pot

if TYPE_CHECKING:
    import numpy.typing as npt


Bits = Literal[16, 32]

#: Newton's method for ``1 / d`` with ``d`` in [1/2, 1] starts from the best line: ``48/17 - 32/17 d``.
_NEWTON_CONSTANT, _NEWTON_SLOPE, _NEWTON_STEPS = 48 / 17, -32 / 17, 3


def exp_on_negative_values(x: npt.NDArray[Any], *, integer_bits: int, bits: Bits = 32) -> npt.NDArray[np.int64]:
    """``exp(x)`` of numbers of at most 0, with no integer bits.

    ``x`` is split into a part in [-1/4, 0), whose exponential is a polynomial of degree 4 around -1/8, and a sum of
    powers of two from 1/4 upwards, for each of which the result is multiplied by a constant.

    Parameters
    ----------
    x
        Fixed-point numbers of at most 0.
    integer_bits
        Of `x`, up to 5.
    bits
        Width that is computed in.

    Notes
    -----
    gemmlowp's ``fixedpoint.h``.
    """
    raw = np.asarray(x).astype(np.int64)
    fraction = bits - 1 - integer_bits
    quarter = np.int64(1) << (fraction - 2)
    low_part = (raw & (quarter - 1)) - quarter
    rest = low_part - raw
    result = _exp_between_minus_quarter_and_0(low_part << integer_bits, bits)
    for exponent in range(-2, integer_bits):
        power = np.int64(1) << (fraction + exponent)
        reduced = _multiply(result, _constant(np.exp(-(2.0**exponent)), 0, bits), bits)
        result = np.where(rest & power != 0, reduced, result)
    return np.asarray(np.where(raw == 0, _largest(bits), result), np.int64)


def one_over_one_plus_x(x: npt.NDArray[Any], *, bits: Bits = 32) -> npt.NDArray[np.int64]:
    """``1 / (1 + x)`` of numbers in [0, 1), both with no integer bits."""
    return np.asarray(_saturate(_reciprocal_of_half(x, bits) << 1, bits))


def logistic(x: npt.NDArray[Any], *, integer_bits: int, bits: Bits = 16) -> npt.NDArray[np.int64]:
    """``1 / (1 + exp(-x))`` with no integer bits."""
    raw = np.asarray(x).astype(np.int64)
    positive = one_over_one_plus_x(
        exp_on_negative_values(-np.abs(raw), integer_bits=integer_bits, bits=bits), bits=bits
    )
    one_half = np.int64(1) << (bits - 2)
    return np.where(raw == 0, one_half, np.where(raw > 0, positive, _largest(bits) - positive))


def tanh(x: npt.NDArray[Any], *, integer_bits: int, bits: Bits = 16) -> npt.NDArray[np.int64]:
    """``(1 - exp(-2x)) / (1 + exp(-2x))`` with no integer bits."""
    raw = np.asarray(x).astype(np.int64)
    # The same integers with one integer bit more are twice the numbers.
    exponential = exp_on_negative_values(-np.abs(raw), integer_bits=integer_bits + 1, bits=bits)
    one = np.int64(1) << (bits - 3)
    magnitude = _saturate((_reciprocal_of_half(exponential, bits) - one) << 2, bits)
    return np.where(raw == 0, 0, np.where(raw < 0, -magnitude, magnitude))


def _exp_between_minus_quarter_and_0(x: npt.NDArray[np.int64], bits: Bits) -> npt.NDArray[np.int64]:
    centre = _constant(np.exp(-1 / 8), 0, bits)
    x1 = x + (np.int64(1) << (bits - 4))
    x2 = _multiply(x1, x1, bits)
    x3 = _multiply(x2, x1, bits)
    x4 = _multiply(x2, x2, bits)
    third = _multiply(rounding_divide_by_pot(x4, 2) + x3, _constant(1 / 3, 0, bits), bits)
    higher = rounding_divide_by_pot(third + x2, 1)
    return _saturate(centre + _multiply(centre, x1 + higher, bits), bits)


def _reciprocal_of_half(x: npt.NDArray[Any], bits: Bits) -> npt.NDArray[np.int64]:
    """``2 / (1 + x)`` with two integer bits, for `x` in [0, 1) with none."""
    half_denominator = (np.asarray(x).astype(np.int64) + _largest(bits) + 1) >> 1
    one = np.int64(1) << (bits - 3)
    estimate = _constant(_NEWTON_CONSTANT, 2, bits) + _multiply(
        half_denominator, _constant(_NEWTON_SLOPE, 2, bits), bits
    )
    for _ in range(_NEWTON_STEPS):
        error = one - _multiply(half_denominator, estimate, bits)
        estimate = estimate + _saturate(_multiply(estimate, error, bits) << 2, bits)
    return np.asarray(estimate)


def _largest(bits: Bits) -> int:
    return (1 << (bits - 1)) - 1


def _saturate(x: npt.NDArray[np.int64], bits: Bits) -> npt.NDArray[np.int64]:
    return np.clip(x, -_largest(bits) - 1, _largest(bits))


def _constant(real: float, integer_bits: int, bits: Bits) -> np.int64:
    # Rounded to 32 bits first, whatever the width: gemmlowp writes its constants down with 32.
    wide = np.int64(np.rint(real * 2.0 ** (31 - integer_bits)))
    return np.int64(rounding_divide_by_pot(wide, 32 - bits))


def _multiply(a: Any, b: Any, bits: Bits) -> npt.NDArray[np.int64]:
    """High half of twice the product, halves up, saturated."""
    return np.asarray(np.minimum((a * b + (1 << (bits - 2))) >> (bits - 1), _largest(bits)))
