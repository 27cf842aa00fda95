"""Measure, accept, measure again: what changed is judged by its number."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import models_zoo as zoo
import numpy as np
import pytest

import qbench.session.acceptance
import qbench.session.latency
import qbench.session.references
from qbench.models.datasets import Dataset
from qbench.quant.affine import QuantizationParameters, quantize
from qbench.records import Subject
from qbench.verdicts import Verdict
from session.lab import FP32, INT8, examples, labels_of, of

if TYPE_CHECKING:
    from session.lab import Lab


def int8_predictions(content: bytes, inputs: np.ndarray) -> np.ndarray:
    """Predictions of an int8 dense model, one example after the other."""
    affine = zoo.DENSE_INPUT["int8"]
    stored = quantize(inputs, QuantizationParameters(affine.scale, affine.zero_point))
    interpreter = zoo_interpreter(content)
    index = interpreter.get_input_details()[0]["index"]
    rows = []
    for row in stored:
        interpreter.set_tensor(index, row[np.newaxis])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    return np.array(rows).argmax(axis=1)


def zoo_interpreter(content: bytes):
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - of this alone

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    return interpreter


def test_nothing_changed_is_unchanged_and_complete(accepted: Lab):
    inventory = accepted.gate()
    by_verdict: dict[Verdict, set[str]] = {}
    for verdict in inventory.verdicts:
        by_verdict.setdefault(verdict.verdict, set()).add(verdict.metric)
    assert by_verdict == {
        Verdict.UNCHANGED: {"size_bytes", "accuracy", "float_islands", "quantize_dequantize", "integer_compute"}
        | {"undelegated_operators", "latency_ns"},
        Verdict.PASS: {"accuracy_drop"},
    }
    assert len(inventory.verdicts) == 2 * 7 + 1
    assert inventory.failed == inventory.incomplete == ()
    assert inventory.baselines == "baselines/"


def test_without_the_gate_values_are_measured_and_nothing_is_judged(accepted: Lab):
    accepted.source("int8", zoo.dense_int8(seed=1))
    inventory = accepted.gate(gate=False)
    assert inventory.verdicts == ()
    assert inventory.results[INT8].metrics["size_bytes"] == len(zoo.dense_int8(seed=1))
    assert inventory.results[INT8].measured == {"size", "structure", "accuracy", "latency"}


def test_a_less_accurate_artifact_fails_with_the_right_numbers(accepted: Lab):
    worse = zoo.dense_int8(seed=1)
    right = accepted.dataset.labels == int8_predictions(worse, examples())
    before = accepted.dataset.labels == int8_predictions(zoo.dense_int8(), examples())
    assert before.all()
    assert 0 < right.sum() < 60
    accepted.source("int8", worse)
    inventory = accepted.gate()
    verdict = of(inventory.verdicts, INT8, "accuracy")
    assert (verdict.verdict, verdict.against) == (Verdict.FAIL, "baseline")
    assert (verdict.now, verdict.reference, verdict.tolerance) == (right.sum() / 64, 1.0, 0.002)
    assert verdict.change == 1 - right.sum() / 64
    lost = 64 - int(right.sum())
    assert verdict.reason == (
        f"{lost} of 64 predictions differ from the baseline's: {lost} from right to wrong, 0 from wrong to right; "
        f"the first is example {np.flatnonzero(~right)[0]}"
    )
    assert verdict.paired is not None
    assert (verdict.paired.examples, verdict.paired.lost, verdict.paired.won) == (64, lost, 0)
    assert verdict.paired.finding == "beyond"
    assert verdict.paired.low < verdict.change < verdict.paired.high
    drop = of(inventory.verdicts, INT8, "accuracy_drop")
    assert drop.paired is not None
    assert drop.paired.finding == "beyond"
    assert (drop.verdict, drop.against, drop.tolerance) == (Verdict.FAIL, "fp32", 0.005)
    assert (drop.now, drop.reference) == (right.sum() / 64, 1.0)
    assert set(inventory.failed) == {verdict, drop}
    assert inventory.verdict_of(INT8) is Verdict.FAIL
    assert inventory.verdict_of(FP32) is Verdict.UNCHANGED


def test_agreement_and_flips_count_what_differs_from_fp32(accepted: Lab):
    worse = zoo.dense_int8(seed=1)
    accepted.source("int8", worse)
    metrics = accepted.gate().results[INT8].metrics
    flips = np.count_nonzero(int8_predictions(worse, examples()) != labels_of(zoo.dense_float(), examples()))
    assert metrics["flips"] == flips
    assert metrics["agreement"] == pytest.approx(1 - flips / 64)
    assert metrics["sqnr_db"] < 10
    assert "flips" not in accepted.gate().results[FP32].metrics


@pytest.mark.parametrize(("padding", "expected"), [(7, Verdict.PASS), (8, Verdict.FAIL)])
def test_a_larger_artifact_fails_beyond_the_tolerance(accepted: Lab, padding: int, expected: Verdict):
    size = len(zoo.dense_int8())
    # One per cent of 784 is 7.84.
    assert size == 784
    accepted.source("int8", zoo.dense_int8() + bytes(padding))
    verdict = of(accepted.gate().verdicts, INT8, "size_bytes")
    assert verdict.verdict is expected
    assert (verdict.now, verdict.reference) == (size + padding, size)
    assert verdict.change == pytest.approx(padding / size)


def test_a_smaller_artifact_is_improved(accepted: Lab):
    accepted.source("int8", zoo.dense_int8() + bytes(100))
    accepted.accept("padded")
    accepted.source("int8", zoo.dense_int8())
    assert of(accepted.gate().verdicts, INT8, "size_bytes").verdict is Verdict.IMPROVED


def test_a_float_island_fails_by_structure(lab: Lab):
    lab.model |= {"source": {"int8": "int8.tflite"}}
    lab.model.pop("dataset")
    lab.source("int8", zoo.conv_int8(size=4))
    lab.accept()
    lab.source("int8", zoo.float_island())
    verdicts = lab.gate(kinds=["structure"]).verdicts
    islands = of(verdicts, INT8, "float_islands")
    assert (islands.verdict, islands.now, islands.reference, islands.tolerance) == (Verdict.FAIL, 1, 0, 0)
    pairs = of(verdicts, INT8, "quantize_dequantize")
    assert (pairs.verdict, pairs.now, pairs.reference) == (Verdict.FAIL, 2, 0)


def test_an_artifact_that_computes_less_in_integers_fails_by_structure(accepted: Lab):
    accepted.source("int8", zoo.dense_hybrid())
    verdict = of(accepted.gate(kinds=["structure"]).verdicts, INT8, "integer_compute")
    assert (verdict.verdict, verdict.now, verdict.reference, verdict.change) == (Verdict.FAIL, 0.0, 1.0, 1.0)


def test_tolerances_are_those_that_are_declared(accepted: Lab):
    accepted.source("int8", zoo.dense_int8() + bytes(100))
    assert of(accepted.gate().verdicts, INT8, "size_bytes").verdict is Verdict.FAIL
    accepted.model["tolerance"] = {"recipes": {"int8": {"size": 0.2}}}
    verdict = of(accepted.gate().verdicts, INT8, "size_bytes")
    assert (verdict.verdict, verdict.tolerance) == (Verdict.PASS, 0.2)


def test_a_marker_holds_for_one_measurement(accepted: Lab):
    accepted.source("int8", zoo.dense_int8() + bytes(100))
    session = accepted.session()
    marked = session.config.tolerance_of(INT8)
    marked = type(marked)(size=0.5)
    assert [verdict.verdict for verdict in session.measure_size(INT8, marked)] == [Verdict.PASS]
    assert [verdict.verdict for verdict in session.measure_size(INT8)] == [Verdict.FAIL]


# --- nothing to compare with ------------------------------------------------------------------------------


def test_without_a_baseline_everything_is_missing_and_says_how_to_accept(lab: Lab):
    inventory = lab.gate()
    for kind in ("size", "structure", "accuracy", "latency_ns"):
        verdict = of(inventory.verdicts, INT8, kind)
        assert verdict.verdict is Verdict.MISSING
        assert verdict.reason == "baselines/ has no baseline"
        assert "--qbench-accept" in verdict.advice
    assert of(inventory.verdicts, INT8, "accuracy_drop").verdict is Verdict.PASS
    assert len(inventory.incomplete) == 8
    assert inventory.verdict_of(INT8) is Verdict.MISSING


def test_a_corrupt_baseline_is_an_error_and_the_others_are_judged(accepted: Lab):
    path = accepted.baselines / "tiny" / "int8.json"
    path.write_bytes(path.read_bytes()[:100])
    inventory = accepted.gate()
    for kind in ("size", "structure", "accuracy"):
        verdict = of(inventory.verdicts, INT8, kind)
        assert verdict.verdict is Verdict.ERROR
        assert verdict.reason.startswith("tiny/int8.json is not a baseline (")
    assert of(inventory.verdicts, FP32, "size_bytes").verdict is Verdict.UNCHANGED
    assert {verdict.subject for verdict in inventory.incomplete} == {INT8}


def test_a_baseline_of_a_future_version_is_an_error_that_names_it(accepted: Lab):
    path = accepted.baselines / "tiny" / "int8.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 7}))
    verdict = of(accepted.gate().verdicts, INT8, "size")
    assert verdict.verdict is Verdict.ERROR
    assert "found schema_version 7, this qbench reads 1 to 2" in verdict.reason


def test_a_metric_that_the_baseline_does_not_have_is_missing(accepted: Lab):
    path = accepted.baselines / "tiny" / "int8.json"
    document = json.loads(path.read_text())
    del document["metrics"]["accuracy"]
    path.write_text(json.dumps(document))
    verdict = of(accepted.gate().verdicts, INT8, "accuracy")
    assert (verdict.verdict, verdict.now) == (Verdict.MISSING, 1.0)
    assert verdict.reason == "this run has a value of it, and the baseline has none"


def test_an_accuracy_that_was_accepted_does_not_vanish_with_the_labels(accepted: Lab):
    accepted.dataset = Dataset(inputs=examples(), name="without labels")
    verdict = of(accepted.gate().verdicts, INT8, "accuracy")
    assert verdict.verdict is Verdict.MISSING
    assert verdict.reason == "the baseline has a value of it, and this run has none"


def test_in_another_version_of_the_runtime_equal_values_pass_and_are_not_unchanged(
    accepted: Lab, monkeypatch: pytest.MonkeyPatch
):
    for module in (qbench.session.references, qbench.session.latency):
        monkeypatch.setattr(module, "runtime_version", lambda _: "0.0.0")
    verdicts = accepted.gate().verdicts
    assert of(verdicts, INT8, "accuracy").verdict is Verdict.PASS
    assert Verdict.UNCHANGED not in {verdict.verdict for verdict in verdicts}


# --- what is declared -------------------------------------------------------------------------------------


def test_a_model_without_dataset_has_no_accuracy_and_misses_none(lab: Lab):
    lab.model.pop("dataset")
    assert lab.accept().refused == {}
    inventory = lab.gate()
    assert inventory.incomplete == ()
    assert not {"accuracy", "accuracy_drop"} & {verdict.metric for verdict in inventory.verdicts}
    session = lab.session()
    with pytest.raises(qbench.errors.DatasetError, match="the model 'tiny' declares no dataset; add `dataset ="):
        session.measure_accuracy(INT8)


def test_a_pair_without_fp32_has_no_drop_to_judge(lab: Lab):
    lab.model["source"] = {"int8": "int8.tflite"}
    lab.accept()
    inventory = lab.gate()
    verdict = of(inventory.verdicts, INT8, "accuracy_drop")
    assert (verdict.verdict, verdict.now) == (Verdict.NOT_COMPARABLE, None)
    assert "agreement" not in inventory.results[INT8].metrics
    assert of(inventory.verdicts, INT8, "accuracy").verdict is Verdict.UNCHANGED


def test_two_models_with_the_same_artifacts_have_metrics_of_their_own(lab: Lab):
    lab.table["models"]["again"] = {**lab.model, "top_k": 2}
    results = lab.gate().results
    assert "top_k_accuracy" not in results[INT8].metrics
    assert results[Subject(model="again", recipe="int8")].metrics["top_k_accuracy"] == 1.0


def test_top_k_is_judged_like_top_1(lab: Lab):
    lab.model["top_k"] = 2
    lab.accept()
    lab.source("int8", zoo.dense_int8(seed=1))
    verdicts = lab.gate().verdicts
    regression, drop = of(verdicts, INT8, "top_k_accuracy"), of(verdicts, INT8, "top_k_accuracy_drop")
    assert (regression.verdict, regression.against) == (Verdict.FAIL, "baseline")
    assert (drop.verdict, drop.against) == (Verdict.FAIL, "fp32")
    assert regression.now == drop.now
    assert regression.now is not None
    assert of(verdicts, INT8, "accuracy").now < regression.now < 1.0


def test_a_top_k_that_cannot_be_missed_is_an_error(lab: Lab):
    lab.model["top_k"] = 3
    verdict = of(lab.gate().verdicts, INT8, "accuracy")
    assert verdict.verdict is Verdict.ERROR
    assert "top_k is 3 and the artifact has 3 classes" in verdict.reason


def test_tampered_predictions_are_an_error_and_not_only_a_remark(accepted: Lab):
    (path,) = (accepted.baselines / "tiny").glob("int8.predictions-*.npy")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    inventory = accepted.gate()
    verdict = of(inventory.verdicts, INT8, "predictions")
    assert verdict.verdict is Verdict.ERROR
    assert "not the file that was accepted" in verdict.reason
    assert inventory.verdict_of(INT8) is Verdict.ERROR
    assert inventory.verdict_of(FP32) is not Verdict.ERROR
