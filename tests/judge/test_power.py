"""The power of both gates against every outcome that can come, and against simulation."""

from __future__ import annotations

from functools import cache
from math import comb

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbench.judge.gate import judge, weigh
from qbench.judge.metrics import METRICS_BY_KIND
from qbench.judge.paired import ALPHA, PairedCounts, non_inferiority, summarize
from qbench.judge.power import drop_found, fail_probability
from qbench.records import Subject
from qbench.verdicts import Evidence, Verdict

ACCURACY = METRICS_BY_KIND["accuracy"][0].metric
#: Of which nothing but the finding counts here.
SUMMARY = summarize(PairedCounts(examples=24, lost=1, won=1), 0.1)
EVIDENCE: tuple[Evidence, ...] = ("exact", "significant")


def power(examples: int, margin: float, drop: float, churn: float, evidence: Evidence) -> float:
    return fail_probability(examples, margin, drop=drop, churn=churn, evidence=evidence, alpha=ALPHA)


@cache
def fails(examples: int, lost: int, won: int, margin: float, evidence: Evidence) -> bool:
    """Whether the gate itself fails so many flips."""
    pair = PairedCounts(examples=examples, lost=lost, won=won)
    verdict = judge(Subject(model="m", recipe="int8"), ACCURACY, now=0.9 - pair.drop, reference=0.9, tolerance=margin)
    paired = msgspec.structs.replace(SUMMARY, finding=non_inferiority(pair, margin))
    return weigh(verdict, paired, evidence).verdict is Verdict.FAIL


@pytest.mark.parametrize("evidence", EVIDENCE)
@pytest.mark.parametrize("margin", [0.0, 0.02, 1 / 24, 0.2])
@pytest.mark.parametrize(("drop", "churn"), [(0.0, 0.1), (0.05, 0.0), (0.1, 0.2), (-0.05, 0.1), (0.3, 0.7)])
def test_it_is_the_sum_over_all_that_can_come(drop: float, churn: float, margin: float, evidence: Evidence):
    examples = 24
    lost_share, won_share = churn / 2 + max(drop, 0), churn / 2 + max(-drop, 0)
    rest_share = max(1 - lost_share - won_share, 0.0)
    expected = 0.0
    for lost in range(examples + 1):
        for won in range(examples - lost + 1):
            if fails(examples, lost, won, margin, evidence):
                ways = comb(examples, lost) * comb(examples - lost, won)
                expected += ways * lost_share**lost * won_share**won * rest_share ** (examples - lost - won)
    assert power(examples, margin, drop, churn, evidence) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@cache
def beyond(examples: int, lost: int, won: int, margin: float) -> bool:
    return non_inferiority(PairedCounts(examples=examples, lost=lost, won=won), margin) == "beyond"


@pytest.mark.parametrize("examples", [500, 1_000, 10_000])
@pytest.mark.parametrize(
    ("margin", "drop", "churn"), [(0.005, 0.0, 0.02), (0.005, 0.01, 0.01), (0.01, 0.02, 0.03), (0.002, 0.002, 0.0)]
)
def test_so_often_simulated_samples_fail(examples: int, margin: float, drop: float, churn: float):
    shares = [drop + churn / 2, churn / 2]
    drawn = np.random.default_rng(examples).multinomial(examples, [*shares, 1 - sum(shares)], size=4_000)
    seen = np.mean(drawn[:, 0] - drawn[:, 1] > margin * examples * (1 + 1e-6))
    found = np.mean([beyond(examples, int(lost), int(won), margin) for lost, won, _ in drawn])
    # Four standard deviations of 4,000 trials.
    assert power(examples, margin, drop, churn, "exact") == pytest.approx(seen, abs=0.032)
    assert power(examples, margin, drop, churn, "significant") == pytest.approx(found, abs=0.032)


@settings(deadline=None)
@given(
    examples=st.integers(1, 3_000),
    margin=st.floats(0, 0.2),
    drops=st.tuples(st.floats(0, 0.3), st.floats(0, 0.3)),
    churn=st.floats(0, 0.3),
)
def test_a_larger_drop_is_found_more_often_and_evidence_asks_for_more(examples, margin, drops, churn):
    smaller, larger = sorted(drops)
    exact = [power(examples, margin, drop, churn, "exact") for drop in (smaller, larger)]
    assert 0 <= exact[0] <= exact[1] + 1e-9
    assert exact[1] <= 1 + 1e-9
    assert power(examples, margin, larger, churn, "significant") <= exact[1] + 1e-9


@pytest.mark.parametrize("evidence", EVIDENCE)
@pytest.mark.parametrize("margin", [0.0, 0.002, 0.01])
@pytest.mark.parametrize(("examples", "churn"), [(1_000, 0.004), (1_000, 0.02), (10_000, 0.006)])
def test_the_drop_that_is_found_fails_in_four_of_five_samples(
    examples: int, churn: float, margin: float, evidence: Evidence
):
    drop = drop_found(examples, margin, churn=churn, evidence=evidence, alpha=ALPHA)
    assert drop > margin
    assert power(examples, margin, drop, churn, evidence) == pytest.approx(0.8, abs=1e-3)


@pytest.mark.parametrize("evidence", EVIDENCE)
def test_more_examples_find_less(evidence: Evidence):
    found = [drop_found(size, 0.01, churn=0.02, evidence=evidence, alpha=ALPHA) for size in (500, 5_000, 500_000)]
    assert found == sorted(found, reverse=True)
    assert found[-1] == pytest.approx(0.01, abs=1e-3)


def test_what_no_drop_can_fail():
    assert drop_found(3, 0.95, churn=0.0, evidence="significant", alpha=ALPHA) == 1.0
    assert drop_found(1_000, 1.0, churn=0.0, evidence="exact", alpha=ALPHA) == 1.0
    assert power(1_000, 0.0, 0.0, 0.0, "exact") == 0.0


@pytest.mark.parametrize(("drop", "churn"), [(0.6, 0.5), (0.1, -0.1), (-0.7, 0.4)])
def test_shares_that_do_not_fit_are_refused(drop: float, churn: float):
    with pytest.raises(ValueError, match="expected shares that fit into one whole"):
        power(100, 0.01, drop, churn, "exact")
