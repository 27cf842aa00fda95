"""How often the values of a tensor occur, in memory that does not grow with their number.

Bins are the leading bits of float32 itself: sign, exponent and the first nine bits of the fraction. They need no
range in advance, so one pass is enough; an outlier does not coarsen the rest; and the order of the values does
not count. A bin is at most 1/512 of its values wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]

#: A bin is at most this share of the magnitude of its values wide.
BIN_WIDTH = 2.0**-9
#: Values closer to 0 than this are counted as 0: no range that the quantizer makes has steps this small.
ZERO_BELOW = 2.0**-40

_DROPPED_BITS = 23 - 9
_EXPONENT_BIAS = 127
_FIRST = (_EXPONENT_BIAS - 40) << 9
#: Bins of one sign, from `ZERO_BELOW` to the largest float32.
_BINS = (255 << 9) - _FIRST
_SIGN = np.uint32(1 << 31)


@dataclass(frozen=True, kw_only=True)
class ValueHistogram:
    """Bins that are not empty, in ascending order.

    Attributes
    ----------
    low, high
        Bounds of the bins, shape (bins,), cut to the smallest and the largest value; equal for the bin of the
        zeros and for one that holds a single value.
    counts
        Values in each bin, shape (bins,).
    minimum, maximum
        Smallest and largest value, exact.
    """

    low: FloatArray
    high: FloatArray
    counts: npt.NDArray[np.int64]
    minimum: float
    maximum: float

    @property
    def total(self) -> int:
        """Number of values."""
        return int(self.counts.sum())


class ValueCounter:
    """Counts finite values as they come; `histogram` ends it."""

    def __init__(self) -> None:
        self._counts = np.zeros(2 * _BINS + 1, np.int64)
        self._minimum, self._maximum = np.inf, -np.inf

    def add(self, values: npt.NDArray[Any]) -> None:
        """Count `values`, of any shape; what is not finite is left out."""
        flat = np.ravel(values).astype(np.float32, copy=False)
        flat = flat[np.isfinite(flat)]
        if not flat.size:
            return
        self._minimum = min(self._minimum, float(flat.min()))
        self._maximum = max(self._maximum, float(flat.max()))
        self._counts += np.bincount(_bins_of(flat), minlength=len(self._counts))

    def histogram(self) -> ValueHistogram | None:
        """What was counted; None without a value."""
        used = np.flatnonzero(self._counts)
        if not used.size:
            return None
        signed = used - _BINS
        near, far = _bounds(np.abs(signed))
        low = np.where(signed < 0, -far, near)
        high = np.where(signed < 0, -near, far)
        return ValueHistogram(
            low=np.clip(low, self._minimum, self._maximum),
            high=np.clip(high, self._minimum, self._maximum),
            counts=self._counts[used],
            minimum=self._minimum,
            maximum=self._maximum,
        )


def _bins_of(values: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Index of each value's bin: `_BINS` for zeros, more above and fewer below."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    magnitude = ((bits & ~_SIGN) >> _DROPPED_BITS).astype(np.int64)
    distance = np.maximum(magnitude - (_FIRST - 1), 0)
    return _BINS + np.where(bits >= _SIGN, -distance, distance)


def _bounds(distance: npt.NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """Magnitudes between which the values of bins at these distances from the zeros lie."""
    start = np.maximum(distance + (_FIRST - 1), 0).astype(np.uint32)
    near = (start << _DROPPED_BITS).view(np.float32).astype(np.float64)
    far = ((start + 1) << _DROPPED_BITS).view(np.float32).astype(np.float64)
    is_zero = distance == 0
    return np.where(is_zero, 0.0, near), np.where(is_zero, 0.0, far)
