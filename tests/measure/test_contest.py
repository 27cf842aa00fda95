"""A contest's logic with a fake clock and fake sides: findings, rounds, crashes."""

from __future__ import annotations

import math
from contextlib import contextmanager
from statistics import median

import pytest
from scipy.stats import binom

from measure.contest_world import RULES, World
from qbench.errors import WorkerCrashedError
from qbench.judge.sequential import least_groups, log_wealth
from qbench.measure.contest import run_contest


class TestFindings:
    @pytest.mark.parametrize(
        ("ratio", "threshold", "finding"),
        [
            (1.0, 1.05, "not slower"),
            (1.10, 1.05, "slower"),
            (1.10, 1.2, "not slower"),
            (2.0, 1.05, "slower"),
            (0.8, 1.05, "not slower"),
            (0.8, 0.7, "slower"),
        ],
    )
    def test_a_ratio_is_held_against_the_threshold(self, ratio, threshold, finding):
        result = World(ratio).contest(threshold=threshold)
        assert result.finding == finding
        assert result.rounds == (finding, finding)
        assert result.needed_s == 0

    @pytest.mark.parametrize(("ratio", "faster"), [(0.8, True), (1.0, False), (1.1, False)])
    def test_clearly_faster_is_told(self, ratio, faster):
        assert World(ratio).contest(improved_below=0.95).faster == faster

    def test_nobody_is_faster_unless_it_is_asked(self):
        assert not World(0.1).contest().faster

    def test_what_may_be_a_little_faster_is_not_called_faster(self):
        class Unsteady(World):
            def factor(self, side):
                return 1.1 if side.name == "candidate" and self.asked.count(("candidate", "renew")) % 4 == 1 else 1.0

        # Three of four groups say faster, all say not slower.
        result = Unsteady(0.94, noise=0.0).contest(improved_below=0.95)
        assert (result.finding, result.faster, len(result.groups)) == ("not slower", False, 24)

    def test_a_ratio_at_the_threshold_ties_and_is_inconclusive(self):
        result = World(1.05, noise=0.0).contest()
        assert result.finding == "inconclusive"
        assert not result.faster
        assert {group.ratio("cpu") for group in result.groups} == {1.05}

    def test_numbers_are_medians_of_the_groups(self):
        world = World(1.10)
        result = world.contest()
        ratios = [group.candidate["cpu"] / group.baseline["cpu"] for group in result.groups]
        assert result.ratio == median(ratios)
        assert result.ratio == pytest.approx(1.10, rel=0.02)
        assert result.baseline_ns == pytest.approx(100e3, rel=0.03)
        assert result.candidate_ns == pytest.approx(110e3, rel=0.03)
        assert result.interval.confidence == 0.95
        assert 1.05 < result.interval.low < result.ratio < result.interval.high < 1.15
        assert result.decided_fail_at <= result.interval.low
        assert result.interval.high <= result.decided_pass_at

    @pytest.mark.parametrize("clock", ["cpu", "wall"])
    @pytest.mark.parametrize("ratio", [1.0, 1.05, 1.10])
    def test_the_summary_has_each_group_on_the_clock_that_decided(self, ratio, clock):
        class Waiting(World):
            def waiting_s(self, side, invokes):
                return invokes * (3e-5 if side.name == "baseline" else 1e-5)

        result = Waiting(ratio).contest(clock=clock)
        summary = result.summary()
        assert len(summary.groups_ns) == summary.groups == len(result.groups)
        assert summary.groups_ns == tuple((each.baseline[clock], each.candidate[clock]) for each in result.groups)
        assert summary.ratio == median(candidate / baseline for baseline, candidate in summary.groups_ns)

    def test_times_are_told(self):
        world = World(start_s=0.3)
        result = world.contest()
        assert result.seconds == pytest.approx(world.now - 1000)
        assert result.starting_s == pytest.approx(0.6)
        assert result.seed == 0

    def test_wrong_findings_are_no_more_frequent_than_alpha(self):
        """True ratios at the threshold, and a machine that jumps; a suite of them at a large alpha."""
        contests, alpha = 100, 0.2
        findings = []
        for seed in range(contests):
            world = _Bistable(1.05, seed=seed, start_s=0.0, renew_s=0.0)
            findings.append(world.contest(alpha=alpha, limit_s=0.3, seed=seed).finding)
        most = binom.ppf(0.999, contests, alpha)
        assert findings.count("slower") <= most
        assert findings.count("not slower") <= most
        assert findings.count("inconclusive") > contests / 2


class _Bistable(World):
    """A machine that is half as slow again for a while, now and then."""

    slow = False

    def factor(self, side):  # noqa: ARG002 - both live on the same machine
        self.slow ^= self.lot.random() < 1 / 40
        return 1.5 if self.slow else 1.0


class TestRounds:
    @pytest.mark.parametrize(("ratio", "finding"), [(1.0, "not slower"), (1.10, "slower")])
    def test_two_that_agree_are_enough_and_needed(self, ratio, finding):
        world = World(ratio, noise=0.0)
        result = world.contest()
        assert result.rounds == (finding, finding)
        assert world.opened == [0, 1]
        assert len(result.groups) == 2 * least_groups(0.001)

    @pytest.mark.parametrize(
        ("ratios", "rounds"),
        [
            ([1.2, 1.0], "-+++"),
            ([1.0, 1.2], "+---"),
            ([1.2, 1.0, 1.2, 1.0], "-+-+++"),
            ([1.0, 1.2, 1.2, 1.2], "+---"),
            ([1.2, 1.0, 1.2, 1.2], "-+--"),
        ],
    )
    def test_a_contradiction_is_resolved_by_a_lead_of_two(self, ratios, rounds):
        world = World(ratios)
        result = world.contest()
        expected = tuple({"+": "not slower", "-": "slower"}[sign] for sign in rounds)
        assert result.rounds == expected
        assert result.finding == expected[-1]
        assert not result.faster

    def test_rounds_that_go_on_to_contradict_each_other_end_with_the_time(self):
        world = World([1.2, 1.0] * 1000)
        result = world.contest()
        assert result.finding == "inconclusive"
        assert result.seconds <= 5
        assert len(world.opened) > 4

    def test_each_is_given_its_number_whose_parity_says_who_starts(self):
        world = World([1.2, 1.0])
        world.contest()
        assert world.opened == [0, 1, 2, 3]
        assert not world.open

    def test_slower_in_the_end_is_not_faster_whatever_some_rounds_said(self):
        result = World([0.8, 1.2, 0.8, 1.2], noise=0.0).contest(improved_below=0.95)
        assert (len(result.rounds), result.finding, result.faster) == (6, "slower", False)

    def test_faster_in_one_round_only_is_not_faster(self):
        result = World([0.8, 1.0], noise=0.0).contest(improved_below=0.95)
        assert (result.rounds, result.faster) == (("not slower", "not slower"), False)


class TestWorkers:
    def test_a_round_that_does_not_decide_goes_on_in_others(self):
        # Whoever plays the candidate in the first workers is now 10% faster and now 10% slower.
        class Torn(World):
            def factor(self, side):
                torn = len(self.opened) == 1 and side.name == "candidate"
                group = sum(request == ("candidate", "renew") for request in self.asked)
                return (0.9 if group % 2 else 1.1) if torn else 1.0

        world = Torn(noise=0.001)
        result = world.contest()
        assert result.finding == "not slower"
        assert result.rounds == ("not slower", "not slower")
        assert world.opened == [0, 1, 2]

    def test_one_that_decides_keeps_them(self):
        world = World(noise=0.001)
        assert len(world.contest().groups) == 24
        assert world.opened == [0, 1]


class TestCrashes:
    @pytest.mark.parametrize("blocks", [1, 40, 80])
    @pytest.mark.parametrize("who", ["baseline", "candidate"])
    def test_a_side_that_dies_ends_the_contest_and_both_sides(self, who, blocks):
        class Deadly(World):
            timed = 0

            def factor(self, side):
                self.timed += side.name == who
                if self.timed == blocks:
                    raise WorkerCrashedError(f"timing {side.name}", returncode=-9)
                return 1.0

        world = Deadly()
        with pytest.raises(WorkerCrashedError, match=f"SIGKILL while timing {who}"):
            world.contest()
        assert not world.open
        # The last death is in the second round.
        assert world.opened == ([0, 1] if blocks == 80 else [0])

    @pytest.mark.parametrize("loads", [1, 2, 14])
    @pytest.mark.parametrize("who", ["baseline", "candidate"])
    def test_a_side_that_dies_while_it_is_loaded_ends_the_contest_and_both_sides(self, who, loads):
        class Deadly(World):
            def load(self, side):
                if side.name == who and self.asked.count((who, "renew")) == loads:
                    raise WorkerCrashedError(f"loading {side.name}", returncode=-9)

        world = Deadly(noise=0.0)
        with pytest.raises(WorkerCrashedError, match=f"SIGKILL while loading {who}"):
            world.contest()
        assert not world.open
        assert world.opened == ([0, 1] if loads == 14 else [0])

    def test_sides_that_do_not_start_end_it(self):
        @contextmanager
        def open_pair(number):
            raise WorkerCrashedError(f"round {number}", returncode=1)
            yield

        with pytest.raises(WorkerCrashedError, match="exit code 1 while round 0"):
            run_contest(open_pair, RULES, now=lambda: 0.0)


class TestStanding:
    def test_it_is_told_behind_each_group(self):
        told, world = [], World(1.10)
        result = world.contest(tell=lambda each: told.append((each, len(world.asked))), limit_s=30.0)
        assert [each.groups for each, _ in told] == list(range(1, len(result.groups) + 1))
        ratios = [group.ratio("cpu") for group in result.groups]
        assert [each.ratio for each, _ in told] == [median(ratios[: end + 1]) for end in range(len(ratios))]
        # Behind the last block of a group, and before anything is asked of the next one.
        renews = [place for place, request in enumerate(world.asked) if request[1] == "renew"]
        assert [asked for _, asked in told] == [*renews[4::2], len(world.asked)]
        left = [each.left_s for each, _ in told]
        assert left == sorted(left, reverse=True)
        assert 0 < left[-1] < left[0] < 30

    def test_evidence_is_complete_with_the_verdict(self):
        told = []
        World(1.10, noise=0.0).contest(tell=told.append, alpha=0.001)
        each_round = least_groups(0.001)
        shares = [each.evidence for each in told]
        assert shares == sorted(shares)
        assert shares[each_round - 1] == 0.5
        assert 0 < shares[0] < 0.5 < shares[each_round] < shares[-1] == 1.0

    def test_a_round_that_contradicts_takes_evidence_away(self):
        told = []
        result = World([1.2, 0.8, 0.8, 0.8], noise=0.0).contest(tell=told.append, limit_s=30.0)
        assert result.rounds == ("slower", "not slower", "not slower", "not slower")
        shares = [each.evidence for each in told[least_groups(0.001) - 1 :: least_groups(0.001)]]
        assert shares == [0.5, 0.0, 0.5, 1.0]

    def test_evidence_is_the_logarithm_of_wealth(self):
        told = []
        World(1.10, noise=0.0).contest(tell=told.append, alpha=0.001)
        assert told[4].evidence == pytest.approx(log_wealth(5, 5) / math.log(1000) / 2)

    def test_it_changes_nothing(self):
        silent, told = World(1.06), World(1.06)
        found = told.contest(tell=lambda _: None)
        assert found == silent.contest()
        assert told.asked == silent.asked
