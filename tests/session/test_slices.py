"""Accuracy by class and by group, against the baseline and against fp32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import models_zoo as zoo
import msgspec
import numpy as np
import pytest

from qbench.models.datasets import Dataset
from qbench.verdicts import MetricVerdict, Verdict
from session.lab import INT8, examples, labels_of, of

if TYPE_CHECKING:
    from session.lab import Lab

COUNT = 400
WORSE = zoo.dense_int8(seed=1)


def flipped() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the accepted artifact and `WORSE` predict of so many examples, and where they differ."""
    before, after = (labels_of(content, examples(COUNT)) for content in (zoo.dense_int8(), WORSE))
    return before, after, np.flatnonzero(before != after)


def grouped(*, lost: int, won: int, groups: np.ndarray | None = None) -> Dataset:
    """Examples of which `WORSE` loses and wins so many; the lost and then the won ones are the first that differ."""
    before, after, differ = flipped()
    assert len(differ) >= lost + won
    labels = before.copy()
    labels[differ[lost : lost + won]] = after[differ[lost : lost + won]]
    neither = differ[lost + won :]
    labels[neither] = 3 - before[neither] - after[neither]  # The class that neither predicts.
    return Dataset(inputs=examples(COUNT), labels=labels, groups=groups, group_name="camera")


def cameras(*, night: int, dark: int) -> np.ndarray:
    """The first examples that differ are of the camera ``night``, the next of ``dark``, all others of ``day``."""
    groups = np.full(COUNT, "day  ")
    differ = flipped()[2]
    groups[differ[:night]] = "night"
    groups[differ[night : night + dark]] = "dark"
    return groups


def judged(lab: Lab, metric: str = "accuracy") -> MetricVerdict:
    """The verdict of a new run on a metric of int8."""
    return of(lab.gate([INT8], ["accuracy"]).verdicts, INT8, metric)


@pytest.fixture
def lab(lab: Lab) -> Lab:
    """A lab that measures nothing but accuracy."""
    lab.table["metrics"] = ["accuracy"]
    return lab


@pytest.fixture
def night(lab: Lab) -> Lab:
    """A lab whose int8 loses 12 examples of one camera, and wins as many of another."""
    lab.dataset = grouped(lost=12, won=12, groups=cameras(night=12, dark=12))
    lab.accept()
    lab.source("int8", WORSE)
    return lab


def test_a_group_that_lost_is_named_although_the_whole_did_not(night: Lab):
    verdict = judged(night)
    assert verdict.change == 0
    assert verdict.verdict is Verdict.PASS
    assert verdict.slices is not None
    assert (verdict.slices.by, verdict.slices.slices, verdict.slices.tested) == ("camera", 3, 2)
    worst = verdict.slices.worst
    assert (worst.name, worst.examples, worst.lost, worst.won) == ("night", 12, 12, 0)
    assert worst.corrected_p_value == pytest.approx(2 * 2 * 0.5**12)
    assert verdict.slices.worse == (worst,)


def test_it_fails_where_slices_have_a_tolerance(night: Lab):
    assert "slice_regression" not in {verdict.metric for verdict in night.gate(kinds=["accuracy"]).verdicts}
    night.model["tolerance"] = {"slice_regression": 0.1}
    inventory = night.gate(kinds=["accuracy"])
    verdict = of(inventory.verdicts, INT8, "slice_regression")
    assert (verdict.verdict, verdict.against) == (Verdict.FAIL, "baseline")
    assert (verdict.change, verdict.tolerance) == (1.0, 0.1)
    assert verdict in inventory.failed
    night.model["tolerance"] = {"slice_regression": 1.0}
    assert judged(night, "slice_regression").verdict is Verdict.PASS


def test_the_accepted_artifact_is_unchanged(night: Lab):
    night.model["tolerance"] = {"slice_regression": 0.1}
    night.source("int8", zoo.dense_int8())
    verdict = judged(night, "slice_regression")
    assert (verdict.verdict, verdict.change, verdict.slices) == (Verdict.UNCHANGED, 0.0, None)


def test_a_few_examples_do_not_fail_however_much_of_their_slice_they_are(lab: Lab):
    lab.dataset = grouped(lost=5, won=5, groups=cameras(night=5, dark=5))
    lab.model["tolerance"] = {"slice_regression": 0.1}
    lab.accept()
    lab.source("int8", WORSE)
    verdict = judged(lab, "slice_regression")
    assert (verdict.verdict, verdict.change) == (Verdict.PASS, 1.0)
    assert verdict.slices is not None
    assert verdict.slices.worse == ()


def test_without_groups_slices_are_classes(lab: Lab):
    lab.dataset = grouped(lost=30, won=0)
    lab.accept()
    lab.source("int8", WORSE)
    verdict = judged(lab)
    before, _, differ = flipped()
    lost = np.bincount(before[differ[:30]], minlength=3)
    assert verdict.slices is not None
    assert (verdict.slices.by, verdict.slices.slices) == ("class", 3)
    assert {change.name: change.lost for change in verdict.slices.worse} == {
        str(label): count for label, count in enumerate(lost.tolist()) if count >= 8
    }


def test_fp32_has_slices_of_its_own(night: Lab):
    night.model["tolerance"] = {"slice_drop": 0.1}
    verdicts = night.gate(kinds=["accuracy"]).verdicts
    drop = of(verdicts, INT8, "slice_drop")
    assert (drop.verdict, drop.against) == (Verdict.FAIL, "fp32")
    assert of(verdicts, INT8, "accuracy_drop").slices == drop.slices
    assert "slice_drop" not in {verdict.metric for verdict in verdicts if verdict.subject != INT8}


def test_slices_are_judged_without_a_tolerance_of_the_whole(night: Lab):
    night.model["source"] = {"int8": "int8.tflite"}
    night.model["tolerance"] = {"slice_drop": 0.1}
    verdict = judged(night, "slice_drop")
    assert verdict.verdict is Verdict.NOT_COMPARABLE
    assert "no fp32 artifact" in verdict.reason


def test_without_the_accepted_predictions_slices_are_not_passed(night: Lab):
    night.model["tolerance"] = {"slice_regression": 0.1}
    for path in night.baselines.rglob("int8.predictions-*.npy"):
        path.unlink()
    verdict = judged(night, "slice_regression")
    assert verdict.verdict is Verdict.NOT_COMPARABLE
    assert "there are no predictions of the baseline on the same examples" in verdict.reason


@pytest.mark.parametrize("regression", [False, True])
def test_where_nothing_is_right_or_wrong_slices_are_not_passed(lab: Lab, regression: bool):  # noqa: FBT001 - a column
    lab.dataset = Dataset(inputs=examples(), labels=np.zeros((64, 3), np.float32) if regression else None)
    lab.model["metrics"] = ["qbench.metrics:mean_absolute_error"] if regression else []
    lab.model["tolerance"] = {"slice_regression": 0.1, "slice_drop": 0.1}
    assert lab.accept().refused == {}
    verdicts = lab.gate([INT8], ["accuracy"]).verdicts
    for metric in ("slice_regression", "slice_drop"):
        verdict = of(verdicts, INT8, metric)
        assert verdict.verdict is Verdict.NOT_COMPARABLE
        assert verdict.reason == "no accuracy is measured of it, so that no class or group has one"
    said = "the dataset has no labels, so there is agreement alone"
    if regression:
        said = "nothing measured of it has a tolerance against the baseline: mean_absolute_error"
    assert of(verdicts, INT8, "accuracy").reason.endswith(said)


def test_a_tolerance_of_all_models_says_nothing_of_one_with_metrics_for_accuracy(lab: Lab):
    lab.dataset = Dataset(inputs=examples(), labels=np.zeros((64, 3), np.float32))
    lab.model["metrics"] = ["qbench.metrics:mean_absolute_error"]
    lab.table["tolerance"] |= {"slice_regression": 0.1, "slice_drop": 0.1, "metrics": {"mean_absolute_error": 1.0}}
    assert lab.accept().refused == {}
    verdicts = [verdict for verdict in lab.gate(kinds=["accuracy"]).verdicts if verdict.subject == INT8]
    assert [(verdict.metric, verdict.verdict) for verdict in verdicts] == [("mean_absolute_error", Verdict.UNCHANGED)]
    lab.model["tolerance"] = {"recipes": {"int8": {"slice_drop": 0.1}}}
    assert judged(lab, "slice_drop").verdict is Verdict.NOT_COMPARABLE


def test_what_was_never_accepted_is_missing_once(lab: Lab):
    lab.model["tolerance"] = {"slice_regression": 0.1}
    verdicts = lab.gate(kinds=["accuracy"]).verdicts
    assert "slice_regression" not in {verdict.metric for verdict in verdicts}
    assert of(verdicts, INT8, "accuracy").verdict is Verdict.MISSING


def test_other_groups_of_the_same_examples_are_other_slices(night: Lab):
    session = night.session()
    first = of(session.measure_accuracy(INT8), INT8, "accuracy")
    regrouped = grouped(lost=12, won=12, groups=cameras(night=24, dark=0))
    again = of(session.measure_accuracy(INT8, dataset=regrouped), INT8, "accuracy")
    assert first.slices is not None
    assert again.slices is None  # 12 lost and 12 won in one group, and none elsewhere.


def test_slices_survive_the_way_to_another_process(night: Lab):
    verdict = judged(night)
    assert msgspec.json.decode(msgspec.json.encode(verdict), type=type(verdict)) == verdict
