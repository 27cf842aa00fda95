"""Interpreters in a worker process: what may crash or hang does so there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from qbench.errors import ArtifactError, InvalidArtifactError, UnresolvedOperatorError, WorkerError
from qbench.processes import ChildProcess

if TYPE_CHECKING:
    from types import TracebackType

    from qbench.records import RuntimeOptions

_WORKER = Path(__file__).with_name("worker.py")


class Preflight(msgspec.Struct, frozen=True, kw_only=True):
    """What the first run of an artifact in a worker process showed.

    Attributes
    ----------
    batched
        Whether the artifact also runs with several examples at once.
    """

    batched: bool


class PreflightWorker:
    """Loads, allocates and invokes artifacts once each, in a worker that is started again after a death.

    Parameters
    ----------
    options
        Runtime, threads and kernels to run with.
    limit_s
        Seconds that one artifact may take.
    """

    def __init__(self, options: RuntimeOptions, *, limit_s: float) -> None:
        self._options = options
        self._limit_s = limit_s
        self._child = ChildProcess([sys.executable, str(_WORKER)])

    def __enter__(self) -> PreflightWorker:
        """Nothing is started before the first artifact."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the worker."""
        self._child.stop(limit_s=0.0)

    def check(self, content: bytes, *, name: str) -> Preflight:
        """Run the artifact `content` once.

        Raises
        ------
        WorkerCrashedError, WorkerTimeoutError
            If it ends or hangs its process; `name` and the signal are in the message.
        UnresolvedOperatorError
            If the runtime has no kernel for one of its operators.
        InvalidArtifactError
            If the runtime refuses it for another reason.
        ArtifactError
            If it wants inputs that qbench cannot feed.
        """
        if not self._child.running:
            self._child.start()
        request = {"do": "preflight", **msgspec.to_builtins(self._options)}
        answer, _ = self._child.ask(
            request, (content,), doing=f"running {name} for the first time", limit_s=self._limit_s
        )
        if refused := answer.get("refused"):
            raise ArtifactError(f"{name}: {refused}")
        if error := answer.get("error"):
            raise _named(name, error)
        return Preflight(batched=answer["batched"])


def _named(name: str, error: str) -> Exception:
    if error.startswith(("ModuleNotFoundError", "ImportError")):
        return WorkerError(f"the runtime cannot be imported in the worker process: {error}")
    if "unresolved custom op" in error or "Didn't find op" in error or "custom op" in error.lower():
        return UnresolvedOperatorError(
            f"{name}: the runtime has no kernel for an operator of the artifact ({error}). Convert it to "
            "built-in operators, or run it in a runtime that has the kernel"
        )
    return InvalidArtifactError(f"{name}: the runtime refuses the artifact ({error})")
