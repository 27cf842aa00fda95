"""Quantize and dequantize with a scale and a zero point, per tensor.

``real = (stored - zero_point) * scale`` is the definition of the LiteRT int8 specification. Where it
leaves the rounding open, this follows the runtime's builtin QUANTIZE kernel: divide in float32, round
halves to even, add the zero point, clamp to the range of the integer type. (Kernels that multiply by
the inverse of the scale may differ by one where a value lies halfway between two integers.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def quantize(real: Array, *, scale: float, zero_point: int, dtype: npt.DTypeLike, out: Array | None = None) -> Array:
    """Integers of `dtype` that stand for the values `real`.

    Parameters
    ----------
    real
        Array of any shape, of a floating point or integer type.
    scale, zero_point
        Parameters of the tensor.
    dtype
        ``int8``, ``uint8`` or ``int16``.
    out
        Array of the same shape and of `dtype` to write to.

    Raises
    ------
    ValueError
        If the scale is not a positive finite float32, or `real` holds NaN. Infinities are clamped.
    """
    with np.errstate(over="ignore"):
        divisor = np.float32(scale)
    if not (np.isfinite(divisor) and divisor > 0):
        raise ValueError(f"scale must be a positive finite float32, got {scale}")
    limits = np.iinfo(np.dtype(dtype))
    work = np.empty(np.shape(real), dtype=np.float32)
    with np.errstate(over="ignore"):  # What is too large for float32 is clamped like an infinity.
        np.divide(real, divisor, out=work, dtype=np.float32)
    np.rint(work, out=work)
    work += np.float32(zero_point)
    np.clip(work, limits.min, limits.max, out=work)
    # Clamping keeps NaN, and casting it to an integer would give any number.
    if np.isnan(np.sum(work)):
        raise ValueError("NaN has no quantized value")
    if out is None:
        return work.astype(dtype)
    np.copyto(out, work, casting="unsafe")
    return out


def dequantize(stored: Array, *, scale: float, zero_point: int) -> Array:
    """float32 values that the integers `stored` stand for; computed in double precision and rounded once."""
    return ((stored.astype(np.float64) - zero_point) * scale).astype(np.float32)
