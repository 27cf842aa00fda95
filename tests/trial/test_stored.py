from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from pytest_benchmark.utils import PercentageRegressionCheck

from qbench.trial.stored import SIGNIFICANT, calibrated, comparators, compare, stored_run

_ROUNDS = 2000


def _rounds(seed, centre=100.0):
    return np.random.default_rng(seed).normal(centre, 2.0, _ROUNDS)


def _compare(before, after, slowdown=0.0):
    return compare(stored_run(before), stored_run(after), subject="net", noise="quiet", slowdown=slowdown)


def _said(compared, tolerance=0.05):
    return [says(compared) for says in comparators(tolerance).values()]


@pytest.mark.parametrize("invoke_ns", [3, 40, 700, 1999, 2500, 3000, 4999, 5000, 12_000_000])
def test_calibration_is_pytest_benchmarks(invoke_ns, monkeypatch):
    monkeypatch.setattr(BenchmarkFixture, "_get_precision", lambda *_: 1e-9)
    theirs = SimpleNamespace(
        _timer=None,
        _min_time=0.000005,
        _calibration_precision=10,
        _warmup=False,
        _logger=SimpleNamespace(debug=lambda *_, **__: None),
        _get_precision=lambda _: 1e-9,
    )
    duration, loops, _ = BenchmarkFixture._calibrate_timer(theirs, lambda times: len(times) * invoke_ns * 1e-9)
    invokes, took = calibrated(lambda times: times * invoke_ns)
    assert invokes == loops
    assert took * 1e-9 == pytest.approx(duration)


def test_equal_runs_raise_no_alarm():
    compared = _compare(_rounds(1), _rounds(2))
    assert compared.medians == pytest.approx(1.0, abs=0.01)
    assert compared.p > SIGNIFICANT
    assert _said(compared) == [False] * 4


def test_a_slowdown_scales_the_later_run_exactly():
    before, after = _rounds(1), _rounds(2)
    plain, slow = _compare(before, after), _compare(before, after, 0.1)
    assert slow.medians == pytest.approx(1.1 * plain.medians)
    assert slow.means == pytest.approx(1.1 * plain.means)
    assert _said(slow) == [True] * 4


def test_a_drift_of_two_per_cent_alarms_the_u_test_alone():
    assert _said(_compare(_rounds(1), _rounds(2, centre=102.0))) == [False, False, True, False]


def test_a_faster_run_alarms_nobody():
    assert _said(_compare(_rounds(1), _rounds(2, centre=90.0))) == [False] * 4


def test_a_few_long_rounds_alarm_the_mean_alone():
    after = _rounds(2)
    after[:20] = 5000.0
    assert _said(_compare(_rounds(1), after)) == [False, True, False, False]


@pytest.mark.parametrize("ratio", [0.9, 1.0499, 1.0501, 1.2])
def test_thresholds_are_those_of_compare_fail(ratio):
    compared = _compare(np.full(10, 100.0), np.full(10, 100.0 * ratio))
    theirs = [
        bool(PercentageRegressionCheck(field, 5).fails({field: 100.0 * ratio}, {field: 100.0}))
        for field in ("median", "mean")
    ]
    assert _said(compared)[:2] == theirs


def test_comparators_are_named_after_the_tolerance():
    assert list(comparators(0.02))[:2] == ["--benchmark-compare-fail=median:2%", "--benchmark-compare-fail=mean:2%"]


def test_statistics_are_of_all_rounds_and_some_are_kept_from_all_over_the_run():
    rounds = np.arange(100_003, dtype=float) + 1
    run = stored_run(rounds)
    assert (run.median_ns, run.mean_ns) == (np.median(rounds), np.mean(rounds))
    assert 4000 < len(run.rounds_ns) <= 5000
    assert run.rounds_ns[-1] > 99_900
    assert len(stored_run(rounds[:12]).rounds_ns) == 12
