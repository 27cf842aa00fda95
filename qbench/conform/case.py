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
        How many of them differ by one step at most, and by more. NaN is no step from NaN, and an endless way
        from everything else; so are numbers of types that have no step.
    largest
        The largest difference, in steps rounded up.
    """

    values: int
    off_by_one: int
    off_by_more: int
    largest: int


#: What stands for a difference that no number of steps describes: another shape, NaN instead of a number.
_ENDLESS = 1 << 62


def distance(left: Sequence[Array], right: Sequence[Array], *, steps: Sequence[float] = ()) -> Distance:
    """How far the outputs `left` lie from the outputs `right`.

    Parameters
    ----------
    steps
        Of each output, what a step of its real numbers is; 0, and none, for the way to the next float32. A step of
        integers is 1.
    """
    values = off_by_one = off_by_more = largest = 0
    steps = [*steps, *([0.0] * (len(left) - len(steps)))]
    for first, second, step in zip(left, right, steps, strict=True):
        values += first.size
        if first.shape != second.shape or first.dtype != second.dtype:
            off_by_more, largest = off_by_more + max(first.size, 1), _ENDLESS
            continue
        ways = np.where(_equal(first, second), 0, _ways(first, second, step))
        off_by_one += int(np.count_nonzero(ways == 1))
        off_by_more += int(np.count_nonzero(ways > 1))
        largest = max(largest, int(ways.max(initial=0)))
    return Distance(values=values, off_by_one=off_by_one, off_by_more=off_by_more, largest=largest)


def _equal(first: Array, second: Array) -> npt.NDArray[np.bool_]:
    equal: npt.NDArray[np.bool_] = first == second
    return equal | (np.isnan(first) & np.isnan(second)) if first.dtype.kind in "fc" else equal


def _ways(first: Array, second: Array, step: float) -> npt.NDArray[np.int64]:
    """Steps between values that are not equal: at least one."""
    if first.dtype.kind in "iu":
        # The difference of any two integers of 64 bits fits 64 bits without a sign.
        wide = np.maximum(first, second).astype(np.uint64) - np.minimum(first, second).astype(np.uint64)
        return np.minimum(wide, np.uint64(_ENDLESS)).astype(np.int64)
    if first.dtype.name not in {"float16", "float32"}:
        return np.full(first.shape, _ENDLESS, np.int64)
    if not step:
        ways = np.abs(_ordered(first) - _ordered(second))
        return np.where(np.isnan(first) | np.isnan(second), _ENDLESS, ways)
    with np.errstate(invalid="ignore", over="ignore"):
        real = np.ceil(np.abs(first.astype(np.float64) - second) / step)
    return np.where(real < _ENDLESS, real, _ENDLESS).astype(np.int64)


def _ordered(real: Array) -> npt.NDArray[np.int64]:
    """Integers in the order of the float32 (or float16) numbers `real`, one apart for neighbours; -0 is 0."""
    bits = real.astype(np.float32).view(np.int32).astype(np.int64)
    ordered: npt.NDArray[np.int64] = np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    return ordered
