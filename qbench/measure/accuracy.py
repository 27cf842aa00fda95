"""What the outputs of an evaluation say about an artifact: accuracy, agreement and flips, output error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from qbench.errors import DatasetError, MeasurementError
from qbench.quant.affine import QuantizationParameters, dequantize

if TYPE_CHECKING:
    from qbench.measure.evaluate import Evaluation
    from qbench.models.datasets import Array
    from qbench.records import TensorSpec

#: Below this many classes there is no index to predict.
_LEAST_CLASSES = 2


class OutputError(msgspec.Struct, frozen=True, kw_only=True):
    """How far an artifact's outputs are from the float model's.

    Attributes
    ----------
    sqnr_db
        Signal to quantization noise ratio, ``10 log10(sum(reference^2) / sum((reference - output)^2))``,
        in decibel; None if the outputs are equal.
    max_error_lsb
        Largest difference in units of the output's scale; None for an output that is not quantized.
    """

    sqnr_db: float | None
    max_error_lsb: float | None


def real_output(evaluation: Evaluation, index: int) -> Array:
    """Real values of the output at `index`, of shape (examples, ...).

    Raises
    ------
    MeasurementError
        If a value is NaN or infinite, or the output's scale or zero point cannot be.
    """
    spec, stored = evaluation.specs[index], evaluation.outputs[index]
    if spec.quantized:
        try:
            return dequantize(stored, QuantizationParameters(spec.scales[0], spec.zero_points[0], dtype=spec.dtype))
        except ValueError as error:
            raise MeasurementError(f"the output {spec.name!r}: {error}") from error
    if np.issubdtype(stored.dtype, np.floating) and not np.isfinite(stored).all():
        bad = np.argwhere(~np.isfinite(stored))
        raise MeasurementError(
            f"the output {spec.name!r} is NaN or infinite for {len(np.unique(bad[:, 0]))} of {len(stored)} examples, "
            f"the first of them example {bad[0, 0]}; expected finite numbers"
        )
    return stored


def real_outputs(evaluation: Evaluation) -> dict[str, Array]:
    """Real values of all outputs by name, each of shape (examples, ...).

    Raises
    ------
    MeasurementError
        If a value is NaN or infinite, or an output's scale or zero point cannot be.
    """
    return {spec.name: real_output(evaluation, index) for index, spec in enumerate(evaluation.specs)}


def choose_output(specs: tuple[TensorSpec, ...], wanted: str | int | None) -> int:
    """Index of the output that predictions are read from.

    Raises
    ------
    MeasurementError
        If there is no such output, or several and none is named.
    """
    names = [spec.name for spec in specs]
    if wanted is None and len(specs) == 1:
        return 0
    if isinstance(wanted, int) and 0 <= wanted < len(specs):
        return wanted
    if isinstance(wanted, str) and wanted in names:
        return names.index(wanted)
    raise MeasurementError(
        f"the artifact has the outputs {names} and `output` of the model is {wanted!r}; expected the name or the "
        "index of the output that predictions are read from"
    )


def is_class_row(evaluation: Evaluation, index: int) -> bool:
    """Whether the output at `index` gives one value for each of at least two classes for an example."""
    stored = evaluation.outputs[index]
    classes = max(stored.shape[1:], default=1)
    return classes >= _LEAST_CLASSES and stored.size == len(stored) * classes


def predictions(evaluation: Evaluation, index: int) -> Array:
    """Index of the largest value for each example, of shape (examples,), in the smallest unsigned type.

    Equal values are told apart as `argmax` does: the first wins.

    Raises
    ------
    MeasurementError
        If the output is not a row of at least two classes for each example, or is NaN.
    """
    real_output(evaluation, index)
    stored = evaluation.outputs[index]
    classes = max(stored.shape[1:], default=1)
    if not is_class_row(evaluation, index):
        raise MeasurementError(
            f"the output {evaluation.specs[index].name!r} gives {stored.dtype}{stored.shape[1:]} for an "
            "example; expected one value for each of two or more classes. For anything else give a metric of your "
            "own under `metrics` (`--metric` of qbench compare)"
        )
    best: Array = stored.reshape(len(stored), classes).argmax(axis=1)
    return best.astype(np.min_scalar_type(classes - 1))


def check_labels(labels: Array, *, classes: int, name: str) -> Array:
    """Class indices as an array of shape (examples,).

    Raises
    ------
    DatasetError
        If they are not whole numbers from 0 to `classes` - 1.
    """
    labels = np.asarray(labels)
    flat = labels.reshape(len(labels), -1)
    if flat.shape[1] != 1 or not np.issubdtype(flat.dtype, np.integer):
        raise DatasetError(
            f"dataset {name!r}: labels are {labels.dtype} of shape {labels.shape}; expected one class index for each "
            "example, or a metric of your own under `metrics` (`--metric` of qbench compare)"
        )
    wrong = np.flatnonzero((flat[:, 0] < 0) | (flat[:, 0] >= classes))
    if wrong.size:
        raise DatasetError(
            f"dataset {name!r}: {wrong.size} labels are out of range, the first is label {flat[wrong[0], 0]} of "
            f"example {wrong[0]}; the artifact has {classes} classes, expected 0 to {classes - 1}"
        )
    return flat[:, 0]


def top_k_accuracy(evaluation: Evaluation, index: int, labels: Array, k: int) -> float:
    """Share of examples whose label is among the `k` largest values; among equals, lower indices come first.

    Raises
    ------
    MeasurementError
        If there are no more than `k` classes: no label could be missed.
    """
    scores = evaluation.outputs[index].reshape(len(labels), -1)
    if k >= scores.shape[1]:
        raise MeasurementError(
            f"top_k is {k} and the artifact has {scores.shape[1]} classes, so that every label would be among them; "
            "expected a smaller top_k"
        )
    own = np.take_along_axis(scores, labels[:, np.newaxis].astype(np.int64), axis=1)
    before = (scores == own) & (np.arange(scores.shape[1]) < labels[:, np.newaxis])
    rank = (scores > own).sum(axis=1) + before.sum(axis=1)
    return float(np.count_nonzero(rank < k) / len(labels))


def output_error(
    evaluation: Evaluation, reference: Evaluation, index: int, *, reference_index: int | None = None
) -> OutputError:
    """How far the output at `index` is from the same output of the float model `reference`.

    Parameters
    ----------
    reference_index
        Where the float model has that output, if at another index.

    Raises
    ------
    MeasurementError
        If the two do not have the same shape, or one is NaN.
    """
    ours = real_output(evaluation, index)
    floats = real_output(reference, index if reference_index is None else reference_index)
    if ours.shape != floats.shape:
        raise MeasurementError(f"the output has the shape {ours.shape}, the float model's {floats.shape}")
    difference = ours.astype(np.float64) - floats
    noise, signal = float(np.square(difference).sum()), float(np.square(floats, dtype=np.float64).sum())
    spec = evaluation.specs[index]
    return OutputError(
        sqnr_db=None if noise == 0 or signal == 0 else 10 * float(np.log10(signal / noise)),
        max_error_lsb=float(np.abs(difference).max() / spec.scales[0]) if spec.quantized else None,
    )
