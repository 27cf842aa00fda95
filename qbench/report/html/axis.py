"""From values to places on an axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qbench.report.html.drawing import WHOLE, Tick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: Values that are further apart than this, as a ratio, are drawn on a logarithmic axis.
_LOG_FROM = 8.0
#: And those that are further apart than this are no measurements: their logarithms would leave what a float can be.
_LOG_TO = 1e30
#: Of the range, so much is left free on either side.
_MARGIN = 0.06
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_LOG_STEPS = (1, 2, 5)


@dataclass(frozen=True, kw_only=True)
class Axis:
    """An axis from `low` to `high`, which are positive if it is logarithmic.

    Attributes
    ----------
    ticks
        Values at which it is marked.
    """

    low: float
    high: float
    log: bool
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """The place of a value in per cent; what lies beyond an end is put there."""
        if self.log:
            if value <= self.low:
                return 0.0
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return WHOLE * min(1.0, max(0.0, share))

    def down(self, value: float) -> float:
        """The same from the top of a picture, where large values are."""
        return WHOLE - self.at(value)

    def marks(self, form: Callable[[float], str]) -> tuple[Tick, ...]:
        """Its ticks, from the left."""
        return tuple(Tick(at=self.at(value), text=form(value)) for value in self.ticks)

    def marks_down(self, form: Callable[[float], str]) -> tuple[Tick, ...]:
        """Its ticks, from the top."""
        return tuple(Tick(at=self.down(value), text=form(value)) for value in self.ticks)


def axis_over(values: Iterable[float], *, ticks: int = 4, log: bool | None = None, zero: bool = False) -> Axis:
    """An axis on which all finite values have a place.

    Parameters
    ----------
    ticks
        About how many.
    log
        Whether it is logarithmic; None: where values are positive and far apart.
    zero
        Whether a linear one begins at 0.
    """
    known = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(known), max(known)
    if log is None:
        log = low > 0 and high / low > _LOG_FROM
    if log and low > 0 and high / low < _LOG_TO:
        return _log_axis(low, high, ticks)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    return _linear_axis(low, high, ticks, zero=zero)


def _linear_axis(low: float, high: float, ticks: int, *, zero: bool) -> Axis:
    margin = _MARGIN * (high - low) or 0.5 * abs(high) or 1.0
    if not math.isfinite(margin):  # Values at both ends of what a float can be.
        low, high, margin = low / 4, high / 4, 0.0
    low, high = (low if zero and low == 0 else low - margin), high + margin
    step = _nice((high - low) / max(1, ticks))
    first = math.ceil(low / step)
    count = math.floor(high / step) - first + 1
    return Axis(low=low, high=high, log=False, ticks=tuple((first + index) * step for index in range(count)))


def _log_axis(low: float, high: float, ticks: int) -> Axis:
    spread = max(high / low, 1.5) ** _MARGIN
    low, high = low / spread, high * spread
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found: list[float] = []
    for steps in (_LOG_STEPS, (1,)):
        every = (step * 10.0**exponent for exponent in exponents for step in steps)
        found = [value for value in every if low <= value <= high]
        if len(found) <= ticks + 1:
            break
    keep = math.ceil(len(found) / (ticks + 1)) or 1
    return Axis(low=low, high=high, log=True, ticks=tuple(found[::keep]))


def _nice(rough: float) -> float:
    """The next step that people count in."""
    if not rough or not math.isfinite(rough):
        return 1.0
    size = 10.0 ** math.floor(math.log10(rough))
    if not size:  # Below what a float can tell from 0.
        return 1.0
    return next(step * size for step in _STEPS if step * size >= rough * (1 - 1e-9))
