"""From a dataset's examples to the bytes of an artifact's inputs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from qbench.errors import DatasetError
from qbench.models.datasets import SINGLE_INPUT, real_values
from qbench.quant.affine import QuantizationParameters, quantize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.models.datasets import Array, Dataset
    from qbench.records import TensorSpec
    from qbench.runtime.interpreter import Interpreter

#: Input dtypes that examples can be turned into; anything else is refused by name.
_REAL = ("float32", "float16", "float64")
_QUANTIZED = ("int8", "uint8", "int16")

#: What a mask holds at most: whoever stores more in a byte has most often scaled it.
_LARGEST_OF_A_MASK = 1


@dataclass(frozen=True, kw_only=True)
class InputEncoder:
    """Turns the stored examples of one input of a dataset into one input tensor of an artifact.

    Examples stored in 8 bits have only 256 possible values: each is encoded once and looked up, two at
    a time, which gives the same bytes as encoding every value.
    """

    stored: Array
    spec: TensorSpec
    scale: float | None
    zero_point: int
    dataset_name: str
    table: Array | None = None

    def part(self, start: int, stop: int) -> InputEncoder:
        """The encoder of the examples from `start` to `stop` alone."""
        return replace(self, stored=self.stored[start:stop])

    def write(self, start: int, stop: int, out: Array) -> None:
        """Encode the examples from `start` to `stop` into `out`, of shape (stop - start, ...).

        Raises
        ------
        DatasetError
            If an example holds NaN and the input is quantized.
        """
        examples = self.stored[start:stop].reshape(out.shape)
        in_pairs = examples.size % 2 == 0 and examples.flags.c_contiguous and out.flags.c_contiguous
        if self.table is not None and in_pairs:
            pairs = examples.reshape(-1).view(np.uint16)
            np.take(self.table, pairs, out=out.reshape(-1).view(self.table.dtype), mode="wrap")
        else:
            np.copyto(out, self._encode(examples), casting="unsafe")

    def with_table(self) -> InputEncoder:
        """The same encoder with a table of all pairs of stored values, if there are few enough to list."""
        if self.stored.dtype.itemsize != 1 or self.scale is None:
            return self
        values = self._encode(np.arange(256, dtype=np.uint8).view(self.stored.dtype)).astype(self.spec.dtype)
        # The two bytes of each 16-bit number in the order in which they lie in memory.
        stored_pairs = np.arange(1 << 16, dtype=np.uint16).view(np.uint8).reshape(-1, 2)
        encoded_pairs = np.ascontiguousarray(values[stored_pairs])
        return replace(self, table=encoded_pairs.view(f"u{2 * values.dtype.itemsize}")[:, 0])

    def _encode(self, examples: Array) -> Array:
        real = real_values(examples, scale=self.scale, zero_point=self.zero_point)
        if not self.spec.quantized:
            return real
        try:
            params = QuantizationParameters(self.spec.scales[0], self.spec.zero_points[0], dtype=self.spec.dtype)
            return quantize(real, params)
        except ValueError as error:
            raise DatasetError(f"dataset {self.dataset_name!r}: the input {self.spec.name!r}: {error}") from error


def input_encoders(dataset: Dataset, specs: Sequence[TensorSpec]) -> tuple[InputEncoder, ...]:
    """An encoder for each input of an artifact.

    Raises
    ------
    DatasetError
        If names, shapes or dtypes of the dataset do not fit the artifact's inputs.
    """
    return tuple(
        InputEncoder(
            stored=_array_for(spec, dataset, len(specs)),
            spec=spec,
            scale=dataset.input_scale,
            zero_point=dataset.input_zero_point,
            dataset_name=dataset.name,
        ).with_table()
        for spec in specs
    )


def wanted_inputs(specs: Sequence[TensorSpec]) -> str:
    """What an artifact wants for inputs, for a sentence: each by its name, with its shape and what it may hold."""
    return ", ".join(
        f"{spec.name!r} of shape (examples{''.join(f', {size}' for size in spec.shape[1:])}), "
        + ("real values, or integers with their input_scale" if spec.dtype in _REAL or spec.quantized else spec.dtype)
        for spec in specs
    )


def unscaled_bytes(dataset: Dataset, specs: Sequence[TensorSpec]) -> str:
    """What is odd about bytes, such as pixels, that are given without a scale to inputs of real values; else empty.

    They are taken for real values as they are. That may be meant, so it is no error: a model may scale pixels itself,
    and a quantized input whose range is about as wide was calibrated on such values.

    Raises
    ------
    DatasetError
        If the dataset does not fit the inputs.
    """
    if dataset.input_scale is not None:
        return ""
    for spec in specs:
        stored = _array_for(spec, dataset, len(specs))
        if stored.dtype.kind not in "iu" or stored.dtype.itemsize != 1 or not stored.size:
            continue
        low, high = int(stored.min()), int(stored.max())
        if high - low > _LARGEST_OF_A_MASK and _doubts(spec, low, high):
            return (
                f"dataset {dataset.name!r}: found {stored.dtype} values from {low} to {high} without input_scale, "
                f"taken as the real values {low} to {high}. If the input {spec.name!r} wants 0 to 1, add "
                "input_scale=1/255 to the examples; if it wants them as they are, add input_scale=1"
            )
    return ""


def batch_axis(dataset: Dataset, specs: Sequence[TensorSpec]) -> bool:
    """Whether the artifact's inputs have an axis for examples in front of an example's own axes.

    Raises
    ------
    DatasetError
        If the dataset does not fit, or the inputs do not take the same number of examples at once.
    """
    with_axis = [spec for spec in specs if len(spec.shape) == _array_for(spec, dataset, len(specs)).ndim]
    at_once = {spec.shape[0] for spec in with_axis} | ({1} if len(with_axis) < len(specs) else set())
    if len(at_once) > 1:
        listed = ", ".join(f"{spec.name!r} has the shape {spec.shape}" for spec in specs)
        raise DatasetError(
            f"the artifact's inputs take different numbers of examples at once: {listed}; expected one number"
        )
    return len(with_axis) == len(specs)


def fill_inputs(interpreter: Interpreter, dataset: Dataset) -> None:
    """Copy the first examples of a dataset, as many as the artifact runs at once, to its inputs."""
    with_axis = batch_axis(dataset, interpreter.inputs)
    for index, encoder in enumerate(input_encoders(dataset, interpreter.inputs)):
        view = interpreter.input_view(index)
        rows = min(len(view), dataset.examples) if with_axis else 1
        encoder.write(0, rows, view[:rows] if with_axis else view[None])
        if with_axis:
            view[rows:] = view[rows - 1]  # Memory as it was found may be no valid input.
        del view  # The runtime refuses to run while somebody holds its memory.


def input_bytes(interpreter: Interpreter, dataset: Dataset) -> tuple[bytes, ...]:
    """The bytes of each input tensor when it holds the first examples of a dataset.

    Raises
    ------
    DatasetError
        If the dataset does not fit.
    """
    fill_inputs(interpreter, dataset)
    return tuple(interpreter.input_view(index).tobytes() for index in range(len(interpreter.inputs)))


def _doubts(spec: TensorSpec, low: int, high: int) -> bool:
    """Whether an input may want other real values than `low` to `high`, as far as it says."""
    if not spec.quantized:
        return spec.dtype in _REAL
    limits = np.iinfo(spec.dtype)
    # A calibration need not have met all values; one on values of another unit is off by a large factor.
    return float((int(limits.max) - int(limits.min)) * spec.scales[0]) < (high - low) / 2


def _array_for(spec: TensorSpec, dataset: Dataset, inputs: int) -> Array:
    arrays = dataset.input_arrays
    single = inputs == 1 and len(arrays) == 1
    array = next(iter(arrays.values())) if single else arrays.get(spec.name)
    if array is None:
        given = "one unnamed array" if set(arrays) == {SINGLE_INPUT} else f"the inputs {sorted(arrays)}"
        raise DatasetError(
            f"dataset {dataset.name!r} has {given}, and the artifact has {inputs} inputs, one of them called "
            f"{spec.name!r}; give `inputs` as a mapping from the artifact's input names to arrays"
        )
    _check_shape(spec, array, dataset)
    _check_dtype(spec, array, dataset)
    return array


def _check_shape(spec: TensorSpec, array: Array, dataset: Dataset) -> None:
    example = array.shape[1:]
    with_axis = spec.shape[1:]
    if example not in (with_axis, spec.shape):
        raise DatasetError(
            f"dataset {dataset.name!r}: an example has the shape {example}, the input {spec.name!r} of the artifact "
            f"expects {with_axis} for each example"
        )


def _check_dtype(spec: TensorSpec, array: Array, dataset: Dataset) -> None:
    real = np.issubdtype(array.dtype, np.floating) or dataset.input_scale is not None
    if spec.dtype in _REAL or (spec.quantized and spec.dtype in _QUANTIZED):
        if real or np.issubdtype(array.dtype, np.integer):
            return
    elif spec.dtype in {"int32", "int64", "uint8", "int8", "int16", "uint32", "bool"}:
        if not real and np.can_cast(array.dtype, spec.dtype, casting="same_kind") and _holds(spec.dtype, array):
            return
    else:
        raise DatasetError(f"the input {spec.name!r} of the artifact is {spec.dtype}, which qbench cannot feed")
    raise DatasetError(
        f"dataset {dataset.name!r}: examples are {array.dtype}{' with a scale' if dataset.input_scale else ''}, "
        f"the input {spec.name!r} of the artifact is {spec.dtype}; expected values that it can hold"
    )


def _holds(dtype: str, array: Array) -> bool:
    """Whether integers of `dtype` can be the values of `array`; what does not fit would wrap around."""
    if np.can_cast(array.dtype, dtype, casting="safe"):
        return True
    limits = np.iinfo(dtype)
    return bool(limits.min <= array.min() and array.max() <= limits.max)
