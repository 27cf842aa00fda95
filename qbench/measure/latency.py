"""Latency as pytest-benchmark measured it, or as it would, in a form that can be kept."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from qbench.errors import MeasurementError
from qbench.records import LatencySample

if TYPE_CHECKING:
    from collections.abc import Callable

_NS = 1e9

#: Fewer rounds than these have no quartiles.
_LEAST_ROUNDS = 5
_IQR_SHARE = 1.5


class TimedRounds(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of timed rounds of one invoke each, in seconds, by the names that pytest-benchmark has for them."""

    data: tuple[float, ...]
    median: float
    mean: float
    stddev: float
    min: float
    max: float
    q1: float
    q3: float
    ld15iqr: float
    hd15iqr: float
    rounds: int
    outliers: str


def time_rounds(invoke: Callable[[], object], *, limit_s: float) -> TimedRounds:
    """Time `invoke` again and again for `limit_s` seconds, and five times at least."""
    rounds: list[float] = []
    end = time.perf_counter() + limit_s
    while len(rounds) < _LEAST_ROUNDS or time.perf_counter() < end:
        started = time.perf_counter_ns()
        invoke()
        rounds.append((time.perf_counter_ns() - started) / _NS)
    data = np.array(rounds)
    q1, median, q3 = (float(each) for each in np.quantile(data, (0.25, 0.5, 0.75)))
    reach, mean, stddev = _IQR_SHARE * (q3 - q1), float(data.mean()), float(data.std(ddof=1))
    within = data[(data >= q1 - reach) & (data <= q3 + reach)]
    unusual = np.count_nonzero(np.abs(data - mean) > stddev)
    return TimedRounds(
        data=tuple(rounds),
        median=median,
        mean=mean,
        stddev=stddev,
        min=float(data.min()),
        max=float(data.max()),
        q1=q1,
        q3=q3,
        ld15iqr=float(within.min()),
        hd15iqr=float(within.max()),
        rounds=len(data),
        outliers=f"{unusual};{len(data) - len(within)}",
    )


def latency_sample(stats: Any, *, iterations: int) -> LatencySample:
    """Take the statistics of a finished benchmark (`benchmark.stats.stats`), whose times are in seconds.

    Raises
    ------
    MeasurementError
        If nothing was timed, or a time is not a positive number.
    """
    if not stats.data:
        raise MeasurementError("the benchmark has no rounds; call benchmark(interpreter.invoke) first")
    sample = LatencySample(
        median_ns=stats.median * _NS,
        mean_ns=stats.mean * _NS,
        stddev_ns=stats.stddev * _NS,
        min_ns=stats.min * _NS,
        max_ns=stats.max * _NS,
        q1_ns=stats.q1 * _NS,
        q3_ns=stats.q3 * _NS,
        whisker_low_ns=stats.ld15iqr * _NS,
        whisker_high_ns=stats.hd15iqr * _NS,
        rounds=stats.rounds,
        iterations=iterations,
        outliers=stats.outliers,
    )
    if not (math.isfinite(sample.median_ns) and sample.median_ns > 0):
        raise MeasurementError(f"the benchmark's median is {sample.median_ns} ns; expected a positive number")
    return sample


def latency_percentiles(stats: Any) -> tuple[float, ...]:
    """Percentiles 0, 1, ... 100 of the rounds of a finished benchmark, in nanoseconds of one invoke."""
    return tuple(float(each) for each in np.percentile(np.asarray(stats.data) * _NS, range(101)))


def benchmark_row(sample: LatencySample) -> dict[str, Any]:
    """The statistics of pytest-benchmark's JSON and comparison table, in seconds, from a kept sample."""
    iqr_ns = sample.q3_ns - sample.q1_ns
    return {
        "min": sample.min_ns / _NS,
        "max": sample.max_ns / _NS,
        "mean": sample.mean_ns / _NS,
        "stddev": sample.stddev_ns / _NS,
        "median": sample.median_ns / _NS,
        "iqr": iqr_ns / _NS,
        "q1": sample.q1_ns / _NS,
        "q3": sample.q3_ns / _NS,
        "ld15iqr": sample.whisker_low_ns / _NS,
        "hd15iqr": sample.whisker_high_ns / _NS,
        "ops": _NS / sample.mean_ns,
        "rounds": sample.rounds,
        "iterations": sample.iterations,
        "outliers": sample.outliers,
        "total": sample.mean_ns * sample.rounds / _NS,
    }
