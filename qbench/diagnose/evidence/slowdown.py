"""Which operators became slower between two artifacts that have the same operators."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from qbench.report.wording import format_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.diagnose.evidence.records import OperatorTime

#: Operators that make up less than this share of all that was lost are not worth a word.
_SHARE = 0.2
_MOST = 3


def is_floor(time: OperatorTime) -> bool:
    """Whether a time is the least that the profiler can tell: its kernel may take anything below twice as much."""
    return time.nanoseconds <= time.resolution_ns


def time_of(time: OperatorTime) -> str:
    """A time with its unit, or what it is below."""
    return f"<{format_time(math.ceil(2 * time.resolution_ns))}" if is_floor(time) else format_time(time.nanoseconds)


def slower_operators(before: Sequence[OperatorTime], now: Sequence[OperatorTime], names: Sequence[str]) -> str:
    """The operators that lost most, each with both times, as a clause; empty if none did beyond the profiler's steps.

    Parameters
    ----------
    before, now
        Times of operators by their place, which has the same operator in both.
    names
        What a sentence calls the operator at each place.
    """
    old = {time.number: time for time in before if time.number >= 0}
    lost = []
    for time in now:
        was = old.get(time.number)
        if was is not None and time.nanoseconds - was.nanoseconds > time.resolution_ns + was.resolution_ns:
            lost.append((time.nanoseconds - was.nanoseconds, time, was))
    total = sum(each[0] for each in lost)
    worst = sorted((each for each in lost if each[0] >= _SHARE * total), key=lambda each: -each[0])[:_MOST]
    return ", ".join(_clause(names[time.number], time, was) for _, time, was in worst)


def _clause(name: str, time: OperatorTime, was: OperatorTime) -> str:
    kernel = f" on {time.kernel}, {was.kernel} before" if time.kernel != was.kernel else ""
    return f"{name} takes {time_of(time)}, took {time_of(was)}{kernel}"
