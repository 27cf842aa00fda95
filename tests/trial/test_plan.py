from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from qbench.trial.plan import invoke_multiple, plan
from qbench.trial.records import TrialSettings

_SETTINGS = TrialSettings(
    subjects=("a", "b", "c"), slowdowns=(0.0, 0.05, 0.1), contests=10, noises=("quiet", "core"), seed=7
)


def test_every_noise_and_slowdown_gets_as_many_contests_as_asked():
    counted = Counter((each.noise, each.slowdown) for each in plan(_SETTINGS))
    assert counted == dict.fromkeys([(noise, share) for noise in ("quiet", "core") for share in (0.0, 0.05, 0.1)], 10)


def test_contests_are_spread_evenly_over_subjects():
    counted = Counter((each.noise, each.slowdown, each.subject) for each in plan(_SETTINGS))
    assert len(counted) == 18
    assert set(counted.values()) == {3, 4}


def test_fewer_contests_than_subjects_leave_some_out():
    planned = plan(msgspec.structs.replace(_SETTINGS, contests=2))
    assert set(Counter((each.noise, each.slowdown, each.subject) for each in planned).values()) == {1}
    assert len(planned) == 12


def test_a_seed_draws_the_same_plan_again_and_another_seed_another():
    other = msgspec.structs.replace(_SETTINGS, seed=8)
    assert plan(_SETTINGS) == plan(_SETTINGS)
    assert plan(_SETTINGS) != plan(other)


def test_one_noise_comes_after_the_other_and_the_rest_is_mixed():
    planned = plan(_SETTINGS)
    assert [each.noise for each in planned] == ["quiet"] * 30 + ["core"] * 30
    pairs = [(each.slowdown, each.subject) for each in planned[:30]]
    assert pairs != sorted(pairs)
    assert {slowdown for slowdown, _ in pairs[:10]} == {0.0, 0.05, 0.1}


def test_every_contest_has_a_seed_of_its_own():
    assert len({each.seed for each in plan(_SETTINGS)}) == 60


@pytest.mark.parametrize(
    ("slowdown", "invokes"), [(0.0, 1), (0.1, 10), (0.05, 20), (0.15, 20), (0.03, 100), (0.025, 40), (1.0, 1)]
)
def test_the_fewest_invokes_of_which_a_slowdown_is_whole(slowdown, invokes):
    assert invoke_multiple(slowdown) == invokes
    assert invokes * slowdown == pytest.approx(round(invokes * slowdown))
