"""A contest's logic with a fake clock and fake sides: the time limit, and which clock is believed."""

from __future__ import annotations

import math

import pytest

from measure.contest_world import World
from qbench.judge.sequential import RatioTest


class TestTimeLimit:
    @pytest.mark.parametrize("ratio", [1.0, 1.2])
    @pytest.mark.parametrize("invoke_s", [0.03, 0.1, 0.4, 1.0])
    def test_slow_subjects_end_within_it_and_say_what_they_need(self, ratio, invoke_s):
        result = World(ratio, invoke_s=invoke_s).contest()
        assert result.finding == "inconclusive"
        assert result.seconds <= 5
        patient = World(ratio, invoke_s=invoke_s).contest(limit_s=2 * result.needed_s)
        assert patient.finding == ("slower" if ratio > 1.05 else "not slower")
        # One group that was measured or three prove little: then it is more than what it takes if they go on to agree.
        assert 0.2 < patient.seconds / result.needed_s < 1.5

    @pytest.mark.parametrize("invoke_s", [0.7, 30.0])
    def test_what_cannot_end_within_it_is_not_begun(self, invoke_s):
        world = World(invoke_s=invoke_s)
        result = world.contest(expected_invoke_s=invoke_s)
        assert world.opened == []
        assert (result.finding, result.seconds, result.groups, result.rounds) == ("inconclusive", 0, (), ())
        assert result.ratio is result.interval is result.other_clock_ratio is result.baseline_ns is None
        assert (result.decided_fail_at, result.decided_pass_at) == (0, math.inf)
        patient = World(invoke_s=invoke_s).contest(expected_invoke_s=invoke_s, limit_s=2 * result.needed_s)
        assert patient.finding == "not slower"
        assert 0.5 < patient.seconds / result.needed_s < 1.5

    @pytest.mark.parametrize("when", [2, 5, 12, 20])
    def test_a_machine_that_stands_still_once_is_no_reason_to_give_up(self, when):
        class Stalled(World):
            def waiting_s(self, side, invokes):  # noqa: ARG002 - it comes when it comes
                now = side.name == "candidate" and side.blocks == 4
                return 2.0 if now and self.asked.count(("candidate", "renew")) == when else 0.0

        result = Stalled(noise=0.0).contest()
        assert result.finding == "not slower"
        assert result.seconds > 2

    def test_what_it_needs_is_not_told_by_the_one_group_that_stood_still(self):
        class Stalled(World):
            def waiting_s(self, side, invokes):  # noqa: ARG002 - as above
                now = side.name == "candidate" and side.blocks == 3
                return 3.0 if now and self.asked.count(("candidate", "renew")) == 17 else 0.0

        result = Stalled(noise=0.0, invoke_s=20e-3).contest()
        usual = World(noise=0.0, invoke_s=20e-3).contest()
        assert (result.finding, usual.finding) == ("inconclusive", "not slower")
        assert usual.seconds < result.needed_s < 1.5 * usual.seconds

    def test_what_it_needs_includes_the_start_of_both_rounds(self):
        slow, quick = (World(invoke_s=1.0, noise=0.0, start_s=start_s).contest() for start_s in (2.0, 0.5))
        assert slow.needed_s - quick.needed_s == pytest.approx(2 * 1.5)

    def test_what_takes_long_to_load_ends_within_it(self):
        result = World(renew_s=1.5).contest()
        assert result.finding == "inconclusive"
        assert result.seconds <= 5
        assert result.needed_s == pytest.approx(24 * 3, rel=0.1)

    def test_a_slow_subject_shows_about_how_large_its_ratio_is(self):
        result = World(1.2, invoke_s=0.1, noise=0.001).contest()
        assert len(result.groups) == 3
        assert result.ratio == pytest.approx(1.2, rel=0.01)

    def test_a_first_round_is_not_ended_that_leaves_no_time_for_a_second(self):
        # Twelve groups fit, 24 do not: to go on to the twelfth would be in vain.
        world = World(invoke_s=0.03, noise=0.0)
        result = world.contest()
        assert world.opened == [0]
        assert 3 <= len(result.groups) < 12

    @pytest.mark.parametrize("invoke_s", [2e-6, 5e-3])
    def test_a_ratio_near_the_threshold_ends_with_thresholds_that_would_have_been_decided(self, invoke_s):
        result = World(1.05, invoke_s=invoke_s, seed=1).contest()
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
        class Seesaw(World):
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
        world = World([1.2, 1.0], noise=0.0, start_s=0.5)
        world.contest()
        assert [name for name, _ in world.limits] == ["baseline", "candidate"] * 4
        limits = [limit_s for _, limit_s in world.limits[::2]]
        assert limits[0] == pytest.approx(34.5)
        assert limits == sorted(limits, reverse=True)
        assert limits[3] < 34.5 - 3 * 0.5

    def test_a_start_that_takes_longer_ends_it(self):
        result = World(start_s=7.0).contest()
        assert (result.finding, result.rounds, result.groups) == ("inconclusive", ("inconclusive",), ())
        assert result.seconds == pytest.approx(7, abs=0.1)

    @pytest.mark.parametrize("limit_s", [4.0, 4.1, 4.2, 4.3, 4.4, 4.5])
    def test_a_machine_that_is_busy_now_and_then_keeps_it_and_uses_it(self, limit_s):
        class Busy(World):
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
        result = World(1.1).contest()
        assert (result.clock, result.finding) == ("cpu", "slower")
        assert result.other_clock_ratio == pytest.approx(1.1, rel=0.02)

    def test_wall_time_is_believed_of_a_thread_that_waits_for_others(self):
        result = _Waiting(1.0).contest()
        assert (result.clock, result.finding) == ("wall", "slower")
        assert result.ratio == pytest.approx(1.25, rel=0.03)
        assert result.other_clock_ratio == pytest.approx(1.0, rel=0.02)

    @pytest.mark.parametrize("invoke_s", [2e-6, 20e-3])
    def test_waits_of_either_side_are_enough_at_any_speed(self, invoke_s):
        class OneWaits(World):
            def waits(self, side):
                return side.name == self.who

        for who in ("baseline", "candidate"):
            world = OneWaits(invoke_s=invoke_s)
            world.who = who
            assert world.contest().clock == "wall"

    def test_a_wait_now_and_then_is_no_reason(self):
        class Seldom(World):
            def waits(self, side):
                return side.blocks % 3 == 0

        assert Seldom().contest().clock == "cpu"

    @pytest.mark.parametrize(("clock", "finding"), [("cpu", "not slower"), ("wall", "slower")])
    def test_rules_may_say_which(self, clock, finding):
        result = _Waiting(1.0).contest(clock=clock)
        assert (result.clock, result.finding) == (clock, finding)

    def test_a_neighbour_who_preempts_does_not_matter_to_processor_time(self):
        class Preempted(World):
            def waiting_s(self, side, invokes):  # noqa: ARG002 - slices of a scheduler know no invokes
                return self.lot.choice([0.004, 0.008]) if side.name == "candidate" else 0.0

        result = Preempted(1.0).contest()
        assert (result.clock, result.finding) == ("cpu", "not slower")
        assert result.ratio == pytest.approx(1.0, rel=0.02)
        assert result.other_clock_ratio > 5
        assert Preempted(1.0).contest(clock="wall").finding == "slower"


class _Waiting(World):
    """The candidate's thread waits for others for a quarter of its time, which its own clock does not see."""

    def waits(self, side):
        return 3 if side.name == "candidate" else 0

    def waiting_s(self, side, invokes):
        return 0.25 * invokes * self.invoke_s if side.name == "candidate" else 0.0
