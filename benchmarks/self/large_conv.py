"""Make a convolutional net whose invoke takes milliseconds, to try contests on.

    python -m benchmarks.self.large_conv FOLDER

Few weights and large feature maps: `large_conv.fp32.tflite` takes 5 to 20 ms on one thread of a current
processor, and is small. Its weights are drawn from a seed, not trained: the time of an invoke does not depend on
them. `large_conv.int8.tflite` is quantized by the recipe `int8`, calibrated on random images.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
from pathlib import Path
from typing import Any

# TensorFlow reads it when it is imported, and its banner helps nobody.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers

from qbench.conversion.converter import LoadedSource, convert
from qbench.files import replace_file
from qbench.models.recipes import BUILTIN_RECIPES

SEED = 1
IMAGE_SHAPE = (84, 84, 3)
CALIBRATION_IMAGES = 16
RECIPES = ("fp32", "int8")


def build() -> Any:
    """Plain and depthwise-separable convolutions that keep most of the image's resolution."""
    image = layers.Input(IMAGE_SHAPE)
    features = layers.Conv2D(32, 3, padding="same", activation="relu")(image)
    for _ in range(4):
        features = layers.Conv2D(32, 3, padding="same", activation="relu")(features)
    for filters in (48, 64):
        features = layers.DepthwiseConv2D(3, padding="same", activation="relu")(features)
        features = layers.Conv2D(filters, 1, activation="relu")(features)
        features = layers.MaxPooling2D()(features)
    features = layers.GlobalAveragePooling2D()(features)
    return keras.Model(image, layers.Dense(10, activation="softmax")(features))


def make(folder: Path) -> list[Path]:
    """Write the net under each recipe and return the files."""
    keras.utils.set_random_seed(SEED)
    images = np.random.default_rng(SEED).uniform(size=(CALIBRATION_IMAGES, *IMAGE_SHAPE)).astype(np.float32)
    source = LoadedSource(keras_model=build(), calibration={"image": images})
    paths = [folder / f"large_conv.{recipe}.tflite" for recipe in RECIPES]
    # Keras lists every tensor that it hands to the converter.
    with contextlib.redirect_stdout(io.StringIO()):
        for path, recipe in zip(paths, RECIPES, strict=True):
            replace_file(path, convert(source, BUILTIN_RECIPES[recipe], root=""))
    return paths


def main() -> None:
    """Make the files and print their sizes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.self.large_conv", description="Make a larger net.")
    parser.add_argument("folder", type=Path, help="where the .tflite files go")
    for path in make(parser.parse_args().folder):
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
