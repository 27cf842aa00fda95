"""The sequential test on simulated noise.

A simulated contest is a process of noise that both sides live in, four blocks to a group in the order ABBA or
BAAB by lot, and the ratio of the faster blocks of each side: what `qbench.measure.contest` measures.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import binom

from qbench.judge import sequential
from qbench.judge.sequential import RatioTest, confidence_interval, expected_groups, least_groups, log_wealth

_ALPHA = 0.05
_CONTESTS = 3000
_GROUPS = 120
_THRESHOLD = 1.05


# --- noise: factors on the times of blocks, (contests, blocks), in the order in which blocks are run -------


def _gaussian(lot, shape):
    return 1 + 0.02 * lot.normal(size=shape).clip(-10, 10)


def _cauchy(lot, shape):
    return 1 + 0.02 * np.abs(lot.standard_cauchy(shape))


def _outliers(lot, shape):
    return np.exp(0.05 * lot.normal(size=shape)) + (lot.random(shape) < 0.2) * lot.lognormal(1.0, 2.0, shape)


def _drifting(lot, shape):
    """Each block is half a per cent slower than the one before, with hardly any jitter to hide it."""
    return np.exp(0.005 * np.arange(shape[1])) * (1 + 0.001 * lot.normal(size=shape))


def _bistable(lot, shape):
    """A machine that is half as slow again for some 40 blocks now and then, as after a change of frequency."""
    phase = (np.cumsum(lot.random(shape) < 1 / 40, axis=1) + lot.integers(0, 2, (shape[0], 1))) % 2
    return (1 + 0.5 * phase) * (1 + 0.01 * lot.normal(size=shape))


def _autocorrelated(lot, shape):
    """AR(1) with a memory of some 20 blocks."""
    return np.exp(lfilter([0.03], [1, -0.95], lot.normal(size=shape), axis=1))


_NOISES = [_gaussian, _cauchy, _outliers, _drifting, _bistable, _autocorrelated]
_each_noise = pytest.mark.parametrize("noise", _NOISES, ids=lambda noise: noise.__name__.strip("_"))


def _ratios(noise, true_ratio, *, contests=_CONTESTS, groups=_GROUPS, seed=1, by_lot=True):
    """Ratios of groups, (contests, groups); not `by_lot`, the candidate has the outer blocks of every group."""
    return true_ratio * _equal_sides(noise, contests, groups, seed, by_lot)


@cache
def _equal_sides(noise, contests, groups, seed, by_lot):
    lot = np.random.default_rng(seed)
    blocks = noise(lot, (contests, 4 * groups)).reshape(contests, groups, 4)
    outer, inner = blocks[:, :, [0, 3]].min(axis=2), blocks[:, :, 1:3].min(axis=2)
    candidate_outside = lot.random((contests, groups)) < 0.5 if by_lot else np.full((contests, groups), fill_value=True)
    return np.where(candidate_outside, outer / inner, inner / outer)


def _decisions(ratios, threshold=_THRESHOLD, alpha=_ALPHA):
    """What `RatioTest` decides in each contest, all contests at once."""
    wanted, groups = -math.log(alpha), np.arange(ratios.shape[1] + 1)
    enough = sequential._log_wealth(np.minimum(groups, groups[:, np.newaxis]), groups[:, np.newaxis]) >= wanted
    after = groups[1:]
    above = enough[after, np.cumsum(ratios > threshold, axis=1)]
    below = enough[after, np.cumsum(ratios < threshold, axis=1)]
    decided = above | below
    last = np.where(decided.any(axis=1), decided.argmax(axis=1), ratios.shape[1] - 1)
    each = np.arange(len(ratios))
    decisions = np.where(above[each, last], "above", np.where(below[each, last], "below", ""))
    # What is simulated is what the class does.
    for path, decision in zip(ratios[:6], decisions[:6], strict=True):
        assert _decide(path, threshold, alpha) == decision
    return decisions, last + 1


def _decide(path, threshold, alpha):
    test = RatioTest(threshold, alpha)
    for ratio in path:
        test.add(ratio)
    return test.decision


def _most(alpha, contests=_CONTESTS):
    """So many errors are seen in one of a thousand simulations if their probability is `alpha`."""
    return int(binom.ppf(0.999, contests, alpha))


def _crossing_probability(groups, alpha):
    """Exactly how probable it is that betting on a fair coin ever succeeds within `groups` throws."""
    wanted, alive, crossed = -math.log(alpha), np.array([1.0]), 0.0
    for thrown in range(1, groups + 1):
        alive = np.append(alive, 0.0) / 2 + np.append(0.0, alive) / 2
        succeeds = sequential._log_wealth(np.arange(thrown + 1), np.full(thrown + 1, thrown)) >= wanted
        crossed += alive[succeeds].sum()
        alive[succeeds] = 0
    return crossed


class TestErrors:
    @_each_noise
    def test_a_ratio_at_the_threshold_is_decided_no_more_often_than_alpha(self, noise):
        decisions, _ = _decisions(_ratios(noise, _THRESHOLD))
        assert (decisions == "above").sum() <= _most(_ALPHA)
        assert (decisions == "below").sum() <= _most(_ALPHA)

    @_each_noise
    @pytest.mark.parametrize("alpha", [0.02, 0.2])
    def test_at_any_alpha(self, noise, alpha):
        decisions, _ = _decisions(_ratios(noise, _THRESHOLD), alpha=alpha)
        assert (decisions == "above").sum() <= _most(alpha)
        assert (decisions == "below").sum() <= _most(alpha)

    @_each_noise
    @pytest.mark.parametrize(("true_ratio", "wrong"), [(0.999, "above"), (0.97, "above"), (1.001, "below")])
    def test_a_ratio_on_one_side_is_not_decided_for_the_other(self, noise, true_ratio, wrong):
        decisions, _ = _decisions(_ratios(noise, true_ratio * _THRESHOLD))
        assert (decisions == wrong).sum() <= _most(_ALPHA)

    @pytest.mark.parametrize("alpha", [0.2, 0.05, 0.01, 0.001])
    def test_the_exact_error_of_a_fair_coin_keeps_alpha_and_uses_it(self, alpha):
        crossing = _crossing_probability(1500, alpha)
        assert crossing <= alpha
        # Far less would be wasted power: what is lost is the leap of the last bet over the line.
        assert crossing >= alpha / 4

    @pytest.mark.parametrize("groups", [1, 7, 40])
    def test_bets_on_a_fair_coin_are_fair(self, groups):
        ones = np.arange(groups + 1)
        wealth = np.exp([log_wealth(count, groups) for count in ones])
        assert wealth @ binom.pmf(ones, groups, 0.5) == pytest.approx(1)


class TestTheSimulationSees:
    """Defects on purpose: a simulation that lets them pass would show nothing."""

    @_each_noise
    def test_a_sign_test_that_is_looked_at_again_and_again(self, noise):
        above = np.cumsum(_ratios(noise, _THRESHOLD) > _THRESHOLD, axis=1)
        looked_at = np.arange(10, _GROUPS)
        p_values = binom.sf(above[:, looked_at] - 1, looked_at + 1, 0.5)
        assert (p_values <= _ALPHA).any(axis=1).sum() > _most(_ALPHA)
        # Looked at once, the same test is right.
        assert (p_values[:, -1] <= _ALPHA).sum() <= _most(_ALPHA)

    def test_blocks_in_an_order_that_is_not_drawn(self):
        decisions, _ = _decisions(_ratios(_drifting, _THRESHOLD, by_lot=False))
        assert (decisions == "below").sum() > _most(_ALPHA)

    @pytest.mark.parametrize("noise", [_gaussian, _autocorrelated])
    def test_bettors_who_start_with_more_than_they_have(self, monkeypatch, noise):
        monkeypatch.setattr(sequential, "_SHARES", sequential._SHARES * 3)
        decisions, _ = _decisions(_ratios(noise, _THRESHOLD))
        assert (decisions == "above").sum() > _most(_ALPHA)
        assert (decisions == "below").sum() > _most(_ALPHA)
        assert _crossing_probability(1500, _ALPHA) > _ALPHA

    def test_bettors_whose_wins_are_larger_than_their_losses(self, monkeypatch):
        fair = sequential._log_wealth
        monkeypatch.setattr(sequential, "_log_wealth", lambda ones, groups: fair(ones, groups) + 0.05 * ones)
        decisions, _ = _decisions(_ratios(_gaussian, _THRESHOLD))
        assert (decisions == "above").sum() > _most(_ALPHA)


class TestPower:
    @pytest.mark.parametrize(("true_ratio", "expected"), [(1.10, "above"), (1.0, "below")])
    def test_five_per_cent_beside_the_threshold_are_seen_through_two_per_cent_of_noise(self, true_ratio, expected):
        decisions, groups = _decisions(_ratios(_gaussian, true_ratio, groups=30), alpha=0.001)
        assert (decisions == expected).mean() >= 0.99
        assert np.median(groups) <= 14

    @pytest.mark.parametrize("noise", [_cauchy, _bistable, _autocorrelated])
    def test_noise_that_is_much_larger_than_the_difference_only_takes_longer(self, noise):
        decisions, _ = _decisions(_ratios(noise, 1.10, groups=80), alpha=0.001)
        assert (decisions == "above").mean() >= 0.99

    def test_twelve_groups_that_agree_decide_at_the_default_alpha(self):
        assert least_groups(0.001) == 12
        for ratio, decision in ((1.06, "above"), (1.04, "below")):
            assert _decide([ratio] * 11, _THRESHOLD, 0.001) == ""
            assert _decide([ratio] * 12, _THRESHOLD, 0.001) == decision

    @pytest.mark.parametrize("alpha", [0.5, 0.2, 0.05, 0.001, 1e-9])
    def test_the_least_number_of_groups_is_the_least(self, alpha):
        least = least_groups(alpha)
        assert _decide([2.0] * least, 1.0, alpha) == "above"
        assert _decide([2.0] * (least - 1), 1.0, alpha) == ""


class TestRatioTest:
    def test_it_counts(self):
        test = RatioTest(1.05, 0.001)
        for ratio in (1.0, 1.1, 1.2, 1.05):
            assert test.add(ratio) == ""
        assert (test.groups, test.above, test.below) == (4, 2, 1)

    def test_a_tie_speaks_for_neither_side(self):
        assert _decide([_THRESHOLD] * 1000, _THRESHOLD, 0.001) == ""
        assert _decide([1.06] * 11 + [_THRESHOLD], _THRESHOLD, 0.001) == ""

    def test_a_decision_stands(self):
        test = RatioTest(1.0, 0.05)
        for _ in range(20):
            test.add(2.0)
        for _ in range(500):
            assert test.add(0.5) == "above"
        assert test.groups == 520

    def test_it_decides_as_soon_as_the_wealth_suffices(self):
        for path in _ratios(_gaussian, 1.06, contests=30, groups=80):
            test = RatioTest(_THRESHOLD, _ALPHA)
            for ratio in path:
                test.add(ratio)
                enough = log_wealth(test.above, test.groups) >= math.log(1 / _ALPHA)
                assert (test.decision == "above") == enough
                if test.decision:
                    break

    def test_only_the_side_counts_and_not_the_distance(self):
        near, far = RatioTest(1.0, 0.01), RatioTest(1.0, 0.01)
        for bit in np.random.default_rng(4).random(100) < 0.8:
            assert near.add(1.0001 if bit else 0.9999) == far.add(1e9 if bit else 1e-9)
        assert far.decision == "above"

    @pytest.mark.parametrize("ratio", [0.0, -1.0, math.nan, math.inf, -math.inf])
    def test_what_is_no_positive_number_is_refused(self, ratio):
        test = RatioTest(1.05, 0.001)
        with pytest.raises(ValueError, match="a ratio must be a positive number"):
            test.add(ratio)
        assert test.groups == 0

    @pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, 2.0, math.nan])
    def test_an_alpha_that_is_no_probability_is_refused(self, alpha):
        with pytest.raises(ValueError, match="alpha must lie between 0 and 1"):
            RatioTest(1.05, alpha)


class TestInterval:
    @_each_noise
    def test_it_holds_the_ratio_at_all_times_at_once(self, noise):
        contests, confidence = 400, 0.8
        # Intervals only shrink (see below), so that the last one misses if any did.
        last = [confidence_interval(path, confidence) for path in _ratios(noise, 1.02, contests=contests, groups=50)]
        assert sum(interval.low > 1.02 for interval in last) <= _most((1 - confidence) / 2, contests)
        assert sum(interval.high < 1.02 for interval in last) <= _most((1 - confidence) / 2, contests)
        assert sum(not interval.low <= 1.02 <= interval.high for interval in last) <= _most(1 - confidence, contests)
        # An interval of everything would hold it too.
        assert all(interval.low > 0 and interval.high < math.inf for interval in last)

    def test_the_simulation_sees_an_interval_that_holds_at_one_time_only(self):
        missed = 0
        rank = {n: int(binom.ppf(0.1, n, 0.5)) for n in range(10, 61)}
        for path in _ratios(_gaussian, 1.02, contests=600, groups=60):
            sorts = (np.sort(path[:n]) for n in rank)
            missed += any(not low[rank[len(low)]] <= 1.02 <= low[-1 - rank[len(low)]] for low in sorts)
        assert missed > _most(0.2, 600)

    @pytest.mark.parametrize("noise", [_gaussian, _cauchy, _drifting])
    def test_it_only_shrinks(self, noise):
        for path in _ratios(noise, 1.02, contests=2, groups=100):
            intervals = [confidence_interval(path[:groups], 0.95) for groups in range(101)]
            for before, after in pairwise(intervals):
                assert before.low <= after.low
                assert after.high <= before.high
            assert intervals[-1].low > intervals[30].low or intervals[-1].high < intervals[30].high

    @pytest.mark.parametrize("groups", [0, 1, 5])
    def test_it_holds_everything_while_there_are_few_groups(self, groups):
        interval = confidence_interval([1.0 + 0.01 * group for group in range(groups)], 0.998)
        assert (interval.low, interval.high) == (0.0, math.inf)
        assert interval.confidence == 0.998

    def test_its_ends_are_what_the_test_decides_at(self):
        alpha = 0.05
        for path in _ratios(_autocorrelated, 1.05, contests=20, groups=80):
            interval = confidence_interval(path, 1 - 2 * alpha)
            for threshold in np.sort(path)[::4]:
                expected = "above" if threshold < interval.low else "below" if threshold > interval.high else ""
                assert _decide(path, threshold, alpha) == expected

    def test_it_shrinks_with_the_confidence(self):
        (path,) = _ratios(_gaussian, 1.0, contests=1, groups=100)
        wide, narrow = confidence_interval(path, 0.998), confidence_interval(path, 0.8)
        assert wide.low < narrow.low < narrow.high < wide.high

    def test_ratios_that_are_all_the_same_rule_nothing_out_on_their_own(self):
        interval = confidence_interval([1.5] * 100, 0.95)
        assert interval.low <= 1.5 <= interval.high

    def test_a_long_list_is_thinned_and_no_narrower_for_it(self, monkeypatch):
        (path,) = _ratios(_gaussian, 1.0, contests=1, groups=800)
        thinned = confidence_interval(path, 0.95)
        monkeypatch.setattr(sequential, "_MOST_THRESHOLDS", 10_000)
        whole = confidence_interval(path, 0.95)
        assert thinned.low <= whole.low < 1 < whole.high <= thinned.high
        assert thinned.high - thinned.low < 1.2 * (whole.high - whole.low)


class TestExpectedGroups:
    @pytest.mark.parametrize("share", [0.65, 0.75, 0.9, 1.0])
    @pytest.mark.parametrize("alpha", [0.05, 0.001])
    def test_it_is_about_what_a_simulation_takes(self, share, alpha):
        bits = np.random.default_rng(5).random((1000, 600)) < share
        decisions, groups = _decisions(np.where(bits, 1.1, 1.0), alpha=alpha)
        assert (decisions == "above").mean() > 0.95
        expected = expected_groups(round(1000 * share), 1000, alpha)
        assert 0.5 < expected / np.median(groups) < 2

    @pytest.mark.parametrize(("agreeing", "groups"), [(0, 0), (50, 100), (1, 2), (3, 10)])
    def test_it_is_infinite_for_what_leans_to_neither_side(self, agreeing, groups):
        assert expected_groups(agreeing, groups, 0.001) == math.inf

    def test_it_is_never_less_than_the_least(self):
        assert expected_groups(10_000, 10_000, 0.001) == least_groups(0.001)

    def test_it_falls_the_more_of_them_agree(self):
        expected = [expected_groups(agreeing, 100, 0.001) for agreeing in range(55, 101)]
        assert expected == sorted(expected, reverse=True)
        assert expected[0] > 100 * expected[-1] / 2
