"""The paired bootstrap against closed forms, against simulation, and against what would be wrong."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import norm

from qbench.judge.bootstrap import ALPHA, bca_interval, summarize
from qbench.judge.replicates import GROUPS, Replicates, resample_means, resample_whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from qbench.verdicts import Evidence


def difference(mean: np.ndarray, other: np.ndarray) -> float:
    return float(mean - other)


def pair(examples: int, *, shift: float = 0.0, seed: int = 0, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Values of both sides that have most of their scatter in common."""
    generator = np.random.default_rng(seed)
    reference = generator.exponential(10.0, examples)
    return reference + shift + generator.normal(0, noise, examples), reference


# --- against closed forms ---------------------------------------------------------------------------------


@pytest.mark.parametrize("examples", [300, 3_000])
def test_of_a_mean_it_is_nearly_the_usual_interval_of_paired_differences(examples: int):
    now, reference = pair(examples, shift=0.02)
    low, high = bca_interval(resample_means(now, reference, difference))
    half = 1.645 * float(np.std(now - reference)) / math.sqrt(examples)
    middle = float(np.mean(now - reference))
    assert low == pytest.approx(middle - half, abs=half / 10)
    assert high == pytest.approx(middle + half, abs=half / 10)


def test_a_metric_of_the_set_is_resampled_in_pairs_too():
    now, reference = pair(300, shift=0.02)

    def change(drawn: np.ndarray) -> float:
        return float(now[drawn].mean() - reference[drawn].mean())

    whole = bca_interval(resample_whole(change, 300))
    assert whole == pytest.approx(bca_interval(resample_means(now, reference, difference)), abs=0.002)


def test_the_acceleration_is_the_skewness_by_six_times_the_root():
    # Hall (1992) and Efron (1987): of a mean, a = skewness / (6 sqrt(n)); checked through the interval it gives.
    values = np.random.default_rng(1).exponential(size=150)
    replicates = resample_means(values, np.zeros(150), difference, resamples=10_000)
    centred = values - values.mean()
    skewness = np.mean(centred**3) / np.mean(centred**2) ** 1.5
    a = skewness / (6 * math.sqrt(150))
    bias = norm.ppf(np.mean(replicates.resampled < replicates.change))
    shares = [norm.cdf(bias + (bias + z) / (1 - a * (bias + z))) for z in (-1.6449, 1.6449)]
    assert bca_interval(replicates) == pytest.approx(np.quantile(replicates.resampled, shares), abs=2e-3)


def test_groups_of_examples_give_the_acceleration_that_single_ones_give():
    values = np.random.default_rng(2).exponential(size=20 * GROUPS)
    grouped = resample_means(values, np.zeros(len(values)), difference, resamples=4_000)
    one_by_one = Replicates(
        examples=len(values),
        change=grouped.change,
        resampled=grouped.resampled,
        left_out=(values.sum() - values) / (len(values) - 1),
    )
    width = np.ptp(grouped.resampled)
    assert bca_interval(grouped) == pytest.approx(bca_interval(one_by_one), abs=width / 200)


def test_a_function_of_means_is_resampled_as_one():
    now, reference = pair(400, noise=1.0)

    def worse(mean: np.ndarray, other: np.ndarray) -> float:
        return math.sqrt(mean) - math.sqrt(other)

    def change(drawn: np.ndarray) -> float:
        return math.sqrt(np.mean(now[drawn] ** 2)) - math.sqrt(np.mean(reference[drawn] ** 2))

    by_means = resample_means(now**2, reference**2, worse)
    assert by_means.change == pytest.approx(change(np.arange(400)))
    assert bca_interval(by_means) == pytest.approx(bca_interval(resample_whole(change, 400)), abs=0.01)


# --- what is seen once is seen again ----------------------------------------------------------------------


def test_the_same_values_give_the_same_interval():
    now, reference = pair(200)
    first, second = (summarize(resample_means(now, reference, difference), 0.01) for _ in range(2))
    assert first == second


def test_swapping_the_sides_turns_the_interval_around():
    now, reference = pair(200, shift=0.05)
    low, high = bca_interval(resample_means(now, reference, difference))
    assert bca_interval(resample_means(reference, now, difference)) == pytest.approx((-high, -low), abs=1e-9)


# --- coverage ---------------------------------------------------------------------------------------------


def one_sided_misses(
    draw: Callable[[np.random.Generator], Replicates], truth: float, trials: int
) -> tuple[float, float]:
    ends = [bca_interval(draw(np.random.default_rng((trial, 7)))) for trial in range(trials)]
    return float(np.mean([low > truth for low, _ in ends])), float(np.mean([high < truth for _, high in ends]))


def exponential(generator: np.random.Generator) -> Replicates:
    """A skewed difference of mean 0.5, and much that both sides have in common."""
    reference = generator.gamma(2, size=100)
    return resample_means(reference + generator.exponential(size=100) - 0.5, reference, difference, resamples=500)


def spike(generator: np.random.Generator) -> Replicates:
    """One in twenty examples differs at all, as after a good quantization: mean 0.05."""
    reference = generator.normal(size=400)
    changed = np.where(generator.random(400) < 0.05, generator.exponential(size=400), 0.0)
    return resample_means(reference + changed, reference, difference, resamples=500)


def auc_of(scores: np.ndarray, right: np.ndarray) -> float:
    ranks = np.empty(len(scores))
    ranks[np.argsort(scores)] = np.arange(1, len(scores) + 1)
    positives = np.count_nonzero(right)
    return (ranks[right].sum() - positives * (positives + 1) / 2) / (positives * (len(scores) - positives))


def auc(generator: np.random.Generator) -> Replicates:
    """Loss of AUC by noise on the scores, with one positive in five."""
    right = generator.random(120) < 0.2
    reference = generator.normal(size=120) + 1.5 * right
    now = reference + generator.normal(0, 0.6, 120)

    def change(drawn: np.ndarray) -> float:
        return auc_of(reference[drawn], right[drawn]) - auc_of(now[drawn], right[drawn])

    return resample_whole(change, 120, resamples=500)


#: Scores are normal, so an AUC is Phi(distance / (deviation * sqrt(2))).
AUC_LOSS = float(norm.cdf(1.5 / math.sqrt(2)) - norm.cdf(1.5 / math.sqrt(2 * 1.36)))


@pytest.mark.parametrize(
    ("draw", "truth", "trials"), [(exponential, 0.5, 600), (spike, 0.05, 400), (auc, AUC_LOSS, 250)]
)
def test_the_interval_covers_nearly_as_often_as_it_says(
    draw: Callable[[np.random.Generator], Replicates], truth: float, trials: int
):
    above, below = one_sided_misses(draw, truth, trials)
    # Each end is to miss in 5%. A hundred examples are few for that, and two deviations of the trials are 2 to 3%.
    assert above <= ALPHA + 0.05
    assert below <= ALPHA + 0.05
    assert above + below >= ALPHA


def test_without_pairing_it_would_be_many_times_as_wide():
    now, reference = pair(200)
    low, high = bca_interval(resample_means(now, reference, difference))
    unpaired = 1.645 * math.sqrt((np.var(now) + np.var(reference)) / 200)
    assert high - low < 0.05 * unpaired


# --- findings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shift", "margin", "finding"),
    [
        (0.0, 0.05, "within"),
        (-1.0, 0.0, "within"),
        (0.2, 0.05, "beyond"),
        (0.05, 0.05, "inconclusive"),
    ],
)
def test_the_interval_decides(shift: float, margin: float, finding: str):
    now, reference = pair(300, shift=shift)
    summary = summarize(resample_means(now, reference, difference), margin)
    assert summary.finding == finding
    assert summary.confidence == 0.9
    assert summary.examples == 300
    assert summary.resamples == 10_000


def test_the_needed_number_decides_in_four_of_five_cases():
    now, reference = pair(100, shift=0.02, noise=0.3)
    now += 0.02 - np.mean(now - reference)
    summary = summarize(resample_means(now, reference, difference), 0.05)
    assert summary.finding == "inconclusive"
    assert summary.needed is not None
    decided = []
    for seed in range(60):
        more = pair(summary.needed, shift=0.02, noise=float(np.std(now - reference)), seed=100 + seed)
        replicates = resample_means(*more, difference, resamples=500)
        decided.append(summarize(replicates, 0.05).finding == "within")
    assert 0.65 <= np.mean(decided) <= 0.95


@pytest.mark.parametrize("sign", [1, -1])
def test_where_the_interval_holds_the_margin_fewer_examples_do_not_decide(sign: int):
    # One example in twenty differs, and those by much: the ends are at very different distances.
    generator = np.random.default_rng(4)
    changed = sign * np.where(generator.random(60) < 0.05, generator.exponential(20.0, 60), 0.0)
    replicates = resample_means(changed, np.zeros(60), difference)
    low, high = bca_interval(replicates)
    for share in (0.02, 0.5, 0.98):
        summary = summarize(replicates, low + share * (high - low))
        assert summary.finding == "inconclusive"
        assert summary.needed is None or summary.needed > 60


@pytest.mark.parametrize("evidence", ["exact", "significant"])
def test_the_change_that_is_found_is_found_in_four_of_five_samples(evidence: Evidence):
    now, reference = pair(150, noise=0.3)
    found = summarize(resample_means(now, reference, difference), 0.1, evidence=evidence).found
    assert found > 0.1
    beyond = []
    for seed in range(80):
        other = pair(150, shift=found, noise=float(np.std(now - reference)), seed=300 + seed)
        replicates = resample_means(*other, difference, resamples=500)
        fails = replicates.change > 0.1 if evidence == "exact" else summarize(replicates, 0.1).finding == "beyond"
        beyond.append(fails)
    assert 0.65 <= np.mean(beyond) <= 0.95


def test_next_to_the_tolerance_no_number_of_examples_decides():
    replicates = Replicates(examples=10, change=0.5, resampled=np.linspace(0, 1, 501), left_out=np.arange(10.0))
    assert summarize(replicates, 0.5).needed is None
    assert summarize(replicates, 0.5 + 1e-9).needed is None


def test_where_every_example_changed_alike_there_is_no_doubt():
    replicates = resample_means(np.full(20, 3.0), np.full(20, 1.0), difference)
    assert bca_interval(replicates) == pytest.approx((2.0, 2.0))
    assert summarize(replicates, 1.0).finding == "beyond"


# --- refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("confidence", [0.0, 1.0, math.nan])
def test_a_confidence_that_is_none_is_refused(confidence: float):
    with pytest.raises(ValueError, match="confidence must be between 0 and 1"):
        bca_interval(resample_means(*pair(10), difference, resamples=500), confidence=confidence)
