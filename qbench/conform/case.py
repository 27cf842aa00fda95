"""What kernels are tried on, and how far two results lie apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = npt.NDArray[Any]

#: What a row calls a whole artifact.
WHOLE = "(whole graph)"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One operator, or a whole artifact, and stored values to run it on.

    Parameters
    ----------
    operator, dtype
        What is tried, as the row of a table says it: ``CONV_2D`` and ``int8``.
    content
        The `.tflite`.
    inputs
        One array for each of its inputs.
    """

    operator: str
    dtype: str
    content: bytes
    inputs: tuple[Array, ...]

    @property
    def is_whole(self) -> bool:
        """Whether this is an artifact with all its operators, in which differences of one step may grow."""
        return self.operator == WHOLE

    @property
    def size(self) -> int:
        """How many numbers a person would have to look at: bytes of the model and values of the inputs."""
        return len(self.content) + sum(stored.size for stored in self.inputs)


@dataclass(frozen=True, kw_only=True, slots=True)
class Distance:
    """How far two results of one case lie apart.

    Parameters
    ----------
    values
        How many were compared.
    off_by_one, off_by_more
        How many of them differ by one step at most, and by more. A step of integers is 1, of real numbers what
        one stored step stands for: the scale that they were dequantized with. NaN is no step from NaN, and an
        endless way from everything else.
    largest
        The largest difference, in steps rounded up.
    """

    values: int
    off_by_one: int
    off_by_more: int
    largest: int


#: What stands for a difference that no number of steps describes: another shape, NaN instead of a number.
_INCOMPARABLE = 1 << 62


def distance(left: Sequence[Array], right: Sequence[Array], *, scales: Sequence[float] = ()) -> Distance:
    """How far the outputs `left` lie from the outputs `right`.

    Parameters
    ----------
    scales
        Of each output, what a step of its real numbers is; 0, and none, for the way to the next float32.
    """
    values = off_by_one = off_by_more = largest = 0
    steps_of = [*scales, *([0.0] * (len(left) - len(scales)))]
    for first, second, scale in zip(left, right, steps_of, strict=True):
        values += first.size
        if first.shape != second.shape or first.dtype != second.dtype:
            off_by_more, largest = off_by_more + max(first.size, 1), _INCOMPARABLE
            continue
        steps = _steps(first, second, scale)
        off_by_one += int(np.count_nonzero(steps == 1))
        off_by_more += int(np.count_nonzero(steps > 1))
        largest = max(largest, int(steps.max(initial=0)))
    return Distance(values=values, off_by_one=off_by_one, off_by_more=off_by_more, largest=largest)


def _steps(first: Array, second: Array, scale: float) -> npt.NDArray[np.int64]:
    if first.dtype == np.bool_:
        unequal: npt.NDArray[np.bool_] = first != second
        return unequal.astype(np.int64)
    if first.dtype.kind in "iu":
        # Python's own integers would hold any difference; in 64 bits those of up to 32 bits fit.
        whole: npt.NDArray[np.int64] = first.astype(np.int64) - second.astype(np.int64)
        return np.abs(whole)
    steps: npt.NDArray[np.int64] = np.abs(_ordered(first) - _ordered(second))
    if scale:
        with np.errstate(invalid="ignore", over="ignore"):
            ways = np.ceil(np.abs(first.astype(np.float64) - second) / scale)
        steps = np.where(np.isfinite(ways), np.minimum(ways, _INCOMPARABLE), _INCOMPARABLE).astype(np.int64)
        steps[first == second] = 0  # infinities too
    odd = np.isnan(first) | np.isnan(second)
    steps[odd] = np.where(np.isnan(first[odd]) & np.isnan(second[odd]), 0, _INCOMPARABLE)
    return steps


def _ordered(real: Array) -> npt.NDArray[np.int64]:
    """Integers in the order of the float32 (or float16) numbers `real`, one apart for neighbours; -0 is 0."""
    bits = real.astype(np.float32).view(np.int32).astype(np.int64)
    ordered: npt.NDArray[np.int64] = np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    return ordered
