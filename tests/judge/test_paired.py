"""Statistics of paired predictions against exact sums, published values and simulation."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from qbench.judge.paired import (
    ALPHA,
    PairedCounts,
    drop_interval,
    examples_to_decide,
    mcnemar_p_value,
    non_inferiority,
    summarize,
)
from qbench.judge.power import drop_found

if TYPE_CHECKING:
    from qbench.verdicts import Evidence


def counts(examples: int, lost: int, won: int) -> PairedCounts:
    return PairedCounts(examples=examples, lost=lost, won=won)


@st.composite
def drawn_counts(draw):
    examples = draw(st.integers(1, 20_000))
    lost = draw(st.integers(0, examples))
    return counts(examples, lost, draw(st.integers(0, examples - lost)))


@given(drawn_counts())
def test_mcnemar_is_the_exact_binomial_test(pair: PairedCounts):
    expected = binomtest(pair.lost, pair.flips, 0.5).pvalue if pair.flips else 1.0
    assert mcnemar_p_value(pair) == pytest.approx(expected, rel=1e-9)


@given(drawn_counts(), st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.999]))
def test_the_interval_holds_the_drop_and_grows_with_confidence(pair: PairedCounts, confidence: float):
    lower, upper = drop_interval(pair, confidence=confidence)
    assert -1 <= lower <= pair.drop <= upper <= 1
    wider = drop_interval(pair, confidence=1 - (1 - confidence) / 2)
    assert wider[0] <= lower + 1e-9
    assert wider[1] >= upper - 1e-9


@given(drawn_counts())
def test_swapping_the_sides_turns_the_interval_around(pair: PairedCounts):
    lower, upper = drop_interval(pair)
    other = drop_interval(counts(pair.examples, pair.won, pair.lost))
    assert other == pytest.approx((-upper, -lower), abs=1e-7)


def score_by_search(pair: PairedCounts, drop: float) -> float:
    """Tango's statistic with the nuisance parameter found by maximizing the likelihood on a fine grid."""
    won = np.linspace(max(0.0, -drop), (1 - drop) / 2, 400_001)[1:-1]
    rest = 1 - 2 * won - drop
    likelihood = pair.lost * np.log(won + drop) + pair.won * np.log(won)
    likelihood += (pair.examples - pair.flips) * np.log(rest)
    best = won[np.argmax(likelihood)]
    variance = pair.examples * (2 * best + drop - drop**2)
    return (pair.lost - pair.won - pair.examples * drop) / math.sqrt(variance)


@pytest.mark.parametrize(("examples", "lost", "won"), [(50, 12, 2), (500, 6, 1), (10_000, 40, 31), (44, 9, 1)])
def test_the_ends_are_where_the_score_test_rejects(examples: int, lost: int, won: int):
    pair = counts(examples, lost, won)
    for end, quantile in zip(drop_interval(pair, confidence=0.95), (1.959964, -1.959964), strict=True):
        assert score_by_search(pair, end) == pytest.approx(quantile, abs=2e-3)


@functools.cache
def interval(examples: int, lost: int, won: int) -> tuple[float, float]:
    return drop_interval(counts(examples, lost, won))


@pytest.mark.parametrize("examples", [500, 1_000, 10_000])
@pytest.mark.parametrize(("drop", "flips"), [(0.0, 0.01), (0.005, 0.01), (0.01, 0.02), (0.01, 0.012), (0.002, 0.05)])
def test_the_interval_covers_as_often_as_it_says(examples: int, drop: float, flips: float):
    generator = np.random.default_rng(examples)
    shares = [(flips + drop) / 2, (flips - drop) / 2]
    drawn = generator.multinomial(examples, [*shares, 1 - sum(shares)], size=3_000)
    ends = [interval(examples, int(lost), int(won)) for lost, won, _ in drawn]
    above, below = np.mean([low > drop for low, _ in ends]), np.mean([high < drop for _, high in ends])
    # Each end is to miss in 5%; three standard deviations of 3,000 trials are 1.2%, and few flips come in lumps.
    assert above <= ALPHA + 0.025
    assert below <= ALPHA + 0.025
    if flips * examples > 50:
        assert above + below >= ALPHA


def test_a_wald_interval_would_not_cover_there():
    # 7 of 500 lost and none won: the usual interval excludes 0.5 points on no more than seven examples.
    pair = counts(500, 5, 0)
    half = 1.645 * math.sqrt(pair.flips - pair.flips**2 / 500) / 500
    assert pair.drop - half > 0.0025
    assert drop_interval(pair)[0] < 0.005


@pytest.mark.parametrize(
    ("pair", "margin", "finding"),
    [
        (counts(10_000, 5, 5), 0.002, "within"),
        (counts(10_000, 120, 20), 0.002, "beyond"),
        (counts(500, 4, 1), 0.005, "inconclusive"),
        (counts(500, 0, 0), 0.02, "within"),
        (counts(20, 0, 0), 0.005, "inconclusive"),
        (counts(100, 0, 30), 0.0, "within"),
    ],
)
def test_non_inferiority(pair: PairedCounts, margin: float, finding: str):
    assert non_inferiority(pair, margin) == finding


def test_more_examples_of_the_same_kind_decide():
    pair = counts(500, 4, 1)
    needed = examples_to_decide(pair, 0.01)
    assert needed is not None
    assert needed > 500
    times = math.ceil(2 * needed / 500)
    assert non_inferiority(counts(500 * times, 4 * times, 1 * times), 0.01) == "within"
    assert examples_to_decide(counts(1_000, 10, 0), 0.01) is None


def test_the_needed_number_decides_in_four_of_five_cases():
    pair = counts(1_000, 8, 4)
    needed = examples_to_decide(pair, 0.015)
    drawn = np.random.default_rng(3).multinomial(needed, [0.008, 0.004, 0.988], size=2_000)
    decided = np.mean(
        [non_inferiority(counts(needed, int(lost), int(won)), 0.015) == "within" for lost, won, _ in drawn]
    )
    assert 0.7 <= decided <= 0.9


def test_what_flips_without_moving_the_accuracy():
    assert counts(1_000, 20, 10).churn == 0.02
    assert counts(1_000, 3, 9).churn == 0.006
    assert counts(10, 4, 0).churn == 0.0


@pytest.mark.parametrize("evidence", ["exact", "significant"])
def test_a_summary_has_the_power_of_the_gate_that_it_is_for(evidence: Evidence):
    found = summarize(counts(1_000, 20, 10), 0.01, evidence=evidence).found
    assert found == drop_found(1_000, 0.01, churn=0.02, evidence=evidence, alpha=ALPHA)
    assert (
        summarize(counts(1_000, 20, 10), 0.01).found == summarize(counts(1_000, 20, 10), 0.01, evidence="exact").found
    )


@pytest.mark.parametrize(("examples", "lost", "won"), [(0, 0, 0), (10, -1, 0), (10, 6, 5)])
def test_counts_that_do_not_fit_are_refused(examples: int, lost: int, won: int):
    with pytest.raises(ValueError, match=rf"found {lost} lost and {won} won of {examples} examples"):
        counts(examples, lost, won)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -0.5, math.nan])
def test_a_confidence_that_is_none_is_refused(confidence: float):
    with pytest.raises(ValueError, match="confidence must be between 0 and 1"):
        drop_interval(counts(10, 1, 1), confidence=confidence)
