"""The course of a search: what it tries, and what ends it."""

from __future__ import annotations

import pytest

from qbench.models.recipes import BUILTIN_RECIPES
from qbench.tune import run as run_module
from qbench.tune.points import PLAIN, point_of
from qbench.tune.run import Budget, Question, run_search
from qbench.tune.space import whole_space
from tune.outcomes import TOLERANCE, failed, outcome

_SPACE = whole_space(calibration_examples=100)
_DECLARED = {name: BUILTIN_RECIPES[name] for name in ("int8", "int8-per-tensor", "fp16")}


class _Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class _Bench:
    """Gives outcomes by a function, each of which takes ten seconds, or one if it is known."""

    class reference:  # noqa: N801 - an attribute
        class artifact:  # noqa: N801 - an attribute
            size_bytes = 4000

    def __init__(self, given, clock=None, known=()):
        self.given, self.clock, self.known, self.asked = given, clock or _Clock(), set(known), []

    def knows(self, recipe):
        return str(recipe) in self.known

    def outcome(self, recipe, *, name="", timed=True):  # noqa: ARG002 - as the real one
        self.asked.append((name, point_of(recipe)))
        key = str(recipe)
        if key in self.known:
            self.clock.now += 1
            return self.given(recipe, name), False
        self.known.add(key)
        self.clock.now += 10
        return self.given(recipe, name), True


def _given(recipe, name):
    """One scale for all fails, and nothing else."""
    point = point_of(recipe) or PLAIN
    size = 900 if point.granularity == "tensor" else 1000
    found = outcome(point, size=size, drop=0.5 if point.granularity == "tensor" else 0.0, ratio=0.5)
    return type(found)(
        **{**{key: getattr(found, key) for key in found.__struct_fields__}, "recipe": recipe, "name": name}
    )


def _question(**changed):
    plain = {
        "space": _SPACE,
        "declared": _DECLARED,
        "start": None,
        "method": "greedy",
        "prefer": "size",
        "seed": 0,
    }
    return Question(**{**plain, **changed})


def _run(bench, question=None, **budget):
    return run_search(bench, question or _question(), Budget(**budget, now=bench.clock), rank=lambda _: ("dw",))


def test_declared_recipes_come_first_and_the_smallest_is_the_start():
    bench = _Bench(_given)
    study = _run(bench)
    assert [name for name, _ in bench.asked[:4]] == ["int8", "int8-per-tensor", "fp16", ""]
    assert study.start.name == "int8-per-tensor"
    assert bench.asked[3][1] == PLAIN.changed(granularity="tensor")
    assert study.ended == "searched"


def test_the_start_can_be_named():
    study = _run(_Bench(_given), _question(start="int8"))
    assert study.start.name == "int8"


@pytest.mark.parametrize("method", ["greedy", "combined", "tpe", "nsga2"])
def test_the_number_of_trials_ends_it(method):
    bench = _Bench(_given)
    study = _run(bench, _question(method=method), trials=17 if method != "greedy" else 5)
    assert study.ended == "trials"
    assert (
        len(study.outcomes) == len({str(each.recipe) for each in study.outcomes}) == (5 if method == "greedy" else 17)
    )


def test_a_trial_is_not_begun_that_would_not_end_in_time():
    bench = _Bench(_given)
    study = _run(bench, seconds=45.0)
    assert study.ended == "budget"
    assert bench.clock.now == 40


def test_what_trains_takes_its_own_time():
    clock = _Clock()
    budget = Budget(seconds=100.0, now=clock)
    budget.spent(60.0, trains=True)
    budget.spent(1.0, trains=False)
    clock.now = 50
    assert budget.ended_by(2, known=False, trains=True) == "budget"
    assert budget.ended_by(2, known=False) is None
    assert budget.ended_by(2, known=True, trains=True) is None


def test_what_is_known_costs_no_time():
    first = _Bench(_given)
    whole = _run(first)
    bench = _Bench(_given, known=first.known)
    again = _run(bench, seconds=0.5)
    assert again.ended == "searched"
    assert [each.recipe for each in again.outcomes] == [each.recipe for each in whole.outcomes]
    assert again.measured_now == 0
    assert whole.measured_now == len(whole.outcomes)


def test_a_search_goes_on_where_it_was_interrupted():
    whole = _run(_Bench(_given), _question(method="combined"), trials=20)
    bench = _Bench(_given)
    calls = []

    def interrupted(recipe, name):
        calls.append(recipe)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return _given(recipe, name)

    bench.given = interrupted
    part = _run(bench, _question(method="combined"), trials=20)
    assert part.ended == "interrupted"
    assert len(part.outcomes) == 8
    bench.given = _given
    bench.known.discard(str(calls[-1]))
    rest = _run(bench, _question(method="combined"), trials=20)
    assert [each.recipe for each in rest.outcomes] == [each.recipe for each in whole.outcomes]
    assert rest.measured_now == 12


def test_combined_draws_after_the_greedy_search_and_repeats_nothing():
    greedy = _run(_Bench(_given))
    combined = _run(_Bench(_given), _question(method="combined"), trials=len(greedy.outcomes) + 5)
    recipes = [str(each.recipe) for each in combined.outcomes]
    assert recipes[: len(greedy.outcomes)] == [str(each.recipe) for each in greedy.outcomes]
    assert len(set(recipes)) == len(recipes) == len(greedy.outcomes) + 5


def test_combined_draws_from_what_greedy_has_learned(monkeypatch):
    given = {}

    def optimize(space, sampler, **options):
        given.update(options, sampler=sampler, space=space)
        return iter(())

    monkeypatch.setattr(run_module, "optimize", optimize)
    study = _run(_Bench(_given), _question(method="combined"))
    assert given["sampler"] == "tpe"
    assert given["ranked"] == ("dw",)
    # The declared recipes were made by another converter.
    assert [outcome for _, outcome in given["known"]] == study.outcomes[3:]
    assert all(point.recipe() == outcome.recipe for point, outcome in given["known"])


def test_without_anything_that_can_be_built_it_ends():
    study = _run(_Bench(lambda recipe, _: failed(point_of(recipe) or PLAIN)))
    assert study.start is None
    assert not any(each.passes for each in study.outcomes)


def test_each_trial_is_told():
    told = []
    bench = _Bench(_given)
    run_search(
        bench,
        _question(),
        Budget(trials=3, now=bench.clock),
        rank=lambda _: (),
        on_trial=lambda study: told.append(len(study.outcomes)),
    )
    assert told == [1, 2, 3]
    assert TOLERANCE > 0
