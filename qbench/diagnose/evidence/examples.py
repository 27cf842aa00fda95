"""Which examples are looked at closely: those that flip first, and others beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.measure.accuracy import is_class_row
from qbench.measure.evaluate import evaluate
from qbench.measure.inputs import input_encoders
from qbench.models.datasets import Dataset

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from qbench.records import RuntimeOptions, TensorSpec

    Array = npt.NDArray[Any]

#: Of the examples that are looked at, those that flip are at most this share: what is right says something too.
_FLIPPED = 0.5
#: So many times as many examples are run to find those that flip.
_SEARCHED = 8


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Examples by their index, those that flip first; and how many flip of those that were run."""

    indices: Array
    flips: int
    evaluated: int
    evaluated_flips: int


def chosen_examples(
    dataset: Dataset,
    examples: int,
    *,
    contents: tuple[bytes, bytes],
    outputs: tuple[int, int],
    predictions: tuple[Array, Array] | None,
    options: RuntimeOptions,
) -> Chosen:
    """Choose at most `examples` examples, the same ones every time.

    Parameters
    ----------
    contents, outputs
        The float model and the artifact, and the index of the output that predictions are read from.
    predictions
        Of both on all examples; where they are not known, some times as many as are chosen are run.
    """
    count = min(examples, dataset.examples)
    if predictions is None:
        part = _first(dataset, min(_SEARCHED * examples, dataset.examples))
        pairs = zip(contents, outputs, strict=True)
        floats, ours = (_predictions(content, part, options, output) for content, output in pairs)
    else:
        floats, ours = predictions
    flipped = np.flatnonzero(floats != ours)
    steady = np.flatnonzero(floats == ours)
    first = flipped[: max(int(_FLIPPED * count), count - len(steady))]
    indices = np.concatenate([first, steady[: count - len(first)]])
    return Chosen(indices=indices, flips=len(first), evaluated=len(floats), evaluated_flips=len(flipped))


def real_inputs(
    dataset: Dataset, specs: Sequence[TensorSpec], indices: Array, *, calibration: bool = False
) -> tuple[Array, ...]:
    """Real values of examples for each input of the float model, in its order; integers stay what they are.

    Parameters
    ----------
    calibration
        Of the calibration examples in place of those to evaluate on.

    Raises
    ------
    DatasetError
        If the dataset does not fit.
    """
    arrays = dataset.calibration if calibration and dataset.calibration is not None else dataset.inputs
    shown = Dataset(inputs=arrays, input_scale=dataset.input_scale, input_zero_point=dataset.input_zero_point)
    stored = [encoder.stored[indices] for encoder in input_encoders(shown, specs)]
    return tuple(
        real.astype(np.float32) if np.issubdtype(real.dtype, np.floating) else real
        for real in map(dataset.real_values, stored)
    )


def _first(dataset: Dataset, count: int) -> Dataset:
    inputs = {name: array[:count] for name, array in dataset.input_arrays.items()}
    given = inputs if len(inputs) > 1 or next(iter(inputs)) else next(iter(inputs.values()))
    return Dataset(
        inputs=given, input_scale=dataset.input_scale, input_zero_point=dataset.input_zero_point, name=dataset.name
    )


def _predictions(content: bytes, dataset: Dataset, options: RuntimeOptions, output: int) -> Array:
    """The predicted classes, NaN included; all the same where an output is no row of classes."""
    evaluation = evaluate(content, dataset, options)
    if not is_class_row(evaluation, output):
        return np.zeros(dataset.examples, np.int64)
    best: Array = evaluation.outputs[output].reshape(dataset.examples, -1).argmax(axis=1)
    return best
