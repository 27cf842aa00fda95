"""Small projects for tests of building: a float `.tflite`, its dataset, and `[tool.qbench]` as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import models_zoo
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from qbench import Dataset
from qbench.models.cache import ArtifactCache
from qbench.models.config import Config, parse_config
from qbench.models.convert import Builder
from qbench.tflite.builder import Graph

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Features and scores of `float_model`: more than the 1024 weights that dynamic-range quantization leaves float.
FEATURES, SCORES = 64, 32


def float_model(*, signed: bool = True, seed: int = 0) -> bytes:
    """One float FULLY_CONNECTED with the signature that a converter gives, which calibration needs."""
    weights, bias = models_zoo.dense_weights(FEATURES, SCORES, seed)
    graph = Graph()
    x, y = graph.tensor("x", [1, FEATURES]), graph.tensor("y", [1, SCORES])
    operands = [x, graph.constant("weights", weights), graph.constant("bias", bias)]
    graph.operator("FULLY_CONNECTED", operands, [y], schema.FullyConnectedOptionsT())
    if signed:
        graph.signature("serving_default", {"features": x}, {"scores": y})
    return graph.build([x], [y])


def features(seed: int, count: int) -> np.ndarray[Any, Any]:
    """Random examples for `float_model`."""
    return np.random.default_rng(seed).normal(size=(count, FEATURES)).astype(np.float32)


def dataset(calibration_seed: int = 1) -> Dataset:
    """Examples for `float_model`, with others to calibrate with."""
    return Dataset(inputs=features(0, 8), calibration=features(calibration_seed, 8))


def declare(root: Path, source: Any = "net.tflite", **table: Any) -> Config:
    """`[tool.qbench]` with one model called ``net``; a file `net.tflite` is made if there is none."""
    if not (root / "net.tflite").exists():
        (root / "net.tflite").write_bytes(float_model())
    return parse_config({"models": {"net": {"source": source}}, **table}, root=root)


def builder(config: Config, dataset_of: Callable[[str], Dataset | None] = lambda _: dataset()) -> Builder:
    """A builder whose cache lies in the project."""
    return Builder(config, ArtifactCache(config.root / "cache"), dataset_of)
