from __future__ import annotations

import math

import pytest

from qbench.trial.summary import Share, clopper_pearson, summarize, summarize_stored
from trial.examples import comparison, contest, trial


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        (0, 300, 0.0, 0.012221),  # 1 - 0.025 ** (1 / 300)
        (300, 300, 0.987779, 1.0),
        (1, 300, 0.000084, 0.018431),
        (5, 10, 0.187086, 0.812914),
        (10, 10, 0.691503, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_exact_intervals(count, of, low, high):
    assert clopper_pearson(count, of) == pytest.approx((low, high), abs=1e-6)
    assert Share(count, of).interval == clopper_pearson(count, of)


@pytest.mark.parametrize(("count", "of"), [(1, 300), (3, 20), (19, 20)])
def test_at_either_end_the_count_is_as_surprising_as_it_may_be(count, of):
    def at_most(count, probability):
        return sum(math.comb(of, k) * probability**k * (1 - probability) ** (of - k) for k in range(count + 1))

    low, high = clopper_pearson(count, of)
    assert at_most(count, high) == pytest.approx(0.025)
    assert 1 - at_most(count - 1, low) == pytest.approx(0.025)


def test_contests_are_counted_by_noise_and_slowdown():
    contests = [
        *[contest(slowdown=0.1, finding="slower")] * 3,
        contest(slowdown=0.1, finding="inconclusive"),
        *[contest()] * 2,
        contest(noise="core", finding="slower"),
    ]
    rows = summarize(trial(contests))
    counted = [
        (row.noise, row.slowdown, row.slower.count, row.not_slower.count, row.inconclusive.count, row.slower.of)
        for row in rows
    ]
    assert counted == [("quiet", 0.0, 0, 2, 0, 2), ("quiet", 0.1, 3, 0, 1, 4), ("core", 0.0, 1, 0, 0, 1)]


@pytest.mark.parametrize(
    ("slowdown", "finding", "wrong"),
    [
        (0.0, "slower", 1),
        (0.05, "slower", 1),  # what is tolerated must not be found
        (0.06, "slower", 0),
        (0.0, "not slower", 0),
        (0.05, "not slower", 0),
        (0.06, "not slower", 1),
        (0.0, "inconclusive", 0),
        (0.06, "inconclusive", 0),
    ],
)
def test_false_alarms_and_misses(slowdown, finding, wrong):
    (row,) = summarize(trial([contest(slowdown=slowdown, finding=finding)], tolerance=0.05))
    assert row.wrong == Share(wrong, 1)


def test_seconds_with_and_without_the_start_of_processes():
    contests = [contest(seconds=1.0 + number, starting_s=1.0) for number in range(101)]
    (row,) = summarize(trial(contests))
    assert (row.without_start.median, row.without_start.p95) == (50.0, 95.0)
    assert (row.with_start.median, row.with_start.p95) == (51.0, 96.0)


def test_rows_by_subject():
    contests = [contest(subject="a"), contest(subject="b", finding="slower"), contest(subject="b")]
    rows = summarize(trial(contests), by_subject=True)
    assert [(row.subject, row.slower) for row in rows] == [("a", Share(0, 1)), ("b", Share(1, 2))]


def test_what_stored_runs_would_have_said():
    stored = [
        comparison(medians=1.06, means=1.04, p=0.5),
        comparison(medians=1.0, means=1.2, p=0.0001),
        comparison(slowdown=0.1, medians=1.1, means=1.04, p=0.0001),
    ]
    rows = {(row.slowdown, row.name): row.wrong for row in summarize_stored(trial(stored=stored, tolerance=0.05))}
    assert rows == {
        (0.0, "--benchmark-compare-fail=median:5%"): Share(1, 2),
        (0.0, "--benchmark-compare-fail=mean:5%"): Share(1, 2),
        (0.0, "Mann-Whitney U, p < 0.001"): Share(1, 2),
        (0.0, "the same, and medians above 5%"): Share(0, 2),
        (0.1, "--benchmark-compare-fail=median:5%"): Share(0, 1),
        (0.1, "--benchmark-compare-fail=mean:5%"): Share(1, 1),
        (0.1, "Mann-Whitney U, p < 0.001"): Share(0, 1),
        (0.1, "the same, and medians above 5%"): Share(0, 1),
    }
