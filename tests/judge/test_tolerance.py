"""Which tolerance holds, and which are refused."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import msgspec
import pytest

from qbench.judge.tolerance import DEFAULT_TOLERANCE, Tolerance, resolve_tolerance
from qbench.models.config import Config, ModelConfig
from qbench.models.recipes import BUILTIN_RECIPES
from qbench.models.sources import Source
from qbench.records import Subject

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


@pytest.mark.parametrize("name", ["size", "latency", "metrics"])
def test_a_misplaced_tolerance_of_ours_is_not_taken_for_a_metric_of_the_users(name: str):
    with pytest.raises(ValueError, match=f"{name} stands beside it, not inside"):
        Tolerance(metrics={name: 0.5})


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
