from __future__ import annotations

import hypothesis.strategies as st
import msgspec
import numpy as np
import pytest
from hypothesis import given

from qbench.tune.front import better, cheapest, hypervolume, nearest, pareto_front
from qbench.tune.points import PLAIN
from tune.outcomes import TOLERANCE, failed, outcome

_COSTS = st.lists(
    st.tuples(st.integers(1, 5), st.integers(0, 4), st.none() | st.integers(1, 4)), min_size=1, max_size=12
)


def _outcomes(costs):
    return [outcome(size=size, drop=drop / 1000, ratio=ratio) for size, drop, ratio in costs]


def _beaten(one, other):
    pairs = [(one.size_bytes, other.size_bytes), (one.drop, other.drop)]
    if one.ratio is not None and other.ratio is not None:
        pairs.append((one.ratio, other.ratio))
    return all(b <= a for a, b in pairs) and any(b < a for a, b in pairs)


@given(_COSTS)
def test_the_front_is_what_nothing_beats(costs):
    outcomes = _outcomes(costs)
    front = pareto_front(outcomes)
    assert front
    assert not any(_beaten(one, other) for one in front for other in outcomes if other.sha256 != one.sha256)
    for each in outcomes:
        if not any(_beaten(each, other) for other in outcomes):
            assert any(one.sha256 == each.sha256 or _same(one, each) for one in front)


def _same(one, other):
    return (one.size_bytes, one.drop) == (other.size_bytes, other.drop)


def test_the_front_leaves_out_what_failed_and_what_is_there_twice():
    twice = outcome(size=5)
    again = msgspec.structs.replace(twice, recipe=PLAIN.changed(calibration="mse").recipe())
    assert pareto_front([failed(), twice, again]) == (twice,)
    assert pareto_front([failed()]) == ()


def test_latency_counts_only_where_it_is_asked_for():
    small, fast = outcome(size=5, ratio=2.0), outcome(size=6, ratio=0.5)
    assert pareto_front([small, fast]) == (small, fast)
    assert pareto_front([small, fast], with_latency=False) == (small,)


def test_cheapest_by_size_is_the_smallest_that_passes():
    fails = outcome(size=1, drop=2 * TOLERANCE, ratio=0.1)
    small, fast = outcome(size=5, ratio=2.0), outcome(size=6, ratio=0.5)
    assert cheapest([fails, fast, small, failed()], "size") is small
    assert cheapest([fails, fast, small], "latency") is fast
    assert cheapest([fails, failed()], "size") is None


def test_cheapest_by_latency_takes_no_notice_of_what_a_gate_would_let_pass():
    fast, about_as_fast = outcome(size=6, ratio=1.0), outcome(size=5, ratio=1.04)
    assert cheapest([fast, about_as_fast], "latency") is about_as_fast
    assert cheapest([fast, outcome(size=5, ratio=1.06)], "latency") is fast
    assert cheapest([outcome(size=4), fast], "latency") is fast  # whose latency is known


def test_of_equal_costs_the_simpler_recipe_is_cheaper_than_the_more_accurate():
    simple = outcome(size=5, drop=0.001)
    accurate = outcome(PLAIN.changed(calibration="mse"), size=5, drop=0.0)
    assert cheapest([accurate, simple], "size") is simple
    less, more = outcome(size=5, drop=0.001), outcome(size=5, drop=0.002)
    assert cheapest([more, less], "size") is less


def test_nearest_fails_by_least():
    near, far = outcome(size=9, drop=2 * TOLERANCE), outcome(size=1, drop=3 * TOLERANCE)
    assert nearest([far, near, failed()]) is near
    assert nearest([failed()]) is None


@pytest.mark.parametrize("prefer", ["size", "latency"])
def test_better_is_passing_then_cheaper_then_nearer(prefer):
    passes, costs_more = outcome(size=5, ratio=1.0), outcome(size=6, ratio=2.0)
    near, far = outcome(size=9, drop=2 * TOLERANCE), outcome(size=1, drop=3 * TOLERANCE)
    ordered = [passes, costs_more, near, far, failed()]
    for place, one in enumerate(ordered):
        assert better(one, None, prefer)
        assert all(better(one, other, prefer) for other in ordered[place + 1 :])
        assert not any(better(one, other, prefer) for other in ordered[: place + 1])


@given(st.lists(st.tuples(st.integers(-1, 6), st.integers(-1, 6)), max_size=6))
def test_hypervolume_counts_the_cells_that_are_dominated(points):
    # Corners are whole numbers, so that every cell of the grid is dominated as a whole or not at all.
    cells = [any(x <= i and y <= j for x, y in points) for i in range(5) for j in range(4)]
    assert hypervolume([(float(x), float(y)) for x, y in points], (5.0, 4.0)) == pytest.approx(np.mean(cells))
