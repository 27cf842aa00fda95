"""Slow drift: what ten steps that each pass come to, and what a decision is."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbench.judge.drift import STEPS_BEFORE_SAID, Drift, find_drift, find_drifts
from qbench.judge.gate import judge
from qbench.judge.tolerance import Allowed, DriftTolerance, Tolerance, resolve_tolerance
from qbench.records import Metric, Subject
from qbench.verdicts import Allowance, Verdict

SIZE = Metric(name="size_bytes", unit="B", direction="lower", relative=True)
ACCURACY = Metric(name="accuracy", unit="", direction="higher")
SUBJECT = Subject(model="m", recipe="int8")


def drift_of(values: list[float], metric: Metric = SIZE, allowed: Allowed = 0.03, **how) -> Drift:
    found = find_drift(metric, values, allowed, **{"step": allowed, **how})
    assert found is not None
    return found


# --- ten slips --------------------------------------------------------------------------------------------


def test_ten_slips_of_one_per_cent_pass_the_gate_one_by_one_and_are_named_together():
    sizes = [round(14456 * 1.0099**step) for step in range(11)]
    tolerance = resolve_tolerance()
    verdicts = [
        judge(SUBJECT, SIZE, now=now, reference=before, tolerance=tolerance.size or 0).verdict
        for before, now in pairwise(sizes)
    ]
    assert verdicts == [Verdict.PASS] * 10
    (found,) = find_drifts([{"size_bytes": size} for size in sizes], tolerance)
    assert found.beyond
    assert not found.declared
    assert (found.anchor, found.reference, found.now, found.steps) == (0, 14456, sizes[-1], 10)
    assert found.change == pytest.approx(0.1035, abs=1e-3)
    assert found.limit == pytest.approx(STEPS_BEFORE_SAID * 0.01)
    assert 0.009 < found.largest < 0.01


def test_an_accuracy_drifts_in_points():
    found = drift_of([0.98, 0.979, 0.978, 0.976], ACCURACY, 0.003)
    assert found.change == pytest.approx(0.004)
    assert found.largest == pytest.approx(0.002)
    assert (found.largest_at, found.steps) == (3, 3)
    assert found.beyond


def test_what_is_exactly_at_its_limit_is_not_beyond_it():
    assert not drift_of([0.985, 0.984, 0.983], ACCURACY, 0.002).beyond
    assert not drift_of([1000, 1015, 1030], SIZE, 0.03).beyond
    assert drift_of([1000, 1015, 1031], SIZE, 0.03).beyond


# --- the anchor -------------------------------------------------------------------------------------------


def test_the_anchor_is_the_best_value_and_of_equals_the_last():
    found = drift_of([1000, 990, 990, 1000, 990, 995, 1000])
    assert (found.anchor, found.reference, found.steps) == (4, 990, 2)


def test_a_step_beyond_the_limit_is_a_decision_and_drift_is_counted_from_it():
    found = drift_of([1000, 1010, 1600, 1610, 1620])
    assert (found.anchor, found.reference) == (2, 1600)
    assert not found.beyond


def test_a_jump_washes_out_no_drift_that_was_there_before():
    found = drift_of([1000, 1020, 1040, 1600])
    assert (found.anchor, found.change) == (0, pytest.approx(0.6))


def test_a_step_that_the_gate_let_pass_is_no_decision():
    assert drift_of([1000, 1050], allowed=0.03, step=0.1).beyond
    assert not drift_of([1000, 1150], allowed=0.03, step=0.1).beyond
    assert drift_of([3, 4], Metric(name="float_islands", unit="", direction="lower"), 0, step=1).beyond
    assert drift_of([1000, 5000], allowed=0.03, step=None).beyond  # Not gated: nobody saw it.


def test_a_declared_anchor_holds_through_decisions_and_improvements():
    assert drift_of([1000, 1010, 1600], anchor=0).change == pytest.approx(0.6)
    assert drift_of([1000, 900, 1010], anchor=0).change == pytest.approx(0.01)
    assert drift_of([1000, 900, 1010], anchor=2).change == 0


def test_one_value_has_not_drifted():
    found = drift_of([1000])
    assert (found.anchor, found.change, found.steps, found.largest, found.largest_at) == (0, 0, 0, 0, 0)
    assert not found.beyond
    assert find_drift(SIZE, [], 0.03) is None


def test_on_other_examples_an_accuracy_starts_anew_and_a_size_does_not():
    series = [{"accuracy": 0.98, "size_bytes": 1000}, {"accuracy": 0.7, "size_bytes": 1050}]
    found = {drift.metric.name: drift for drift in find_drifts(series, resolve_tolerance(), datasets=["a", "b"])}
    assert found["accuracy"].anchor == 1
    same = {drift.metric.name: drift for drift in find_drifts(series, resolve_tolerance(), datasets=["a", ""])}
    assert same["accuracy"].anchor == 1  # 0.28 is a decision.
    slow = [{"accuracy": 0.98}, {"accuracy": 0.976}, {"accuracy": 0.972}]
    (there,) = find_drifts(slow, resolve_tolerance(), datasets=["a", "a", "a"])
    (changed,) = find_drifts(slow, resolve_tolerance(), datasets=["a", "b", "b"])
    assert (there.anchor, changed.anchor) == (0, 1)
    (declared,) = find_drifts(slow, resolve_tolerance(), datasets=["a", "b", "b"], anchor=0)
    assert declared.anchor == 1
    sizes = [{"size_bytes": size} for size in (1000.0, 1020.0, 1040.0)]
    (size,) = find_drifts(sizes, resolve_tolerance(), datasets=["a", "b", "b"])
    assert size.anchor == 0


# --- what is judged ---------------------------------------------------------------------------------------


def names(drifts: tuple[Drift, ...]) -> dict[str, bool]:
    return {drift.metric.name: drift.declared for drift in drifts}


def test_what_has_a_tolerance_of_a_step_drifts_and_what_has_none_needs_a_limit_of_its_own():
    series = [{"size_bytes": 1.0, "accuracy": 1.0, "arena_bytes": 1.0, "float_islands": 0.0, "flips": 0.0}]
    assert names(find_drifts(series, resolve_tolerance())) == {"accuracy": False, "size_bytes": False}
    declared = Tolerance(drift=DriftTolerance(memory=0.1, float_islands=2, size=0.05))
    assert names(find_drifts(series, resolve_tolerance(declared))) == {
        "accuracy": False,
        "size_bytes": True,
        "arena_bytes": True,
        "float_islands": True,
    }


def test_metrics_of_the_users_own_drift_in_their_direction():
    own = {"error": Metric(name="error", unit="px", direction="lower")}
    series = [{"error": value} for value in (2.0, 2.4, 2.8)]
    assert find_drifts(series, resolve_tolerance(), own=own) == ()
    (said,) = find_drifts(series, resolve_tolerance(Tolerance(metrics={"error": 0.2})), own=own)
    assert said.beyond
    assert said.change == pytest.approx(0.8)
    limit = Tolerance(drift=DriftTolerance(metrics={"error": 0.5}))
    (declared,) = find_drifts(series, resolve_tolerance(limit), own=own)
    assert declared.declared
    assert declared.limit == 0.5


def test_a_limit_may_be_a_share_of_the_errors():
    limit = Tolerance(drift=DriftTolerance(accuracy_regression=Allowance(errors=0.5)))
    (found,) = find_drifts([{"accuracy": value} for value in (0.99, 0.987, 0.984)], resolve_tolerance(limit))
    assert found.limit == pytest.approx(0.005)
    assert found.beyond
    own = {"loss": Metric(name="loss", unit="", direction="lower")}
    # No share, so no errors: the gate says so; there is nothing to add.
    limit = Tolerance(drift=DriftTolerance(metrics={"loss": Allowance(errors=0.5)}))
    assert find_drifts([{"loss": 3.0}], resolve_tolerance(limit), own=own) == ()


def test_a_metric_that_came_later_has_an_anchor_among_its_own_values():
    series = [{}, {"size_bytes": 1000.0}, {}, {"size_bytes": 1020.0}, {"size_bytes": 1040.0}]
    (found,) = find_drifts(series, resolve_tolerance())
    assert (found.anchor, found.largest_at, found.steps) == (1, 3, 2)
    (declared,) = find_drifts(series, resolve_tolerance(), anchor=2)
    assert declared.anchor == 3
    assert find_drifts([*series, {}], resolve_tolerance()) == ()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_left_out(value: float):
    series = [{"size_bytes": 1000.0}, {"size_bytes": value}, {"size_bytes": 1020.0}]
    (found,) = find_drifts(series, resolve_tolerance())
    assert (found.anchor, found.steps) == (0, 1)


# --- properties -------------------------------------------------------------------------------------------

series = st.lists(st.integers(500, 2000).map(float), min_size=1, max_size=40)
metrics = st.sampled_from([SIZE, Metric(name="score", unit="", direction="higher", relative=True), ACCURACY])
limits = st.floats(0.001, 0.5)


@given(series, metrics, limits, st.floats(1.0, 3.0), st.sampled_from([None, 0]))
def test_a_worse_step_never_removes_a_drift(
    values: list[float], metric: Metric, limit: float, factor: float, anchor: int | None
):
    allowed = limit if metric.relative else 1000 * limit
    sign = 1 if metric.direction == "lower" else -1
    for _ in range(3):  # Steps that are no decisions, and make a drift of three.
        values = [
            *values,
            values[-1] * (1 + sign * 0.6 * limit) if metric.relative else values[-1] + sign * 0.6 * allowed,
        ]
    before = drift_of(values, metric, allowed, anchor=anchor)
    if anchor is None:
        assert before.beyond
    elif not before.beyond:
        return  # It began with a worse value.
    worse = values[-1] * factor**sign if metric.relative else values[-1] + sign * 1000 * (factor - 1)
    after = drift_of([*values, worse], metric, allowed, anchor=anchor)
    assert after.beyond
    assert after.anchor == before.anchor
    assert after.change >= before.change


@given(series, metrics, limits)
def test_drift_is_what_is_between_the_anchor_and_the_last(values: list[float], metric: Metric, limit: float):
    found = drift_of(values, metric, limit)
    since = values[found.anchor :]
    best = min(since) if metric.direction == "lower" else max(since)
    assert values[found.anchor] == found.reference == best
    assert found.change >= 0
    assert found.steps == sum(before != after for before, after in pairwise(since))
    assert found.largest >= 0
    assert found.anchor <= found.largest_at < len(values)


@given(series, limits)
def test_the_direction_alone_decides_what_is_worse(values: list[float], limit: float):
    lower = drift_of(values, Metric(name="x", unit="", direction="lower"), 1000 * limit)
    higher = drift_of([-value for value in values], Metric(name="x", unit="", direction="higher"), 1000 * limit)
    assert (lower.anchor, lower.change, lower.steps) == (higher.anchor, higher.change, higher.steps)


@given(series, limits)
def test_improvements_alone_are_no_drift(values: list[float], limit: float):
    assert not drift_of(sorted(values, reverse=True), SIZE, limit).beyond


@given(st.floats(0.001, 0.0099), st.integers(1, 30))
def test_steps_within_the_tolerance_are_said_as_soon_as_they_are_beyond_the_limit(step: float, count: int):
    sizes = [{"size_bytes": 1e6 * (1 + step) ** number} for number in range(count + 1)]
    (found,) = find_drifts(sizes, resolve_tolerance())
    assert found.anchor == 0
    assert found.beyond == ((1 + step) ** count - 1 > STEPS_BEFORE_SAID * 0.01 * (1 + 1e-6))


@given(series, st.data())
def test_a_value_that_did_not_change_changes_nothing(values: list[float], data: st.DataObject):
    at = data.draw(st.integers(0, len(values) - 1))
    repeated = [*values[: at + 1], *values[at:]]
    one, other = drift_of(values), drift_of(repeated)
    assert (one.change, one.steps, one.largest, one.reference) == (
        other.change,
        other.steps,
        other.largest,
        other.reference,
    )
