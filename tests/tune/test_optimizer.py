from __future__ import annotations

import importlib.util

import msgspec
import pytest

from qbench.errors import ConfigError
from qbench.judge.gate import not_judged
from qbench.tune import optimizer
from qbench.tune.optimizer import optimize, require_optuna
from qbench.tune.points import PLAIN
from qbench.tune.space import restrict, whole_space
from qbench.verdicts import Verdict
from tune.outcomes import SUBJECT, failed, outcome

_SPACE = whole_space(calibration_examples=100)
_RANKED = ("dw", "conv", "fc")


def _given(point):
    """int4 is small and passes with enough operators float; blocks cannot be built."""
    if point.granularity.startswith("block"):
        return failed(point)
    lost = 0.004 * (3 - len(point.float_operators)) if point.weights == "int4" else 0.0
    size = (500 if point.weights == "int4" else 1000) + 50 * len(point.float_operators)
    ratio = {"int8": 0.5, "int16": 8.0, "dynamic": 0.7, "float": 1.0}[point.activations]
    return outcome(point, size=size, drop=lost, ratio=ratio)


def draw(count, sampler="tpe", *, seed=0, prefer="size", space=_SPACE, known=(), jitter=0.0):
    """The first points that are drawn, and what they gave."""
    search = optimize(space, sampler, ranked=_RANKED, seed=seed, prefer=prefer, reference_bytes=4000, known=known)
    drawn, point = [], next(search)
    while len(drawn) < count:
        found = _given(point)
        if found.latency:
            found = outcome(point, size=found.size_bytes, drop=found.drop, ratio=found.ratio * (1 + jitter))
        drawn.append((point, found))
        try:
            point = search.send(found)
        except StopIteration:
            break
    return drawn


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_the_same_seed_draws_the_same_points(sampler):
    points = [point for point, _ in draw(25, sampler)]
    assert points == [point for point, _ in draw(25, sampler)]
    assert points != [point for point, _ in draw(25, sampler, seed=1)]
    assert len(set(points)) == 25


def test_clocks_that_vary_a_little_do_not_change_what_is_drawn():
    points = [point for point, _ in draw(20, prefer="latency")]
    assert points == [point for point, _ in draw(20, prefer="latency", jitter=0.01)]


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_the_smallest_that_passes_is_found(sampler):
    passing = [found.size_bytes for _, found in draw(30 if sampler == "tpe" else 60, sampler) if found.passes]
    assert min(passing) == 600  # int4 with two operators float


def test_it_learns_from_what_is_known():
    first = draw(12)
    later = draw(12, known=first)
    assert not {point for point, _ in later} & {point for point, _ in first}


def test_points_that_stand_for_nothing_drawn_are_known_too():
    # Another operator than the worst is float: no draw means that, and it is not asked for again.
    point = PLAIN.changed(float_operators=("fc",))
    assert point not in [each for each, _ in draw(20, known=[(point, _given(point))])]


def test_a_space_with_one_point_ends():
    fixes = [
        "weights=int8",
        "granularity=channel",
        "weight_ranges=min-max",
        "symmetric=false",
        "calibration=min-max,mse",
        "calibration_examples=0",
        "percentile=99.99",
    ]
    drawn = draw(50, space=restrict(_SPACE, fixes, "int8"))
    assert {point for point, _ in drawn} == {PLAIN, PLAIN.changed(calibration="mse")}
    assert len(drawn) == 2


def test_restrictions_hold_in_every_draw():
    space = restrict(_SPACE, ["granularity=tensor", "float_operators=1"], None)
    assert all(space.allows(point) for point, _ in draw(15, space=space))


def test_without_optuna_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(
        optimizer, "find_spec", lambda name: None if name == "optuna" else importlib.util.find_spec(name)
    )
    with pytest.raises(
        ConfigError, match=r"--method tpe: found no Optuna, expected the extra: pip install 'qbench\[tune\]'"
    ):
        require_optuna("tpe")


def test_an_older_optuna_is_told_of_constraints_in_its_own_way():
    class Older:
        user_attrs = {}  # noqa: RUF012 - one trial

        def set_user_attr(self, name, value):
            self.user_attrs[name] = value

    trial = Older()
    optimizer._constrain(trial, 0.25)
    assert optimizer._constraints(trial) == (0.25,)


def test_every_drawn_point_tells_its_constraint(monkeypatch):
    told = []
    monkeypatch.setattr(optimizer, "_constrain", lambda _, violation: told.append(violation))
    drawn = draw(6)
    assert told == [optimizer._violation(found) for _, found in drawn[:-1]] + told[len(drawn) - 1 :]
    assert any(violation > 0 for violation in told)


def test_latencies_that_count_as_the_same_are_the_same_to_optuna():
    values = {optimizer._values(outcome(ratio=ratio), 4000) for ratio in (0.78, 0.79, 0.8, 0.82)}
    assert len(values) == 1
    assert optimizer._values(failed(), 4000) == (1.0, 4000.0, 1.0)


def test_constraints_follow_the_verdict():
    assert optimizer._violation(outcome()) < 0
    # Decimal fractions are not exact in binary: at the tolerance it passes all the same.
    at_tolerance = outcome(drop=0.005)
    assert at_tolerance.passes
    assert optimizer._violation(at_tolerance) <= 0
    assert optimizer._violation(outcome(drop=0.105)) == pytest.approx(20)
    assert optimizer._violation(failed()) == 1e6
    missed = msgspec.structs.replace(outcome(), verdicts=(not_judged(SUBJECT, "speedup", Verdict.FAIL, ""),))
    assert optimizer._violation(missed) > 0
