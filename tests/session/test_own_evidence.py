"""How sure a difference of a metric of the user's own is, and what is said where that cannot be told."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import models_zoo as zoo
import msgspec
import numpy as np
import pytest

import qbench
from qbench.baseline.store import BaselineWriter
from qbench.errors import WorkerTimeoutError
from qbench.measure.evaluate import evaluate
from qbench.models.datasets import Dataset
from qbench.records import RuntimeOptions
from qbench.runtime.preflight import PreflightWorker
from qbench.session import quality
from qbench.verdicts import MetricVerdict, Verdict
from session.lab import FP32, INT8, examples, of

if TYPE_CHECKING:
    from collections.abc import Callable

    from session.lab import Lab

OTHER = zoo.dense_int8(seed=1)
#: Nearly what the float model gives: `OTHER` is much further off than the accepted artifact.
TARGETS = evaluate(zoo.dense_float(), Dataset(inputs=examples()), RuntimeOptions()).outputs[0]
TARGETS = TARGETS + np.random.default_rng(3).normal(0, 0.5, TARGETS.shape).astype(np.float32)


def judged(lab: Lab, metric: str = "own") -> MetricVerdict:
    """The verdict of a new run on a metric of int8."""
    return of(lab.gate([INT8], ["accuracy"]).verdicts, INT8, metric)


def declare(lab: Lab, function: Callable[..., Any], direction: str = "lower", **options: Any) -> None:
    lab.module.own = qbench.metric(unit="u", direction=direction, name="own", **options)(function)
    lab.model["metrics"] = [f"{lab.module.__name__}:own"]


def error(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.abs(outputs - labels).mean(axis=1)


def total_error(outputs: np.ndarray, labels: np.ndarray) -> float:
    return float(np.abs(outputs - labels).mean())


@pytest.fixture
def changed(lab: Lab) -> Callable[..., Lab]:
    """Declares a metric, accepts, and changes the artifact so that the metric is another."""

    def change(function: Callable[..., Any] = error, *, tolerance: float = 1e-6, **options: Any) -> Lab:
        lab.table["metrics"] = ["accuracy"]
        lab.dataset = Dataset(inputs=examples(), labels=TARGETS)
        declare(lab, function, **options)
        lab.model["tolerance"] = {"metrics": {"own": tolerance}}
        lab.source("int8", zoo.dense_int8())
        assert lab.accept().refused == {}
        lab.source("int8", OTHER)
        return lab

    return change


@pytest.mark.parametrize("function", [error, total_error], ids=["of examples", "of the set"])
@pytest.mark.parametrize("sign", [1, -1], ids=["lower", "higher"])
def test_a_fail_says_how_much_worse_it_is_on_other_examples(
    changed: Callable[..., Lab], function: Callable[..., Any], sign: int
):
    lab = changed(lambda *given: sign * function(*given), direction="lower" if sign > 0 else "higher")
    verdict = judged(lab)
    assert verdict.verdict is Verdict.FAIL
    assert verdict.change is not None
    assert verdict.change > 0
    assert verdict.bootstrap is not None
    assert verdict.bootstrap.low < verdict.change < verdict.bootstrap.high
    assert verdict.bootstrap.examples == 64
    assert verdict.reason == ""


def test_an_array_and_its_mean_say_the_same(changed: Callable[..., Lab]):
    by_examples = judged(changed(error)).bootstrap
    by_set = judged(changed(total_error)).bootstrap
    assert by_examples is not None
    assert by_set is not None
    assert (by_examples.low, by_examples.high) == pytest.approx((by_set.low, by_set.high), rel=0.1)


def far_and_near(lab: Lab) -> tuple[float, float]:
    """Tolerances that the interval excludes, and that it holds, both below what was measured."""
    verdict = judged(lab)
    bootstrap = verdict.bootstrap
    assert bootstrap is not None
    assert verdict.change is not None
    return bootstrap.low / 2, (bootstrap.low + verdict.change) / 2


def test_where_evidence_is_asked_for_a_fail_needs_it(changed: Callable[..., Lab]):
    lab = changed()
    lab.table["accuracy_evidence"] = "significant"
    far, near = far_and_near(lab)
    lab.model["tolerance"] = {"metrics": {"own": far}}
    assert judged(lab).verdict is Verdict.FAIL
    lab.model["tolerance"] = {"metrics": {"own": near}}
    inventory = lab.gate([INT8], ["accuracy"])
    verdict = of(inventory.verdicts, INT8, "own")
    assert verdict.verdict is Verdict.INCONCLUSIVE
    assert verdict.bootstrap is not None
    assert verdict.bootstrap.needed is not None
    assert verdict.bootstrap.needed > 64
    assert verdict in inventory.incomplete


def test_the_same_run_gives_the_same_interval(changed: Callable[..., Lab]):
    lab = changed(total_error)
    first, second = (judged(lab).bootstrap for _ in range(2))
    assert first == second


def test_a_green_verdict_has_the_interval_where_it_costs_nothing(changed: Callable[..., Lab]):
    verdict = judged(changed(error, tolerance=10.0))
    assert verdict.verdict is Verdict.PASS
    assert verdict.bootstrap is not None
    assert verdict.bootstrap.finding == "within"
    calls: list[int] = []

    def counted(outputs: np.ndarray, labels: np.ndarray) -> float:
        calls.append(len(outputs))
        return total_error(outputs, labels)

    verdict = judged(changed(counted, tolerance=10.0))
    assert (verdict.verdict, verdict.bootstrap) == (Verdict.PASS, None)
    assert len(calls) < 20


def test_a_metric_that_must_not_be_resampled_is_not(changed: Callable[..., Lab]):
    verdict = judged(changed(total_error, resample=False))
    assert (verdict.verdict, verdict.bootstrap, verdict.reason) == (Verdict.FAIL, None, "")


def test_nothing_is_evaluated_again_where_nothing_changed(lab: Lab):
    calls: list[str] = []

    def counted(outputs: np.ndarray, _: object) -> np.ndarray:
        calls.append("called")
        return np.ones(len(outputs))

    lab.table["metrics"] = ["accuracy"]
    declare(lab, counted)
    lab.model["tolerance"] = {"metrics": {"own": 0.1}}
    lab.accept()
    lab.source("int8", OTHER)  # Another artifact, and the same value.
    calls.clear()
    lab.gate([INT8], ["accuracy"])
    # int8, and fp32 which accuracy is compared with; the accepted artifact would be the third.
    assert len(calls) == 2


@pytest.mark.parametrize("hangs", [False, True])
def test_the_accepted_artifact_is_tried_once_for_all_metrics(
    lab: Lab,
    monkeypatch: pytest.MonkeyPatch,
    hangs: bool,  # noqa: FBT001 - a table's column
):
    lab.table["metrics"] = ["accuracy"]
    lab.dataset = Dataset(inputs=examples(), labels=TARGETS)
    lab.model["metrics"] = []
    for name in ("one", "two", "three"):
        setattr(lab.module, name, qbench.metric(unit="", direction="lower", name=name)(partial(error)))
        lab.model["metrics"].append(f"{lab.module.__name__}:{name}")
    lab.model["tolerance"] = {"metrics": dict.fromkeys(("one", "two", "three"), 1e-6)}
    lab.accept()
    lab.source("int8", OTHER)
    tried: list[str] = []

    class Counting(PreflightWorker):
        def check(self, content: bytes, *, name: str) -> Any:
            tried.append(name)
            if hangs:
                raise WorkerTimeoutError(f"running {name}", limit_s=60.0)
            return super().check(content, name=name)

    monkeypatch.setattr(quality, "PreflightWorker", Counting)
    verdicts = lab.gate([INT8], ["accuracy"]).verdicts
    assert tried == ["the accepted artifact of tiny-int8"]
    assert all((of(verdicts, INT8, name).bootstrap is None) == hangs for name in ("one", "two", "three"))


# --- where it cannot be told ------------------------------------------------------------------------------


def test_without_the_accepted_artifact_the_examples_decide_and_that_is_said(changed: Callable[..., Lab]):
    lab = changed()
    lab.table["accuracy_evidence"] = "significant"
    accepted = lab.baseline(INT8).artifact.sha256
    (lab.baselines / "artifacts" / f"{accepted}.tflite").unlink()
    verdict = judged(lab)
    assert (verdict.verdict, verdict.bootstrap) == (Verdict.FAIL, None)
    assert verdict.reason.startswith(f"there is no interval: {accepted[:12]}.tflite is not in baselines/artifacts, or ")


def test_an_accepted_artifact_that_gives_something_else_here_is_no_reference(changed: Callable[..., Lab]):
    lab = changed()
    old = lab.baseline(INT8)
    writer = BaselineWriter(lab.baselines)
    with writer.locked():
        writer.write(msgspec.structs.replace(old, metrics={**old.metrics, "own": 0.25}), zoo.dense_int8(), None)
    verdict = judged(lab)
    assert (verdict.verdict, verdict.bootstrap, verdict.reference) == (Verdict.FAIL, None, 0.25)
    assert "in this run the accepted artifact gives" in verdict.reason


def test_a_metric_without_a_value_on_most_resamples_says_so(changed: Callable[..., Lab]):
    def whole_or_nothing(outputs: np.ndarray, labels: np.ndarray) -> float:
        if len(np.unique(labels, axis=0)) < 64:
            raise ValueError("not all of them")
        return total_error(outputs, labels)

    verdict = judged(changed(whole_or_nothing))
    assert (verdict.verdict, verdict.bootstrap) == (Verdict.FAIL, None)
    assert "there is no interval: the metric has no value on " in verdict.reason


# --- against fp32 -----------------------------------------------------------------------------------------


def test_it_may_have_a_tolerance_against_fp32_of_the_same_run(changed: Callable[..., Lab]):
    lab = changed()
    lab.model["tolerance"] = {"metrics_drop": {"own": 1e-6}}
    verdicts = lab.gate(kinds=["accuracy"]).verdicts
    drop = of(verdicts, INT8, "own_drop")
    assert (drop.verdict, drop.against) == (Verdict.FAIL, "fp32")
    own = {subject: of_metrics(lab, subject) for subject in (INT8, FP32)}
    assert drop.change == pytest.approx(own[INT8] - own[FP32])
    assert drop.bootstrap is not None
    assert drop.bootstrap.low < drop.change < drop.bootstrap.high
    assert {verdict.subject for verdict in verdicts if verdict.metric == "own_drop"} == {INT8}
    assert "own" not in {verdict.metric for verdict in verdicts}


def of_metrics(lab: Lab, subject: Any) -> float:
    return float(lab.gate([subject], ["accuracy"]).results[subject].metrics["own"])


def test_after_a_change_of_the_dataset_the_interval_is_of_todays_examples(changed: Callable[..., Lab]):
    lab = changed()
    lab.dataset = Dataset(inputs=examples(40, seed=5), labels=TARGETS[:40])
    verdict = judged(lab)
    assert verdict.bootstrap is not None
    assert verdict.bootstrap.examples == 40


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["own", "own"], "two metrics of your own are called 'own'; rename one"),
        (["own", "own_drop"], "a metric of your own is called 'own_drop', which is what another has lost against fp32"),
    ],
)
def test_names_that_would_be_taken_for_each_other_are_refused(lab: Lab, names: list[str], message: str):
    for place, name in enumerate(names):
        setattr(lab.module, f"own{place}", qbench.metric(unit="", direction="lower", name=name)(lambda *_: 0.0))
    lab.model["metrics"] = [f"{lab.module.__name__}:own{place}" for place in range(2)]
    verdict = of(lab.gate(kinds=["accuracy"]).verdicts, INT8, "accuracy")
    assert verdict.verdict is Verdict.ERROR
    assert message in verdict.reason
