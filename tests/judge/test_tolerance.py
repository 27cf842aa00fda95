"""Which tolerance holds, and which are refused."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbench.judge.tolerance import DEFAULT_TOLERANCE, Tolerance, error_share, margin_at, resolve_tolerance
from qbench.models.config import Config, ModelConfig
from qbench.models.recipes import BUILTIN_RECIPES
from qbench.models.sources import Source
from qbench.records import Metric, Subject
from qbench.verdicts import Allowance

SUBJECT = Subject(model="m", recipe="int8")

#: From the most general to the most particular.
LAYERS = ("global", "recipe", "model", "model and recipe", "marker")


def resolved(said: dict[str, Tolerance]) -> Tolerance:
    """What a configuration resolves to in which each layer says what `said` has for it."""

    def by_recipe(layer: str) -> dict[str, Tolerance]:
        return {"int8": said[layer]} if layer in said else {}

    model = ModelConfig(
        name="m",
        source=Source(kind="tflite", path=Path("m.tflite")),
        recipes=("int8",),
        tolerance=said.get("model", Tolerance()),
        tolerance_by_recipe=by_recipe("model and recipe"),
    )
    config = Config(
        root=Path(),
        models={"m": model},
        recipes=BUILTIN_RECIPES,
        tolerance=said.get("global", Tolerance()),
        tolerance_by_recipe=by_recipe("recipe"),
        baselines=Path("baselines"),
    )
    return config.tolerance_of(SUBJECT, said.get("marker"))


@pytest.mark.parametrize("count", range(1, len(LAYERS) + 1))
def test_the_most_particular_layer_that_speaks_wins(count: int):
    for layers in combinations(LAYERS, count):
        said = {layer: Tolerance(size=0.1 * (LAYERS.index(layer) + 1)) for layer in layers}
        assert resolved(said).size == said[layers[-1]].size


def test_without_a_declaration_the_default_holds():
    assert resolved({}) == DEFAULT_TOLERANCE


def test_a_layer_that_is_silent_about_a_metric_leaves_it():
    tolerance = resolved({"global": Tolerance(size=0.3), "marker": Tolerance(latency=0.2)})
    assert (tolerance.size, tolerance.latency) == (0.3, 0.2)
    assert tolerance.accuracy_regression == DEFAULT_TOLERANCE.accuracy_regression


def test_zero_is_said_and_not_silence():
    assert resolved({"global": Tolerance(size=0.3), "model": Tolerance(size=0)}).size == 0


def test_own_metrics_are_merged_one_by_one():
    tolerance = resolve_tolerance(Tolerance(metrics={"a": 1.0, "b": 1.0}), Tolerance(metrics={"b": 2.0}))
    assert tolerance.metrics == {"a": 1.0, "b": 2.0}


def test_own_metrics_against_fp32_are_merged_apart_from_those_against_the_baseline():
    tolerance = resolve_tolerance(Tolerance(metrics={"a": 1.0}), Tolerance(metrics_drop={"a": 2.0, "b": 3.0}))
    assert (tolerance.metrics, tolerance.metrics_drop) == ({"a": 1.0}, {"a": 2.0, "b": 3.0})
    tolerance = resolve_tolerance(tolerance, Tolerance(metrics_drop={"b": 4.0}))
    assert tolerance.metrics_drop == {"a": 2.0, "b": 4.0}


def test_slices_are_not_gated_unless_that_is_said():
    assert (DEFAULT_TOLERANCE.slice_drop, DEFAULT_TOLERANCE.slice_regression) == (None, None)


def test_an_override_changes_neither_of_the_two():
    general, particular = Tolerance(size=0.1), Tolerance(size=0.2, metrics={"a": 1.0})
    assert general.overridden_by(particular) == particular
    assert general == Tolerance(size=0.1)
    assert particular.overridden_by(general) == Tolerance(size=0.1, metrics={"a": 1.0})


@pytest.mark.parametrize("value", [-0.001, float("nan"), float("inf"), float("-inf")])
def test_a_tolerance_is_a_finite_number_of_at_least_zero(value: float):
    with pytest.raises(ValueError, match=r"size must be a finite number of at least 0, got"):
        Tolerance(size=value)
    with pytest.raises(ValueError, match=r"psnr must be a finite number of at least 0, got"):
        Tolerance(metrics={"psnr": value})
    with pytest.raises(ValueError, match=r"psnr must be a finite number of at least 0, got"):
        Tolerance(metrics_drop={"psnr": value})


@pytest.mark.parametrize("name", ["size", "latency", "metrics"])
def test_a_misplaced_tolerance_of_ours_is_not_taken_for_a_metric_of_the_users(name: str):
    with pytest.raises(ValueError, match=f"{name} stands beside it, not inside"):
        Tolerance(metrics={name: 0.5})
    with pytest.raises(ValueError, match=f"metrics_drop is for metrics of your own; {name} stands beside it"):
        Tolerance(metrics_drop={name: 0.5})


@pytest.mark.parametrize("raw", [{"sise": 0.1}, {"size": "0.1"}, {"size": True}, {"metrics": {"a": "x"}}])
def test_unknown_keys_and_other_types_are_refused(raw: dict[str, object]):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(raw, Tolerance)


def test_for_metric_finds_ours_and_the_users():
    tolerance = Tolerance(size=0.1, metrics={"psnr": 0.5})
    assert tolerance.for_metric("size") == 0.1
    assert tolerance.for_metric("psnr") == 0.5
    assert tolerance.for_metric("latency") is None
    assert tolerance.for_metric("nothing") is None
    assert tolerance.for_metric("") is None


# --- tolerances that are no plain number ------------------------------------------------------------------

HIGHER = Metric(name="map", unit="", direction="higher")
LOWER = Metric(name="error_rate", unit="", direction="lower")


@pytest.mark.parametrize(
    ("allowed", "reference", "margin"),
    [
        (0.005, 0.98, 0.005),
        (Allowance(absolute=0.005), 0.98, 0.005),
        # MLPerf's 99% of 76.46% are 0.76 points, which are not one.
        (Allowance(relative=0.01), 0.7646, 0.007646),
        (Allowance(relative=0.01), -20.0, 0.2),
        (Allowance(relative=0.01), 0.0, 0.0),
        # A point at 99.5% triples the errors; 10% more of them is 0.05 points.
        (Allowance(errors=0.10), 0.995, 0.0005),
        (Allowance(errors=2.0), 0.995, 0.01),
        (Allowance(errors=2.0), 1.0, 0.0),
        (Allowance(errors=0.5), 0.0, 0.5),
        (Allowance(relative=0.01, errors=0.10), 0.995, 0.0005),
        (Allowance(relative=0.01, errors=0.10), 0.5, 0.005),
        (Allowance(absolute=0.003, relative=0.01, errors=0.10), 0.9, 0.003),
    ],
)
def test_what_an_allowance_comes_to(allowed: float | Allowance, reference: float, margin: float):
    assert margin_at(allowed, HIGHER, reference=reference) == pytest.approx(margin, rel=1e-12)


def test_where_lower_is_better_a_share_is_its_own_errors():
    assert error_share(LOWER, 0.02) == 0.02
    assert error_share(HIGHER, 0.75) == 0.25
    assert margin_at(Allowance(errors=0.10), LOWER, reference=0.02) == pytest.approx(0.002)


def test_a_share_that_is_more_than_one_by_rounding_has_no_errors():
    mean_of_cosines = float(np.float64(1) + np.finfo(np.float64).eps)
    assert mean_of_cosines > 1
    assert error_share(HIGHER, mean_of_cosines) == 0
    assert error_share(HIGHER, float(np.float32(1) + np.finfo(np.float32).eps)) == 0
    assert error_share(LOWER, -1e-17) == 0


@pytest.mark.parametrize("value", [-0.1, 1.01, 31.25, float("nan")])
def test_what_is_no_share_has_no_errors(value: float):
    with pytest.raises(ValueError, match=f"map is {value:g}, and only a share between 0 and 1 has errors"):
        margin_at(Allowance(errors=0.10), HIGHER, reference=value)


shares = st.floats(0, 1)
sizes = st.none() | st.floats(0, 10)
allowances = (
    st.tuples(sizes, sizes, sizes)
    .filter(any)
    .map(lambda said: Allowance(absolute=said[0], relative=said[1], errors=said[2]))
)


@given(allowances, shares)
def test_the_strictest_holds(allowance: Allowance, reference: float):
    alone = [
        margin_at(Allowance(**{key: value}), HIGHER, reference=reference)
        for key in Allowance.__struct_fields__
        if (value := getattr(allowance, key)) is not None
    ]
    assert margin_at(allowance, HIGHER, reference=reference) == min(alone)


@given(allowances, shares)
def test_a_share_and_its_errors_are_allowed_the_same(allowance: Allowance, reference: float):
    alone = Allowance(errors=allowance.errors or 0.25)
    mirrored = margin_at(alone, LOWER, reference=1 - reference)
    assert margin_at(alone, HIGHER, reference=reference) == pytest.approx(mirrored)


@pytest.mark.parametrize("key", ["absolute", "relative", "errors"])
@pytest.mark.parametrize("value", [-0.001, float("nan"), float("inf")])
def test_an_allowance_is_of_finite_numbers_of_at_least_zero(key: str, value: float):
    with pytest.raises(ValueError, match=f"a finite number of at least 0 for {key}, found {value}"):
        Allowance(**{key: value})


def test_an_allowance_of_nothing_in_particular_is_refused():
    with pytest.raises(ValueError, match="at least one of absolute, relative, errors, found an empty table"):
        Allowance()
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"accuracy_drop": {"percent": 1}}, Tolerance)


def test_a_more_particular_layer_replaces_the_whole_allowance():
    general, particular = Allowance(relative=0.01, errors=0.5), Allowance(errors=0.1)
    said = {"global": Tolerance(accuracy_drop=general), "model": Tolerance(accuracy_drop=particular)}
    assert resolved(said).accuracy_drop == particular
    assert resolved({**said, "marker": Tolerance(accuracy_drop=0.0)}).accuracy_drop == 0.0
    assert resolved(said).accuracy_regression == DEFAULT_TOLERANCE.accuracy_regression


def test_what_is_a_share_already_takes_a_number_alone():
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"size": {"relative": 0.01}}, Tolerance)
