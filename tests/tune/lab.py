"""A small project that a search has something to find in: one layer that does not survive one scale for all."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from qbench.models.config import Config, load_config
from qbench.tflite.builder import Graph

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MODEL = "net"
FEATURES, HIDDEN, CLASSES = 24, 40, 8
EXAMPLES, CALIBRATION = 200, 40

#: Nothing may depend on how fast this machine is: a little evidence is enough.
_CONTEST = "contest = {alpha = 0.4, limit_s = 2.0}"

_DATA = """
from pathlib import Path
import numpy as np
from qbench import Dataset

def examples():
    kept = np.load(Path(__file__).with_name("examples.npz"))
    return Dataset(inputs=kept["inputs"], labels=kept["labels"], calibration=kept["calibration"], name="lab")
"""


def hard_model(seed: int = 3) -> bytes:
    """Two FULLY_CONNECTED; a unit of the first never answers, and has weights a thousand times as large as the rest.

    With one scale for all weights the others become 0; with one for each channel nothing is lost.
    """
    generator = np.random.default_rng(seed)
    first = generator.normal(size=(HIDDEN, FEATURES)).astype(np.float32)
    first_bias = generator.normal(size=HIDDEN).astype(np.float32)
    first[0] *= 1000
    first_bias[0] = -1e5
    second = generator.normal(size=(CLASSES, HIDDEN)).astype(np.float32)
    graph = Graph()
    x, hidden, y = (
        graph.tensor(name, [1, size]) for name, size in (("x", FEATURES), ("hidden", HIDDEN), ("y", CLASSES))
    )
    relu = schema.FullyConnectedOptionsT()
    relu.fusedActivationFunction = schema.ActivationFunctionType.RELU
    operands = [x, graph.constant("first", first), graph.constant("first_bias", first_bias)]
    graph.operator("FULLY_CONNECTED", operands, [hidden], relu)
    zeros = np.zeros(CLASSES, np.float32)
    operands = [hidden, graph.constant("second", second), graph.constant("second_bias", zeros)]
    graph.operator("FULLY_CONNECTED", operands, [y], schema.FullyConnectedOptionsT())
    graph.signature("serving_default", {"features": x}, {"scores": y})
    return graph.build([x], [y])


def make_project(folder: Path) -> None:
    """Write the model, its examples with labels that fp32 gets right with a margin, and a pyproject.toml."""
    content = hard_model()
    (folder / "net.tflite").write_bytes(content)
    candidates = np.random.default_rng(0).normal(size=(4 * EXAMPLES, FEATURES)).astype(np.float32)
    scores = _scores(content, candidates)
    ordered = np.sort(scores, axis=1)
    clear = np.argsort(ordered[:, -2] - ordered[:, -1])[:EXAMPLES]
    calibration = np.random.default_rng(1).normal(size=(CALIBRATION, FEATURES)).astype(np.float32)
    np.savez(
        folder / "examples.npz",
        inputs=candidates[clear],
        labels=scores[clear].argmax(axis=1),
        calibration=calibration,
    )
    (folder / "tune_lab_data.py").write_text(_DATA)
    declare(folder)


def declare(
    folder: Path, *, accuracy_drop: float = 0.02, recipes: str = '["fp32", "int8-per-tensor"]', more: str = ""
) -> None:
    """Write the pyproject.toml of the project."""
    (folder / "pyproject.toml").write_text(
        f"""
[tool.qbench]
cache = "cache"
{_CONTEST}
tolerance = {{accuracy_drop = {accuracy_drop}}}

[tool.qbench.models.{MODEL}]
source = "net.tflite"
dataset = "tune_lab_data:examples"
recipes = {recipes}

{more}
"""
    )


def config_of(folder: Path) -> Config:
    """What is declared there now."""
    config = load_config(folder / "pyproject.toml")
    assert config is not None
    return config


def forget(folder: Path) -> None:
    """Remove the logs of all searches."""
    shutil.rmtree(folder / "cache" / "tune", ignore_errors=True)


def logs(folder: Path) -> list[Path]:
    """The logs of all searches."""
    return sorted((folder / "cache" / "tune").glob("*.json"))


def _scores(content: bytes, inputs: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    given: Mapping[str, Any] = interpreter.get_input_details()[0]
    made: Mapping[str, Any] = interpreter.get_output_details()[0]
    rows = []
    for row in inputs:
        interpreter.set_tensor(given["index"], row[np.newaxis])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(made["index"])[0].copy())
    return np.array(rows)
