"""Stored runs as pytest-benchmark makes them, and what comparing two of them says: what contests are held against."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from qbench.runtime.fresh import FreshProcesses
from qbench.runtime.process import RuntimeProcess
from qbench.trial.records import StoredComparison

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from qbench.measure.sides import Contestant
    from qbench.trial.records import Noise

    Array = npt.NDArray[Any]

# pytest-benchmark's defaults: --benchmark-min-time, --benchmark-calibration-precision, --benchmark-min-rounds.
_MIN_ROUND_NS = 5_000
_CALIBRATION_PRECISION = 10
_MIN_ROUNDS = 5

#: Rounds that are kept of a run for the U test, evenly spread over it.
_MOST_ROUNDS = 5_000

#: Rounds of one request, so that its answer stays small.
_ROUNDS_AT_ONCE = 50_000

_START_LIMIT_S = 120.0
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """What a run leaves behind: its statistics over all rounds, and some of its rounds, in ns per invoke."""

    median_ns: float
    mean_ns: float
    rounds_ns: Array


def measure_stored_run(contestant: Contestant, seconds: float) -> StoredRun:
    """Time a subject the way ``benchmark(interpreter.invoke)`` does, in a new process, for about `seconds`.

    Rounds of equally many invokes, back to back, on the wall clock, on whatever processor the system chooses.

    Raises
    ------
    QbenchError
        As `RuntimeProcess.ask`.
    """
    process = RuntimeProcess(limit_s=_START_LIMIT_S + seconds, python=contestant.python)
    fresh = FreshProcesses(
        contestant.content, contestant.options, name=contestant.name, process=process, inputs=contestant.inputs
    )
    with process:
        fresh.hold()
        fresh.renew()
        iterations, round_ns = calibrated(lambda invokes: fresh.time(invokes=invokes)[0].wall_ns)
        missing = max(math.ceil(seconds * _SECOND_NS / round_ns), _MIN_ROUNDS)
        wall_ns: list[int] = []
        while missing > 0:
            blocks = fresh.time(invokes=iterations, blocks=min(missing, _ROUNDS_AT_ONCE))
            wall_ns += [block.wall_ns for block in blocks]
            missing -= len(blocks)
    return stored_run(np.asarray(wall_ns) / iterations)


def calibrated(time_ns: Callable[[int], int]) -> tuple[int, int]:
    """Invokes of a round, and its nanoseconds, found as `BenchmarkFixture._calibrate_timer` finds them.

    Parameters
    ----------
    time_ns
        Nanoseconds of so many invokes.
    """
    invokes = 1
    while True:
        took = time_ns(invokes)
        if took >= _MIN_ROUND_NS:
            return invokes, took
        if took >= _MIN_ROUND_NS * 5 / _CALIBRATION_PRECISION:
            invokes = math.ceil(_MIN_ROUND_NS * invokes / took)
        else:
            invokes *= 10


def stored_run(rounds_ns: Array) -> StoredRun:
    """The statistics of all rounds, and as many of them as are kept."""
    step = max(1, math.ceil(len(rounds_ns) / _MOST_ROUNDS))
    return StoredRun(
        median_ns=float(np.median(rounds_ns)), mean_ns=float(np.mean(rounds_ns)), rounds_ns=rounds_ns[::step]
    )


def compare(before: StoredRun, after: StoredRun, *, subject: str, noise: Noise, slowdown: float) -> StoredComparison:
    """Hold a run against the one before it, with every round of the later one 1 + `slowdown` times as long."""
    scale = 1 + slowdown
    test = stats.mannwhitneyu(after.rounds_ns * scale, before.rounds_ns, alternative="greater", method="asymptotic")
    return StoredComparison(
        subject=subject,
        noise=noise,
        slowdown=slowdown,
        medians=after.median_ns * scale / before.median_ns,
        means=after.mean_ns * scale / before.mean_ns,
        p=float(test.pvalue),
    )


#: Below it, a U test is taken to say that a subject became slower.
SIGNIFICANT = 0.001


def comparators(tolerance: float) -> dict[str, Callable[[StoredComparison], bool]]:
    """Ways to decide on stored runs whether a subject became slower, by the name that a table calls them."""
    percent, threshold = f"{tolerance * 100:g}%", 1 + tolerance
    return {
        f"--benchmark-compare-fail=median:{percent}": lambda each: each.medians > threshold,
        f"--benchmark-compare-fail=mean:{percent}": lambda each: each.means > threshold,
        f"Mann-Whitney U, p < {SIGNIFICANT:g}": lambda each: each.p < SIGNIFICANT,
        f"the same, and medians above {percent}": lambda each: each.p < SIGNIFICANT and each.medians > threshold,
    }
