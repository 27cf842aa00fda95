"""How long one invoke takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from qbench.fixtures import Gate
    from qbench.runtime.interpreter import Interpreter


def test_latency(benchmark: BenchmarkFixture, interpreter: Interpreter, gate: Gate) -> None:
    benchmark(interpreter.invoke)
    gate.latency(benchmark)
