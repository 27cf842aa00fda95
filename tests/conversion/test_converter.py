"""What the conversion child remembers of a source, without a child and without TensorFlow."""

from __future__ import annotations

import numpy as np
from declared import features, float_model

from qbench.conversion.converter import LoadedSource
from qbench.models.quantization import Quantization


def test_ranges_are_found_once_for_each_set_of_calibration_arrays():
    source = LoadedSource(float_tflite=float_model())
    source.calibrate({"": features(1, 8)})
    first = source.calibrated_ranges()
    narrow = first.find(Quantization())["x"]["max"]
    assert source.calibrated_ranges() is first
    source.calibrate({"": features(1, 8) * 3})
    assert source.calibrated_ranges().find(Quantization())["x"]["max"] == np.float32(3) * narrow
