"""What becomes a baseline, and what is taken over from the one before."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from importlib.metadata import version
from typing import TYPE_CHECKING

import models_zoo as zoo
import numpy as np
import pytest

import qbench
import qbench.session.acceptance
from qbench.files import digest_bytes
from qbench.models.datasets import Dataset
from qbench.verdicts import Verdict
from session.lab import FP32, INT8, of, stats

if TYPE_CHECKING:
    from session.lab import Lab


@pytest.fixture
def measured_elsewhere(accepted: Lab) -> Lab:
    """A project whose int8 was accepted here and on a machine with another processor."""
    session = accepted.session(gate=False, accept="elsewhere")
    accepted.run(session)
    accepted.accept_results(session, "elsewhere", cpu="another processor")
    return accepted


def cpus(lab: Lab) -> set[str]:
    """Processors for which a latency is kept, and this one as 'here'."""
    here = lab.session().fingerprint.cpu
    found = {kept.fingerprint.cpu for kept in lab.baseline(INT8).latency.values()}
    return {"here" if cpu == here else cpu for cpu in found}


def test_everything_that_was_measured_is_kept(accepted: Lab):
    session = accepted.session()
    accepted.run(session, [INT8])
    baseline, result = accepted.baseline(INT8), session.results[INT8]
    assert baseline.artifact.sha256 == digest_bytes(zoo.dense_int8())
    assert baseline.artifact.size_bytes == len(zoo.dense_int8())
    assert baseline.metrics == pytest.approx(result.metrics)
    assert baseline.operators == {"FULLY_CONNECTED int8": 1}
    assert baseline.weight_bytes_by_dtype == result.weight_bytes_by_dtype
    assert baseline.latency[session.fingerprint_id].sample == result.latency
    assert baseline.latency[session.fingerprint_id].fingerprint == session.fingerprint
    assert baseline.predictions is not None
    assert baseline.predictions.examples == 64


def test_provenance_says_why_when_and_with_what(lab: Lab):
    lab.accept("  because of this ")
    provenance = lab.baseline(INT8).provenance
    assert provenance.reason == "because of this"
    assert provenance.accepted_on == datetime.now(timezone.utc).date().isoformat()
    assert provenance.dataset == lab.dataset.digest
    assert provenance.tools["qbench"] == version("qbench")
    assert provenance.tools["ai-edge-litert"] == version("ai-edge-litert")


def test_accepting_the_same_again_changes_the_reason_alone(accepted: Lab):
    before = accepted.files()
    accepted.accept("second")
    after = accepted.files()
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert changed == {"tiny/fp32.json", "tiny/int8.json"}
    for name in changed:
        assert after[name] == before[name].replace(b'"reason": "first"', b'"reason": "second"')


# --- a part alone -----------------------------------------------------------------------------------------


def test_what_was_not_measured_is_taken_from_the_same_artifact(accepted: Lab):
    before = accepted.baseline(INT8)
    acceptance = accepted.accept("size alone", [INT8], ["size"])
    assert (acceptance.accepted, acceptance.refused) == ((INT8,), {})
    after = accepted.baseline(INT8)
    assert after.provenance.reason == "size alone"
    for field in ("metrics", "operators", "weight_bytes_by_dtype", "predictions", "latency", "artifact"):
        assert getattr(after, field) == getattr(before, field)
    assert after.provenance.dataset == before.provenance.dataset


def test_a_part_does_not_change_the_text_of_the_rest(accepted: Lab):
    before = accepted.files()["tiny/int8.json"]
    accepted.accept("structure", [INT8], ["structure"])
    assert accepted.files()["tiny/int8.json"] == before.replace(b'"reason": "first"', b'"reason": "structure"')


def test_a_part_of_another_artifact_is_refused(accepted: Lab):
    before = accepted.files()
    accepted.source("int8", zoo.dense_int8() + b"\0")
    acceptance = accepted.accept("size alone", [INT8], ["size"])
    assert acceptance.accepted == ()
    assert acceptance.refused == {
        INT8: "tiny-int8 is not accepted: accuracy, latency, structure was not measured, and there is no baseline of "
        "the same artifact in the same runtime to take it from; run all benchmarks of it"
    }
    assert accepted.files() == before


@pytest.mark.parametrize("change", ["options", "runtime version"])
def test_a_part_in_another_runtime_is_refused(accepted: Lab, monkeypatch: pytest.MonkeyPatch, change: str):
    if change == "options":
        accepted.table["kernels"] = "no-delegates"
    else:
        monkeypatch.setattr(qbench.session.acceptance, "runtime_version", lambda _: "0.0.0")
    acceptance = accepted.accept("size alone", [INT8], ["size"])
    assert "in the same runtime" in acceptance.refused[INT8]


def test_a_part_on_top_of_a_damaged_baseline_is_refused_and_the_whole_repairs_it(accepted: Lab):
    path = accepted.baselines / "tiny" / "int8.json"
    path.write_bytes(b"{")
    assert "was not measured" in accepted.accept("size alone", [INT8], ["size"]).refused[INT8]
    assert path.read_bytes() == b"{"
    # With the gate on, too: the verdict `error` is about the baseline, and this is its cure.
    assert accepted.accept("whole", [INT8], gate=True).refused == {}
    assert accepted.baseline(INT8).provenance.reason == "whole"


def test_what_only_others_were_compared_with_keeps_its_baseline(accepted: Lab):
    before = accepted.files()["tiny/fp32.json"]
    acceptance = accepted.accept("int8 alone", [INT8])
    assert (acceptance.accepted, acceptance.refused) == ((INT8,), {})
    assert accepted.files()["tiny/fp32.json"] == before


def test_it_is_not_refused_either_where_it_has_none(lab: Lab):
    acceptance = lab.accept("int8 alone", [INT8])
    assert (acceptance.accepted, acceptance.refused) == ((INT8,), {})
    assert "tiny/fp32.json" not in lab.files()


# --- latency ----------------------------------------------------------------------------------------------


def test_latencies_of_other_machines_stay_with_the_same_artifact(measured_elsewhere: Lab):
    assert cpus(measured_elsewhere) == {"here", "another processor"}
    measured_elsewhere.accept("again, here")
    assert cpus(measured_elsewhere) == {"here", "another processor"}


def test_they_go_with_another_artifact(measured_elsewhere: Lab):
    measured_elsewhere.source("int8", zoo.dense_int8() + b"\0")
    measured_elsewhere.accept("another artifact")
    assert cpus(measured_elsewhere) == {"here"}


def test_they_go_with_other_options(measured_elsewhere: Lab):
    measured_elsewhere.table["kernels"] = "no-delegates"
    measured_elsewhere.accept("other kernels")
    assert cpus(measured_elsewhere) == {"here"}


def test_a_new_latency_replaces_that_of_the_same_machine_alone(measured_elsewhere: Lab):
    session = measured_elsewhere.session(gate=False, accept="slower")
    measured_elsewhere.run(session, [INT8], ["size"])
    session.measure_latency(INT8, stats(9e-6), iterations=1)
    measured_elsewhere.accept_results(session, "slower")
    kept = {
        entry.fingerprint.cpu == "another processor": entry.sample.median_ns
        for entry in measured_elsewhere.baseline(INT8).latency.values()
    }
    assert kept == pytest.approx({True: 2000, False: 9000})


def test_the_accepted_latency_is_that_of_a_machine_like_this(measured_elsewhere: Lab):
    session = measured_elsewhere.session()
    sample = session.accepted_latency(INT8)
    assert sample is not None
    assert sample.median_ns == pytest.approx(2000)
    session.fingerprint = type(session.fingerprint)(
        **{**json_fields(session.fingerprint), "cpu": "a third processor"},
    )
    assert session.accepted_latency(INT8) is None


def json_fields(record) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


# --- what is gone -----------------------------------------------------------------------------------------


def test_a_metric_of_a_kind_that_was_measured_and_is_gone_stays_gone(lab: Lab):
    lab.module.always = qbench.metric(unit="", direction="lower")(lambda *_: 3.0)
    lab.model["metrics"] = [f"{lab.module.__name__}:always"]
    lab.accept()
    assert lab.baseline(INT8).metrics["<lambda>"] == 3.0
    lab.model["metrics"] = []
    lab.accept("size alone", [INT8], ["size"])
    assert "<lambda>" in lab.baseline(INT8).metrics
    lab.accept("accuracy too", [INT8], ["accuracy"])
    assert "<lambda>" not in lab.baseline(INT8).metrics
    assert lab.baseline(INT8).metrics["size_bytes"] == len(zoo.dense_int8())


def test_accepting_that_the_labels_are_gone_makes_the_gate_complete_again(accepted: Lab):
    accepted.dataset = Dataset(inputs=accepted.dataset.inputs)
    assert of(accepted.gate().verdicts, INT8, "accuracy").verdict is Verdict.MISSING
    accepted.accept("no labels any more")
    assert "accuracy" not in accepted.baseline(INT8).metrics
    inventory = accepted.gate()
    assert inventory.incomplete == ()
    verdict = next(verdict for verdict in inventory.of(INT8) if verdict.metric == "accuracy")
    assert verdict.verdict is Verdict.NOT_COMPARABLE
    assert "no labels" in verdict.reason


def test_predictions_of_another_dataset_do_not_stay_behind(accepted: Lab):
    accepted.module.spread = qbench.metric(unit="", direction="lower")(lambda outputs, _: float(np.ptp(outputs)))
    accepted.model["metrics"] = [f"{accepted.module.__name__}:spread"]
    accepted.dataset = Dataset(inputs=accepted.dataset.inputs, labels=np.linspace(0, 1, 64))
    accepted.accept("a regression now")
    assert accepted.baseline(INT8).predictions is None
    assert not [name for name in accepted.files() if name.endswith(".npy")]


def test_old_artifacts_and_predictions_are_removed(accepted: Lab):
    accepted.source("int8", zoo.dense_int8() + b"\0")
    accepted.accept("padded")
    names = set(accepted.files())
    assert len([name for name in names if name.startswith("artifacts/")]) == 2
    named = {json.loads(accepted.files()[f"tiny/{recipe}.json"])["artifact"]["sha256"] for recipe in ("fp32", "int8")}
    assert {f"artifacts/{sha256}.tflite" for sha256 in named} <= names


def test_another_baseline_that_is_damaged_stops_neither_the_accept_nor_loses_a_file(accepted: Lab):
    (accepted.baselines / "tiny" / "fp32.json").write_bytes(b"{")
    before = accepted.files()
    accepted.source("int8", zoo.dense_int8() + b"\0")
    acceptance = accepted.accept("padded", [INT8])
    assert acceptance.accepted == (INT8,)
    assert set(before) <= set(accepted.files())
    assert accepted.files()["tiny/fp32.json"] == b"{"


def test_fp32_and_int8_are_accepted_in_one_go(lab: Lab):
    assert lab.accept().accepted == (FP32, INT8)
