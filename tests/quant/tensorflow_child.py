"""Runs TensorFlow's quantization ops on what it is given: `python tensorflow_child.py given.npz results.npz`."""

from __future__ import annotations

import sys

import numpy as np
import tensorflow as tf

STORED = {"int8": tf.qint8, "uint8": tf.quint8}


def main(given_path: str, results_path: str) -> None:
    results = {}
    with np.load(given_path) as given:
        scales = sorted({name.split("/")[0] for name in given})
        for name in scales:
            real, scale = given[f"{name}/real"], given[f"{name}/scale"]
            results.update({f"{name}/{key}": value for key, value in symmetric(real, scale).items()})
            for dtype, low in (("int8", -128), ("uint8", 0)):
                for point in given["power/points"] + low:
                    made = asymmetric(real, scale, dtype, low, int(point))
                    results.update({f"{name}/{dtype}/{point}/{key}": value for key, value in made.items()})
    np.savez(results_path, **results)


def symmetric(real, scale):
    """The ops and modes that have no zero point; ranges are the symmetric one, for which the scale is `scale`."""
    high = float(scale * np.float32(127))
    results = {}
    for mode, narrow in (("HALF_TO_EVEN", True), ("HALF_AWAY_FROM_ZERO", False)):
        made = tf.quantization.quantize(
            real, -high, high, tf.qint8, mode="SCALED", round_mode=mode, narrow_range=narrow
        )
        results[f"scaled/{mode}"] = made.output.numpy().view(np.int8)
    again = tf.quantization.dequantize(made.output, -high, high, mode="SCALED", narrow_range=True)
    results["dequantized"] = again.numpy()
    for mode in ("HALF_TO_EVEN", "HALF_UP"):
        results[f"twice/{mode}"] = tf.quantization.quantize_and_dequantize_v2(
            real, -high, high, range_given=True, round_mode=mode
        ).numpy()
    results["fake_narrow"] = tf.quantization.fake_quant_with_min_max_args(real, -high, high, narrow_range=True).numpy()
    return results


def asymmetric(real, scale, dtype, low, point):
    """The ops and modes that work out a zero point, from the range whose ends the lowest and highest integer are."""
    ends = [float(scale * np.float32(end - point)) for end in (low, low + 255)]
    results = {}
    for mode in ("MIN_FIRST", "MIN_COMBINED"):
        made = tf.quantization.quantize(real, *ends, STORED[dtype], mode=mode)
        results[mode] = made.output.numpy().view(dtype)
        results[f"dequantized/{mode}"] = tf.quantization.dequantize(made.output, *ends, mode=mode).numpy()
    results["fake"] = tf.quantization.fake_quant_with_min_max_args(real, *ends).numpy()
    return results


if __name__ == "__main__":
    main(*sys.argv[1:])
