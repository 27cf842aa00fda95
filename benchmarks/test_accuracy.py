"""How many test images an artifact classifies correctly."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qbench import Dataset
    from qbench.fixtures import Gate
    from qbench.runtime.interpreter import Interpreter


def test_accuracy(interpreter: Interpreter, dataset: Dataset, gate: Gate) -> None:
    gate.accuracy(interpreter, dataset)
