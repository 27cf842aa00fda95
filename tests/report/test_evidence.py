"""Evidence as sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qbench.judge.gate import judge, weigh
from qbench.judge.metrics import METRICS_BY_KIND
from qbench.judge.paired import PairedCounts, summarize
from qbench.records import Subject
from qbench.report.wording import sentence

if TYPE_CHECKING:
    from qbench.verdicts import Evidence, MetricVerdict

ACCURACY = METRICS_BY_KIND["accuracy"][0].metric


def weighed(examples: int, lost: int, won: int, *, tolerance: float, evidence: Evidence = "exact") -> MetricVerdict:
    counts = PairedCounts(examples=examples, lost=lost, won=won)
    verdict = judge(
        Subject(model="m", recipe="int8"), ACCURACY, now=0.9 - counts.drop, reference=0.9, tolerance=tolerance
    )
    return weigh(verdict, summarize(counts, tolerance, evidence=evidence), evidence)


def test_a_sure_fail_says_how_sure():
    said = sentence(weighed(10_000, 178, 17, tolerance=0.002))
    assert "beyond the tolerance of 0.2 points" in said
    assert "On other examples like these the drop against the baseline is 1.39 to 1.85 points (90% interval); " in said
    assert "p = 5.1e-35 (McNemar)." in said
    assert "would decide" not in said


def test_chance_is_never_said_to_be_impossible():
    said = sentence(weighed(10_000, 9000, 0, tolerance=0.002))
    assert "p < 1e-300 (McNemar)." in said


@pytest.mark.parametrize("evidence", ["exact", "significant"])
def test_an_unsure_one_says_how_many_examples_would_decide(evidence: Evidence):
    said = sentence(weighed(500, 4, 1, tolerance=0.005, evidence=evidence))
    assert "The interval holds the tolerance: about " in said
    assert ("evaluate on more examples" in said) == (evidence == "significant")


def test_a_drop_next_to_the_tolerance_cannot_be_decided():
    paired = summarize(PairedCounts(examples=1_000, lost=10, won=0), 0.01)
    assert paired.needed is None
    said = sentence(weigh(weighed(1_000, 10, 0, tolerance=0.0099), paired, "exact"))
    assert "The interval holds the tolerance: no number of examples decides." in said


def test_nothing_is_said_where_nothing_flipped():
    assert "On other examples" not in sentence(weighed(500, 0, 0, tolerance=0.005))


@pytest.mark.parametrize(("evidence", "found"), [("exact", 0.39), ("significant", 0.56)])
def test_the_power_of_the_gate_is_said(evidence: Evidence, found: float):
    assert f"A true drop of {found} points or more is found in four of five such sets." in sentence(
        weighed(10_000, 30, 30, tolerance=0.003, evidence=evidence)
    )


@pytest.mark.parametrize("evidence", ["exact", "significant"])
def test_where_nothing_is_found_no_drop_is_named(evidence: Evidence):
    # Of five examples of which four flip anyway, a fifth cannot make a drop that is told from those.
    said = sentence(weighed(5, 2, 3, tolerance=0.005, evidence=evidence))
    assert "(McNemar). No true drop is found in four of five such sets. The tolerance is finer" in said


@pytest.mark.parametrize(("examples", "finer"), [(64, True), (500, False)])
def test_a_tolerance_finer_than_an_example_is_named(examples: int, finer: bool):  # noqa: FBT001
    said = sentence(weighed(examples, 2, 1, tolerance=0.002))
    assert (f"The tolerance is finer than one of {examples} examples can tell." in said) == finer
