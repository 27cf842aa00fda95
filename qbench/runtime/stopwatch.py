"""Timed blocks of invokes, in a worker process. Imports nothing but the standard library, as `native.py`."""

from __future__ import annotations

import time
from itertools import repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

try:
    import resource

    _THREAD: int | None = resource.RUSAGE_THREAD
except (ImportError, AttributeError):  # Linux alone counts by thread; elsewhere waits are not seen.
    _THREAD = None

#: Processor time of the thread where the system has it; it stands still while the thread waits for its turn.
_cpu_time_ns = getattr(time, "thread_time_ns", time.process_time_ns)


def time_block(invoke: Callable[[], object], invokes: int, *, stretch: float = 0.0) -> list[int]:
    """Wall time and processor time of `invokes` invokes in nanoseconds, and how often their thread gave way.

    A thread gives way (a voluntary context switch) when it waits for something: a lock, a device, another
    thread. To be preempted by a neighbour does not count.

    Parameters
    ----------
    stretch
        Makes the block take 1 + `stretch` times as long, on either clock, whatever it takes.
    """
    times, waits = repeat(None, invokes), _waits()
    wall, cpu = time.perf_counter_ns(), _cpu_time_ns()
    for _ in times:
        invoke()
    if stretch:
        # At the end of the block, and not of each invoke, where reading clocks would take longer than short invokes do.
        cpu_end, wall_end = (
            start + (1 + stretch) * (clock() - start)
            for clock, start in ((_cpu_time_ns, cpu), (time.perf_counter_ns, wall))
        )
        while _cpu_time_ns() < cpu_end:
            pass
        while time.perf_counter_ns() < wall_end:
            pass
    cpu, wall = _cpu_time_ns() - cpu, time.perf_counter_ns() - wall
    return [wall, cpu, _waits() - waits]


def _waits() -> int:
    return 0 if _THREAD is None else resource.getrusage(_THREAD).ru_nvcsw
