"""Kernels that a case can be run on, and the worker processes that they run in."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from qbench.errors import WorkerTimeoutError
from qbench.records import KernelSet, RuntimeOptions
from qbench.runtime.process import RuntimeProcess

if TYPE_CHECKING:
    from types import TracebackType

    from qbench.conform.case import Array, Case
    from qbench.quant.family import Family

#: What the runtime is asked for to get the kernels of a family.
KERNEL_SETS: dict[Family, KernelSet] = {"reference": "reference", "builtin": "no-delegates", "xnnpack": "builtin"}


@dataclass(frozen=True, kw_only=True)
class Kernels:
    """Kernels of one family, in one Python's runtime, on so many threads."""

    family: Family
    threads: int = 1
    python: str = sys.executable


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What kernels made of a case.

    Parameters
    ----------
    outputs
        What they gave.
    operators
        What ran, in order; ``DELEGATE`` for operators that a delegate took.
    """

    outputs: tuple[Any, ...]
    operators: tuple[str, ...]

    @property
    def is_delegated(self) -> bool:
        """Whether a delegate took an operator."""
        return "DELEGATE" in self.operators

    @property
    def is_left_in_part(self) -> bool:
        """Whether a delegate took some operators and left others."""
        return self.is_delegated and set(self.operators) != {"DELEGATE"}


#: Kernels that took so often longer than a case may take are not waited for again.
_MOST_TIMEOUTS = 3


class Workshop:
    """Worker processes, one for each Python, that live until one of them dies.

    Parameters
    ----------
    limit_s
        Seconds that one case may take.
    """

    def __init__(self, *, limit_s: float = 60.0) -> None:
        self._limit_s = limit_s
        self._processes: dict[str, RuntimeProcess] = {}
        self._timeouts: Counter[Kernels] = Counter()

    def __enter__(self) -> Workshop:
        """Nothing starts before it is needed."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all workers."""
        for process in self._processes.values():
            process.stop()

    def run(self, case: Case, kernels: Kernels) -> Outcome:
        """What `kernels` give.

        Raises
        ------
        WorkerCrashedError, WorkerTimeoutError
            If the case ends or hangs its process; the next one gets a new process.
        ArtifactError
            If the runtime refuses the model.
        WorkerError
            If the runtime cannot be imported.
        """
        doing = f"running {case.operator} {case.dtype}".strip()
        if self._timeouts[kernels] >= _MOST_TIMEOUTS:
            raise WorkerTimeoutError(doing, limit_s=self._limit_s)
        try:
            return self._run(case, kernels, doing)
        except WorkerTimeoutError:
            self._timeouts[kernels] += 1
            raise

    def _run(self, case: Case, kernels: Kernels, doing: str) -> Outcome:
        process = self._processes.setdefault(
            kernels.python, RuntimeProcess(limit_s=self._limit_s, python=kernels.python)
        )
        if not process.running:
            process.start()
        options = RuntimeOptions(threads=kernels.threads, kernels=KERNEL_SETS[kernels.family])
        request = {
            "do": "run",
            "shapes": [list(stored.shape) for stored in case.inputs],
            **msgspec.to_builtins(options),
        }
        inputs = [np.ascontiguousarray(stored).tobytes() for stored in case.inputs]
        answer, parts = process.ask(request, case.content, *inputs, name=case.operator, doing=doing)
        return Outcome(
            outputs=tuple(_array(described, part) for described, part in zip(answer["outputs"], parts, strict=True)),
            operators=tuple(answer["operators"]),
        )


def _array(described: dict[str, Any], content: bytes) -> Array:
    return np.frombuffer(content, dtype=described["dtype"]).reshape(described["shape"])
