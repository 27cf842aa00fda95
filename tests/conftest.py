"""Fixtures for tests that run pytest in a small project of their own."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import models_zoo
import pytest

pytest_plugins = ["pytester"]

#: 64 examples that the float model classifies; labels are what it says, so its accuracy is 1.
DATASET = """
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter
    from qbench import Dataset

    EXAMPLES = 64

    def inputs(seed, count):
        return np.random.default_rng(seed).uniform(-1, 1, (count, 4)).astype(np.float32)

    def predict(images):
        interpreter = Interpreter(model_path="fp32.tflite")
        interpreter.allocate_tensors()
        (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()
        rows = []
        for image in images:
            interpreter.set_tensor(given["index"], image[np.newaxis])
            interpreter.invoke()
            rows.append(interpreter.get_tensor(made["index"])[0].argmax())
        return np.array(rows)

    def examples():
        images = inputs(0, EXAMPLES)
        return Dataset(inputs=images, labels=predict(images), calibration=inputs(1, 16), name="tiny")
"""

TESTS = """
    def test_latency(benchmark, interpreter, gate):
        benchmark(interpreter.invoke)
        gate.latency(benchmark)

    def test_size(artifact, gate):
        gate.size(artifact)

    def test_structure(artifact, gate):
        gate.structure(artifact)

    def test_accuracy(interpreter, dataset, gate):
        gate.accuracy(interpreter, dataset)
"""

CONFIG = """
    [tool.qbench]
    recipes = ["fp32", "int8"]

    [tool.qbench.models.tiny]
    source = {fp32 = "fp32.tflite", int8 = "int8.tflite"}
    dataset = "data:examples"
"""


class Project:
    """A project with a float and an int8 model of one layer, whose runs take a fraction of a second."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path: Path = pytester.path
        self.write("fp32.tflite", models_zoo.dense_float())
        self.write("int8.tflite", models_zoo.dense_int8())
        self.write("pyproject.toml", CONFIG)
        self.write("data.py", DATASET)
        self.write("benchmarks/test_models.py", TESTS)

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file; text loses its common indentation."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
        return path

    def run(self, *arguments: str, **options: Any) -> pytest.RunResult:
        """Run `pytest benchmarks` with short benchmarks in a process of its own."""
        return self.pytester.runpytest_subprocess(
            "benchmarks", "--benchmark-max-time=0.001", "--benchmark-min-rounds=2", *arguments, **options
        )

    def accept(self, reason: str = "first") -> pytest.RunResult:
        """Accept what the project measures now."""
        result = self.run(f"--qbench-accept={reason}")
        assert result.ret == 0, result.stdout.str()
        return result


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A small project of its own, outside CI and with an empty cache."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("QBENCH_CACHE", str(pytester.path / "cache"))
    return Project(pytester)
