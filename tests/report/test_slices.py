"""Slices as sentences."""

from __future__ import annotations

import numpy as np
import pytest

from qbench.judge.gate import judge
from qbench.judge.metrics import METRICS_BY_KIND, SLICE_REGRESSION
from qbench.judge.slices import compare_slices, judge_slices
from qbench.records import Subject
from qbench.report.slices import slices_sentence
from qbench.report.wording import sentence, sentences
from qbench.verdicts import SlicesSummary, Verdict

SUBJECT = Subject(model="m", recipe="int8")


def summary(*slices: tuple[str, int, int, int], by: str = "class") -> SlicesSummary:
    """What slices of (name, examples, lost, won) give."""
    right, was_right, groups = [], [], []
    for name, examples, lost, won in slices:
        right += [False] * lost + [True] * (examples - lost)
        was_right += [True] * lost + [False] * won + [True] * (examples - lost - won)
        groups += [name] * examples
    found = compare_slices(np.array(right), np.array(was_right), np.array(groups), by=by)
    assert found is not None
    return found


TEN = (("8", 974, 31, 10), *((str(digit), 1000, 4, 4) for digit in (0, 1, 2, 3, 4, 5, 6, 7, 9)))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            summary(*TEN),
            "Worst slice: class 8, 2.16 points (31 of 974 lost, 10 won; p = 0.01 after correction for 10 slices).",
        ),
        (
            summary(("night", 100, 20, 0), ("day", 9000, 0, 0), by="camera"),
            (
                "Worst slice: camera night, 20 points (20 of 100 lost, 0 won; "
                "p = 2e-06 after correction for 1 of 2 slices)."
            ),
        ),
        (
            summary(("a", 50, 20, 0), ("b", 100, 20, 0), ("c", 100, 15, 0), ("d", 100, 14, 0), ("e", 100, 13, 0)),
            (
                "Worst slice: class a, 40 points (20 of 50 lost, 0 won; p = 1e-05 after correction for 5 slices). "
                "Also worse: b, 20 points; c, 15 points; d, 14 points and 1 more."
            ),
        ),
        (
            summary(("a", 100, 8, 2), ("b", 100, 0, 0)),
            (
                "Worst slice: class a, 6 points (8 of 100 lost, 2 won), which may be chance "
                "(p = 0.1 after correction for 1 of 2 slices)."
            ),
        ),
        (summary(("a", 2, 2, 0), ("b", 100, 6, 6)), "Worst slice: class a, 100 points"),
    ],
)
def test_the_worst_is_said_with_its_evidence(found: SlicesSummary, said: str):
    assert slices_sentence(found).startswith(said)


def test_a_few_examples_are_said_quietly():
    said = slices_sentence(summary(("a", 20, 2, 0), ("b", 100, 6, 6)))
    assert said == "Worst slice: class a, 10 points (2 of 20 lost, 0 won), which may well be chance."


def test_it_stands_behind_a_verdict_on_accuracy():
    metric = METRICS_BY_KIND["accuracy"][0].metric
    verdict = judge(SUBJECT, metric, now=0.9, reference=0.95, tolerance=0.01)
    assert "slice" not in sentence(verdict)
    fields = {name: getattr(verdict, name) for name in verdict.__struct_fields__}
    assert " Worst slice: class 8, " in sentence(type(verdict)(**{**fields, "slices": summary(*TEN)}))


@pytest.mark.parametrize(
    ("tolerance", "verdict", "said"),
    [
        (0.02, Verdict.FAIL, "m-int8: slice_regression: class 8 lost more than the 2 points that any may lose. Worst"),
        (0.03, Verdict.PASS, "m-int8: slice_regression: no class lost more than chance and more than the 3 points"),
    ],
)
def test_a_verdict_on_slices_says_what_was_allowed(tolerance: float, verdict: Verdict, said: str):
    judged = judge_slices(SUBJECT, summary(*TEN), metric=SLICE_REGRESSION, tolerance=tolerance, against="baseline")
    assert judged.verdict is verdict
    assert sentence(judged).startswith(said)
    assert ("What to do: look at the examples of that slice" in sentence(judged)) == (verdict is Verdict.FAIL)


def test_several_failing_slices_are_counted():
    found = summary(("a", 100, 20, 0), ("b", 100, 30, 0), ("c", 100, 0, 0))
    judged = judge_slices(SUBJECT, found, metric=SLICE_REGRESSION, tolerance=0.01, against="baseline")
    assert "2 of 3 slices lost more than the 1 points that any may lose" in sentence(judged)


def test_the_slices_of_each_subject_are_said_although_the_reason_is_the_same():
    other = summary(("8", 500, 40, 0), ("9", 500, 0, 0))
    judged = [
        judge_slices(
            Subject(model=model, recipe="int8"), found, metric=SLICE_REGRESSION, tolerance=0.02, against="fp32"
        )
        for model, found in (("a", summary(*TEN)), ("b", other))
    ]
    assert judged[0].reason == judged[1].reason
    (_, first), (_, second) = sentences(judged)
    assert "31 of 974 lost" in first
    assert "40 of 500 lost" in second


def test_where_nothing_was_lost_that_is_said():
    judged = judge_slices(SUBJECT, None, metric=SLICE_REGRESSION, tolerance=0.01, against="baseline")
    assert sentence(judged) == "m-int8: slice_regression: no slice lost more than it won."
