"""Tolerances that name a metric which nothing has: misspelt, they would gate nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import qbench
from qbench.judge.tolerance import Tolerance
from qbench.verdicts import Verdict
from session.lab import FP32, INT8, of

if TYPE_CHECKING:
    from session.lab import Lab


@pytest.fixture
def lab(lab: Lab) -> Lab:
    """A lab whose model `tiny` has the metric `own`, and `other` the metric `another`."""
    lab.table["metrics"] = ["accuracy"]
    for name in ("own", "another"):
        function = qbench.metric(unit="", direction="lower", name=name)(lambda outputs, _: np.ones(len(outputs)))
        setattr(lab.module, name, function)
    lab.table["models"]["other"] = {**lab.model, "metrics": [f"{lab.module.__name__}:another"]}
    lab.model["metrics"] = [f"{lab.module.__name__}:own"]
    return lab


@pytest.mark.parametrize("table", ["metrics", "metrics_drop"])
@pytest.mark.parametrize("name", ["onw", "accuracy", "flips"])
def test_a_metric_that_no_model_has_is_an_error_of_every_model(lab: Lab, table: str, name: str):
    lab.table["tolerance"] = {table: {name: 0.1}}
    verdicts = lab.gate(kinds=["accuracy"]).verdicts
    assert {verdict.subject.model for verdict in verdicts} == {"tiny", "other"}
    assert {verdict.verdict for verdict in verdicts} == {Verdict.ERROR}
    assert {verdict.reason for verdict in verdicts} == {
        f"tool.qbench.tolerance.{table}: found {name!r}, expected a metric of any model: another, own"
    }


def test_what_holds_for_all_models_may_name_a_metric_of_any(lab: Lab):
    lab.table["tolerance"] = {"metrics": {"own": 0.1, "another": 0.1}, "recipes": {"int8": {"metrics": {"own": 0.2}}}}
    assert lab.accept(kinds=["accuracy"]).refused == {}
    inventory = lab.gate(kinds=["accuracy"])
    assert all(verdict.verdict.green for verdict in inventory.verdicts)
    assert of(inventory.verdicts, INT8, "own").tolerance == 0.2


@pytest.mark.parametrize(
    ("tolerance", "key"),
    [({"metrics": {"another": 1.0}}, ""), ({"recipes": {"int8": {"metrics": {"another": 1.0}}}}, ".recipes.int8")],
)
def test_what_holds_for_one_model_has_to_name_a_metric_of_it(lab: Lab, tolerance: dict[str, Any], key: str):
    lab.model["tolerance"] = tolerance
    verdict = of(lab.gate([INT8], ["accuracy"]).verdicts, INT8, "accuracy")
    assert verdict.verdict is Verdict.ERROR
    assert verdict.reason == (
        f"tool.qbench.models.tiny.tolerance{key}.metrics: found 'another', expected a metric of the model 'tiny': own"
    )


def test_a_recipe_of_all_models_is_looked_at_where_it_is_judged(lab: Lab):
    lab.table["tolerance"] = {"recipes": {"int8": {"metrics_drop": {"onw": 1.0}}}}
    errors = [each.subject for each in lab.gate(kinds=["accuracy"]).verdicts if each.verdict is Verdict.ERROR]
    assert INT8 in errors
    assert FP32 not in errors


def test_a_marker_has_to_name_a_metric_of_the_model(lab: Lab):
    session = lab.session()
    with pytest.raises(qbench.errors.ConfigError, match=r"pytest.mark.qbench.metrics: found 'onw', expected a metric"):
        session.measure_accuracy(INT8, Tolerance(metrics={"onw": 1.0}))


def test_where_no_model_has_metrics_it_says_what_to_declare(lab: Lab):
    for model in lab.table["models"].values():
        model.pop("metrics")
    lab.table["tolerance"] = {"metrics": {"own": 1.0}}
    verdict = of(lab.gate([INT8], ["accuracy"]).verdicts, INT8, "accuracy")
    assert verdict.reason.endswith("a metric of any model: none is declared; name it under `metrics` of the model")
