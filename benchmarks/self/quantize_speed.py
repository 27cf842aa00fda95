"""How long quantizing and dequantizing 16 Mi values takes, against TensorFlow, litert-quantizer and plain numpy.

    python -m benchmarks.self.quantize_speed

In turns, in one process, in an order that goes round: each turn runs every contender once, and the ratio to ours is
taken within the turn. All start from the same float32 values (or stored integers) and allocate their result. The
scale is a power of two, the zero point even and the values have 12 fractional bits, so that every contender's
rounding gives the same integers; the results are compared before anything is timed, by value and, but for
litert-quantizer's, which dequantizes to float64, by dtype.

TensorFlow stands here twice: from an array to an array, which is what it costs whose data are in numpy, and with its
own tensor as the input, which is its kernel alone on all its threads, writing to memory that TensorFlow keeps and
uses again. So does qbench: with memory that is new each time, and with `out` that is there already.
"""

from __future__ import annotations

import os
import time
from statistics import median
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from litert_quantizer.algorithms.uniform_quantize import uniform_quantize_tensor
from litert_quantizer.qtyping import UniformQuantParams
from rich.console import Console
from rich.table import Table

from qbench.quant.affine import QuantizationParameters, dequantize, quantize

if TYPE_CHECKING:
    from collections.abc import Callable

    Array = np.ndarray[Any, np.dtype[Any]]
    Contenders = dict[str, Callable[[], Any]]

ELEMENTS = 1 << 24
TURNS = 21
OURS, OURS_OUT = "qbench", "qbench, out="
SCALE = np.float32(2.0**-5)
#: What TensorFlow's ops need to give our integers: see tests/quant/test_tf_quantization.py.
CASES = {
    "symmetric int8": QuantizationParameters(SCALE, narrow_range=True),
    "asymmetric uint8": QuantizationParameters(SCALE, 124, dtype="uint8"),
}


def quantizers(real: Array, params: QuantizationParameters) -> Contenders:
    """By name, what gives the integers of `real`."""
    tensor, scale, zero_point = tf.constant(real), params.scale, np.float32(params.zero_point)
    theirs, out = _litert_params(params), np.empty(real.shape, params.dtype)
    return {
        OURS: lambda: quantize(real, params),
        OURS_OUT: lambda: quantize(real, params, out=out),
        "TensorFlow, tensors": lambda: _tf_quantize(tensor, params),
        "TensorFlow, arrays": lambda: _tf_quantize(real, params).numpy(),
        "litert-quantizer": lambda: uniform_quantize_tensor.uniform_quantize(real, theirs),
        "numpy": lambda: np.clip(np.rint(real / scale) + zero_point, params.qmin, params.qmax).astype(params.dtype),
    }


def dequantizers(stored: Array, params: QuantizationParameters) -> Contenders:
    """By name, what gives the float32 values of `stored`."""
    qtype = tf.qint8 if params.dtype == "int8" else tf.quint8
    tensor, scale, zero_point = tf.bitcast(tf.constant(stored), qtype), params.scale, np.float32(params.zero_point)
    theirs, out = _litert_params(params), np.empty(stored.shape, np.float32)
    return {
        OURS: lambda: dequantize(stored, params),
        OURS_OUT: lambda: dequantize(stored, params, out=out),
        "TensorFlow, tensors": lambda: _tf_dequantize(tensor, params),
        "TensorFlow, arrays": lambda: _tf_dequantize(tf.bitcast(stored, qtype), params).numpy(),
        "litert-quantizer": lambda: uniform_quantize_tensor.uniform_dequantize(stored, theirs),
        "numpy": lambda: (stored - zero_point) * scale,
    }


def _range(params: QuantizationParameters) -> tuple[float, float]:
    low, high = (np.array([params.qmin, params.qmax]) - params.zero_point) * params.scale
    return float(low), float(high)


def _tf_quantize(values: Any, params: QuantizationParameters) -> Any:
    if params.dtype == "uint8":
        return tf.quantization.quantize(values, *_range(params), tf.quint8, mode="MIN_FIRST").output
    return tf.quantization.quantize(
        values, *_range(params), tf.qint8, mode="SCALED", round_mode="HALF_TO_EVEN", narrow_range=True
    ).output


def _tf_dequantize(values: Any, params: QuantizationParameters) -> Any:
    if params.dtype == "uint8":
        return tf.quantization.dequantize(values, *_range(params), mode="MIN_FIRST")
    return tf.quantization.dequantize(values, *_range(params), mode="SCALED", narrow_range=True)


def _litert_params(params: QuantizationParameters) -> UniformQuantParams:
    return UniformQuantParams(
        num_bits=8,
        quantized_dimension=None,
        scale=np.array([params.scale]),
        zero_point=np.array([params.zero_point]),
        symmetric=params.narrow_range,
        signed=params.qmin < 0,
    )


def as_array(result: Any) -> Array:
    """A contender's result in numpy, TensorFlow's quantized types as the integers that they hold."""
    array = np.asarray(result)
    return array if array.dtype.kind in "iuf" else array.view("u1" if array.dtype.name == "quint8" else "i1")


def seconds(contenders: Contenders) -> dict[str, list[float]]:
    """The time of each contender in each turn, after checking that all give the same."""
    expected = contenders[OURS]()
    for name, contender in contenders.items():
        np.testing.assert_array_equal(as_array(contender()), expected, name, strict=name != "litert-quantizer")
    times: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for turn in range(TURNS):
        for place in range(len(names)):
            name = names[(turn + place) % len(names)]
            started = time.perf_counter()
            result = contenders[name]()
            times[name].append(time.perf_counter() - started)
            del result
    return times


def main() -> None:
    """Measure and print."""
    rng = np.random.default_rng(0)
    real = (np.rint(rng.normal(0, 1.5, ELEMENTS) * 4096) / 4096).astype(np.float32)
    table = Table("", "contender", "median", "ratio to ours", "not faster than ours", box=None)
    for case, params in CASES.items():
        stored = quantize(real, params)
        for verb, contenders in (("quantize", quantizers(real, params)), ("dequantize", dequantizers(stored, params))):
            times = seconds(contenders)
            for name, own in times.items():
                ratio = median(their / our for their, our in zip(own, times[OURS], strict=True))
                verdict = "" if name in {OURS, OURS_OUT} else "yes" if ratio >= 1 else "NO"
                title = f"{verb}, {case}" if name == OURS else ""
                table.add_row(title, name, f"{median(own) * 1e3:.2f} ms", f"{ratio:.2f}", verdict)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
