"""What the float model's activations are on the calibration examples, collected example by example.

Every example runs by itself, so a model of a fixed batch needs no other shape and the values are those that
litert-quantizer's own calibration sees. Nothing but extremes and counts is kept.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.conversion.value_histogram import ValueCounter, ValueHistogram
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    Array = npt.NDArray[Any]
    Samples = Callable[[], Iterator[dict[str, Array]]]

#: What litert-quantizer takes for padding rather than for values: beyond it, a value counts for no range.
LARGEST_VALUE = 3e38

# Values are counted in portions: a histogram costs as much for a few values as for a hundred thousand.
_PORTION_VALUES = 1 << 22


@dataclass(frozen=True, kw_only=True)
class Extremes:
    """Smallest and largest value of one tensor on each example, shape (examples,), and its number of dimensions."""

    low: Array
    high: Array
    rank: int


class ActivationValues:
    """The activations of one float model on one set of calibration examples; each example is run when first asked for.

    Parameters
    ----------
    float_tflite
        The model.
    samples
        Gives the examples anew, each a mapping from input names to arrays of shape (1, ...).

    Raises
    ------
    ValueError
        If the model has several subgraphs or not one signature, and when asked for the values: if there is no
        example, or a value is not a number.
    """

    def __init__(self, float_tflite: bytes, samples: Samples) -> None:
        self._content = float_tflite
        self._samples = samples
        self._names = _activations(float_tflite)
        self._ranks: dict[str, int] = {}
        self._low: dict[str, list[Any]] = {}
        self._high: dict[str, list[Any]] = {}
        self._done = 0
        self._histograms: dict[int, dict[str, ValueHistogram]] = {}

    def extremes(self, first: int = 0) -> dict[str, Extremes]:
        """Extremes by tensor on the first so many examples, all of them for 0."""
        for values in self._run(self._done, first or None):
            for name, array in values.items():
                low, high = _extremes(array, name, self._done)
                self._ranks[name] = array.ndim
                self._low.setdefault(name, []).append(low)
                self._high.setdefault(name, []).append(high)
            self._done += 1
        if not self._done:
            raise ValueError("found no calibration example, expected at least one")
        if first > self._done:
            raise ValueError(f"found {self._done} calibration examples, expected the {first} of `calibration_examples`")
        last = first or self._done
        return {
            name: Extremes(low=np.array(self._low[name][:last]), high=np.array(self._high[name][:last]), rank=rank)
            for name, rank in self._ranks.items()
        }

    def histograms(self, first: int = 0) -> dict[str, ValueHistogram]:
        """Histograms of the float tensors on the first so many examples, all of them for 0."""
        if first not in self._histograms:
            self._histograms[first] = self._count(first or None)
        return self._histograms[first]

    def _count(self, last: int | None) -> dict[str, ValueHistogram]:
        counters: dict[str, ValueCounter] = {}
        portion: list[dict[str, Array]] = []
        for values in self._run(0, last):
            portion.append({name: array for name, array in values.items() if array.dtype.kind == "f"})
            if len(portion) * sum(array.size for array in portion[-1].values()) >= _PORTION_VALUES:
                _add(counters, portion)
                portion = []
        _add(counters, portion)
        found = {name: counter.histogram() for name, counter in counters.items()}
        return {name: histogram for name, histogram in found.items() if histogram is not None}

    def _run(self, start: int, stop: int | None) -> Iterator[dict[str, Array]]:
        """Values of all activations by name, for the examples `start` to `stop`."""
        if stop is not None and start >= stop:
            return
        from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - only in the conversion child

        with warnings.catch_warnings():
            # It warns of the memory that the values of one example take.
            warnings.simplefilter("ignore", UserWarning)
            interpreter = Interpreter(
                model_content=self._content, num_threads=1, experimental_preserve_all_tensors=True
            )
        key, inputs = signature(self._content)
        invoke = interpreter.get_signature_runner(key)
        for sample in islice(self._samples(), start, stop):
            named = dict(zip(inputs, sample.values(), strict=True)) if len(inputs) == 1 else sample
            invoke(**named)
            values = {name: interpreter.get_tensor(index) for name, index in self._names.items()}
            yield {name: array for name, array in values.items() if array.size and array.dtype.kind in "fiub"}
            interpreter.reset_all_variables()


def signature(float_tflite: bytes) -> tuple[str, list[str]]:
    """Key and input names of the only signature of a model.

    Raises
    ------
    ValueError
        If it has none, or several.
    """
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - only in the conversion child

    signatures = Interpreter(model_content=float_tflite).get_signature_list()
    if len(signatures) != 1:
        raise ValueError(f"litert-quantizer needs a float .tflite with one signature, found {sorted(signatures)}")
    ((name, parts),) = signatures.items()
    return name, list(parts["inputs"])


def _activations(float_tflite: bytes) -> dict[str, int]:
    """Indices of the tensors that are no constants, by name."""
    subgraphs = read_model(float_tflite).subgraphs
    if len(subgraphs) != 1:
        raise ValueError(
            f"found a float .tflite with {len(subgraphs)} subgraphs (loops or branches), expected one: "
            "values inside a loop cannot be collected; use a recipe with `base`"
        )
    (graph,) = subgraphs
    made = {index for operator in graph.operators for index in operator.outputs if index >= 0}
    return {graph.tensors[index].name: index for index in sorted(made | set(graph.inputs))}


def _extremes(array: Array, name: str, example: int) -> tuple[Any, Any]:
    """Smallest and largest value of `array`, those beyond `LARGEST_VALUE` left out unless there are no others."""
    low, high = array.min(), array.max()
    if low > -LARGEST_VALUE and high < LARGEST_VALUE:
        return low, high
    if np.isnan(low):
        raise ValueError(
            f"found NaN in the tensor {name!r} of the float model on calibration example {example}, expected numbers: "
            "look at the example, or at the operator that makes the tensor"
        )
    return (
        array.min(where=array > -LARGEST_VALUE, initial=np.inf) if (array > -LARGEST_VALUE).any() else low,
        array.max(where=array < LARGEST_VALUE, initial=-np.inf) if (array < LARGEST_VALUE).any() else high,
    )


def _add(counters: dict[str, ValueCounter], portion: list[dict[str, Array]]) -> None:
    for name in portion[0] if portion else ():
        counter = counters.setdefault(name, ValueCounter())
        counter.add(np.concatenate([values[name].ravel() for values in portion]))
