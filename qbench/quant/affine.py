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


class QuantizationParameters:
    """How the integers of one tensor stand for real values: ``real = (stored - zero_point) * scale``.

    Parameters
    ----------
    scale
        One positive float32 (per tensor), or one for each index of `quantized_dimension` (per channel).
    zero_point
        The integer that stands for 0; one for all channels or one for each.
    quantized_dimension
        Axis along which scale and zero point differ; None for per tensor.
    dtype
        ``int4``, ``int8``, ``uint8`` or ``int16``.
    narrow_range
        Whether the lowest value of the dtype is left unused, so that the range is symmetric around 0.

    Attributes
    ----------
    scale
        float32, shape () per tensor or (channels,) per channel; read-only.
    zero_point
        int32, of the same shape; read-only.
    qmin, qmax
        Smallest and largest value that is stored.
    """

    __slots__ = ("dtype", "narrow_range", "qmax", "qmin", "quantized_dimension", "scale", "zero_point")

    def __init__(
        self,
        scale: npt.ArrayLike,
        zero_point: npt.ArrayLike = 0,
        *,
        quantized_dimension: int | None = None,
        dtype: str = "int8",
        narrow_range: bool = False,
    ) -> None:
        self.scale = np.array(scale, np.float32)
        self.zero_point = np.array(np.broadcast_to(np.asarray(zero_point, np.int32), self.scale.shape))
        self.quantized_dimension = quantized_dimension
        self.dtype = dtype
        self.narrow_range = narrow_range
        low, high = {"int4": (-8, 7), "int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}[dtype]
        self.qmin, self.qmax = low + narrow_range, high

    @property
    def is_per_channel(self) -> bool:
        """Whether there is one scale for each index of `quantized_dimension`."""
        return self.quantized_dimension is not None


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
