"""Labelled examples to train on, apart from those that a model is judged on.

Declared as ``training_set = "module:function"``; the function returns a `TrainingSet`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from qbench.errors import ConfigError, DatasetError, QbenchError
from qbench.files import digest_arrays
from qbench.models.datasets import Array, arrays_by_name, example_keys, real_values
from qbench.models.sources import import_function

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qbench.models.config import Config
    from qbench.models.datasets import Dataset
    from qbench.records import Subject

Loss = Literal[
    "sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy", "mean_squared_error"
]


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What is trained on, in the child: stored values by input, how they become real ones, labels and the loss."""

    inputs: Mapping[str, Array]
    labels: Array
    loss: str
    scale: float | None = None
    zero_point: int = 0

    def real(self, stored: Array) -> Array:
        """float32 values of stored inputs."""
        return np.asarray(real_values(stored, scale=self.scale, zero_point=self.zero_point), np.float32)


class TrainingSets:
    """The training sets of a configuration's models, each loaded once, when a recipe first needs it."""

    def __init__(self, config: Config, dataset_of: Callable[[str], Dataset | None]) -> None:
        self._config = config
        self._dataset_of = dataset_of
        self._loaded: dict[str, TrainingSet] = {}

    def of(self, subject: Subject) -> TrainingSet | None:
        """What the recipe of `subject` learns from, apart from what is judged; None if it does not train.

        Raises
        ------
        ConfigError, DatasetError
            As `load_training_set`, and if it holds evaluation examples.
        """
        if self._config.recipes[subject.recipe].training is None:
            return None
        if subject.model not in self._loaded:
            made = load_training_set(self._config, subject)
            if (dataset := self._dataset_of(subject.model)) is not None:
                made.check_apart(dataset)
            self._loaded[subject.model] = made
        return self._loaded[subject.model]


def load_training_set(config: Config, subject: Subject) -> TrainingSet:
    """The training set that the model of `subject` declares.

    Raises
    ------
    ConfigError
        If the model declares none, or ``module:function`` cannot be imported.
    DatasetError
        If the function raises, or gives something else than a `TrainingSet`.
    """
    key = f"tool.qbench.models.{subject.model}.training_set"
    declared = config.models[subject.model].training_set
    if declared is None:
        raise ConfigError(
            key,
            found=f"none, and the recipe {subject.recipe!r} trains",
            expected="'module:function', which returns a qbench.TrainingSet",
        )
    function = import_function(declared, key=key, root=config.root)
    try:
        made = function()
    except QbenchError:
        raise
    except Exception as error:
        raise DatasetError(f"{declared} raised {type(error).__name__}: {error}") from error
    if not isinstance(made, TrainingSet):
        raise DatasetError(f"{declared} returned {type(made).__name__}; expected a qbench.TrainingSet")
    return made


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """Examples that recipes with `training` learn from.

    Parameters
    ----------
    inputs
        Array of shape (examples, ...), or a mapping from the model's input names to such arrays; as those of a
        `Dataset`.
    labels
        Array of shape (examples, ...): class indices for ``sparse_categorical_crossentropy``, else what the model's
        output is to be, of its shape.
    loss
        What is made small: ``sparse_categorical_crossentropy``, ``categorical_crossentropy``, ``binary_crossentropy``
        or ``mean_squared_error``. The first three take the output for probabilities if it comes from a SOFTMAX or
        a LOGISTIC, and else for logits.
    input_scale, input_zero_point
        ``real = (stored - input_zero_point) * input_scale`` for integer inputs.
    name
        Shown to people.

    Raises
    ------
    DatasetError
        If shapes or dtypes do not fit together, the scale cannot be one, or the loss is unknown.
    """

    inputs: Array | Mapping[str, Array]
    labels: Array
    loss: Loss = "sparse_categorical_crossentropy"
    input_scale: float | None = None
    input_zero_point: int = 0
    name: str = "training set"

    def __post_init__(self) -> None:
        if self.loss not in get_args(Loss):
            raise DatasetError(f"{self.name!r}: found loss={self.loss!r}, expected one of {', '.join(get_args(Loss))}")
        if self.input_scale is not None and not (math.isfinite(self.input_scale) and self.input_scale > 0):
            raise DatasetError(f"{self.name!r}: found input_scale={self.input_scale}, expected a finite number above 0")
        self._check_arrays()

    @cached_property
    def input_arrays(self) -> dict[str, Array]:
        """The inputs by name; a bare array has the name `SINGLE_INPUT`."""
        return arrays_by_name(self.inputs)

    @property
    def examples(self) -> int:
        """Number of examples."""
        return len(self.labels)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that the trained weights depend on."""
        arrays = {f"input:{name}": array for name, array in self.input_arrays.items()}
        scale = np.array([self.input_scale or math.nan, self.input_zero_point], np.float64)
        loss = np.frombuffer(self.loss.encode(), np.uint8)
        return digest_arrays({**arrays, "labels": np.asarray(self.labels), "scale": scale, "loss": loss})

    def real_values(self, stored: Array) -> Array:
        """The values that `stored`, an array of this set's inputs, stands for."""
        return real_values(stored, scale=self.input_scale, zero_point=self.input_zero_point)

    def described(self) -> dict[str, Any]:
        """What else than arrays it consists of, for the conversion child."""
        return {
            "names": list(self.input_arrays),
            "loss": self.loss,
            "scale": self.input_scale,
            "zero_point": self.input_zero_point,
        }

    def check_apart(self, dataset: Dataset) -> None:
        """Refuse to train on what is judged.

        Examples are compared by content, as stored and, where dtype or scale differ, as real values.

        Raises
        ------
        DatasetError
            If an example is also one that `dataset` evaluates on.
        """
        ours, theirs = self.input_arrays, dataset.input_arrays
        if not set(ours) == set(theirs):
            raise DatasetError(
                f"{self.name!r}: found the inputs {sorted(ours)}, expected {sorted(theirs)} as in the dataset "
                f"{dataset.name!r}"
            )
        if not self._stores_as(dataset):
            ours = {name: self.real_values(array) for name, array in ours.items()}
            theirs = {name: dataset.real_values(array) for name, array in theirs.items()}
        evaluation = {key: index for index, key in enumerate(example_keys(theirs))}
        leaked = [(index, evaluation[key]) for index, key in enumerate(example_keys(ours)) if key in evaluation]
        if leaked:
            training_index, evaluation_index = leaked[0]
            raise DatasetError(
                f"{self.name!r}: {len(leaked)} of its examples are also evaluation examples of {dataset.name!r} "
                f"(training example {training_index} is evaluation example {evaluation_index}). A model that has "
                "seen what it is judged on looks better than it is: take them out of the training set"
            )

    def _stores_as(self, dataset: Dataset) -> bool:
        scales = (self.input_scale, self.input_zero_point) == (dataset.input_scale, dataset.input_zero_point)
        return scales and all(
            array.dtype == dataset.input_arrays[name].dtype for name, array in self.input_arrays.items()
        )

    def _check_arrays(self) -> None:
        arrays = {f"input {name}" if name else "inputs": array for name, array in self.input_arrays.items()}
        arrays["labels"] = np.asarray(self.labels)
        for title, array in arrays.items():
            if array.dtype.kind not in "biuf":
                raise DatasetError(f"{self.name!r}: found {array.dtype} in {title}, expected an array of numbers")
        counts = {array.shape[:1] for array in arrays.values()}
        if len(counts) != 1 or () in counts or (0,) in counts:
            listed = ", ".join(f"{title} has the shape {array.shape}" for title, array in arrays.items())
            raise DatasetError(
                f"{self.name!r}: {listed}; expected the same number of examples, at least one, along the first axis "
                "of every array"
            )
        is_index = arrays["labels"].dtype.kind in "iu" and arrays["labels"].ndim == 1
        if self.loss == "sparse_categorical_crossentropy" and not is_index:
            raise DatasetError(
                f"{self.name!r}: found labels of {arrays['labels'].dtype}{arrays['labels'].shape}, expected one class "
                f"index for each example with the loss {self.loss}"
            )
