"""A side of a contest that is slower than its subject by a known share."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from qbench.records import BlockTime

#: A share of invokes this close to a whole number is one: 0.1 is not exactly a tenth in binary.
_WHOLE = 1e-9


class StretchableSide(Protocol):
    """As `qbench.measure.contest.Side`, and able to make each invoke longer."""

    def renew(self) -> None:
        """Load the artifact in a new process."""

    def time(self, *, invokes: int, blocks: int = 1, discard: int = 0, stretch: float = 0.0) -> tuple[BlockTime, ...]:
        """Run blocks of invokes, each invoke 1 + `stretch` times as long."""

    def limit(self, limit_s: float) -> None:
        """Give each request from now on so many seconds."""


class SlowSide:
    """Takes exactly 1 + `slowdown` times as long as `side` for the same invokes.

    Where that is a whole number of invokes, a block has so many more of them: the same code, run more
    often. Where it is not (a block of a slow subject is one invoke), each invoke is followed by a wait
    that grows with what it took.
    """

    def __init__(self, side: StretchableSide, slowdown: float) -> None:
        self._side = side
        self._slowdown = slowdown

    def renew(self) -> None:
        """Load the artifact in a new process."""
        self._side.renew()

    def time(self, *, invokes: int, blocks: int = 1, discard: int = 0) -> tuple[BlockTime, ...]:
        """Run blocks that claim to be of `invokes` invokes."""
        slowed = invokes * (1 + self._slowdown)
        if abs(slowed - round(slowed)) < _WHOLE * slowed:
            return self._side.time(invokes=round(slowed), blocks=blocks, discard=discard)
        return self._side.time(invokes=invokes, blocks=blocks, discard=discard, stretch=self._slowdown)

    def limit(self, limit_s: float) -> None:
        """Give each request from now on so many seconds."""
        self._side.limit(limit_s)


SlowedPair = tuple[StretchableSide, SlowSide]


def slowed(
    open_pair: Callable[[int], AbstractContextManager[tuple[StretchableSide, StretchableSide]]], slowdown: float
) -> Callable[[int], AbstractContextManager[SlowedPair]]:
    """As `open_pair`, with the candidate slowed down."""

    @contextmanager
    def open_slowed(number: int) -> Iterator[SlowedPair]:
        with open_pair(number) as (baseline, candidate):
            yield baseline, SlowSide(candidate, slowdown)

    return open_slowed
