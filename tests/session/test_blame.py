"""What explains a subject of a run: against its float model, and against what was accepted of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import flatbuffers
import models_zoo as zoo
import msgspec
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from diagnose import faults

from qbench.diagnose.evidence.records import OperatorTime
from qbench.diagnose.evidence.slowdown import slower_operators
from qbench.diagnose.records import Finding
from qbench.models.datasets import Dataset
from session.lab import FP32, INT8, examples

if TYPE_CHECKING:
    from session.lab import Lab


def rescaled(content: bytes, factor: float) -> bytes:
    """An artifact whose output has another scale."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))
    output = model.subgraphs[0].tensors[model.subgraphs[0].outputs[0]]
    output.quantization.scale = [factor * float(scale) for scale in output.quantization.scale]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def test_nothing_is_said_to_have_changed_where_nothing_was_accepted_or_nothing_did(lab: Lab):
    assert lab.session().why(INT8, "structure") == ""
    lab.accept()
    assert lab.session().why(INT8, "structure") == ""
    assert lab.session().diagnose(INT8).changes == ()


def test_what_differs_from_the_accepted_artifact_is_in_the_diagnosis(accepted: Lab):
    accepted.source("int8", zoo.dense_int8(seed=1))
    found = accepted.session().diagnose(INT8)
    assert found.changes == ("other weights: FULLY_CONNECTED 'y'",)
    assert "weights differ" in [each.cause for each in found.findings]


def test_the_float_model_is_held_against_what_was_accepted_alone(accepted: Lab):
    accepted.source("fp32", zoo.dense_float(seed=1))
    line = accepted.session().why(FP32, "accuracy")
    assert line == "Why: since it was accepted: other weights: FULLY_CONNECTED 'y'. More: qbench explain tiny fp32"


def test_where_nothing_stands_out_a_drop_is_due_to_what_changed(accepted: Lab):
    # A step wider, so that the range is another and no worse.
    accepted.source("int8", rescaled(zoo.dense_int8(), 1.01))
    line = accepted.session().why(INT8, "accuracy")
    assert line.startswith("Why: since it was accepted: other ranges: FULLY_CONNECTED 'y' represents ")


def test_of_a_latency_the_operators_are_timed_again(accepted: Lab):
    accepted.source("int8", zoo.dense_int8(seed=1))
    line = accepted.session().why(INT8, "latency")
    assert line.startswith("Why: since it was accepted: ")
    assert "other weights: FULLY_CONNECTED 'y'" in line


def test_a_dataset_that_the_test_gave_is_the_one_that_is_explained(accepted: Lab):
    accepted.source("int8", zoo.dense_int8(seed=1))
    session = accepted.session()
    part = Dataset(inputs=examples(20, seed=5), labels=np.zeros(20, int))
    assert session.blame.diagnose(INT8, dataset=part).evaluated == 20


def test_an_output_that_is_no_number_is_explained_all_the_same(accepted: Lab):
    weights = np.full((3, 4), np.nan, np.float32)
    accepted.model["source"]["broken"] = "broken.tflite"
    accepted.table["recipe"] = {"broken": {"base": "fp32"}}
    accepted.source("broken", zoo._dense_float(weights, np.zeros(3, np.float32)))
    line = accepted.session().why(msgspec.structs.replace(INT8, recipe="broken"), "accuracy")
    assert line.startswith("Why: FULLY_CONNECTED float32 'y': not finite: ")


def test_a_changed_calibration_set_is_named_first(lab: Lab):
    whole = faults.digits()
    inputs, labels = np.asarray(whole.inputs)[:40], whole.labels[:40]
    calibration = np.asarray(whole.calibration)[:8]
    lab.source("dscnn", faults.committed("fp32"))
    lab.model["source"] = "dscnn.tflite"
    lab.table |= {"metrics": ["accuracy"], "recipes": ["fp32", "int8"], "tolerance": {"accuracy_drop": 1.0}}
    lab.dataset = Dataset(inputs=inputs, labels=labels, calibration=calibration)
    assert lab.accept(kinds=["accuracy"]).refused == {}
    kept = lab.baseline(INT8).provenance.calibration
    assert kept == lab.dataset.calibration_digest
    assert lab.baseline(FP32).provenance.calibration == ""
    lab.dataset = Dataset(inputs=inputs, labels=labels, calibration=calibration / 2)
    session = lab.session()
    changes = session.blame.changes(INT8)
    assert changes[0] == f"another calibration set ({lab.dataset.calibration_digest[:12]}, was {kept[:12]})"
    assert any(change.startswith("other ranges: ") for change in changes[1:])


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ((1000, 1000, 1000), ""),
        ((1000, 3000, 1000), "B takes 3 us, took 1 us"),
        ((1090, 3000, 1000), "B takes 3 us, took 1 us"),
        ((2000, 3000, 1000), "B takes 3 us, took 1 us, A takes 2 us, took 1 us"),
        ((1050, 500, 1000), ""),
    ],
)
def test_operators_that_became_slower_are_named_by_what_they_lost(now, said):
    def times(values):
        return [
            OperatorTime(number=number, kernel="k", delegated=True, nanoseconds=value, resolution_ns=40)
            for number, value in enumerate(values)
        ]

    assert slower_operators(times((1000, 1000, 1000)), times(now), ["A", "B", "C"]) == said


def test_another_kernel_is_named_with_the_time():
    (before, now) = (
        OperatorTime(number=0, kernel=kernel, delegated=True, nanoseconds=time)
        for kernel, time in (("IGEMM", 1000), ("CONV_2D", 9000))
    )
    assert slower_operators([before], [now], ["A"]) == "A takes 9 us, took 1 us on CONV_2D, IGEMM before"


def test_times_below_what_the_profiler_can_tell_are_bounds():
    before, now = (
        OperatorTime(number=0, kernel="k", delegated=True, nanoseconds=time, resolution_ns=7.8125)
        for time in (7.8125, 900)
    )
    assert slower_operators([before], [now], ["A"]) == "A takes 900 ns, took <16 ns"


def test_of_an_accuracy_the_line_names_nothing_that_costs_time_alone(accepted: Lab, monkeypatch):
    slow, clipped = (
        Finding(cause=cause, where="there", severity=severity, evidence="so", advice="so")
        for cause, severity in (("off the delegate", 0.25), ("saturation", 0.2))
    )
    session = accepted.session()
    found = msgspec.structs.replace(session.diagnose(INT8), findings=(slow, clipped))
    monkeypatch.setattr("qbench.session.blame.diagnose", lambda *_: found)
    assert "the largest is there: saturation: so." in session.why(INT8, "accuracy")


def test_an_error_on_the_way_names_the_command_too(accepted: Lab, monkeypatch):
    def failing(*_):
        raise ValueError("a fault")

    session = accepted.session()
    monkeypatch.setattr("qbench.session.blame.diagnose", failing)
    line = session.why(INT8, "accuracy")
    assert line == "Why: not found out (ValueError: a fault). More: qbench explain tiny int8"
