"""Accuracy of a run's subjects: each artifact evaluated once, compared with fp32 and with what was accepted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from qbench.errors import BaselineError, DatasetError, MeasurementError, QbenchError
from qbench.judge.gate import judge, not_judged
from qbench.judge.metrics import (
    ACCURACY,
    ACCURACY_DROP,
    AGREEMENT,
    METRICS_BY_KIND,
    RESERVED_NAMES,
    TOP_K_ACCURACY,
    TOP_K_DROP,
    GatedMetric,
)
from qbench.measure.accuracy import (
    check_labels,
    choose_output,
    is_class_row,
    output_error,
    predictions,
    real_output,
    top_k_accuracy,
)
from qbench.measure.evaluate import Evaluation, evaluate
from qbench.measure.metrics import call_metric, load_metric
from qbench.models.recipes import REFERENCE_RECIPE
from qbench.records import MetricVerdict, Subject, SubjectResult, Verdict
from qbench.runtime.preflight import PreflightWorker
from qbench.session.evidence import weighed

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from qbench.judge.tolerance import Tolerance
    from qbench.models.config import Config
    from qbench.models.datasets import Dataset
    from qbench.progress import Progress
    from qbench.session.preparation import Datasets, Prepared
    from qbench.session.references import References


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """The accuracy of one artifact on one dataset.

    `own_metrics` are the user's; `predictions` has shape (examples,), or is None if the output is not a
    row of classes.
    """

    metrics: dict[str, float]
    predictions: npt.NDArray[Any] | None
    labels: npt.NDArray[Any] | None
    dataset: Dataset
    own_metrics: tuple[GatedMetric, ...] = field(default=())


class Quality:
    """Evaluates artifacts and judges their accuracy.

    Parameters
    ----------
    prepared
        Gives the artifact of a subject; raises `QbenchError` if there is none.
    """

    def __init__(
        self,
        config: Config,
        references: References,
        datasets: Datasets,
        prepared: Callable[[Subject], Prepared],
        progress: Progress,
    ) -> None:
        self._config = config
        self._references = references
        self._datasets = datasets
        self._prepared = prepared
        self._progress = progress
        self._floats: dict[tuple[str, str], Evaluation] = {}
        self._measured: dict[tuple[str, str, Subject], Measured] = {}

    def measure(self, subject: Subject, dataset: Dataset | None = None) -> Measured:
        """Evaluate the artifact of a subject on its model's dataset, or on `dataset`.

        Raises
        ------
        QbenchError
            If the artifact cannot be used, the dataset does not fit it, or an output is NaN.
        """
        dataset = dataset or self._datasets.of(subject.model)
        if dataset is None:
            raise DatasetError(
                f'the model {subject.model!r} declares no dataset; add `dataset = "module:function"` to it, or take '
                '"accuracy" off [tool.qbench] metrics'
            )
        prepared = self._prepared(subject)
        return self._measure(subject, prepared.content, prepared.artifact.sha256, dataset)

    def judge(
        self, subject: Subject, measured: Measured, tolerance: Tolerance, *, baseline: bool
    ) -> list[MetricVerdict]:
        """Judge accuracy against fp32 of this run and, if `baseline`, against what was accepted."""
        verdicts = self._judge_drop(subject, measured, tolerance)
        return self._judge_baseline(subject, measured, tolerance) + verdicts if baseline else verdicts

    def _measure(self, subject: Subject, content: bytes, sha256: str, dataset: Dataset) -> Measured:
        # The model counts: two models with the same artifact may ask for other outputs and metrics.
        key = (sha256, dataset.digest, subject)
        if key not in self._measured:
            self._measured[key] = self._evaluate(subject, content, sha256, dataset)
        return self._measured[key]

    def _evaluate(self, subject: Subject, content: bytes, sha256: str, dataset: Dataset) -> Measured:
        model = self._config.models[subject.model]
        evaluation = self._run(subject.id, content, sha256, dataset)
        for index in range(len(evaluation.specs)):
            real_output(evaluation, index)
        metrics, own = self._own_metrics(subject, evaluation, dataset)
        classified, labels = None, None
        if not own or _classifies(evaluation, dataset, model.output):
            index = choose_output(evaluation.specs, model.output)
            classified = predictions(evaluation, index)
            if dataset.labels is not None:
                classes = max(evaluation.outputs[index].shape[1:])
                labels = check_labels(dataset.labels, classes=classes, name=dataset.name)
                metrics[ACCURACY] = float(np.count_nonzero(classified == labels) / len(labels))
                if model.top_k > 1:
                    metrics[TOP_K_ACCURACY] = top_k_accuracy(evaluation, index, labels, model.top_k)
            metrics |= self._against_reference(subject, evaluation, classified, index, dataset)
        return Measured(metrics=metrics, predictions=classified, labels=labels, dataset=dataset, own_metrics=own)

    def _own_metrics(
        self, subject: Subject, evaluation: Evaluation, dataset: Dataset
    ) -> tuple[dict[str, float], tuple[GatedMetric, ...]]:
        outputs = {spec.name: real_output(evaluation, index) for index, spec in enumerate(evaluation.specs)}
        values, own = {}, []
        for reference in self._config.models[subject.model].metrics:
            declared, function = load_metric(reference, key=f"tool.qbench.models.{subject.model}.metrics")
            if declared.name in RESERVED_NAMES:
                raise MeasurementError(
                    f"a metric of your own is called {declared.name!r}, which qbench uses; rename it"
                )
            values[declared.name] = call_metric(declared, function, outputs, dataset.labels)
            own.append(GatedMetric(metric=declared, tolerance_key=declared.name))
        return values, tuple(own)

    def _run(self, name: str, content: bytes, sha256: str, dataset: Dataset) -> Evaluation:
        key = (sha256, dataset.digest)
        if key in self._floats:
            return self._floats[key]
        with self._progress.task(f"evaluating {name}") as report:
            evaluation = evaluate(content, dataset, self._config.options, progress=report)
        if name.endswith(f"-{REFERENCE_RECIPE}"):
            self._floats[key] = evaluation  # Every other recipe is compared with it; theirs would only fill memory.
        return evaluation

    def _reference(self, subject: Subject) -> Prepared | None:
        """The fp32 artifact of the subject's model, None if it is the subject itself or cannot be had."""
        source = self._config.models[subject.model].source
        if subject.recipe == REFERENCE_RECIPE or (
            source.given_recipes and REFERENCE_RECIPE not in source.given_recipes
        ):
            return None
        try:
            return self._prepared(Subject(model=subject.model, recipe=REFERENCE_RECIPE))
        except QbenchError:
            return None  # Named as the error of fp32; what can be measured without it is.

    def _against_reference(
        self, subject: Subject, evaluation: Evaluation, classified: npt.NDArray[Any], index: int, dataset: Dataset
    ) -> dict[str, float]:
        reference = self._reference(subject)
        if reference is None:
            return {}
        name = Subject(model=subject.model, recipe=REFERENCE_RECIPE).id
        floats = self._run(name, reference.content, reference.artifact.sha256, dataset)
        # Converters put several outputs in any order, so a name is looked up on both sides.
        float_index = choose_output(floats.specs, self._config.models[subject.model].output)
        flips = int(np.count_nonzero(predictions(floats, float_index) != classified))
        error = output_error(evaluation, floats, index, reference_index=float_index)
        metrics: dict[str, float] = {AGREEMENT: 1 - flips / len(classified), "flips": flips}
        if error.sqnr_db is not None:
            metrics["sqnr_db"] = error.sqnr_db
        if error.max_error_lsb is not None:
            metrics["max_error_lsb"] = error.max_error_lsb
        return metrics

    def _judge_drop(self, subject: Subject, measured: Measured, tolerance: Tolerance) -> list[MetricVerdict]:
        if subject.recipe == REFERENCE_RECIPE or ACCURACY not in measured.metrics or tolerance.accuracy_drop is None:
            return []
        reference = self._reference(subject)
        if reference is None:
            reason = "there is no fp32 artifact of the same model to compare with"
            return [not_judged(subject, ACCURACY_DROP.name, Verdict.NOT_COMPARABLE, reason)]
        fp32 = Subject(model=subject.model, recipe=REFERENCE_RECIPE)
        floats = self._measure(fp32, reference.content, reference.artifact.sha256, measured.dataset)
        verdicts = [
            judge(
                subject,
                drop,
                now=measured.metrics[name],
                reference=floats.metrics[name],
                tolerance=tolerance.accuracy_drop,
                against="fp32",
            )
            for name, drop in ((ACCURACY, ACCURACY_DROP), (TOP_K_ACCURACY, TOP_K_DROP))
            if name in measured.metrics
        ]
        return [self._weighed(verdict, measured, floats.predictions) for verdict in verdicts]

    def _judge_baseline(self, subject: Subject, measured: Measured, tolerance: Tolerance) -> list[MetricVerdict]:
        gated = (*METRICS_BY_KIND["accuracy"], *measured.own_metrics)
        result = SubjectResult(subject=subject, metrics=measured.metrics, artifact=self._prepared(subject).artifact)
        try:
            again, reason = self._reevaluated(subject, measured)
        except BaselineError as error:
            return [not_judged(subject, "accuracy", Verdict.ERROR, str(error))]
        except QbenchError as error:
            reason = f"the dataset is another than at the baseline, and its artifact cannot be run on it: {error}"
            return [not_judged(subject, "accuracy", Verdict.NOT_COMPARABLE, reason)]
        verdicts = self._references.judge(
            subject, gated, result, tolerance, kind="accuracy", reevaluated=again.metrics if again else None
        )
        if not verdicts:
            reason = "nothing measured of it has a tolerance: the dataset has no labels, so there is agreement alone"
            advice = "give the Dataset labels, or set the tolerance agreement_regression"
            return [not_judged(subject, "accuracy", Verdict.NOT_COMPARABLE, reason, advice=advice)]
        accepted = None
        try:
            accepted = again.predictions if again else self._references.predictions(subject)
            reason = reason or _flips(accepted, measured)
        except BaselineError as error:
            verdicts.append(not_judged(subject, "predictions", Verdict.ERROR, str(error)))
        return [self._weighed(_with_reason(verdict, reason), measured, accepted) for verdict in verdicts]

    def _weighed(self, verdict: MetricVerdict, measured: Measured, reference: npt.NDArray[Any] | None) -> MetricVerdict:
        if verdict.metric not in {ACCURACY, ACCURACY_DROP.name}:
            return verdict
        return weighed(
            verdict,
            now=measured.predictions,
            reference=reference,
            labels=measured.labels,
            evidence=self._config.accuracy_evidence,
        )

    def _reevaluated(self, subject: Subject, measured: Measured) -> tuple[Measured | None, str]:
        """The accepted artifact on today's dataset, if that is another than at the baseline."""
        baseline = self._references.baseline(subject)
        if baseline is None or baseline.provenance.dataset == measured.dataset.digest:
            return None, ""
        content = self._references.artifact(subject)
        if content is None:
            raise MeasurementError(f"{baseline.artifact.sha256[:12]}.tflite is not in baselines/artifacts")
        # It ran when it was accepted, which says little about this machine and this version of the runtime.
        with PreflightWorker(self._config.options, limit_s=self._config.preflight_timeout_s) as worker:
            worker.check(content, name=f"the accepted artifact of {subject.id}")
        again = self._measure(subject, content, baseline.artifact.sha256, measured.dataset)
        return again, "the dataset has changed: the accepted artifact was evaluated again on today's"


def _flips(accepted: npt.NDArray[Any] | None, measured: Measured) -> str:
    """How predictions differ from the accepted ones, one by one."""
    if accepted is None or measured.predictions is None or len(accepted) != len(measured.predictions):
        return ""
    flipped = np.flatnonzero(accepted != measured.predictions)
    if not flipped.size:
        return "all predictions are those of the baseline"
    text = f"{flipped.size} of {len(accepted)} predictions differ from the baseline's"
    if measured.labels is not None:
        lost = int(np.count_nonzero(accepted[flipped] == measured.labels[flipped]))
        won = int(np.count_nonzero(measured.predictions[flipped] == measured.labels[flipped]))
        text += f": {lost} from right to wrong, {won} from wrong to right"
    return f"{text}; the first is example {flipped[0]}"


def _classifies(evaluation: Evaluation, dataset: Dataset, wanted: str | int | None) -> bool:
    """Whether top-1 accuracy says something besides metrics of the user's own: not of boxes, masks or one number."""
    if wanted is None and len(evaluation.specs) > 1:
        return False
    index = choose_output(evaluation.specs, wanted)
    labels = np.asarray(dataset.labels if dataset.labels is not None else np.zeros(dataset.examples, int))
    is_index = np.issubdtype(labels.dtype, np.integer) and labels.size == dataset.examples
    return is_index and is_class_row(evaluation, index)


def _with_reason(verdict: MetricVerdict, reason: str) -> MetricVerdict:
    if verdict.metric != ACCURACY or verdict.reason:
        return verdict
    return msgspec.structs.replace(verdict, reason=reason)
