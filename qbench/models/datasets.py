"""Labelled examples that a model is judged on, and the calibration examples that quantize it.

A dataset is declared as ``module:function``, which returns a `Dataset`, or as an `.npz` file. Inputs may be given as
real values (float) or as the integers they were stored as (such as 8-bit pixels) together with the
scale that turns them into real values: the latter need a quarter of the memory and let an evaluation
quantize inputs through a table of 256 entries instead of 784 divisions an image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from qbench.errors import DatasetError
from qbench.files import digest_arrays

Array = npt.NDArray[Any]

#: Name of the only input of a model whose dataset gives a bare array instead of a mapping.
SINGLE_INPUT = ""

#: numpy's kinds of dtypes that name a group: bool, integers, text and bytes.
_GROUP_KINDS = frozenset("biuUS")


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Examples to evaluate on and, apart from them, examples to calibrate with.

    Parameters
    ----------
    inputs
        Array of shape (examples, ...), or a mapping from the model's input names to such arrays.
        Floating point values are real values. Integer values are stored values when `input_scale` is
        given, real integers (token ids) when it is not.
    labels
        Array of shape (examples, ...): class indices for top-k accuracy, whatever a metric of your
        own expects otherwise. None if only agreement with fp32 is wanted.
    calibration
        As `inputs`, taken from the training set. Needed by every recipe that quantizes activations.
    input_scale, input_zero_point
        ``real = (stored - input_zero_point) * input_scale`` for integer inputs.
    groups
        Which slice of the examples each is in, integers or text of shape (examples,), such as the camera that took it:
        accuracy is looked at slice by slice, by class without it. Not part of `digest`: what an accuracy is, and
        whether an accepted one can be compared with it, is the same under any grouping, and both sides of a comparison
        are grouped by what is said today.
    group_name
        What a group is, such as ``camera``; shown to people.
    name
        Shown to people.

    Raises
    ------
    DatasetError
        If shapes or dtypes do not fit together, the scale cannot be one, or an example stands in both
        `calibration` and `inputs`.
    """

    inputs: Array | Mapping[str, Array]
    labels: Array | None = None
    calibration: Array | Mapping[str, Array] | None = None
    input_scale: float | None = None
    input_zero_point: int = 0
    groups: Array | Sequence[Any] | None = None
    group_name: str = "group"
    name: str = "dataset"

    def __post_init__(self) -> None:
        self._check_scale()
        self._check_groups()
        self._check_contents()
        self._check_shapes()
        self._check_leak()

    @cached_property
    def input_arrays(self) -> dict[str, Array]:
        """The inputs by name; a bare array has the name `SINGLE_INPUT`."""
        return arrays_by_name(self.inputs)

    @cached_property
    def calibration_arrays(self) -> dict[str, Array]:
        """The calibration inputs by name, empty if there are none."""
        return {} if self.calibration is None else arrays_by_name(self.calibration)

    @cached_property
    def group_array(self) -> Array | None:
        """The groups as an array of shape (examples,), None if there are none."""
        return None if self.groups is None else np.asarray(self.groups)

    @property
    def examples(self) -> int:
        """Number of examples to evaluate on."""
        return int(next(iter(self.input_arrays.values())).shape[0])

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that an accuracy depends on: inputs, their scale, and labels."""
        arrays = {f"input:{name}": array for name, array in self.input_arrays.items()}
        if self.labels is not None:
            arrays["labels"] = self.labels
        return digest_arrays(arrays | self._scale_arrays())

    @cached_property
    def calibration_digest(self) -> str:
        """SHA-256 of everything that a calibrated artifact depends on; empty without calibration."""
        if not self.calibration_arrays:
            return ""
        return digest_arrays({**self.calibration_arrays, **self._scale_arrays()})

    def real_values(self, stored: Array) -> Array:
        """The values that `stored`, an array of this dataset's inputs, stands for."""
        return real_values(stored, scale=self.input_scale, zero_point=self.input_zero_point)

    def _scale_arrays(self) -> dict[str, Array]:
        if self.input_scale is None:
            return {}
        return {"scale": np.array([self.input_scale, self.input_zero_point], dtype=np.float64)}

    def _check_scale(self) -> None:
        if self.input_scale is not None and not (math.isfinite(self.input_scale) and self.input_scale > 0):
            raise DatasetError(
                f"dataset {self.name!r}: found input_scale={self.input_scale}, expected a finite number above 0"
            )

    def _check_contents(self) -> None:
        """Refuse arrays of Python objects, whose bytes say where the objects lie and not what they are."""
        for title, array in {**self._judged_arrays(), **self._calibrating_arrays()}.items():
            if array.dtype.hasobject:
                raise DatasetError(
                    f"dataset {self.name!r}: found Python objects in {title}, expected an array of numbers or text; "
                    "pad examples of different lengths to one shape"
                )

    def _check_groups(self) -> None:
        groups = self.group_array
        if groups is not None and (groups.ndim != 1 or groups.dtype.kind not in _GROUP_KINDS):
            raise DatasetError(
                f"dataset {self.name!r}: groups are {groups.dtype} of shape {groups.shape}; expected an integer or a "
                "text for each example, of shape (examples,)"
            )

    def _check_shapes(self) -> None:
        self._check_counts(self._judged_arrays())
        for name, calibration in self.calibration_arrays.items():
            self._check_calibration(name, calibration)
        if self.calibration is not None:
            self._check_counts(self._calibrating_arrays())

    def _judged_arrays(self) -> dict[str, Array]:
        """The arrays to evaluate on, called as an error calls them."""
        arrays = {f"input {name}" if name else "inputs": array for name, array in self.input_arrays.items()}
        if self.labels is not None:
            arrays["labels"] = np.asarray(self.labels)
        if self.group_array is not None:
            arrays["groups"] = self.group_array
        return arrays

    def _calibrating_arrays(self) -> dict[str, Array]:
        return {f"calibration {name}".strip(): array for name, array in self.calibration_arrays.items()}

    def _check_counts(self, arrays: Mapping[str, Array]) -> None:
        counts = {array.shape[:1] for array in arrays.values()}
        if len(counts) != 1 or () in counts or (0,) in counts:
            listed = ", ".join(f"{title} has {_count(array.shape)}" for title, array in arrays.items())
            raise DatasetError(
                f"dataset {self.name!r}: {listed or 'no array'}; expected the same number of examples, at least one, "
                "along the first axis of every array"
            )

    def _check_calibration(self, name: str, calibration: Array) -> None:
        inputs = self.input_arrays.get(name)
        if inputs is None or set(self.calibration_arrays) != set(self.input_arrays):
            raise DatasetError(
                f"dataset {self.name!r}: calibration has the inputs {sorted(self.calibration_arrays)}, "
                f"evaluation has {sorted(self.input_arrays)}; expected the same names"
            )
        if calibration.dtype != inputs.dtype or calibration.shape[1:] != inputs.shape[1:]:
            raise DatasetError(
                f"dataset {self.name!r}: a calibration example is {calibration.dtype}{calibration.shape[1:]}, "
                f"an evaluation example {inputs.dtype}{inputs.shape[1:]}; expected the same dtype and shape"
            )

    def _check_leak(self) -> None:
        """Compare contents, not indices: a leaked example often has another index or another order."""
        if not self.calibration_arrays:
            return
        evaluation = {key: index for index, key in enumerate(example_keys(self.input_arrays))}
        leaked = [
            (index, evaluation[key])
            for index, key in enumerate(example_keys(self.calibration_arrays))
            if key in evaluation
        ]
        if leaked:
            calibration_index, evaluation_index = leaked[0]
            raise DatasetError(
                f"dataset {self.name!r}: {len(leaked)} of its calibration examples are also evaluation examples "
                f"(calibration example {calibration_index} is evaluation example {evaluation_index}). Calibrating "
                "on what is judged makes INT8 look better than it is: take calibration examples from the training set"
            )


def real_values(stored: Array, *, scale: float | None, zero_point: int) -> Array:
    """float32 real values of `stored`; an array that holds real values already comes back unchanged.

    Computed in double precision and rounded once, as the reference DEQUANTIZE kernel does.
    """
    if scale is None or not np.issubdtype(stored.dtype, np.integer):
        return stored
    return ((stored.astype(np.float64) - zero_point) * scale).astype(np.float32)


def arrays_by_name(arrays: Array | Mapping[str, Array]) -> dict[str, Array]:
    """Arrays by input name; a bare one has the name `SINGLE_INPUT`."""
    if isinstance(arrays, Mapping):
        return {str(name): np.asarray(array) for name, array in arrays.items()}
    return {SINGLE_INPUT: np.asarray(arrays)}


def _count(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} examples" if shape else "no first axis"


def example_keys(arrays: Mapping[str, Array]) -> list[bytes]:
    """The content of each example as bytes, all inputs together."""
    columns = []
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        columns.append([row.tobytes() for row in array])
    return [b"".join(parts) for parts in zip(*columns, strict=True)]
