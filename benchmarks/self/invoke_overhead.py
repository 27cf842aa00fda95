"""What `benchmark(interpreter.invoke)` reports, against the bare runtime call timed in a plain loop.

    python -m benchmarks.self.invoke_overhead

In turns, in one process: each turn loads the artifact twice, by way of qbench and with the runtime alone, and times
both, in an order that alternates. Where an artifact comes to lie in memory decides over a per cent or two, so that
a turn says little and the median of all turns' ratios says what is asked. Subjects take more than 50 us.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from logging import getLogger
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ai_edge_litert.interpreter import Interpreter, OpResolverType
from pytest_benchmark.fixture import BenchmarkFixture
from pytest_benchmark.timers import default_timer
from pytest_benchmark.utils import NameWrapper
from rich.console import Console
from rich.table import Table

from qbench.models.config import load_config
from qbench.records import RuntimeOptions, Subject
from qbench.runtime.interpreter import open_interpreter
from qbench.session import Session, SessionOptions

if TYPE_CHECKING:
    from collections.abc import Callable

TURNS = 51
SECONDS = 0.1
ALLOWED = 0.02

BUILTIN = RuntimeOptions()
REFERENCE = RuntimeOptions(kernels="reference")
_RESOLVERS = {"builtin": OpResolverType.BUILTIN, "reference": OpResolverType.BUILTIN_REF}


def reported_s(invoke: Callable[[], None]) -> float:
    """The median that pytest-benchmark reports with its default options, except for a shorter time."""
    fixture = BenchmarkFixture(
        SimpleNamespace(name="overhead", nodeid="overhead"),
        disable_gc=False,
        timer=NameWrapper(default_timer),
        min_rounds=5,
        min_time=0.000005,
        max_time=SECONDS,
        precision=None,
        confidence=None,
        warmup=False,
        warmup_iterations=100_000,
        calibration_precision=10,
        add_stats=lambda _: None,
        logger=_Quiet(),
        warner=None,
        disabled=False,
        cprofile=False,
        cprofile_loops=None,
        cprofile_dump=None,
    )
    fixture(invoke)
    return float(fixture.stats.stats.median)


class _Quiet:
    """Takes what pytest-benchmark says about its calibration, colours and all, and drops it."""

    def debug(self, text: str, **_: Any) -> None:
        """Drop it, or tell the log."""
        getLogger(__name__).debug(text)


def plain_s(invoke: Callable[[], None]) -> float:
    """The median of single invokes timed in a loop, over as long a time."""
    times = []
    until = time.perf_counter() + SECONDS
    while (started := time.perf_counter()) < until:
        invoke()
        times.append(time.perf_counter() - started)
    return median(times)


def through_qbench(content: bytes, options: RuntimeOptions) -> float:
    """The reported median of a new interpreter as the fixture `interpreter` gives it."""
    interpreter = open_interpreter(content, options)
    interpreter.invoke()
    return reported_s(interpreter.invoke)


def bare(content: bytes, options: RuntimeOptions) -> float:
    """The median of the runtime's own interpreter."""
    interpreter = Interpreter(
        model_content=content, num_threads=options.threads, experimental_op_resolver_type=_RESOLVERS[options.kernels]
    )
    interpreter.allocate_tensors()
    interpreter.invoke()
    return plain_s(interpreter.invoke)


def measured_row(name: str, content: bytes, options: RuntimeOptions) -> tuple[str, ...]:
    """One subject's row of the table."""
    rows = []
    for turn in range(TURNS):
        sides = {through_qbench: 0.0, bare: 0.0}
        for side in sides if turn % 2 else reversed(sides):
            sides[side] = side(content, options)
        rows.append(tuple(sides.values()))
    ratio = median(ours / theirs for ours, theirs in rows)
    return (
        name,
        f"{median(ours for ours, _ in rows) * 1e6:.1f} us",
        f"{median(theirs for _, theirs in rows) * 1e6:.1f} us",
        f"{ratio:.4f}",
        "yes" if abs(ratio - 1) <= ALLOWED else "NO",
    )


def main() -> None:
    """Measure and print."""
    config = load_config(Path("pyproject.toml"))
    assert config is not None
    session = Session(config, SessionOptions())
    cases = [
        (f"mnist-cnn-{recipe}, reference kernels", session.prepared(Subject(model="mnist-cnn", recipe=recipe)).content)
        for recipe in ("fp32", "int8")
    ]
    table = Table("subject", "benchmark", "plain loop", "ratio", f"within {ALLOWED:.0%}", box=None)
    for name, content in cases:
        table.add_row(*measured_row(name, content, REFERENCE))
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own: TensorFlow's threads would disturb what is timed here.
        subprocess.run([sys.executable, "-m", "benchmarks.self.large_conv", folder], check=True, capture_output=True)
        for path in sorted(Path(folder).glob("*.tflite")):
            table.add_row(*measured_row(path.stem, path.read_bytes(), BUILTIN))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
