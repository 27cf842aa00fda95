"""A dataset that is another than at the baseline: the accepted artifact is evaluated again on today's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import models_zoo as zoo
import numpy as np
import pytest

from qbench.baseline.schema import AcceptedArtifact
from qbench.baseline.store import BaselineWriter
from qbench.files import digest_bytes
from qbench.models.datasets import Dataset
from qbench.verdicts import Verdict
from session.lab import INT8, examples, labels_of, of

if TYPE_CHECKING:
    from pathlib import Path

    from session.lab import Lab

REASON = "the dataset has changed: the accepted artifact was evaluated again on today's"


def harder() -> Dataset:
    """Other examples, a quarter of them with a label that the float model does not predict."""
    inputs = examples(64, seed=7)
    labels = labels_of(zoo.dense_float(), inputs)
    labels[:16] = (labels[:16] + 1) % 3
    return Dataset(inputs=inputs, labels=labels, name="harder")


def accepted_artifact(lab: Lab) -> Path:
    return lab.baselines / "artifacts" / f"{lab.baseline(INT8).artifact.sha256}.tflite"


def test_the_accepted_artifact_is_judged_on_todays_examples(accepted: Lab):
    assert accepted.baseline(INT8).metrics["accuracy"] == 1.0
    accepted.dataset = harder()
    verdict = of(accepted.gate().verdicts, INT8, "accuracy")
    # Compared with what was kept, this would be a loss of a quarter.
    assert (verdict.verdict, verdict.now, verdict.reference) == (Verdict.UNCHANGED, 0.75, 0.75)
    assert verdict.reason == REASON


def test_a_worse_artifact_is_still_found(accepted: Lab):
    accepted.dataset = harder()
    accepted.source("int8", zoo.dense_int8(seed=1))
    expected = np.mean(
        labels_of(zoo.dense_int8(seed=1), harder().input_arrays[""]) == harder().labels,
    )
    verdict = of(accepted.gate().verdicts, INT8, "accuracy")
    assert verdict.verdict is Verdict.FAIL
    assert (verdict.now, verdict.reference) == (expected, 0.75)


def test_changed_labels_are_a_changed_dataset(accepted: Lab):
    accepted.dataset = Dataset(inputs=accepted.dataset.inputs, labels=np.zeros(64, int))
    verdict = of(accepted.gate().verdicts, INT8, "accuracy")
    assert verdict.reason == REASON
    assert verdict.now == verdict.reference == np.mean(labels_of(zoo.dense_float(), examples()) == 0)


def test_the_same_examples_under_another_name_are_the_same_dataset(accepted: Lab):
    accepted.dataset = Dataset(inputs=examples(), labels=accepted.dataset.labels, name="renamed")
    assert of(accepted.gate().verdicts, INT8, "accuracy").reason == "all predictions are those of the baseline"


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_without_the_accepted_artifact_nothing_can_be_compared(accepted: Lab, damage: str):
    accepted.dataset = harder()
    path = accepted_artifact(accepted)
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(zoo.dense_int8(seed=5))
    inventory = accepted.gate()
    verdict = of(inventory.verdicts, INT8, "accuracy")
    # As for predictions that are gone: something can be done about it, and else a changed dataset ends the gate.
    assert verdict.verdict is Verdict.ERROR
    assert verdict in inventory.incomplete
    assert f"{path.name[:12]}.tflite is not in baselines/artifacts, or is damaged; restore it with" in verdict.reason


def test_examples_that_do_not_fit_the_accepted_artifact_cannot_be_compared(accepted: Lab):
    inputs = examples(64, seed=3)[:, :3]
    float_model, int8_model = zoo.dense_float(3), zoo.dense_int8(3)
    accepted.source("fp32", float_model)
    accepted.source("int8", int8_model)
    accepted.dataset = Dataset(inputs=inputs, labels=labels_of(float_model, inputs))
    verdict = of(accepted.gate().verdicts, INT8, "accuracy")
    assert verdict.verdict is Verdict.NOT_COMPARABLE
    assert "an example has the shape (3,), the input 'x' of the artifact expects (4,)" in verdict.reason


def test_an_accepted_artifact_that_crashes_here_does_not_take_the_run_along(accepted: Lab):
    # Accepted with another version of the runtime, say, whose kernels did not abort.
    crashing = zoo.aborting()
    old = accepted.baseline(INT8)
    writer = BaselineWriter(accepted.baselines)
    artifact = AcceptedArtifact(sha256=digest_bytes(crashing), size_bytes=len(crashing))
    with writer.locked():
        writer.write(type(old)(**{**fields(old), "artifact": artifact}), crashing, None)
    accepted.dataset = harder()
    verdict = of(accepted.gate().verdicts, INT8, "accuracy")
    assert verdict.verdict is Verdict.NOT_COMPARABLE
    assert "SIGABRT" in verdict.reason
    assert "the accepted artifact of tiny-int8" in verdict.reason


def fields(record) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def test_accepting_keeps_the_new_dataset(accepted: Lab):
    before = accepted.baseline(INT8).provenance.dataset
    accepted.dataset = harder()
    accepted.accept("harder examples")
    assert accepted.baseline(INT8).provenance.dataset == harder().digest != before
    assert accepted.baseline(INT8).metrics["accuracy"] == 0.75
    verdict = of(accepted.gate().verdicts, INT8, "accuracy")
    assert (verdict.verdict, verdict.reason) == (Verdict.UNCHANGED, "all predictions are those of the baseline")
