"""Bootstrap intervals as sentences."""

from __future__ import annotations

import pytest

from qbench.judge.gate import judge, weigh
from qbench.records import Metric, Subject
from qbench.report.wording import sentence
from qbench.verdicts import BootstrapSummary, Evidence, MetricVerdict

METRIC = Metric(name="mean_error", unit="px", direction="lower")


def weighed(*, low: float, high: float, needed: int | None = None, evidence: Evidence = "exact") -> MetricVerdict:
    verdict = judge(Subject(model="m", recipe="int8"), METRIC, now=2.5, reference=2.0, tolerance=0.25)
    finding = "beyond" if low > 0.25 else "inconclusive"
    summary = BootstrapSummary(
        examples=500,
        resamples=10_000,
        low=low,
        high=high,
        confidence=0.9,
        finding=finding,
        needed=needed,
        found=0.31,
    )
    return weigh(verdict, summary, evidence)


def test_a_sure_fail_says_how_sure():
    said = sentence(weighed(low=0.41, high=0.62))
    assert said.startswith(
        "m-int8: mean_error is 2.5 px, 0.5 px worse than 2 px of the baseline (beyond the tolerance of 0.25 px). "
    )
    assert (
        "On other examples like these it is 0.41 to 0.62 px worse than the baseline (90% interval, 10,000 resamples of "
        "500 examples). A true loss of 0.31 px or more is found in four of five such sets." in said
    )
    assert "would decide" not in said


@pytest.mark.parametrize("evidence", ["exact", "significant"])
def test_an_unsure_one_says_how_many_examples_would_decide(evidence: Evidence):
    said = sentence(weighed(low=-0.1, high=1.1, needed=1_800, evidence=evidence))
    assert "it is -0.1 to 1.1 px worse" in said
    assert "The interval holds the tolerance: about 1,800 examples would decide." in said
    assert ("evaluate on more examples" in said) == (evidence == "significant")


def test_next_to_the_tolerance_nothing_decides():
    assert "The interval holds the tolerance: no number of examples decides." in sentence(weighed(low=0.2, high=0.3))
