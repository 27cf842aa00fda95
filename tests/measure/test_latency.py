"""Latency as pytest-benchmark measured it."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from pytest_benchmark.stats import Stats

from qbench.errors import MeasurementError
from qbench.measure.latency import benchmark_row, latency_percentiles, latency_sample
from qbench.records import LatencySample


def stats(**changed) -> SimpleNamespace:
    values = {
        "data": [1.0],
        "median": 2e-6,
        "mean": 3e-6,
        "stddev": 4e-7,
        "min": 1e-6,
        "max": 9e-6,
        "q1": 1.5e-6,
        "q3": 2.5e-6,
        "ld15iqr": 1.2e-6,
        "hd15iqr": 3.5e-6,
        "rounds": 17,
        "outliers": "1;2",
    }
    return SimpleNamespace(**{**values, **changed})


def test_seconds_become_nanoseconds():
    sample = latency_sample(stats(), iterations=5)
    times = {name: getattr(sample, name) for name in LatencySample.__struct_fields__ if name.endswith("_ns")}
    assert times == pytest.approx(
        {
            "median_ns": 2000,
            "mean_ns": 3000,
            "stddev_ns": 400,
            "min_ns": 1000,
            "max_ns": 9000,
            "q1_ns": 1500,
            "q3_ns": 2500,
            "whisker_low_ns": 1200,
            "whisker_high_ns": 3500,
        }
    )
    assert (sample.rounds, sample.iterations, sample.outliers) == (17, 5, "1;2")


def real_stats(times: list[float]) -> Stats:
    made = Stats()
    for duration in times:
        made.update(duration)
    return made


@pytest.mark.parametrize(
    "times",
    [
        [1e-6],
        [1.5e-6, 1e-6],
        [1e-6 * (1 + (index * 7919 % 101) / 101) for index in range(200)] + [5e-5, 1e-4],
        [2.5, 2.25, 2.75],
    ],
    ids=["one round", "two", "outliers", "seconds"],
)
def test_pytest_benchmarks_statistics_survive_the_round_trip(times: list[float]):
    made = real_stats(times)
    row = benchmark_row(latency_sample(made, iterations=3))
    expected = {field: getattr(made, field) for field in row if field not in {"iterations", "total"}}
    assert row == pytest.approx({**expected, "iterations": 3, "total": sum(times)})


def test_a_row_has_every_field_that_pytest_benchmarks_table_and_files_have():
    made = real_stats([1e-6, 2e-6, 3e-6])
    # What it computes of the times themselves is not kept.
    unknown = {"iqr_outliers", "stddev_outliers", "ld15iqr", "hd15iqr", "data"}
    assert set(made.as_dict()) - set(benchmark_row(latency_sample(made, iterations=1))) <= unknown


def test_nothing_timed_is_refused():
    with pytest.raises(MeasurementError, match="the benchmark has no rounds"):
        latency_sample(Stats(), iterations=1)


@pytest.mark.parametrize("median", [0.0, -1e-6, math.nan, math.inf])
def test_a_time_that_is_no_positive_number_is_refused(median: float):
    with pytest.raises(MeasurementError, match="expected a positive number"):
        latency_sample(stats(median=median), iterations=1)


def test_percentiles_are_those_of_all_rounds_in_nanoseconds():
    timed = Stats()
    for seconds in range(201, 0, -1):
        timed.update(seconds * 1e-6)
    found = latency_percentiles(timed)
    assert found == pytest.approx([1000 + 2000 * percent for percent in range(101)])
    assert (found[0], found[50], found[100]) == pytest.approx((timed.min * 1e9, timed.median * 1e9, timed.max * 1e9))
