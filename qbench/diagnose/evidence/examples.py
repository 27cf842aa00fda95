"""Which examples are looked at closely: those that flip first, and others beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.measure.evaluate import evaluate
from qbench.measure.inputs import batch_axis, input_encoders
from qbench.models.datasets import Dataset
from qbench.runtime.interpreter import open_interpreter

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from qbench.records import RuntimeOptions, TensorSpec

    Array = npt.NDArray[Any]

#: Of the examples that are looked at, those that flip are at most this share: what is right says something too.
_FLIPPED = 0.5
#: So many times as many examples are run to find those that flip.
_SEARCHED = 8
#: Below this many classes there is no index to predict.
_LEAST_CLASSES = 2


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Examples by their index, those that flip first; and how many flip of those that were run.

    `classes` is whether predictions are read from a row of classes on both sides; nothing flips where they are not.
    """

    indices: Array
    flips: int = 0
    evaluated: int = 0
    evaluated_flips: int = 0
    classes: bool = True


def chosen_examples(
    dataset: Dataset,
    examples: int,
    *,
    contents: tuple[bytes, bytes],
    outputs: tuple[int, int],
    predictions: tuple[Array, Array] | None,
    options: RuntimeOptions,
    search: bool = True,
) -> Chosen:
    """Choose at most `examples` examples, the same ones every time.

    Parameters
    ----------
    contents, outputs
        The float model and the artifact, and the index of the output that predictions are read from.
    predictions
        Of both on all examples, where they are known.
    search
        Whether some times as many as are chosen are run where they are not known; else the first are chosen.
    """
    count = min(examples, dataset.examples)
    if predictions is None:
        classes = all(
            _has_classes(content, dataset, options, output) for content, output in zip(contents, outputs, strict=True)
        )
        if not (search and classes):
            return Chosen(indices=np.arange(count), classes=classes)
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


def _has_classes(content: bytes, dataset: Dataset, options: RuntimeOptions, output: int) -> bool:
    """Whether an output is a row of classes for each example, as its shape in the file says."""
    interpreter = open_interpreter(content, options)
    shape = interpreter.outputs[output].shape
    shape = shape[1:] if batch_axis(dataset, interpreter.inputs) else shape
    return max(shape, default=1) >= _LEAST_CLASSES and math.prod(shape) == max(shape, default=1)


def _predictions(content: bytes, dataset: Dataset, options: RuntimeOptions, output: int) -> Array:
    """The predicted classes, NaN included."""
    evaluation = evaluate(content, dataset, options)
    best: Array = evaluation.outputs[output].reshape(dataset.examples, -1).argmax(axis=1)
    return best
