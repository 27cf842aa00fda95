"""The two sides of a contest: subjects in worker processes that are started alike and take turns on one processor."""

from __future__ import annotations

import os
import random
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import msgspec

from qbench.records import BlockTime, RuntimeOptions
from qbench.runtime.fresh import FreshProcesses
from qbench.runtime.process import RuntimeProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

#: Importing a runtime takes less; TensorFlow's takes seconds.
_START_LIMIT_S = 120.0


class Contestant(msgspec.Struct, frozen=True, kw_only=True):
    """What takes part in a contest: an artifact, how it is run, and in which Python.

    Attributes
    ----------
    name
        What errors call it.
    inputs
        The bytes of each input tensor; empty for zeros.
    """

    content: bytes
    options: RuntimeOptions
    name: str
    python: str = sys.executable
    inputs: tuple[bytes, ...] = ()


class _Couple:
    """Two workers of which either can play either side, if both sides run in the same Python.

    A worker has a place in memory of its own, and is 1% faster or slower for it; so who plays whom is drawn by lot
    for every group. Sides of different Pythons keep their workers.
    """

    def __init__(self, workers: Sequence[RuntimeProcess], casts: Sequence[Sequence[FreshProcesses]], seed: str) -> None:
        self._workers = workers
        self._casts = casts
        self._lot = random.Random(seed)  # noqa: S311 - a lot that can be drawn again, not a secret
        self._renewed: set[int] = set()
        self._cast = casts[0]

    def player(self, side: int) -> FreshProcesses:
        """Who plays a side in the present group."""
        return self._cast[side]

    def renew(self, side: int) -> None:
        """Begin a new process for a side, and a new group if the side has one in this group already."""
        if side in self._renewed or not self._renewed:
            self._renewed = set()
            self._cast = self._lot.choice(self._casts)
        self._renewed.add(side)
        self._cast[side].renew()

    def limit(self, limit_s: float) -> None:
        """Give each request from now on so many seconds."""
        for worker in self._workers:
            worker.limit_s = limit_s


class Role:
    """One side of a contest, played by a worker that is drawn anew for each group.

    It is a `qbench.measure.contest.Side`.
    """

    def __init__(self, couple: _Couple, side: int) -> None:
        self._couple = couple
        self._side = side

    def renew(self) -> None:
        """Load the artifact in a new process; `time` waits for it."""
        self._couple.renew(self._side)

    def time(self, *, invokes: int, blocks: int = 1, discard: int = 0, stretch: float = 0.0) -> tuple[BlockTime, ...]:
        """Run timed blocks of invokes; see `FreshProcesses.time`."""
        return self._couple.player(self._side).time(invokes=invokes, blocks=blocks, discard=discard, stretch=stretch)

    def limit(self, limit_s: float) -> None:
        """Give each request from now on so many seconds."""
        self._couple.limit(limit_s)


Pair = tuple[Role, Role]


def pair_opener(
    baseline: Contestant, candidate: Contestant, *, seed: int = 0
) -> Callable[[int], AbstractContextManager[Pair]]:
    """What `qbench.measure.contest.run_contest` opens its rounds with.

    Both sides stay on the same processors, as many as they have threads, and are never timed at once.

    Parameters
    ----------
    seed
        Of the lot that says which worker plays which side.
    """
    cpus = contest_processors(max(baseline.options.threads, candidate.options.threads))
    contestants = (baseline, candidate)

    @contextmanager
    def open_pair(number: int) -> Iterator[Pair]:
        workers = [RuntimeProcess(limit_s=_START_LIMIT_S, python=side.python) for side in contestants]
        casts = [(0, 1), (1, 0)] if baseline.python == candidate.python else [(0, 1)]
        players = [
            [
                FreshProcesses(
                    contestant.content,
                    contestant.options,
                    name=contestant.name,
                    process=workers[cast[side]],
                    place=side,
                    cpus=cpus,
                    inputs=contestant.inputs,
                )
                for side, contestant in enumerate(contestants)
            ]
            for cast in casts
        ]
        with ExitStack() as stack:
            for worker in workers if number % 2 == 0 else workers[::-1]:
                stack.enter_context(worker)
            for cast_players in players:
                for player in cast_players:
                    player.hold()
            couple = _Couple(workers, players, seed=f"{seed} {number}")
            yield Role(couple, 0), Role(couple, 1)

    return open_pair


def contest_processors(threads: int) -> tuple[int, ...]:
    """Where a contest of so many threads runs; empty where the system cannot bind a process to a processor.

    The last of the processors that this process may use: the first ones serve the system's interrupts.
    """
    if not hasattr(os, "sched_getaffinity"):
        return ()
    return tuple(sorted(os.sched_getaffinity(0))[-threads:])
