"""The logic of contests on a fake clock: the only time that passes is what fake sides say they take."""

from __future__ import annotations

import math
from contextlib import contextmanager
from itertools import pairwise
from statistics import median

import numpy as np
import pytest
from scipy.stats import binom

from qbench.errors import WorkerCrashedError
from qbench.judge.sequential import RatioTest, least_groups
from qbench.measure.contest import run_contest
from qbench.measure.contest_records import ContestRules
from qbench.records import BlockTime

_RULES = ContestRules(threshold=1.05)


class _World:
    """A clock, and the sides that make it go forward.

    Parameters
    ----------
    ratio
        The candidate's time by the baseline's; may be one for each round.
    invoke_s
        Of the baseline.
    noise
        Standard deviation of a block's time, as a share of it.
    """

    def __init__(self, ratio=1.0, *, invoke_s=100e-6, noise=0.02, start_s=0.2, renew_s=0.005, seed=0):
        self.ratios = list(ratio) if isinstance(ratio, (list, tuple)) else [ratio]
        self.invoke_s, self.noise, self.start_s, self.renew_s = invoke_s, noise, start_s, renew_s
        self.lot = np.random.default_rng(seed)
        self.now = 1000.0
        self.opened, self.open = [], False
        #: What the sides were asked: (side, "renew") and (side, invokes, blocks, discard).
        self.asked = []
        self.limits = []
        self.asked_last = None

    def contest(self, **rules):
        return run_contest(self.open_pair, _changed(rules), now=lambda: self.now)

    @contextmanager
    def open_pair(self, number):
        assert not self.open, "the sides of the round before still run"
        self.opened.append(number)
        self.open = True
        self.now += self.start_s
        ratio = self.ratios[min(number, len(self.ratios) - 1)]
        try:
            yield self.side("baseline", 1.0), self.side("candidate", ratio)
        finally:
            self.open = False

    def side(self, name, ratio):
        return _Side(self, name, ratio)

    # What a particular machine or artifact is like.

    def load(self, side):
        """What happens when a side is waited for that has been renewed."""

    def factor(self, side):  # noqa: ARG002 - for worlds that distinguish
        """By how much a block of a side is slower than it should be."""
        return 1.0

    def waiting_s(self, side, invokes):  # noqa: ARG002 - as above
        """Wall time of a block during which its thread does not run."""
        return 0.0

    def waits(self, side):  # noqa: ARG002 - as above
        """How often the thread of a block gives way."""
        return 0

    def change_s(self, side):  # noqa: ARG002 - as above
        """What the first invoke after the other side's costs besides."""
        return 0.0


class _Side:
    def __init__(self, world, name, ratio):
        self.world, self.name, self.ratio = world, name, ratio
        self.loaded_at, self.blocks = None, 0

    def limit(self, limit_s):
        self.world.limits.append((self.name, limit_s))

    def renew(self):
        assert self.world.open, "a side is renewed that has ended"
        self.world.asked.append((self.name, "renew"))
        self.loaded_at, self.blocks = self.world.now + self.world.renew_s, 0

    def time(self, *, invokes, blocks=1, discard=0):
        world = self.world
        assert world.open, "a side is asked that has ended"
        assert self.loaded_at is not None, "nothing is loaded"
        world.now = max(world.now, self.loaded_at)
        if not self.blocks:
            world.load(self)
        world.asked.append((self.name, invokes, blocks, discard))
        change_s = world.change_s(self) if world.asked_last not in {self.name, None} else 0.0
        world.asked_last = self.name
        invoke_s = world.invoke_s * self.ratio
        if discard:
            world.now += discard * invoke_s + change_s
            change_s = 0.0
        timed = []
        for _ in range(blocks):
            self.blocks += 1
            factor = world.factor(self) * max(0.5, 1 + world.noise * world.lot.normal())
            cpu_s = invokes * invoke_s * factor + change_s
            wall_s = cpu_s + world.waiting_s(self, invokes)
            change_s = 0.0
            world.now += wall_s
            timed.append(
                BlockTime(wall_ns=round(wall_s * 1e9), cpu_ns=round(cpu_s * 1e9), waits=world.waits(self)),
            )
        return tuple(timed)


def _changed(rules):
    return ContestRules(**{field: getattr(_RULES, field) for field in _RULES.__struct_fields__} | rules)


def _groups_asked(world):
    """What was asked for each group: from its first renew on. The renews of calibration are left out."""
    renews = [place for place, request in enumerate(world.asked) if request[1] == "renew"]
    starts = [*renews[2::2], len(world.asked)]
    return [world.asked[start:end] for start, end in pairwise(starts)]


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
        result = _World(ratio).contest(threshold=threshold)
        assert result.finding == finding
        assert result.rounds == (finding, finding)
        assert result.needed_s == 0

    @pytest.mark.parametrize(("ratio", "faster"), [(0.8, True), (1.0, False), (1.1, False)])
    def test_clearly_faster_is_told(self, ratio, faster):
        assert _World(ratio).contest(improved_below=0.95).faster == faster

    def test_nobody_is_faster_unless_it_is_asked(self):
        assert not _World(0.1).contest().faster

    def test_what_may_be_a_little_faster_is_not_called_faster(self):
        class Unsteady(_World):
            def factor(self, side):
                return 1.1 if side.name == "candidate" and self.asked.count(("candidate", "renew")) % 4 == 1 else 1.0

        # Three of four groups say faster, all say not slower.
        result = Unsteady(0.94, noise=0.0).contest(improved_below=0.95)
        assert (result.finding, result.faster, len(result.groups)) == ("not slower", False, 24)

    def test_a_ratio_at_the_threshold_ties_and_is_inconclusive(self):
        result = _World(1.05, noise=0.0).contest()
        assert result.finding == "inconclusive"
        assert not result.faster
        assert {group.ratio("cpu") for group in result.groups} == {1.05}

    def test_numbers_are_medians_of_the_groups(self):
        world = _World(1.10)
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

    def test_times_are_told(self):
        world = _World(start_s=0.3)
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


class _Bistable(_World):
    """A machine that is half as slow again for a while, now and then."""

    slow = False

    def factor(self, side):  # noqa: ARG002 - both live on the same machine
        self.slow ^= self.lot.random() < 1 / 40
        return 1.5 if self.slow else 1.0


class TestRounds:
    @pytest.mark.parametrize(("ratio", "finding"), [(1.0, "not slower"), (1.10, "slower")])
    def test_two_that_agree_are_enough_and_needed(self, ratio, finding):
        world = _World(ratio, noise=0.0)
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
        world = _World(ratios)
        result = world.contest()
        expected = tuple({"+": "not slower", "-": "slower"}[sign] for sign in rounds)
        assert result.rounds == expected
        assert result.finding == expected[-1]
        assert not result.faster

    def test_rounds_that_go_on_to_contradict_each_other_end_with_the_time(self):
        world = _World([1.2, 1.0] * 1000)
        result = world.contest()
        assert result.finding == "inconclusive"
        assert result.seconds <= 5
        assert len(world.opened) > 4

    def test_each_is_given_its_number_whose_parity_says_who_starts(self):
        world = _World([1.2, 1.0])
        world.contest()
        assert world.opened == [0, 1, 2, 3]
        assert not world.open

    def test_slower_in_the_end_is_not_faster_whatever_some_rounds_said(self):
        result = _World([0.8, 1.2, 0.8, 1.2], noise=0.0).contest(improved_below=0.95)
        assert (len(result.rounds), result.finding, result.faster) == (6, "slower", False)

    def test_faster_in_one_round_only_is_not_faster(self):
        result = _World([0.8, 1.0], noise=0.0).contest(improved_below=0.95)
        assert (result.rounds, result.faster) == (("not slower", "not slower"), False)


class TestGroups:
    @pytest.mark.parametrize(("invoke_s", "invokes", "blocks"), [(100e-6, 2, 2), (2e-3, 1, 1)])
    def test_a_group_is_two_new_processes_and_blocks_that_alternate(self, invoke_s, invokes, blocks):
        world = _World(invoke_s=invoke_s, noise=0.0)
        result = world.contest()
        asked = _groups_asked(world)
        assert len(asked) == len(result.groups) == 24
        for requests, group in zip(asked, result.groups, strict=True):
            first, second = ("candidate", "baseline") if group.candidate_first else ("baseline", "candidate")
            assert requests == [
                (second, "renew"),
                (first, "renew"),
                (second, invokes, blocks, 0),
                (first, invokes, blocks, 0),
                (first, invokes, blocks, 0),
                (second, invokes, 2 * blocks, 1),
                (first, invokes, blocks, 1),
            ]

    def test_the_seed_draws_the_order(self):
        def order(seed):
            return [group.candidate_first for group in _World(noise=0.0).contest(seed=seed).groups]

        assert order(7) == order(7)
        orders = [order(seed) for seed in range(40)]
        assert len({tuple(drawn) for drawn in orders}) == 40
        # Of 960 fair coins.
        assert binom.ppf(0.001, 960, 0.5) <= sum(map(sum, orders)) <= binom.ppf(0.999, 960, 0.5)
        # The first group of a contest is drawn, too.
        assert {drawn[0] for drawn in orders} == {True, False}

    @pytest.mark.parametrize(("invoke_s", "warm_ups", "blocks"), [(100e-6, 2, 4), (2e-3, 1, 2)])
    def test_the_fastest_of_all_blocks_counts(self, invoke_s, warm_ups, blocks):
        class Spikes(_World):
            def factor(self, side):
                # Of those that are timed, all but one are disturbed: another one for each process.
                quiet = warm_ups + 1 + self.asked.count((side.name, "renew")) % blocks
                return 3.0 if side.blocks > warm_ups and side.blocks != quiet else 1.0

        result = Spikes(invoke_s=invoke_s, noise=0.0).contest()
        assert len(result.groups) == 24
        assert {group.ratio("cpu") for group in result.groups} == {1.0}
        assert {group.baseline["cpu"] for group in result.groups} == {invoke_s * 1e9}

    def test_both_sides_are_loaded_at_once(self):
        slow, quick = (_World(renew_s=renew_s, noise=0.0).contest(limit_s=60) for renew_s in (0.105, 0.005))
        # Once for each group, and for either side to calibrate.
        assert slow.seconds - quick.seconds == pytest.approx((24 + 2) * 0.1)

    def test_the_first_invokes_after_a_change_of_side_are_not_timed(self):
        class Cold(_World):
            def change_s(self, side):
                return 0.01 if side.name == "candidate" else 0.0

        # It is some of a block, or a block of its own.
        for invoke_s in (2e-6, 100e-6, 2e-3):
            result = Cold(invoke_s=invoke_s, noise=0.0).contest()
            assert {group.ratio("cpu") for group in result.groups} == {1.0}

    def test_more_are_thrown_away_of_long_blocks(self):
        world = _World(invoke_s=2e-6, noise=0.0)
        world.contest()
        (discarded,) = {request[3] for request in world.asked if request[1] != "renew" and request[3]}
        assert discarded == 6

    @pytest.mark.parametrize(
        ("first_blocks", "warm_ups"),
        [
            ([1.0], 2),
            ([1.1], 3),
            ([2.0], 3),
            ([2.0, 1.5], 4),
            ([4.0, 2.0, 1.5], 5),
            ([1.04], 2),
            ([2.0, 1.8, 1.6, 1.45, 1.3, 1.0, 0.9, 0.8], 6),
        ],
    )
    def test_a_process_is_warmed_up_until_it_gets_no_faster(self, first_blocks, warm_ups):
        class Cold(_World):
            def factor(self, side):
                slow = side.name == "candidate" and side.blocks <= len(first_blocks)
                return first_blocks[side.blocks - 1] if slow else 1.0

        world = Cold(noise=0.0)
        world.contest(limit_s=60)
        for requests in _groups_asked(world):
            asked = [request for request in requests if request[0] == "candidate" and request[1] != "renew"]
            assert sum(blocks for _, _, blocks, _ in asked) == warm_ups + 4
        if warm_ups < 6:
            assert all(request[1] == 2 for requests in _groups_asked(world) for request in requests[2:])

    def test_the_group_in_between_does_not_begin_before_both_are_warm(self):
        world = _World(noise=0.0)
        world.contest()
        for requests in _groups_asked(world):
            assert [request[1] == "renew" for request in requests] == [True, True, False, False, False, False, False]
            warming, timed = requests[2:4], requests[4:]
            assert {side for side, *_ in warming} == {"baseline", "candidate"}
            assert [side for side, *_ in timed] == [warming[1][0], warming[0][0], warming[1][0]]


class TestBlockLength:
    @pytest.mark.parametrize(
        ("invoke_s", "invokes"),
        [(0.5e-6, 500), (2e-6, 125), (10e-6, 25), (100e-6, 2), (200e-6, 1), (1e-3, 1), (20e-3, 1), (5.0, 1)],
    )
    def test_it_follows_the_subjects_speed(self, invoke_s, invokes):
        world = _World(invoke_s=invoke_s, noise=0.0)
        result = world.contest(limit_s=1e6)
        assert result.invokes == invokes
        assert result.finding == "not slower"
        assert {request[1] for request in world.asked[-7:] if request[1] != "renew"} == {invokes}
        assert result.baseline_ns == pytest.approx(invoke_s * 1e9)

    @pytest.mark.parametrize("ratio", [0.5, 2.0])
    def test_it_follows_the_slower_side(self, ratio):
        result = _World(ratio, invoke_s=10e-6, noise=0.0).contest()
        assert result.invokes == (12 if ratio > 1 else 25)

    def test_a_thousand_times_slower_is_found_in_time(self):
        result = _World(1000.0, invoke_s=10e-6, noise=0.0).contest()
        assert result.finding == "slower"
        assert result.invokes == 1

    def test_a_slow_first_invoke_does_not_make_it_short(self):
        class Lazy(_World):
            def factor(self, side):
                return 20.0 if side.blocks == 1 else 1.0

        assert Lazy(invoke_s=10e-6, noise=0.0).contest().invokes == 25

    def test_one_quiet_moment_is_enough_to_find_it(self):
        class Busy(_World):
            def factor(self, side):
                return 3.0 if side.blocks in {1, 2, 3, 4} else 1.0

        assert Busy(invoke_s=10e-6, noise=0.0).contest().invokes == 25

    @pytest.mark.parametrize(
        ("multiple", "invokes"), [(1, 25), (10, 30), (25, 25), (50, 50), (75, 75), (76, 25), (1000, 25)]
    )
    def test_it_is_rounded_up_to_a_multiple_that_is_not_much_more(self, multiple, invokes):
        assert _World(invoke_s=10e-6, noise=0.0).contest(invoke_multiple=multiple).invokes == invokes

    def test_it_is_found_once_for_all_rounds(self):
        world = _World(invoke_s=10e-6, noise=0.0)
        world.contest()
        assert [request for request in world.asked if request[1] == 1] == [
            ("baseline", 1, 1, 0),
            ("candidate", 1, 1, 0),
        ]


class TestTimeLimit:
    @pytest.mark.parametrize("ratio", [1.0, 1.2])
    @pytest.mark.parametrize("invoke_s", [0.03, 0.1, 0.4, 1.0])
    def test_slow_subjects_end_within_it_and_say_what_they_need(self, ratio, invoke_s):
        result = _World(ratio, invoke_s=invoke_s).contest()
        assert result.finding == "inconclusive"
        assert result.seconds <= 5
        patient = _World(ratio, invoke_s=invoke_s).contest(limit_s=2 * result.needed_s)
        assert patient.finding == ("slower" if ratio > 1.05 else "not slower")
        # One group that was measured or three prove little: then it is more than what it takes if they go on to agree.
        assert 0.2 < patient.seconds / result.needed_s < 1.5

    @pytest.mark.parametrize("invoke_s", [0.7, 30.0])
    def test_what_cannot_end_within_it_is_not_begun(self, invoke_s):
        world = _World(invoke_s=invoke_s)
        result = world.contest(expected_invoke_s=invoke_s)
        assert world.opened == []
        assert (result.finding, result.seconds, result.groups, result.rounds) == ("inconclusive", 0, (), ())
        assert result.ratio is result.interval is result.other_clock_ratio is result.baseline_ns is None
        assert (result.decided_fail_at, result.decided_pass_at) == (0, math.inf)
        patient = _World(invoke_s=invoke_s).contest(expected_invoke_s=invoke_s, limit_s=2 * result.needed_s)
        assert patient.finding == "not slower"
        assert 0.5 < patient.seconds / result.needed_s < 1.5

    @pytest.mark.parametrize("when", [2, 5, 12, 20])
    def test_a_machine_that_stands_still_once_is_no_reason_to_give_up(self, when):
        class Stalled(_World):
            def waiting_s(self, side, invokes):  # noqa: ARG002 - it comes when it comes
                now = side.name == "candidate" and side.blocks == 4
                return 2.0 if now and self.asked.count(("candidate", "renew")) == when else 0.0

        result = Stalled(noise=0.0).contest()
        assert result.finding == "not slower"
        assert result.seconds > 2

    def test_what_it_needs_is_not_told_by_the_one_group_that_stood_still(self):
        class Stalled(_World):
            def waiting_s(self, side, invokes):  # noqa: ARG002 - as above
                now = side.name == "candidate" and side.blocks == 3
                return 3.0 if now and self.asked.count(("candidate", "renew")) == 17 else 0.0

        result = Stalled(noise=0.0, invoke_s=20e-3).contest()
        usual = _World(noise=0.0, invoke_s=20e-3).contest()
        assert (result.finding, usual.finding) == ("inconclusive", "not slower")
        assert usual.seconds < result.needed_s < 1.5 * usual.seconds

    def test_what_it_needs_includes_the_start_of_both_rounds(self):
        slow, quick = (_World(invoke_s=1.0, noise=0.0, start_s=start_s).contest() for start_s in (2.0, 0.5))
        assert slow.needed_s - quick.needed_s == pytest.approx(2 * 1.5)

    def test_what_takes_long_to_load_ends_within_it(self):
        result = _World(renew_s=1.5).contest()
        assert result.finding == "inconclusive"
        assert result.seconds <= 5
        assert result.needed_s == pytest.approx(24 * 3, rel=0.1)

    def test_a_slow_subject_shows_about_how_large_its_ratio_is(self):
        result = _World(1.2, invoke_s=0.1, noise=0.001).contest()
        assert len(result.groups) == 3
        assert result.ratio == pytest.approx(1.2, rel=0.01)

    def test_a_first_round_is_not_ended_that_leaves_no_time_for_a_second(self):
        # Twelve groups fit, 24 do not: to go on to the twelfth would be in vain.
        world = _World(invoke_s=0.03, noise=0.0)
        result = world.contest()
        assert world.opened == [0]
        assert 3 <= len(result.groups) < 12

    @pytest.mark.parametrize("invoke_s", [2e-6, 5e-3])
    def test_a_ratio_near_the_threshold_ends_with_thresholds_that_would_have_been_decided(self, invoke_s):
        result = _World(1.05, invoke_s=invoke_s, seed=1).contest()
        assert result.finding == "inconclusive"
        assert result.seconds <= 5
        assert 1.03 < result.decided_fail_at < 1.05 < result.decided_pass_at < 1.07
        for bound, decision in ((result.decided_pass_at, "below"), (result.decided_fail_at, "above")):
            test = RatioTest(bound * (1 + 1e-12 if decision == "below" else 1 - 1e-12), 0.001)
            for group in result.groups:
                test.add(group.ratio("cpu"))
            assert test.decision == decision
        assert result.needed_s > 5

    def test_an_even_number_of_groups_on_both_sides_needs_for_ever(self):
        class Seesaw(_World):
            def factor(self, side):
                # Processes of calibration are 1 and 2; each group has two.
                number = sum(request == ("candidate", "renew") for request in self.asked)
                return 1.1 if side.name == "candidate" and number % 2 else 1.0

        result = Seesaw(1.0, noise=0.0).contest()
        assert result.finding == "inconclusive"
        above = sum(group.ratio("cpu") > 1.05 for group in result.groups)
        assert abs(2 * above - len(result.groups)) <= 1
        assert result.needed_s > 1000

    def test_each_round_gives_its_workers_what_is_left_and_a_grace(self):
        world = _World([1.2, 1.0], noise=0.0, start_s=0.5)
        world.contest()
        assert [name for name, _ in world.limits] == ["baseline", "candidate"] * 4
        limits = [limit_s for _, limit_s in world.limits[::2]]
        assert limits[0] == pytest.approx(34.5)
        assert limits == sorted(limits, reverse=True)
        assert limits[3] < 34.5 - 3 * 0.5

    def test_a_start_that_takes_longer_ends_it(self):
        result = _World(start_s=7.0).contest()
        assert (result.finding, result.rounds, result.groups) == ("inconclusive", ("inconclusive",), ())
        assert result.seconds == pytest.approx(7, abs=0.1)

    @pytest.mark.parametrize("limit_s", [4.0, 4.1, 4.2, 4.3, 4.4, 4.5])
    def test_a_machine_that_is_busy_now_and_then_keeps_it_and_uses_it(self, limit_s):
        class Busy(_World):
            def factor(self, side):  # noqa: ARG002 - both live on the same machine
                # Every third group takes ten times as long.
                return 10.0 if self.asked.count(("candidate", "renew")) % 3 == 0 else 1.0

        # The first round is soon decided, the second never.
        result = Busy([1.0, 1.05], invoke_s=5e-3, noise=0.0, renew_s=0.0).contest(limit_s=limit_s)
        assert result.rounds == ("not slower", "inconclusive")
        # What a slow group took is remembered, to within a fifth over two quick ones.
        assert limit_s - 0.45 < result.seconds < limit_s + 0.1


class TestClock:
    def test_processor_time_is_believed_of_a_thread_that_never_waits(self):
        result = _World(1.1).contest()
        assert (result.clock, result.finding) == ("cpu", "slower")
        assert result.other_clock_ratio == pytest.approx(1.1, rel=0.02)

    def test_wall_time_is_believed_of_a_thread_that_waits_for_others(self):
        result = _Waiting(1.0).contest()
        assert (result.clock, result.finding) == ("wall", "slower")
        assert result.ratio == pytest.approx(1.25, rel=0.03)
        assert result.other_clock_ratio == pytest.approx(1.0, rel=0.02)

    @pytest.mark.parametrize("invoke_s", [2e-6, 20e-3])
    def test_waits_of_either_side_are_enough_at_any_speed(self, invoke_s):
        class OneWaits(_World):
            def waits(self, side):
                return side.name == self.who

        for who in ("baseline", "candidate"):
            world = OneWaits(invoke_s=invoke_s)
            world.who = who
            assert world.contest().clock == "wall"

    def test_a_wait_now_and_then_is_no_reason(self):
        class Seldom(_World):
            def waits(self, side):
                return side.blocks % 3 == 0

        assert Seldom().contest().clock == "cpu"

    @pytest.mark.parametrize(("clock", "finding"), [("cpu", "not slower"), ("wall", "slower")])
    def test_rules_may_say_which(self, clock, finding):
        result = _Waiting(1.0).contest(clock=clock)
        assert (result.clock, result.finding) == (clock, finding)

    def test_a_neighbour_who_preempts_does_not_matter_to_processor_time(self):
        class Preempted(_World):
            def waiting_s(self, side, invokes):  # noqa: ARG002 - slices of a scheduler know no invokes
                return self.lot.choice([0.004, 0.008]) if side.name == "candidate" else 0.0

        result = Preempted(1.0).contest()
        assert (result.clock, result.finding) == ("cpu", "not slower")
        assert result.ratio == pytest.approx(1.0, rel=0.02)
        assert result.other_clock_ratio > 5
        assert Preempted(1.0).contest(clock="wall").finding == "slower"


class _Waiting(_World):
    """The candidate's thread waits for others for a quarter of its time, which its own clock does not see."""

    def waits(self, side):
        return 3 if side.name == "candidate" else 0

    def waiting_s(self, side, invokes):
        return 0.25 * invokes * self.invoke_s if side.name == "candidate" else 0.0


class TestCrashes:
    @pytest.mark.parametrize("blocks", [1, 40, 80])
    @pytest.mark.parametrize("who", ["baseline", "candidate"])
    def test_a_side_that_dies_ends_the_contest_and_both_sides(self, who, blocks):
        class Deadly(_World):
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
        class Deadly(_World):
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
            run_contest(open_pair, _RULES, now=lambda: 0.0)
