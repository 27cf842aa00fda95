from __future__ import annotations

import math

import pytest

from qbench.judge.sequential import Interval, least_groups
from qbench.measure.contest_records import ContestResult, ContestRules, Group
from qbench.trial.plan import PlannedContest
from qbench.trial.run import contest_record, finding_on

_RULES = ContestRules(threshold=1.05, alpha=0.01)
_PLANNED = PlannedContest(subject="net", noise="core", slowdown=0.1, seed=5)
_LEAST = least_groups(_RULES.alpha)


def _groups(count, *, cpu, wall):
    return [
        Group(
            candidate_first=False,
            baseline={"cpu": 100.0, "wall": 100.0},
            candidate={"cpu": 100.0 * cpu, "wall": 100.0 * wall},
        )
        for _ in range(count)
    ]


def _result(groups, **changed):
    plain = {
        "finding": "slower",
        "faster": False,
        "ratio": 1.1,
        "interval": Interval(low=1.08, high=1.12, confidence=0.95),
        "other_clock_ratio": 1.0,
        "decided_pass_at": 1.2,
        "decided_fail_at": 1.06,
        "rounds": ("slower", "slower"),
        "groups": tuple(groups),
        "baseline_ns": 100.0,
        "candidate_ns": 110.0,
        "clock": "cpu",
        "invokes": 10,
        "seconds": 1.0,
        "starting_s": 0.25,
        "needed_s": 0.0,
        "seed": 5,
    }
    return ContestResult(**{**plain, **changed})


@pytest.mark.parametrize(
    ("ratio", "count", "finding"),
    [
        (1.1, 2 * _LEAST, "slower"),
        (1.0, 2 * _LEAST, "not slower"),
        (1.1, 2 * _LEAST - 1, "inconclusive"),  # the second round is not over
        (1.0, 0, "inconclusive"),
    ],
)
def test_a_clock_decides_as_a_contest_does(ratio, count, finding):
    groups = _groups(count, cpu=1.0, wall=ratio)
    assert finding_on("wall", groups, _RULES) == finding


def test_rounds_that_contradict_each_other_decide_nothing():
    groups = [*_groups(_LEAST, cpu=1.1, wall=1.0), *_groups(_LEAST, cpu=1.0, wall=1.0)]
    assert finding_on("cpu", groups, _RULES) == "inconclusive"
    assert finding_on("wall", groups, _RULES) == "not slower"


def test_a_record_holds_what_both_clocks_saw():
    record = contest_record(_result(_groups(2 * _LEAST, cpu=1.1, wall=1.0)), _RULES, _PLANNED, at_s=3.0)
    assert (record.subject, record.noise, record.slowdown, record.at_s) == ("net", "core", 0.1, 3.0)
    assert (record.finding, record.other_clock_finding) == ("slower", "not slower")
    assert (record.groups, record.above, record.other_above) == (2 * _LEAST, 2 * _LEAST, 0)
    assert (record.low, record.high) == (1.08, 1.12)


def test_a_record_of_a_contest_without_a_group_has_no_numbers():
    nothing = {"ratio": None, "interval": None, "other_clock_ratio": None, "baseline_ns": None, "candidate_ns": None}
    never = {"decided_pass_at": math.inf, "decided_fail_at": 0.0, "needed_s": math.inf}
    result = _result([], finding="inconclusive", rounds=(), **nothing, **never)
    record = contest_record(result, _RULES, _PLANNED, at_s=0.0)
    missing = (record.ratio, record.low, record.high, record.decided_pass_at, record.decided_fail_at, record.needed_s)
    assert missing == (None,) * 6
    assert (record.groups, record.other_clock_finding) == (0, "inconclusive")
