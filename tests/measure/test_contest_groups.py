"""A contest's logic with a fake clock and fake sides: groups and the length of blocks."""

from __future__ import annotations

import pytest
from scipy.stats import binom

from measure.contest_world import World, groups_asked


class TestGroups:
    @pytest.mark.parametrize(("invoke_s", "invokes", "blocks"), [(100e-6, 2, 2), (2e-3, 1, 1)])
    def test_a_group_is_two_new_processes_and_blocks_that_alternate(self, invoke_s, invokes, blocks):
        world = World(invoke_s=invoke_s, noise=0.0)
        result = world.contest()
        asked = groups_asked(world)
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
            return [group.candidate_first for group in World(noise=0.0).contest(seed=seed).groups]

        assert order(7) == order(7)
        orders = [order(seed) for seed in range(40)]
        assert len({tuple(drawn) for drawn in orders}) == 40
        # Of 960 fair coins.
        assert binom.ppf(0.001, 960, 0.5) <= sum(map(sum, orders)) <= binom.ppf(0.999, 960, 0.5)
        # The first group of a contest is drawn, too.
        assert {drawn[0] for drawn in orders} == {True, False}

    @pytest.mark.parametrize(("invoke_s", "warm_ups", "blocks"), [(100e-6, 2, 4), (2e-3, 1, 2)])
    def test_the_fastest_of_all_blocks_counts(self, invoke_s, warm_ups, blocks):
        class Spikes(World):
            def factor(self, side):
                # Of those that are timed, all but one are disturbed: another one for each process.
                quiet = warm_ups + 1 + self.asked.count((side.name, "renew")) % blocks
                return 3.0 if side.blocks > warm_ups and side.blocks != quiet else 1.0

        result = Spikes(invoke_s=invoke_s, noise=0.0).contest()
        assert len(result.groups) == 24
        assert {group.ratio("cpu") for group in result.groups} == {1.0}
        assert {group.baseline["cpu"] for group in result.groups} == {invoke_s * 1e9}

    def test_both_sides_are_loaded_at_once(self):
        slow, quick = (World(renew_s=renew_s, noise=0.0).contest(limit_s=60) for renew_s in (0.105, 0.005))
        # Once for each group, and for either side to calibrate.
        assert slow.seconds - quick.seconds == pytest.approx((24 + 2) * 0.1)

    def test_the_first_invokes_after_a_change_of_side_are_not_timed(self):
        class Cold(World):
            def change_s(self, side):
                return 0.01 if side.name == "candidate" else 0.0

        # It is some of a block, or a block of its own.
        for invoke_s in (2e-6, 100e-6, 2e-3):
            result = Cold(invoke_s=invoke_s, noise=0.0).contest()
            assert {group.ratio("cpu") for group in result.groups} == {1.0}

    def test_more_are_thrown_away_of_long_blocks(self):
        world = World(invoke_s=2e-6, noise=0.0)
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
        class Cold(World):
            def factor(self, side):
                slow = side.name == "candidate" and side.blocks <= len(first_blocks)
                return first_blocks[side.blocks - 1] if slow else 1.0

        world = Cold(noise=0.0)
        world.contest(limit_s=60)
        for requests in groups_asked(world):
            asked = [request for request in requests if request[0] == "candidate" and request[1] != "renew"]
            assert sum(blocks for _, _, blocks, _ in asked) == warm_ups + 4
        if warm_ups < 6:
            assert all(request[1] == 2 for requests in groups_asked(world) for request in requests[2:])

    def test_the_group_in_between_does_not_begin_before_both_are_warm(self):
        world = World(noise=0.0)
        world.contest()
        for requests in groups_asked(world):
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
        world = World(invoke_s=invoke_s, noise=0.0)
        result = world.contest(limit_s=1e6)
        assert result.invokes == invokes
        assert result.finding == "not slower"
        assert {request[1] for request in world.asked[-7:] if request[1] != "renew"} == {invokes}
        assert result.baseline_ns == pytest.approx(invoke_s * 1e9)

    @pytest.mark.parametrize("ratio", [0.5, 2.0])
    def test_it_follows_the_slower_side(self, ratio):
        result = World(ratio, invoke_s=10e-6, noise=0.0).contest()
        assert result.invokes == (12 if ratio > 1 else 25)

    def test_a_thousand_times_slower_is_found_in_time(self):
        result = World(1000.0, invoke_s=10e-6, noise=0.0).contest()
        assert result.finding == "slower"
        assert result.invokes == 1

    def test_a_slow_first_invoke_does_not_make_it_short(self):
        class Lazy(World):
            def factor(self, side):
                return 20.0 if side.blocks == 1 else 1.0

        assert Lazy(invoke_s=10e-6, noise=0.0).contest().invokes == 25

    def test_one_quiet_moment_is_enough_to_find_it(self):
        class Busy(World):
            def factor(self, side):
                return 3.0 if side.blocks in {1, 2, 3, 4} else 1.0

        assert Busy(invoke_s=10e-6, noise=0.0).contest().invokes == 25

    @pytest.mark.parametrize(
        ("multiple", "invokes"), [(1, 25), (10, 30), (25, 25), (50, 50), (75, 75), (76, 25), (1000, 25)]
    )
    def test_it_is_rounded_up_to_a_multiple_that_is_not_much_more(self, multiple, invokes):
        assert World(invoke_s=10e-6, noise=0.0).contest(invoke_multiple=multiple).invokes == invokes

    def test_it_is_found_once_for_all_rounds(self):
        world = World(invoke_s=10e-6, noise=0.0)
        world.contest()
        assert [request for request in world.asked if request[1] == 1] == [
            ("baseline", 1, 1, 0),
            ("candidate", 1, 1, 0),
        ]
