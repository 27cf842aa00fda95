"""Artifacts and datasets that cannot be used: each an error that names them, and the run goes on."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING

import models_zoo as zoo
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from qbench.errors import QbenchWarning
from qbench.models.datasets import Dataset
from qbench.tflite.builder import Graph
from qbench.verdicts import Verdict
from session.lab import FP32, INT8, examples, of

if TYPE_CHECKING:
    from session.lab import Lab


def two_signatures() -> bytes:
    graph = Graph()
    x, y = graph.tensor("x", [1, 4]), graph.tensor("y", [1, 4])
    graph.operator("EXP", [x], [y], schema.ExpOptionsT())
    for key in ("train", "infer"):
        graph.signature(key, {"x": x}, {"y": y})
    return graph.build([x], [y])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (two_signatures(), "it has the signatures ['train', 'infer']; qbench measures artifacts with one"),
        (b"", "found an empty file (int8.tflite), expected a .tflite"),
        (b"a text file\n" * 50, "the runtime refuses the artifact"),
        (zoo.dense_int8()[:400], "the runtime refuses the artifact"),
        (zoo.unresolved_custom_operator(), "the runtime has no kernel for an operator"),
        (zoo.empty_weights(), "lacks data"),
        (zoo.dense_float(), "found the same operators"),
        (zoo.aborting(), "SIGABRT"),
    ],
    ids=["signatures", "empty", "text", "truncated", "custom operator", "no weights", "not quantized", "abort"],
)
def test_an_artifact_that_cannot_be_used(accepted: Lab, content: bytes, said: str):
    accepted.source("int8", content)
    inventory = accepted.gate()
    for kind in ("size", "structure", "accuracy", "latency"):
        verdict = of(inventory.verdicts, INT8, kind)
        assert verdict.verdict is Verdict.ERROR
        assert "tiny-int8" in verdict.reason
        assert said in verdict.reason
    assert {verdict.subject for verdict in inventory.incomplete} == {INT8}
    assert of(inventory.verdicts, FP32, "accuracy").verdict is Verdict.UNCHANGED


def test_a_bias_that_did_not_fit_is_a_warning_and_judged(accepted: Lab):
    accepted.source("int8", zoo.saturated_bias())
    with pytest.warns(QbenchWarning, match="tiny-int8: found the end of an int32's range in the bias 'bias'"):
        inventory = accepted.gate()
    assert of(inventory.verdicts, INT8, "accuracy").verdict is Verdict.FAIL


@pytest.mark.filterwarnings("error")
def test_a_bias_that_did_not_fit_is_an_error_where_warnings_are(accepted: Lab):
    accepted.source("int8", zoo.saturated_bias())
    verdict = of(accepted.gate().verdicts, INT8, "accuracy")
    assert verdict.verdict is Verdict.ERROR
    assert verdict.reason.startswith("tiny-int8: found the end of an int32's range")


def test_an_fp32_that_is_not_float(lab: Lab):
    lab.source("fp32", zoo.dense_int8())
    verdict = of(lab.gate().verdicts, FP32, "size")
    assert "expected float32 throughout" in verdict.reason
    # What can be measured without it is, and what cannot is not green.
    assert of(lab.gate().verdicts, INT8, "accuracy_drop").verdict is Verdict.NOT_COMPARABLE


def test_a_hang(lab: Lab):
    lab.table["preflight_timeout_s"] = 3.0
    lab.source("int8", zoo.hanging())
    verdict = of(lab.gate(subjects=[INT8], kinds=["size"]).verdicts, INT8, "size")
    assert verdict.verdict is Verdict.ERROR
    assert "gave no answer within 3 s while running tiny-int8" in verdict.reason


LABELS = np.zeros(64, int)


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        (Dataset(inputs=examples()[:, :3], labels=LABELS), "an example has the shape (3,)"),
        (Dataset(inputs=examples() > 0, labels=LABELS), "examples are bool"),
        (Dataset(inputs=examples(), labels=LABELS + 3), "64 labels are out of range, the first is label 3"),
        (Dataset(inputs=examples(), labels=LABELS - 1), "64 labels are out of range, the first is label -1"),
        (Dataset(inputs=examples(), labels=LABELS / 2), "labels are float64 of shape (64,)"),
        (Dataset(inputs={"a": examples(), "b": examples()}, labels=LABELS), "has the inputs ['a', 'b']"),
        (Dataset(inputs=np.full((64, 4), np.nan, np.float32), labels=LABELS), "NaN"),
    ],
    ids=["shape", "dtype", "label too large", "label too small", "float labels", "names", "nan"],
)
def test_a_dataset_that_does_not_fit(accepted: Lab, dataset: Dataset, said: str):
    accepted.dataset = dataset
    inventory = accepted.gate()
    verdict = of(inventory.verdicts, INT8, "accuracy")
    assert verdict.verdict is Verdict.ERROR
    assert said in verdict.reason
    assert of(inventory.verdicts, INT8, "size_bytes").verdict is Verdict.UNCHANGED


def test_a_dataset_function_that_raises(accepted: Lab):
    accepted.module.__dict__["examples"] = lambda: 1 / 0
    verdict = of(accepted.gate().verdicts, INT8, "accuracy")
    assert verdict.verdict is Verdict.ERROR
    assert "raised ZeroDivisionError: division by zero" in verdict.reason


def test_a_dataset_function_that_gives_something_else(accepted: Lab):
    accepted.module.__dict__["examples"] = lambda: types.SimpleNamespace(inputs=examples())
    assert (
        "returned SimpleNamespace; expected a qbench.Dataset" in of(accepted.gate().verdicts, INT8, "accuracy").reason
    )


@pytest.mark.parametrize("declared", ["no_such_module:f", "session.lab:no_such_function"])
def test_a_dataset_that_cannot_be_imported_is_named_by_its_key(accepted: Lab, declared: str):
    accepted.model["dataset"] = declared
    reason = of(accepted.gate().verdicts, INT8, "accuracy").reason
    assert reason.startswith(f"tool.qbench.models.tiny.dataset: found '{declared}' (")


# --- opening an interpreter for a benchmark ---------------------------------------------------------------


def test_an_opened_interpreter_holds_the_first_example_and_has_run(accepted: Lab):
    interpreter = accepted.session().open(FP32)
    assert interpreter.subject == FP32
    np.testing.assert_array_equal(interpreter.input_view(0)[0], examples()[0])
    weights, bias = zoo.dense_weights()
    np.testing.assert_allclose(interpreter.output(0)[0], examples()[0] @ weights.T + bias, rtol=1e-5)


def test_a_fixed_batch_is_filled_with_examples_as_far_as_there_are_any(lab: Lab):
    lab.source("int8", zoo.dense_int8(batch=8))
    lab.model["source"] = {"int8": "int8.tflite"}
    lab.dataset = Dataset(inputs=examples(5), labels=np.zeros(5, int))
    outputs = lab.session().open(INT8).output(0)
    single = zoo.dense_int8()
    lab.source("int8", single)
    for row in range(8):
        lab.dataset = Dataset(inputs=examples(5)[[min(row, 4)]], labels=np.zeros(1, int))
        np.testing.assert_array_equal(lab.session().open(INT8).output(0)[0], outputs[row])
