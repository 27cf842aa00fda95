"""Latency as pytest-benchmark measured it, in a form that can be kept."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from qbench.errors import MeasurementError
from qbench.records import LatencySample

_NS = 1e9


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
