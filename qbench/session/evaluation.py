"""Evaluates a run's artifacts, each once on a dataset, and measures what accuracy is judged by."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.errors import QbenchError
from qbench.judge.metrics import ACCURACY, AGREEMENT, TOP_K_ACCURACY, GatedMetric
from qbench.measure.accuracy import (
    check_labels,
    choose_output,
    is_class_row,
    output_error,
    predictions,
    real_outputs,
    top_k_accuracy,
)
from qbench.measure.evaluate import Evaluation, evaluate
from qbench.measure.metrics import OwnMetric, OwnValue, call_metric
from qbench.records import Subject
from qbench.session.own_metrics import own_metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from qbench.models.config import Config
    from qbench.models.datasets import Dataset
    from qbench.progress import Progress
    from qbench.session.preparation import Prepared


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """The accuracy of one artifact on one dataset.

    `predictions` has shape (examples,), or is None if the output is not a row of classes. `own` are the user's
    metrics; `evaluation` is kept where one of them has a value of the whole set alone, which resampling needs.
    """

    metrics: dict[str, float]
    predictions: npt.NDArray[Any] | None
    labels: npt.NDArray[Any] | None
    dataset: Dataset
    own: dict[str, tuple[OwnMetric, OwnValue]] = field(default_factory=dict)
    evaluation: Evaluation | None = None

    @property
    def own_metrics(self) -> tuple[GatedMetric, ...]:
        """The user's metrics as the gate takes them."""
        return tuple(GatedMetric(metric=own.metric, tolerance_key=own.metric.name) for own, _ in self.own.values())


class Evaluations:
    """What was measured of artifacts by running whole datasets.

    Parameters
    ----------
    prepared
        Gives the artifact of a subject; raises `QbenchError` if there is none.
    """

    def __init__(self, config: Config, prepared: Callable[[Subject], Prepared], progress: Progress) -> None:
        self._config = config
        self._prepared = prepared
        self._progress = progress
        self._references: dict[tuple[str, str], Evaluation] = {}
        self._measured: dict[tuple[str, str, Subject], Measured] = {}

    def of(self, subject: Subject, content: bytes, sha256: str, dataset: Dataset) -> Measured:
        """Evaluate `content`, an artifact of `subject`, on `dataset`, once.

        Raises
        ------
        QbenchError
            If the dataset does not fit the artifact, or an output is NaN.
        """
        # The model counts: two models with the same artifact may ask for other outputs and metrics.
        key = (sha256, dataset.digest, subject)
        if key not in self._measured:
            self._measured[key] = self._evaluate(subject, content, sha256, dataset)
        # Datasets with the same examples may have other groups.
        return replace(self._measured[key], dataset=dataset)

    def known(self, subject: Subject, sha256: str, dataset_digest: str) -> Measured | None:
        """What `of` gave for this artifact and dataset before, None if nobody asked."""
        return self._measured.get((sha256, dataset_digest, subject))

    def _evaluate(self, subject: Subject, content: bytes, sha256: str, dataset: Dataset) -> Measured:
        model = self._config.models[subject.model]
        evaluation = self._run(subject, content, sha256, dataset)
        own = self._own_metrics(subject, evaluation, dataset)
        metrics = {name: found.value for name, (_, found) in own.items()}
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
        resampled = any(found.of_examples is None and declared.resample for declared, found in own.values())
        return Measured(
            metrics=metrics,
            predictions=classified,
            labels=labels,
            dataset=dataset,
            own=own,
            evaluation=evaluation if resampled else None,
        )

    def _own_metrics(
        self, subject: Subject, evaluation: Evaluation, dataset: Dataset
    ) -> dict[str, tuple[OwnMetric, OwnValue]]:
        outputs = real_outputs(evaluation)  # Also without metrics: an output that is NaN must not be measured.
        return {
            name: (declared, call_metric(declared, outputs, dataset.labels))
            for name, declared in own_metrics(self._config, subject.model).items()
        }

    def _run(self, subject: Subject, content: bytes, sha256: str, dataset: Dataset) -> Evaluation:
        key = (sha256, dataset.digest)
        if key in self._references:
            return self._references[key]
        with self._progress.task(f"evaluating {subject.id}") as report:
            evaluation = evaluate(content, dataset, self._config.options, progress=report)
        if subject.recipe == self._config.models[subject.model].reference:
            self._references[key] = evaluation  # Every other recipe is compared with it; theirs would only fill memory.
        return evaluation

    def reference(self, subject: Subject) -> Prepared | None:
        """The artifact that the subject is compared with in this run, that of fp32 unless the model says otherwise.

        None if it is the subject itself or cannot be had.
        """
        model = self._config.models[subject.model]
        given = model.source.given_recipes
        if subject.recipe == model.reference or (given and model.reference not in given):
            return None
        try:
            return self._prepared(Subject(model=subject.model, recipe=model.reference))
        except QbenchError:
            return None  # Named as the error of fp32; what can be measured without it is.

    def _against_reference(
        self, subject: Subject, evaluation: Evaluation, classified: npt.NDArray[Any], index: int, dataset: Dataset
    ) -> dict[str, float]:
        reference = self.reference(subject)
        if reference is None:
            return {}
        other = Subject(model=subject.model, recipe=self._config.models[subject.model].reference)
        floats = self._run(other, reference.content, reference.artifact.sha256, dataset)
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


def _classifies(evaluation: Evaluation, dataset: Dataset, wanted: str | int | None) -> bool:
    """Whether top-1 accuracy says something besides metrics of the user's own: not of boxes, masks or one number."""
    if wanted is None and len(evaluation.specs) > 1:
        return False
    index = choose_output(evaluation.specs, wanted)
    labels = np.asarray(dataset.labels if dataset.labels is not None else np.zeros(dataset.examples, int))
    is_index = np.issubdtype(labels.dtype, np.integer) and labels.size == dataset.examples
    return is_index and is_class_row(evaluation, index)
