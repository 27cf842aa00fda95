"""Accuracy evaluation of 10,000 images, end to end, against the plain loop and against Keras.

    python -m benchmarks.self.evaluation

Everything is measured in one run, in turns: each round runs the plain loop, qbench and Keras once, so
that a slow minute of the machine meets all three. Reported are medians, and the median of the ratios
round by round.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from rich.console import Console
from rich.table import Table

from benchmarks.data import mnist
from qbench.measure.accuracy import check_labels, predictions
from qbench.measure.evaluate import evaluate
from qbench.models.config import Config, load_config
from qbench.records import Subject
from qbench.session import Session, SessionOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from qbench import Dataset

ROUNDS = 9
CASES = (
    ("mnist-mlp", "fp32"),
    ("mnist-mlp", "int8"),
    ("mnist-cnn", "fp32"),
    ("mnist-cnn", "int8"),
    ("mnist-dscnn", "int8"),
)


def plain_loop(path: Path, images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> float:
    """What everybody writes first: quantize, set_tensor, invoke, get_tensor, an example at a time."""
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero_point = given["quantization"]
    correct = 0
    for image, label in zip(images, labels, strict=True):
        example = image[np.newaxis]
        if scale:
            limits = np.iinfo(given["dtype"])
            example = np.clip(np.round(example / scale) + zero_point, limits.min, limits.max).astype(given["dtype"])
        interpreter.set_tensor(given["index"], example)
        interpreter.invoke()
        correct += int(interpreter.get_tensor(made["index"])[0].argmax() == label)
    return correct / len(labels)


def with_qbench(content: bytes, dataset: Dataset, config: Config) -> float:
    """The same number by way of qbench: inputs quantized, all examples run, predictions scored."""
    evaluation = evaluate(content, dataset, config.options)
    predicted = predictions(evaluation, 0)
    assert dataset.labels is not None
    labels = check_labels(dataset.labels, classes=10, name=dataset.name)
    return float(np.count_nonzero(predicted == labels) / len(labels))


class KerasChild:
    """Keras in a process of its own, asked once a round: in this one its threads would disturb the others."""

    def __init__(self, source: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.self.keras_child", str(source)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __call__(self) -> float:
        """Seconds of one `model.evaluate` over the test images, batch 1024, after a first one that is not timed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("seconds "):
                return float(line.split()[1])
        raise RuntimeError("the Keras child ended")

    def close(self) -> None:
        """End the child."""
        self._process.communicate()


def timed(call: Callable[[], float]) -> tuple[float, float]:
    """The result of a call and its seconds."""
    started = time.perf_counter()
    result = call()
    return result, time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    config = load_config(Path("pyproject.toml"))
    assert config is not None
    session = Session(config, SessionOptions())
    dataset = mnist()
    images = dataset.real_values(dataset.input_arrays[""])
    labels = np.asarray(dataset.labels)
    table = Table("subject", "plain loop", "qbench", "Keras", "qbench / loop", "qbench / Keras", "accuracy", box=None)
    for model, recipe in CASES:
        prepared = session.prepared(Subject(model=model, recipe=recipe))
        keras = KerasChild(config.models[model].source.path)
        keras()
        rows = []
        for _ in range(ROUNDS):
            expected, loop_s = timed(lambda: plain_loop(prepared.artifact.path, images, labels))  # noqa: B023 - called at once
            accuracy, ours_s = timed(lambda: with_qbench(prepared.content, dataset, config))  # noqa: B023 - called at once
            assert accuracy == expected, f"{accuracy} differs from the plain loop's {expected}"
            rows.append((loop_s, ours_s, keras()))
        keras.close()
        loop, ours, theirs = (median(column) for column in zip(*rows, strict=True))
        table.add_row(
            f"{model}-{recipe}",
            *(f"{seconds * 1e3:.1f} ms" for seconds in (loop, ours, theirs)),
            f"{median(row[0] / row[1] for row in rows):.1f}x",
            f"{median(row[2] / row[1] for row in rows):.1f}x",
            f"{accuracy:.4f}",
        )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
