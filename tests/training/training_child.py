"""Run by `test_training_run.py` in a process of its own, which may import TensorFlow: ``... <folder>``.

Writes to the folder what training made of `small_network.network`, and what rounding made of arrays.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import msgspec
import numpy as np
import tensorflow as tf
from small_network import examples, network

from qbench.conversion import quantizer
from qbench.conversion.calibrated_ranges import CalibratedRanges
from qbench.models.quantization import Quantization
from qbench.models.training import Training
from qbench.models.training_set import Lesson
from qbench.training.fake_quantization import fake_quantize, straight_through, symmetric_scale
from qbench.training.run import train

AWARE = {"quantization_aware": True, "learning_rate": 0.01, "batch_size": 32, "epochs": 4}

#: Training and quantization by name.
RUNS = {
    "pruned": (Training(sparsity=0.7, learning_rate=0.01, batch_size=32, epochs=4), None),
    "aware": (Training(**AWARE), Quantization()),
    "aware-again": (Training(**AWARE), Quantization()),
    "other-seed": (Training(**AWARE, seed=2), Quantization()),
    "pruned-aware": (Training(**AWARE, sparsity=0.7), Quantization()),
    "per-tensor": (Training(**AWARE, sparsity=0.5, weight_levels=7), Quantization(granularity="tensor")),
    "int4-symmetric": (Training(**AWARE), Quantization(weights="int4", symmetric=True)),
    "int16": (Training(**AWARE), Quantization(activations="int16")),
    "fewer-channels": (Training(**AWARE, channel_sparsity=0.6), Quantization()),
}


def main(folder: Path) -> None:
    """Train, and write files."""
    rounding(folder)
    images, labels = examples(1, 512)
    calibration = examples(2, 32)[0].astype(np.float32) / 255
    content = network()
    ranges = CalibratedRanges(content, lambda: ({"image": image[None]} for image in calibration))
    lesson = Lesson(inputs={"": images}, labels=labels, loss="sparse_categorical_crossentropy", scale=1 / 255)
    for name, (training, choices) in RUNS.items():
        before = ranges.find(choices) if choices else {}
        trained = train(content, training, lesson, choices, before)
        (folder / f"{name}.float.tflite").write_bytes(trained.content)
        if choices is None:
            continue
        made = quantizer.quantize_with_ranges(choices, trained.content, {**before, **trained.ranges})
        (folder / f"{name}.tflite").write_bytes(made)
        told = {tensor: [float(params.scale), int(params.zero_point)] for tensor, params in trained.parameters.items()}
        (folder / f"{name}.json").write_bytes(msgspec.json.encode(told))


def rounding(folder: Path) -> None:
    """What TensorFlow rounds the arrays in `rounding.npz` to, in a graph as in training."""
    given = np.load(folder / "rounding.npz")
    made = {}
    graph = tf.function(fake_quantize)
    for name in {key.rpartition("/")[0] for key in given}:
        real, scale, low, high = (given[f"{name}/{part}"] for part in ("real", "scale", "low", "high"))
        made[name] = graph(real, scale, low, high).numpy()
    weights = given["weights/real"]
    for most, axis in ((127, 0), (7, 0), (127, None), (127, 3)):
        made[f"scale/{most}/{axis}"] = tf.function(symmetric_scale)(weights, most, axis).numpy()
    value = tf.Variable(np.array([-5.0, -0.4, 0.6, 0.9, 5.0], np.float32))
    with tf.GradientTape(persistent=True) as tape:
        inside = fake_quantize(value, 0.5, -2.0, 2.0)
        through = straight_through(value, inside)
    made["gradient/clipped"] = tape.gradient(inside, value).numpy()
    made["gradient/through"] = tape.gradient(through, value).numpy()
    made["through"] = through.numpy()
    np.savez(folder / "rounded.npz", **made)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
