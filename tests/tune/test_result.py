"""What is concluded from a search, with contests that are given."""

from __future__ import annotations

import msgspec
import pytest

from qbench.errors import MeasurementError
from qbench.tune.points import PLAIN
from qbench.tune.result import conclude
from qbench.tune.run import Budget, Question, Study
from qbench.tune.space import restrict, whole_space
from tune.outcomes import MACHINE, contest, failed, outcome

_TENSOR = PLAIN.changed(granularity="tensor")


class _Model:
    name = "net"
    recipes = ("fp32", "int8-per-tensor")


class _Bench:
    """Gives latencies and contests by what is said of them."""

    class reference:  # noqa: N801 - an attribute
        class artifact:  # noqa: N801 - an attribute
            size_bytes = 4000

    def __init__(self, ratios=(), side_by_side=1.0, finding="not slower"):
        self.ratios, self.side_by_side, self.finding = dict(ratios), side_by_side, finding
        self.timed, self.contests = [], []

    def with_latency(self, found):
        if found.latency is not None:
            return found
        self.timed.append(found.size_bytes)
        return msgspec.structs.replace(found, latency=contest(self.ratios.get(found.size_bytes, 1.0)))

    def knows_latency(self, _):
        return False

    def contest(self, baseline, candidate, *, threshold=1.0):
        if self.side_by_side is None:
            raise MeasurementError("it crashed")
        self.contests.append((baseline.size_bytes, candidate.size_bytes, threshold))
        return contest(self.side_by_side, finding=self.finding)


def _conclude(bench, outcomes, *, start=0, ended="searched", prefer="size", fixes=(), seconds=None):
    study = Study(outcomes=list(outcomes), start=None if start is None else outcomes[start], ended=ended)
    question = Question(
        space=restrict(whole_space(calibration_examples=0), fixes, None),
        declared={},
        start=None,
        method="greedy",
        prefer=prefer,
        seed=0,
    )
    said = {"machine": MACHINE, "settings": {}, "log": "log.json", "notes": ()}
    return conclude(bench, study, question, Budget(seconds=seconds), model=_Model, name="tuned", **said)


def test_the_price_is_that_of_the_cheapest_beside_the_start():
    bench = _Bench(side_by_side=1.1)
    made = _conclude(bench, [outcome(_TENSOR, size=900, drop=0.5), outcome(size=1000), outcome(size=1200)])
    assert (made.start, made.cheapest, made.nearest) == (1, 2, None)
    assert bench.contests == [(900, 1000, 1.0)]
    assert made.price.size_bytes == 100
    assert made.price.nanoseconds == pytest.approx(1000)
    assert (made.price.low_ns, made.price.high_ns) == (pytest.approx(780), pytest.approx(1220))
    assert made.recipes_line == 'recipes = ["fp32", "int8-per-tensor", "tuned"]\n'
    assert made.recipe_table.startswith("[tool.qbench.recipe.tuned.quantization]\n")


def test_the_same_kernels_cost_no_time():
    start = outcome(size=1000, drop=0.5)
    chosen = msgspec.structs.replace(outcome(PLAIN.changed(calibration="mse"), size=1000), kernels=start.kernels)
    bench = _Bench()
    made = _conclude(bench, [start, chosen])
    assert (made.price.nanoseconds, made.price.contest) == (0.0, None)
    assert bench.contests == []


def test_a_start_that_cannot_be_timed_leaves_the_time_open():
    made = _conclude(_Bench(side_by_side=None), [outcome(_TENSOR, size=900, drop=0.5), outcome(size=1000)])
    assert made.price.size_bytes == 100
    assert made.price.nanoseconds is None


def test_a_declared_recipe_that_is_cheapest_needs_no_table():
    declared = msgspec.structs.replace(outcome(size=900), name="int8-per-tensor")
    made = _conclude(_Bench(), [declared])
    assert made.recipes_line == 'recipes = ["fp32", "int8-per-tensor"]\n'
    assert made.recipe_table == ""
    assert made.price is None


def test_the_front_start_and_cheapest_are_timed_and_nothing_else():
    bench = _Bench()
    outcomes = [outcome(_TENSOR, size=1500, drop=0.5), outcome(size=900, drop=0.4), outcome(size=1000), failed()]
    made = _conclude(bench, [*outcomes, outcome(size=1100, drop=0.2)])
    assert sorted(bench.timed) == [900, 1000, 1500]
    assert made.front == (2, 3)


def test_when_time_is_up_only_what_is_said_is_timed():
    bench = _Bench()
    _conclude(
        bench,
        [outcome(_TENSOR, size=1500, drop=0.5), outcome(size=900, drop=0.4), outcome(size=1000)],
        seconds=0.0,
    )
    assert sorted(bench.timed) == [1000, 1500]


def test_after_an_interrupt_nothing_is_measured():
    bench = _Bench()
    made = _conclude(bench, [outcome(_TENSOR, size=900, drop=0.5), outcome(size=1000)], ended="interrupted")
    assert (bench.timed, bench.contests) == ([], [])
    assert made.cheapest == 2
    assert made.price.nanoseconds is None


def test_what_is_not_allowed_is_neither_cheapest_nor_nearest_nor_on_the_front():
    outcomes = [outcome(_TENSOR, size=900, drop=0.5), outcome(size=1000)]
    made = _conclude(_Bench(), outcomes, fixes=["granularity=tensor"])
    assert (made.cheapest, made.nearest, made.front) == (None, 1, (1,))
    assert made.why[-1].startswith("the search was restricted to granularity = tensor; int8 per channel")


@pytest.mark.parametrize(("finding", "cheapest"), [("not slower", 2), ("slower", 1), ("inconclusive", 1)])
def test_a_smaller_one_that_may_be_as_fast_is_run_beside_the_fastest(finding, cheapest):
    # Its ratio is 6% above the fastest's, and its interval begins 4% above.
    bench = _Bench(finding=finding)
    outcomes = [outcome(size=1000, ratio=1.0), outcome(_TENSOR, size=900, ratio=1.06)]
    made = _conclude(bench, outcomes, start=None, prefer="latency")
    assert bench.contests == [(1000, 900, 1.05)]
    assert made.cheapest == cheapest


def test_what_is_surely_slower_is_not_run_beside_the_fastest():
    bench = _Bench()
    made = _conclude(
        bench, [outcome(size=1000, ratio=1.0), outcome(_TENSOR, size=900, ratio=1.5)], start=None, prefer="latency"
    )
    assert bench.contests == []
    assert made.cheapest == 1
