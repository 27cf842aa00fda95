"""What a subject predicts now, and what that is held against, example by example."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.baseline.schema import load_predictions
from qbench.errors import BaselineError, QbenchError
from qbench.records import Subject

if TYPE_CHECKING:
    import numpy.typing as npt

    from qbench.models.datasets import Dataset
    from qbench.session.run import Session
    from qbench.verdicts import SubjectResult

    Array = npt.NDArray[Any]

_AGAIN = "the dataset has changed since the baseline: the accepted artifact was evaluated again on today's"
_CHANGED = "the dataset has changed since the baseline, whose predictions are of other examples"


@dataclass(frozen=True, kw_only=True, eq=False)
class Compared:
    """Predictions of the same examples.

    Attributes
    ----------
    now
        Of shape (examples,).
    before
        What `against` names: the ``baseline``, or what the model is compared with in this run, ``fp32`` unless another
        recipe is declared for it. None and empty if there is neither.
    labels
        Class indices of shape (examples,), None if there are none.
    dataset
        The examples themselves; None where this process does not have them.
    notes
        What a reader has to know of it, each as a sentence.
    """

    now: Array
    before: Array | None = None
    against: str = ""
    labels: Array | None = None
    dataset: Dataset | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def flipped(self) -> Array:
        """Indices of examples whose prediction differs: those that became wrong, stayed wrong, became right."""
        if self.before is None:
            return np.zeros(0, np.int64)
        flipped = np.flatnonzero(self.before != self.now)
        if self.labels is None:
            return flipped
        was_right, is_right = (each[flipped] == self.labels[flipped] for each in (self.before, self.now))
        return flipped[np.argsort(np.where(was_right, 0, np.where(is_right, 2, 1)), kind="stable")]


def compared(session: Session, subject: Subject) -> Compared | None:
    """What a subject predicts, beside what it is held against; None if nothing was predicted.

    Evaluates nothing: what this process, or those that it merged, did not measure is not there, and said.

    Raises
    ------
    BaselineFormatError
        If the predictions of this run cannot be read.
    """
    result = session.results.get(subject)
    if result is None or not result.predictions:
        return None
    now = load_predictions(result.predictions, name=subject.id)
    dataset, notes = _dataset(session, result, len(now))
    found = Compared(now=now, labels=_labels(dataset), dataset=dataset, notes=notes)
    accepted, why = _accepted(session, result, now)
    if accepted is not None:
        return replace(found, before=accepted, against="baseline", notes=(*notes, *why))
    reference = Subject(model=subject.model, recipe=session.config.models[subject.model].reference)
    other, why_not = _reference(session, reference, result, now)
    if other is not None:
        said = tuple(f"{each}: flips are counted against {reference.recipe} of this run" for each in why)
        return replace(found, before=other, against=reference.recipe, notes=(*notes, *said))
    return replace(found, notes=(*notes, *why, *why_not))


def _dataset(session: Session, result: SubjectResult, examples: int) -> tuple[Dataset | None, tuple[str, ...]]:
    """The examples that were predicted: the declared ones, or those that a test gave."""
    known = session.known(result.subject, _sha256(result), result.dataset_digest)
    if known is not None:
        return known.dataset, ()
    try:
        declared = session.dataset(result.subject.model)
    except QbenchError as error:
        return None, (f"its examples cannot be shown: {error}",)
    if declared is None or declared.digest != result.dataset_digest or declared.examples != examples:
        return None, ("its examples cannot be shown: it was measured on others than the declared ones",)
    return declared, ()


def _labels(dataset: Dataset | None) -> Array | None:
    """Class indices; None where labels are something else, which a metric of the user's own reads."""
    if dataset is None or dataset.labels is None:
        return None
    labels = np.asarray(dataset.labels)
    if labels.size != dataset.examples or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        return None
    return labels.reshape(-1)


def _accepted(session: Session, result: SubjectResult, now: Array) -> tuple[Array | None, tuple[str, ...]]:
    """Accepted predictions of the same examples, and what is to be said of them or of their absence."""
    subject = result.subject
    try:
        baseline = session.references.baseline(subject)
        if baseline is None:
            return None, ()
        if baseline.provenance.dataset != result.dataset_digest:
            again = session.known(subject, baseline.artifact.sha256, result.dataset_digest)
            if again is not None and again.predictions is not None:
                return again.predictions, (_AGAIN,)
            return None, (_CHANGED,)
        accepted = session.references.predictions(subject)
    except BaselineError as error:
        return None, (f"accepted predictions cannot be read: {error}",)
    if accepted is None or accepted.shape != now.shape:
        return None, ("the baseline has no predictions of these examples",)
    return accepted, ()


def _reference(
    session: Session, reference: Subject, result: SubjectResult, now: Array
) -> tuple[Array | None, tuple[str, ...]]:
    """Predictions of what the model is compared with, of the same examples in the same run; why there are none."""
    if result.subject == reference:
        return None, ()
    try:
        other = predicted(session, reference, result.dataset_digest)
    except QbenchError as error:
        return None, (f"there is nothing to count flips against: {error}",)
    if other is None or other.shape != now.shape:
        why = f"{reference.id} was not evaluated on these examples in this run"
        return None, (f"there is nothing to count flips against: {why}",)
    return other, ()


def predicted(session: Session, subject: Subject, dataset_digest: str) -> Array | None:
    """What a subject predicts on a dataset, if that was found out in this run.

    Raises
    ------
    QbenchError
        If it has no artifact, or its predictions cannot be read.
    """
    result = session.results.get(subject)
    if result is not None and result.predictions and result.dataset_digest == dataset_digest:
        return load_predictions(result.predictions, name=subject.id)
    known = session.known(subject, session.existing(subject).artifact.sha256, dataset_digest)
    return known.predictions if known else None


def _sha256(result: SubjectResult) -> str:
    return result.artifact.sha256 if result.artifact else ""
