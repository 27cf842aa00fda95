"""Make networks whose weights are mostly zeros, each as a dense and as a sparse `.tflite`, to try contests on.

    python -m benchmarks.self.sparse_networks FOLDER
    python -m benchmarks.self.sparse_networks FOLDER --of PRUNED.tflite ...

Sparse is what the converter makes of `Optimize.EXPERIMENTAL_SPARSITY`: its last pass leaves zeros out where it finds
enough of them. The pass is called here by itself, so that both files have the very same weights. With ``--of``, files
that exist are gone through instead. Weights are drawn from a seed, not trained, and 90% of them are 0: those of the
smallest norms, one by one or in blocks of neighbouring inputs of one output.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

# TensorFlow reads them when it is imported; its banner helps nobody.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy as np
from keras import layers
from tensorflow.lite.python.convert import mlir_sparsify

from qbench.conversion.converter import LoadedSource, convert
from qbench.files import replace_file
from qbench.models.recipes import BUILTIN_RECIPES

if TYPE_CHECKING:
    from collections.abc import Callable

SEED = 1
ZEROS = 0.9
BLOCKS = (1, 4, 16)
RECIPES = ("fp32", "dynamic", "int8")
CALIBRATION_EXAMPLES = 16


def dense() -> Any:
    """One layer, and nothing that its time would be hidden in."""
    values = layers.Input((1024,))
    return keras.Model(values, layers.Dense(1024, name="sparse")(values))


def pointwise() -> Any:
    """1x1 convolutions in the form of network that XNNPACK's documentation names for sparse inference.

    The first one is 3x3 of stride 2, on three channels padded by one on each side; a mean over the image ends it.
    """
    image = layers.Input((97, 97, 3))
    features = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(image)
    for number in range(4):
        features = layers.Conv2D(128, 1, activation="relu", name=f"sparse{number}")(features)
    features = layers.GlobalAveragePooling2D(keepdims=True)(features)
    return keras.Model(image, layers.Conv2D(10, 1)(features))


NETWORKS: dict[str, Callable[[], Any]] = {"dense": dense, "pointwise": pointwise}


def prune(model: Any, block: int) -> None:
    """Make those blocks 0 that have the smallest norms in their layer."""
    for layer in model.layers:
        if not layer.name.startswith("sparse"):
            continue
        kernel = layer.kernel.numpy()
        rows = np.moveaxis(kernel, -1, 0)
        blocks = rows.reshape(-1, block).copy()
        order = np.argsort(np.linalg.norm(blocks, axis=1), kind="stable")
        blocks[order[: int(ZEROS * len(blocks))]] = 0
        layer.kernel.assign(np.moveaxis(blocks.reshape(rows.shape), 0, -1))


def make(folder: Path) -> None:
    """Write ``NETWORK.BLOCK.RECIPE.dense.tflite`` and its sparse counterpart for all of them."""
    for name, build in NETWORKS.items():
        for block in BLOCKS:
            keras.utils.set_random_seed(SEED)
            model = build()
            prune(model, block)
            shape = (CALIBRATION_EXAMPLES, *model.input_shape[1:])
            examples = np.random.default_rng(SEED).normal(size=shape).astype(np.float32)
            source = LoadedSource(keras_model=model, calibration={model.inputs[0].name: examples})
            for recipe in RECIPES:
                write(folder / f"{name}.{block}.{recipe}", convert(source, BUILTIN_RECIPES[recipe], root=""))


def write(path: Path, content: bytes) -> None:
    """Write a dense file as it is and without its zeros."""
    replace_file(Path(f"{path}.dense.tflite"), content)
    replace_file(Path(f"{path}.sparse.tflite"), bytes(mlir_sparsify(content)))


def main() -> None:
    """Make the files."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.self.sparse_networks", description="Make sparse nets.")
    parser.add_argument("folder", type=Path, help="where the .tflite files go")
    parser.add_argument("--of", type=Path, nargs="+", default=[], help="files with zeros in their weights")
    arguments = parser.parse_args()
    # Keras lists every tensor that it hands to the converter, which warns of what it is used to.
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in arguments.of:
            write(arguments.folder / path.stem, path.read_bytes())
        if not arguments.of:
            make(arguments.folder)


if __name__ == "__main__":
    main()
