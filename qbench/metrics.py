"""Ready-made metrics for models that are no plain classifier: name one under `metrics` of the model.

    [tool.qbench.models.depth]
    metrics = ["qbench.metrics:mean_absolute_error"]

All but `roc_auc` have values of their examples, so that how sure a difference is costs nothing. They need a model with
one output; for others, and with other names or units, call them from a function of your own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.measure.metrics import metric

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

_BINARY = 2


@metric(unit="", direction="lower")
def mean_absolute_error(outputs: Array, labels: Array) -> Array:
    """Mean of ``|output - label|`` over all elements of each example, of shape (examples,).

    Parameters
    ----------
    outputs, labels
        Of shape (examples, ...); labels may leave out axes of length 1.

    Raises
    ------
    ValueError
        If they do not have the same elements.
    """
    mean: Array = np.abs(_differences(outputs, labels)).mean(axis=1)
    return mean


@metric(unit="", direction="lower", of_mean=math.sqrt)
def root_mean_square_error(outputs: Array, labels: Array) -> Array:
    """Mean of ``(output - label)**2`` of each example, of shape (examples,); the metric is the root of their mean.

    Parameters and errors are those of `mean_absolute_error`.
    """
    mean: Array = np.square(_differences(outputs, labels)).mean(axis=1)
    return mean


@metric(unit="", direction="higher")
def embedding_cosine(outputs: Array, labels: Array) -> Array:
    """Cosine of the angle between each output and its label, both vectors of shape (examples, ...).

    The labels are the embeddings that are wanted: a teacher's, or the float model's. A vector of zeros has no angle, so
    that the metric is an error then.

    Raises
    ------
    ValueError
        If outputs and labels do not have the same elements.
    """
    ours, wanted = _rows(outputs, labels)
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(wanted, axis=1)
    with np.errstate(invalid="ignore"):
        cosine: Array = np.einsum("ij,ij->i", ours, wanted) / lengths
    return cosine


def _mean_ratio(counts: Array) -> float:
    """Mean over classes of ``intersection / union``, of shape (2, classes); classes that occur nowhere are left out."""
    intersection, union = counts
    present = union > 0
    return float((intersection[present] / union[present]).mean()) if present.any() else math.nan


@metric(unit="", direction="higher", of_mean=_mean_ratio)
def mean_iou(outputs: Array, labels: Array) -> Array:
    """Intersection and union of each class in each example, counted in pixels, of shape (examples, 2, classes).

    The metric is the mean over classes of the intersection in all examples by the union in all examples, as PASCAL VOC
    and Cityscapes define it. Classes in neither labels nor predictions are left out. A pixel whose label is no class
    (255 by custom) counts nowhere.

    Parameters
    ----------
    outputs
        Scores of shape (examples, ..., classes), of which the largest is the prediction; the first among equals.
    labels
        Class indices of shape (examples, ...).

    Raises
    ------
    ValueError
        If there are no two classes, or the shapes do not fit.
    """
    outputs, labels = _checked(outputs, labels)
    classes = outputs.shape[-1]
    predicted = outputs.argmax(axis=-1).reshape(len(outputs), -1)
    if classes < _BINARY or not np.issubdtype(labels.dtype, np.integer) or labels.size != predicted.size:
        raise ValueError(
            f"found outputs of shape {outputs.shape} and {labels.dtype} labels of shape {labels.shape}, expected "
            "scores of two or more classes in the last axis and a whole number for each pixel"
        )
    # A narrow dtype of labels may have no room for `classes`, which stands for none.
    labels = labels.reshape(predicted.shape).astype(np.int64)
    counted = (labels >= 0) & (labels < classes)
    hit = _counts(np.where(counted & (labels == predicted), labels, classes), classes)
    labelled = _counts(np.where(counted, labels, classes), classes)
    guessed = _counts(np.where(counted, predicted, classes), classes)
    return np.stack([hit, labelled + guessed - hit], axis=1)


def _counts(indices: Array, classes: int) -> Array:
    """How often each class stands in each row, of shape (rows, classes); `classes` itself stands for none."""
    places = indices + np.arange(len(indices))[:, np.newaxis] * (classes + 1)
    counted = np.bincount(places.ravel(), minlength=len(indices) * (classes + 1))
    return counted.reshape(len(indices), classes + 1)[:, :classes]


@metric(unit="", direction="higher")
def roc_auc(outputs: Array, labels: Array) -> float:
    """Area under the receiver operating characteristic of a binary classifier.

    The share of pairs of a positive and a negative example in which the positive has the larger score; a pair of equal
    scores, of which a quantized model has many, counts half (Mann-Whitney). Computed from ranks.

    Parameters
    ----------
    outputs
        Scores of shape (examples,) or (examples, 1), or of both classes, (examples, 2), whose difference is the score.
    labels
        0 or 1, of shape (examples,).

    Raises
    ------
    ValueError
        If the shapes do not fit, a label is neither, or there are not both.
    """
    outputs, labels = _checked(outputs, labels)
    scores, positive = (array.reshape(len(outputs), -1) for array in (outputs.astype(np.float64), labels))
    if scores.shape[1] not in {1, _BINARY} or positive.shape[1] != 1 or not np.isin(positive, (0, 1)).all():
        raise ValueError(
            f"found outputs of shape {outputs.shape} and labels of shape {np.shape(labels)}, expected one or two "
            "scores and a label of 0 or 1 for each example"
        )
    right = positive[:, 0] == 1
    positives, negatives = int(right.sum()), int((~right).sum())
    if not (positives and negatives):
        raise ValueError(f"found {positives} positive and {negatives} negative examples, expected some of both")
    score = scores[:, 1] - scores[:, 0] if scores.shape[1] == _BINARY else scores[:, 0]
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place.reshape(-1)]
    return float((ranks[right].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _checked(outputs: Any, labels: Any) -> tuple[Array, Array]:
    """Outputs and labels as arrays; a dataset need not have labels, nor a model one output."""
    if labels is None:
        raise ValueError("found a dataset without labels, expected a label for each example")
    if not isinstance(outputs, np.ndarray):
        named = ", ".join(outputs)
        message = f"found the outputs {named}, expected one; call it from a function of your own on one of them"
        raise ValueError(message)  # noqa: TRY004 - the model is what does not fit, as in the other errors
    return outputs, np.asarray(labels)


def _differences(outputs: Array, labels: Array) -> Array:
    ours, wanted = _rows(outputs, labels)
    return ours - wanted


def _rows(outputs: Array, labels: Array) -> tuple[Array, Array]:
    """Outputs and labels in double precision, one row for each example."""
    outputs, labels = _checked(outputs, labels)
    shapes = [tuple(size for size in array.shape[1:] if size != 1) for array in (outputs, labels)]
    if shapes[0] != shapes[1] or len(outputs) != len(labels):
        raise ValueError(
            f"found outputs of shape {outputs.shape} and labels of shape {labels.shape}, expected the same"
        )
    rows = [np.asarray(array, dtype=np.float64).reshape(len(array), -1) for array in (outputs, labels)]
    return rows[0], rows[1]
