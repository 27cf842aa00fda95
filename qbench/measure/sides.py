"""The two sides of a contest: subjects in worker processes that are started alike and take turns on one processor."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import msgspec

from qbench.records import RuntimeOptions
from qbench.runtime.fresh import FreshProcesses
from qbench.runtime.process import RuntimeProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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


Pair = tuple[FreshProcesses, FreshProcesses]


def pair_opener(baseline: Contestant, candidate: Contestant) -> Callable[[int], AbstractContextManager[Pair]]:
    """What `qbench.measure.contest.run_contest` opens its rounds with.

    Both sides stay on the same processors, as many as they have threads, and are never asked at once.
    """
    cpus = contest_processors(max(baseline.options.threads, candidate.options.threads))

    @contextmanager
    def open_pair(number: int) -> Iterator[Pair]:
        sides = [
            FreshProcesses(
                contestant.content,
                contestant.options,
                name=contestant.name,
                process=RuntimeProcess(limit_s=_START_LIMIT_S, python=contestant.python),
                cpus=cpus,
                inputs=contestant.inputs,
            )
            for contestant in (baseline, candidate)
        ]
        with ExitStack() as stack:
            in_order = sides if number % 2 == 0 else sides[::-1]
            for side in in_order:
                stack.enter_context(side)
            for side in in_order:
                side.hold()
            yield sides[0], sides[1]

    return open_pair


def contest_processors(threads: int) -> tuple[int, ...]:
    """Where a contest of so many threads runs; empty where the system cannot bind a process to a processor.

    The last of the processors that this process may use: the first ones serve the system's interrupts.
    """
    if not hasattr(os, "sched_getaffinity"):
        return ()
    return tuple(sorted(os.sched_getaffinity(0))[-threads:])
