"""Models that are no plain classifier: several outputs, and metrics of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import models_zoo as zoo
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import qbench
from qbench.models.datasets import Dataset
from qbench.records import Subject
from qbench.tflite.builder import Affine, Graph
from qbench.verdicts import Verdict
from session.lab import FP32, INT8, of

if TYPE_CHECKING:
    from collections.abc import Callable

    from session.lab import Lab

DYNAMIC = Subject(model="tiny", recipe="dynamic")


def declare_metric(lab: Lab, function: Callable[..., Any], name: str = "own", direction: str = "lower") -> None:
    """Make `function` the model's own metric."""
    lab.module.own = qbench.metric(unit="u", direction=direction, name=name)(function)
    lab.model["metrics"] = [f"{lab.module.__name__}:own"]


def mean_logit(outputs: np.ndarray, _: object) -> float:
    return float(outputs.mean())


# --- a metric of the user's own ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "change", "expected"),
    [
        ("lower", 0.3, Verdict.FAIL),
        ("lower", -0.3, Verdict.IMPROVED),
        ("lower", 0.2, Verdict.PASS),
        ("higher", 0.3, Verdict.IMPROVED),
        ("higher", -0.3, Verdict.FAIL),
    ],
)
def test_it_is_judged_by_its_direction_and_its_tolerance(lab: Lab, direction: str, change: float, expected: Verdict):
    value = {"now": 1.5}
    declare_metric(lab, lambda *_: value["now"], direction=direction)
    lab.model["tolerance"] = {"metrics": {"own": 0.25}}
    lab.accept()
    value["now"] = 1.5 + change
    lab.source("int8", zoo.dense_int8() + b"\0")
    verdict = of(lab.gate().verdicts, INT8, "own")
    assert (verdict.verdict, verdict.now, verdict.reference) == (expected, 1.5 + change, 1.5)
    assert verdict.tolerance == 0.25


def test_it_gets_real_outputs_and_labels(lab: Lab):
    given = []
    declare_metric(lab, lambda outputs, labels: given.append((outputs, labels)) or 0)
    lab.gate(subjects=[INT8], kinds=["accuracy"])
    outputs, labels = given[0]
    assert (outputs.dtype, outputs.shape) == (np.float32, (64, 3))
    assert np.abs(outputs).max() > 1  # Real values in steps of 0.05, not the stored int8.
    np.testing.assert_allclose(outputs / 0.05, np.rint(outputs / 0.05), atol=1e-4)
    np.testing.assert_array_equal(labels, lab.dataset.labels)


def test_without_a_tolerance_it_is_kept_and_not_judged(lab: Lab):
    declare_metric(lab, mean_logit)
    lab.accept()
    assert "own" in lab.baseline(INT8).metrics
    assert "own" not in {verdict.metric for verdict in lab.gate().verdicts}


def test_it_is_evaluated_on_the_accepted_artifact_when_the_dataset_changed(lab: Lab):
    declare_metric(lab, mean_logit)
    lab.model["tolerance"] = {"metrics": {"own": 1e-6}}
    lab.accept()
    kept = lab.baseline(INT8).metrics["own"]
    lab.dataset = Dataset(inputs=lab.dataset.inputs * np.float32(0.5), labels=lab.dataset.labels)
    verdict = of(lab.gate().verdicts, INT8, "own")
    assert verdict.verdict is Verdict.UNCHANGED
    assert verdict.reference != pytest.approx(kept)


@pytest.mark.parametrize(
    "name", ["accuracy", "flips", "size_bytes", "accuracy_drop", "size", "memory", "peak_memory", "metrics"]
)
def test_a_name_that_qbench_uses_is_refused(lab: Lab, name: str):
    declare_metric(lab, mean_logit, name=name)
    verdict = of(lab.gate(kinds=["accuracy"]).verdicts, INT8, "accuracy")
    assert verdict.verdict is Verdict.ERROR
    assert f"a metric of your own is called {name!r}, which qbench uses; rename it" in verdict.reason


def test_one_that_fails_is_an_error_and_is_not_accepted(lab: Lab):
    declare_metric(lab, lambda *_: float("nan"))
    verdict = of(lab.gate(kinds=["accuracy"]).verdicts, INT8, "accuracy")
    assert verdict.verdict is Verdict.ERROR
    assert set(lab.accept().refused) == {FP32, INT8}


# --- what is no row of classes ----------------------------------------------------------------------------


def convolution(lab: Lab, labels: np.ndarray | None) -> None:
    """Make the model one whose output is an image of four channels."""
    lab.source("int8", zoo.conv_int8(size=4))
    lab.model["source"] = {"int8": "int8.tflite"}
    images = np.random.default_rng(0).uniform(-1, 1, (6, 4, 4, 3)).astype(np.float32)
    lab.dataset = Dataset(inputs=images, labels=labels)


@pytest.mark.parametrize(
    "labels",
    [np.zeros((6, 4, 4), int), np.zeros((6, 4), int), np.zeros((6, 4, 4, 4), np.float32), np.arange(6), None],
    ids=["masks", "boxes", "images", "one number", "none"],
)
def test_a_metric_of_ones_own_is_enough_for_it(lab: Lab, labels: np.ndarray | None):
    convolution(lab, labels)
    declare_metric(lab, lambda outputs, given: float(np.abs(outputs).mean()) if given is labels else -1.0)
    lab.model["tolerance"] = {"metrics": {"own": 0.1}}
    assert lab.accept().refused == {}
    inventory = lab.gate()
    assert of(inventory.verdicts, INT8, "own").verdict is Verdict.UNCHANGED
    assert of(inventory.verdicts, INT8, "own").now > 0
    assert inventory.incomplete == ()


def test_without_one_it_is_refused_with_what_to_do(lab: Lab):
    convolution(lab, np.zeros((6, 4, 4), int))
    verdict = of(lab.gate(kinds=["accuracy"]).verdicts, INT8, "accuracy")
    assert verdict.verdict is Verdict.ERROR
    assert "expected one value for each of two or more classes" in verdict.reason
    assert "give a metric of your own under `metrics`" in verdict.reason


def test_a_classifier_keeps_its_accuracy_beside_a_metric_of_ones_own(lab: Lab):
    declare_metric(lab, mean_logit)
    metrics = lab.gate().results[INT8].metrics
    assert metrics["accuracy"] == 1.0
    assert "own" in metrics


# --- several outputs --------------------------------------------------------------------------------------


def two_heads(*, hybrid: bool, first: str) -> bytes:
    """Logits and their negation, in either order; with `hybrid` the weights are int8."""
    weights, bias = zoo.dense_weights()
    graph = Graph()
    x, logits, negated = graph.tensor("x", [1, 4]), graph.tensor("a", [1, 3]), graph.tensor("b", [1, 3])
    stored: Any = weights
    affine = None
    if hybrid:
        scale = np.abs(weights).max(axis=1) / 127
        stored, affine = np.rint(weights / scale[:, None]).astype(np.int8), Affine(scale)
    operands = [x, graph.constant("w", stored, affine), graph.constant("bias", bias)]
    version = 9 if hybrid else 1
    graph.operator("FULLY_CONNECTED", operands, [logits], schema.FullyConnectedOptionsT(), version=version)
    graph.operator("NEG", [logits], [negated], schema.NegOptionsT())
    graph.signature("serving_default", {"x": x}, {"logits": logits, "negated": negated})
    return graph.build([x], [logits, negated] if first == "logits" else [negated, logits])


@pytest.fixture
def heads(lab: Lab) -> Lab:
    """A model of two outputs whose recipes give them in opposite order."""
    lab.source("fp32", two_heads(hybrid=False, first="logits"))
    lab.source("dynamic", two_heads(hybrid=True, first="negated"))
    lab.model["source"] = {"fp32": "fp32.tflite", "dynamic": "dynamic.tflite"}
    return lab


def test_an_output_is_found_by_its_name_wherever_it_stands(heads: Lab):
    heads.model["output"] = "logits"
    metrics = heads.gate().results[DYNAMIC].metrics
    assert metrics["accuracy"] == metrics["agreement"] == 1.0
    assert metrics["sqnr_db"] > 20


@pytest.mark.parametrize("output", [None, "scores", 2])
def test_without_a_name_that_exists_it_is_refused(heads: Lab, output: str | int | None):
    if output is not None:
        heads.model["output"] = output
    verdict = of(heads.gate(kinds=["accuracy"]).verdicts, FP32, "accuracy")
    assert verdict.verdict is Verdict.ERROR
    assert f"has the outputs ['logits', 'negated'] and `output` of the model is {output!r}" in verdict.reason


def test_a_metric_of_ones_own_gets_all_of_them_by_name(heads: Lab):
    declare_metric(heads, lambda outputs, _: float(np.abs(outputs["logits"] + outputs["negated"]).max()))
    results = heads.gate().results
    assert results[FP32].metrics["own"] == results[DYNAMIC].metrics["own"] == 0.0
    assert "accuracy" not in results[FP32].metrics


def test_a_wrong_name_is_refused_in_spite_of_a_metric_of_ones_own(heads: Lab):
    declare_metric(heads, lambda *_: 0)
    heads.model["output"] = "scores"
    assert of(heads.gate(kinds=["accuracy"]).verdicts, FP32, "accuracy").verdict is Verdict.ERROR
