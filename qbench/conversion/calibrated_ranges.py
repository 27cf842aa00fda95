"""Ranges of a model's activations by any calibration method, each found once for as long as the model stays loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.conversion.activation_ranges import least_error_range, moving_average, octav_range, percentile_range
from qbench.conversion.activation_values import ActivationValues
from qbench.models.quantization import Quantization

if TYPE_CHECKING:
    from qbench.conversion.activation_values import Extremes, Samples
    from qbench.conversion.value_histogram import ValueHistogram

_BITS = {"int8": 8, "int16": 16}

#: Methods whose range depends on the width of the activations and on whether they are symmetric.
_BY_WIDTH = ("mse", "octav")


class CalibratedRanges:
    """Ranges of the activations of the model `float_tflite` on the examples that `samples` gives.

    Raises
    ------
    ValueError
        As `ActivationValues` does.
    """

    def __init__(self, float_tflite: bytes, samples: Samples) -> None:
        self._values = ActivationValues(float_tflite, samples)
        self._found: dict[Quantization, dict[str, tuple[Any, Any]]] = {}

    def find(self, choices: Quantization) -> dict[str, Any]:
        """Ranges by tensor as `choices` say, in the form that litert-quantizer wants.

        Tensors that are not float have their smallest and largest value, whatever the method.
        """
        extremes = self._values.extremes(choices.calibration_examples)
        key = _what_counts(choices)
        if key not in self._found:
            self._found[key] = self._find(key, extremes)
        # Made anew each time: the library changes what it is given.
        return {
            name: {"min": _shaped(low, extremes[name].rank), "max": _shaped(high, extremes[name].rank)}
            for name, (low, high) in self._found[key].items()
        }

    def _find(self, choices: Quantization, extremes: dict[str, Extremes]) -> dict[str, tuple[Any, Any]]:
        found = {name: (each.low.min(), each.high.max()) for name, each in extremes.items()}
        if choices.calibration == "min-max":
            return found
        floats = {name: each for name, each in extremes.items() if each.low.dtype.kind == "f"}
        if choices.calibration == "moving-average":
            return found | {name: moving_average(each.low, each.high) for name, each in floats.items()}
        histograms = self._values.histograms(choices.calibration_examples)
        return found | {name: _range(choices, histogram) for name, histogram in histograms.items()}


def _range(choices: Quantization, values: ValueHistogram) -> tuple[Any, Any]:
    if choices.calibration == "percentile":
        low, high = percentile_range(values, choices.percentile)
        return np.float32(low), np.float32(high)
    find = least_error_range if choices.calibration == "mse" else octav_range
    symmetric = choices.symmetric or choices.activations == "int16"
    low, high = find(values, bits=_BITS[choices.activations], symmetric=symmetric)
    return np.float32(low), np.float32(high)


def _what_counts(choices: Quantization) -> Quantization:
    """Those of the `choices` that the ranges depend on."""
    by_width = choices.calibration in _BY_WIDTH
    return Quantization(
        activations=choices.activations if by_width else "int8",
        symmetric=choices.symmetric and by_width,
        calibration=choices.calibration,
        percentile=choices.percentile,
        calibration_examples=choices.calibration_examples,
    )


def _shaped(value: Any, rank: int) -> Any:
    return np.reshape(value, (1,) * rank)
