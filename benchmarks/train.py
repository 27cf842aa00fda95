"""Train the three models that the benchmarks quantize: ``python -m benchmarks.train [name ...]``.

The trained files are in the repository, so nobody has to run this to use them. Seeds are fixed and
TensorFlow's operators deterministic, so that one machine trains the same weights twice. Another
processor or TensorFlow may round differently and end with other weights of about the same accuracy.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

# TensorFlow reads it when it is imported; its banner would drown the lines that tell how training goes.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import layers

from benchmarks.data import PIXEL_SCALE, mnist, training_set
from qbench.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable

MODELS_FOLDER = Path(__file__).parent / "models"

SEED = 1
IMAGE_SHAPE = (28, 28, 1)
CLASSES = 10


@dataclass(frozen=True, kw_only=True)
class Training:
    """How one model is built and trained with Adam.

    Parameters
    ----------
    build
        Returns the untrained model.
    learning_rate
        At the first step.
    decays
        Whether the learning rate falls to zero along a cosine, or stays.
    """

    build: Callable[[], Any]
    epochs: int
    batch_size: int
    learning_rate: float
    decays: bool


def build_mlp() -> Any:
    """The classic first network: one hidden layer of 128."""
    return keras.Sequential(
        [
            layers.Input(IMAGE_SHAPE),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def build_cnn() -> Any:
    """Two blocks of convolution and pooling, then a classifier."""
    return keras.Sequential(
        [
            layers.Input(IMAGE_SHAPE),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def build_dscnn() -> Any:
    """A small MobileNet: a strided convolution, then four depthwise-separable blocks with ReLU6.

    Its depthwise layers are what per-tensor INT8 is bad at. A channel that died in training has next
    to no variance, so folding batch normalization multiplies its kernel by up to ``1 / sqrt(epsilon)``,
    hundreds of times what the channels that matter are multiplied by: one scale for all of them rounds
    those that matter to zero or a step or two. With a scale for each channel nothing is lost.
    """
    image = layers.Input(IMAGE_SHAPE)
    features = _normalized(layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(image))
    for filters, strides in ((32, 2), (48, 1), (48, 1), (64, 1)):
        depthwise = layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False)
        pointwise = layers.Conv2D(filters, 1, use_bias=False)
        features = _normalized(pointwise(_normalized(depthwise(features))))
    features = layers.GlobalAveragePooling2D()(features)
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax")(features))


def _normalized(features: Any) -> Any:
    # PyTorch's default. That of Keras, 1e-3, bounds what folding does to a dead channel and so hides it.
    return layers.ReLU(6.0)(layers.BatchNormalization(epsilon=1e-5)(features))


TRAININGS = {
    "mnist-mlp": Training(build=build_mlp, epochs=5, batch_size=32, learning_rate=1e-3, decays=False),
    "mnist-cnn": Training(build=build_cnn, epochs=8, batch_size=64, learning_rate=3e-3, decays=True),
    # High enough a rate that a channel or two dies, which costs the float model no accuracy.
    "mnist-dscnn": Training(build=build_dscnn, epochs=5, batch_size=128, learning_rate=3e-2, decays=True),
}


def train(name: str) -> Path:
    """Train one model from scratch and return the file that holds it."""
    training = TRAININGS[name]
    images, labels = training_set()
    # Before building, which draws the initial weights.
    keras.utils.set_random_seed(SEED)
    model = training.build()
    model.compile(
        optimizer=keras.optimizers.Adam(_learning_rate(training, examples=len(labels))),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    print(f"{name}: {model.count_params():,} parameters, {training.epochs} epochs", flush=True)
    # One line an epoch: a progress bar is unreadable in the log of a run without a terminal.
    model.fit(_real_values(images), labels, batch_size=training.batch_size, epochs=training.epochs, verbose=2)
    path = MODELS_FOLDER / f"{name.replace('-', '_')}.keras"
    save(model, path)
    return path


def save(model: Any, path: Path) -> None:
    """Write the weights and the architecture of `model` to the .keras file `path`, in one step."""
    # Keras saves the optimizer of a compiled model, twice the weights again, whatever `include_optimizer` says.
    bare = model.from_config(model.get_config())
    bare.set_weights(model.get_weights())
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / path.name
        bare.save(saved)
        replace_file(path, saved.read_bytes())


def accuracy_on_test_set(path: Path) -> float:
    """Share of the test images whose most probable class, by the model in `path`, is their label."""
    dataset = mnist()
    model = keras.models.load_model(path)
    probabilities = model.predict(_real_values(dataset.input_arrays[""]), batch_size=1000, verbose=0)
    return float(np.mean(probabilities.argmax(axis=-1) == dataset.labels))


def _learning_rate(training: Training, *, examples: int) -> Any:
    if not training.decays:
        return training.learning_rate
    steps_per_epoch = -(-examples // training.batch_size)
    return keras.optimizers.schedules.CosineDecay(training.learning_rate, training.epochs * steps_per_epoch)


def _real_values(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return images.astype(np.float32) * np.float32(PIXEL_SCALE)


def main() -> None:
    """Train the models named on the command line, all of them if none is."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train", description="Train the benchmark models.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"any of {', '.join(TRAININGS)}; default: all")
    names = parser.parse_args().names or list(TRAININGS)
    unknown = [name for name in names if name not in TRAININGS]
    if unknown:
        parser.error(f"found the model {unknown[0]}, expected one of {', '.join(TRAININGS)}")

    tf.config.experimental.enable_op_determinism()
    paths = {name: train(name) for name in names}
    for name, path in paths.items():
        accuracy, kilobytes = accuracy_on_test_set(path), path.stat().st_size / 1000
        print(f"{name}: {accuracy:.2%} of the test images, {kilobytes:.0f} kB in {path.name}")


if __name__ == "__main__":
    main()
