"""What quantization parameters may be: functions that return what they were given, or refuse it.

They raise `UnspecifiedError`, which says what was found and what was expected.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qbench.errors import UnspecifiedError

_LIMITS = {"int4": (-8, 7), "int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}
SMALLEST_NORMAL = float(np.finfo(np.float32).tiny)


def limits(dtype: str, *, narrow_range: bool) -> tuple[int, int]:
    """Smallest and largest value that `dtype` stores."""
    if dtype not in _LIMITS:
        raise UnspecifiedError(f"found the dtype {dtype!r}, expected one of {', '.join(_LIMITS)}")
    low, high = _LIMITS[dtype]
    if narrow_range and low == 0:
        raise UnspecifiedError(
            f"a narrow range leaves out the lowest negative value, and {dtype} has none; use a signed dtype"
        )
    return low + bool(narrow_range), high


def checked_scale(scale: npt.ArrayLike, quantized_dimension: int | None) -> npt.NDArray[np.float32]:
    """Read-only float32: one for a whole tensor, or one for each channel along `quantized_dimension`."""
    given = np.asarray(scale)
    with np.errstate(over="ignore", under="ignore"):
        scales = np.array(given, np.float32)
    if quantized_dimension is None and scales.ndim != 0:
        raise UnspecifiedError(
            f"found scales of shape {scales.shape} for a whole tensor, expected one number; "
            "name the quantized_dimension that they differ along"
        )
    if quantized_dimension is not None:
        if quantized_dimension < 0 or quantized_dimension != int(quantized_dimension):
            raise UnspecifiedError(
                f"found quantized_dimension={quantized_dimension}, expected an integer of at least 0; "
                "count from the first dimension"
            )
        if scales.ndim != 1 or scales.size == 0:
            raise UnspecifiedError(
                f"found a scale of shape {scales.shape} with quantized_dimension={quantized_dimension}, "
                "expected a list of one scale for each channel"
            )
    usable = np.isfinite(scales) & (scales >= SMALLEST_NORMAL)
    if not usable.all():
        channel = f" in channel {int(np.argmin(usable))}" if scales.ndim else ""
        raise UnspecifiedError(
            f"scale must be a positive finite float32, and none below {SMALLEST_NORMAL:.3g}, "
            f"got {given[~usable].flat[0]}{channel}"
        )
    scales.flags.writeable = False
    return scales


def checked_zero_point(zero_point: npt.ArrayLike, shape: tuple[int, ...], low: int, high: int) -> npt.NDArray[np.int32]:
    """Read-only int32 of `shape`, from `low` to `high`; one number is that of all channels."""
    given = np.asarray(zero_point)
    if given.dtype.kind not in "iu":
        raise UnspecifiedError(f"found a zero point of {given.dtype}, expected integers")
    if given.shape not in {(), shape}:
        raise UnspecifiedError(
            f"found zero points of shape {given.shape}, expected one, or one for each scale: {shape}"
        )
    usable = (given >= low) & (given <= high)
    if not usable.all():
        raise UnspecifiedError(
            f"a zero point must be a stored value, from {low} to {high}, got {given[~usable].flat[0]}"
        )
    points = np.array(np.broadcast_to(given, shape), np.int32)
    points.flags.writeable = False
    return points


def checked_axis(quantized_dimension: int, rank: int) -> int:
    """`quantized_dimension`, which an array of `rank` has."""
    if not 0 <= quantized_dimension < rank:
        raise UnspecifiedError(
            f"found quantized_dimension={quantized_dimension}, expected one of the {rank} of the array"
        )
    return int(quantized_dimension)
