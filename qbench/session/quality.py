"""Accuracy of a run's subjects, compared with fp32 and with what was accepted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from qbench.errors import BaselineError, DatasetError, QbenchError
from qbench.judge.gate import judge, not_judged
from qbench.judge.metrics import (
    ACCURACY,
    ACCURACY_DROP,
    METRICS_BY_KIND,
    SLICE_DROP,
    SLICE_REGRESSION,
    TOP_K_ACCURACY,
    TOP_K_DROP,
    drop_of,
)
from qbench.models.recipes import REFERENCE_RECIPE
from qbench.records import Metric, Subject
from qbench.runtime.preflight import PreflightWorker
from qbench.session.evaluation import Evaluations, Measured
from qbench.session.evidence import Answers, answers, flips, slices_verdicts, weighed, weighed_own
from qbench.verdicts import MetricVerdict, SubjectResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from qbench.judge.tolerance import Allowed, Tolerance
    from qbench.models.config import Config
    from qbench.models.datasets import Dataset
    from qbench.progress import Progress
    from qbench.session.preparation import Datasets, Prepared
    from qbench.session.references import References


class Quality:
    """Judges the accuracy of artifacts.

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
        self._evaluations = Evaluations(config, prepared, progress)
        self._accepted: dict[tuple[Subject, str], Measured | QbenchError] = {}

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
                f'the model {subject.model!r} declares no dataset; add `dataset = "module:function"` or an .npz file '
                'to it, or take "accuracy" off [tool.qbench] metrics'
            )
        prepared = self._prepared(subject)
        return self._evaluations.of(subject, prepared.content, prepared.artifact.sha256, dataset)

    def known(self, subject: Subject, sha256: str, dataset_digest: str) -> Measured | None:
        """What was measured before of an artifact of a subject, or of an accepted one; None if nothing was."""
        return self._evaluations.known(subject, sha256, dataset_digest)

    def judge(
        self, subject: Subject, measured: Measured, tolerance: Tolerance, *, baseline: bool
    ) -> list[MetricVerdict]:
        """Judge accuracy against fp32 of this run and, if `baseline`, against what was accepted."""
        verdicts = self._judge_drop(subject, measured, tolerance)
        return self._judge_baseline(subject, measured, tolerance) + verdicts if baseline else verdicts

    def _judge_drop(self, subject: Subject, measured: Measured, tolerance: Tolerance) -> list[MetricVerdict]:
        judged = _judged_against_fp32(measured, tolerance)
        slices = self._of_slices(subject, measured, SLICE_DROP, tolerance)
        if subject.recipe == REFERENCE_RECIPE or not (judged or slices is not None):
            return []
        reference = self._evaluations.reference(subject)
        if reference is None:
            reason = "there is no fp32 artifact of the same model to compare with"
            names = [drop.name for _, drop, _ in judged if drop is not TOP_K_DROP]
            names += [SLICE_DROP] if slices is not None else []
            return [not_judged(subject, name, Verdict.NOT_COMPARABLE, reason) for name in names]
        fp32 = Subject(model=subject.model, recipe=REFERENCE_RECIPE)
        floats = self._evaluations.of(fp32, reference.content, reference.artifact.sha256, measured.dataset)
        given = answers(measured, floats.predictions)
        verdicts = []
        for name, drop, allowed in judged:
            verdict = judge(
                subject,
                drop,
                now=measured.metrics[name],
                reference=floats.metrics[name],
                tolerance=allowed,
                against="fp32",
            )
            verdicts.append(self._weighed(verdict, name, measured, floats, given))
        return verdicts + slices_verdicts(subject, measured, given, SLICE_DROP, slices, "fp32")

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
        against_fp32_alone = tolerance.accuracy_regression is None and bool(_judged_against_fp32(measured, tolerance))
        if not verdicts and not against_fp32_alone:
            verdicts = [_without_tolerance(subject, measured)]
        given = None
        try:
            accepted = again.predictions if again else self._references.predictions(subject)
            reason = reason or flips(accepted, measured)
            given = answers(measured, accepted)
        except BaselineError as error:
            verdicts.append(not_judged(subject, "predictions", Verdict.ERROR, str(error)))
        verdicts = [
            self._weighed(_with_reason(verdict, reason), verdict.metric, measured, again, given) for verdict in verdicts
        ]
        slices = None
        if self._references.baseline(subject) is not None:
            slices = self._of_slices(subject, measured, SLICE_REGRESSION, tolerance)
        same = any((verdict.metric, verdict.verdict) == (ACCURACY, Verdict.UNCHANGED) for verdict in verdicts)
        sliced = slices_verdicts(subject, measured, given, SLICE_REGRESSION, slices, "baseline", unchanged=same)
        return verdicts + sliced

    def _weighed(
        self, verdict: MetricVerdict, name: str, measured: Measured, reference: Measured | None, given: Answers | None
    ) -> MetricVerdict:
        """A verdict on the metric `name` with its evidence."""
        evidence = self._config.accuracy_evidence
        if name == ACCURACY:
            return weighed(verdict, given, evidence)
        if name not in measured.own or not verdict.change or verdict.tolerance is None:
            return verdict
        try:
            reference = reference or self._measure_accepted(verdict.subject, measured.dataset)
        except QbenchError as error:
            return msgspec.structs.replace(verdict, reason=f"there is no interval: {error}")
        return weighed_own(verdict, name, measured, reference, evidence)

    def _of_slices(self, subject: Subject, measured: Measured, key: str, tolerance: Tolerance) -> float | None:
        """The tolerance of slices; None also where it was said of all models, and this one has metrics for accuracy."""
        model = self._config.models[subject.model]
        here = model.tolerance.overridden_by(model.tolerance_by_recipe.get(subject.recipe, model.tolerance))
        applies = ACCURACY in measured.metrics or not measured.own or getattr(here, key) is not None
        return getattr(tolerance, key) if applies else None

    def _reevaluated(self, subject: Subject, measured: Measured) -> tuple[Measured | None, str]:
        """The accepted artifact on today's dataset, if that is another than at the baseline."""
        baseline = self._references.baseline(subject)
        if baseline is None or baseline.provenance.dataset == measured.dataset.digest:
            return None, ""
        again = self._measure_accepted(subject, measured.dataset)
        return again, "the dataset has changed: the accepted artifact was evaluated again on today's"

    def _measure_accepted(self, subject: Subject, dataset: Dataset) -> Measured:
        """The accepted artifact, evaluated in this run; once, also if it cannot be, which may take its time to see.

        Raises
        ------
        QbenchError
            If it is gone, cannot be used here, or does not fit the dataset.
        """
        key = (subject, dataset.digest)
        if key not in self._accepted:
            try:
                self._accepted[key] = self._run_accepted(subject, dataset)
            except QbenchError as error:
                self._accepted[key] = error
        found = self._accepted[key]
        if isinstance(found, QbenchError):
            raise found
        return replace(found, dataset=dataset)

    def _run_accepted(self, subject: Subject, dataset: Dataset) -> Measured:
        baseline, content = self._references.baseline(subject), self._references.artifact(subject)
        if baseline is None or content is None:
            named = f"{baseline.artifact.sha256[:12]}.tflite" if baseline else "the accepted artifact"
            raise BaselineError(
                f"{named} is not in baselines/artifacts, or is damaged; restore it with `git checkout`, or accept again"
            )
        # It ran when it was accepted, which says little about this machine and this version of the runtime.
        with PreflightWorker(self._config.options, limit_s=self._config.preflight_timeout_s) as worker:
            worker.check(content, name=f"the accepted artifact of {subject.id}")
        return self._evaluations.of(subject, content, baseline.artifact.sha256, dataset)


def _judged_against_fp32(measured: Measured, tolerance: Tolerance) -> list[tuple[str, Metric, Allowed]]:
    """What was measured and has a tolerance against fp32: its name, what it is called there, and the tolerance."""
    judged: list[tuple[str, Metric, Allowed]] = []
    if tolerance.accuracy_drop is not None:
        drops = ((ACCURACY, ACCURACY_DROP), (TOP_K_ACCURACY, TOP_K_DROP))
        judged += [(name, drop, tolerance.accuracy_drop) for name, drop in drops if name in measured.metrics]
    own = (declared.metric for declared, _ in measured.own.values())
    judged += [
        (metric.name, drop_of(metric), tolerance.metrics_drop[metric.name])
        for metric in own
        if metric.name in tolerance.metrics_drop
    ]
    return judged


def _without_tolerance(subject: Subject, measured: Measured) -> MetricVerdict:
    """The verdict where nothing that was measured is gated against the baseline."""
    if measured.own:
        reason = f"nothing measured of it has a tolerance against the baseline: {', '.join(measured.own)}"
        advice = f"give one a tolerance, such as metrics.{next(iter(measured.own))}"
    else:
        reason = "nothing measured of it has a tolerance: the dataset has no labels, so there is agreement alone"
        advice = "give the Dataset labels, or set the tolerance agreement_regression"
    return not_judged(subject, "accuracy", Verdict.NOT_COMPARABLE, reason, advice=advice)


def _with_reason(verdict: MetricVerdict, reason: str) -> MetricVerdict:
    if verdict.metric != ACCURACY or verdict.reason:
        return verdict
    return msgspec.structs.replace(verdict, reason=reason)
