"""Interpreters in a worker process of their own: another Python, other options, a processor to itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from qbench.errors import ArtifactError, InvalidArtifactError, MeasurementError, UnresolvedOperatorError, WorkerError
from qbench.processes import ChildProcess
from qbench.records import RuntimeOptions, Subject, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    import numpy.typing as npt

    Array = npt.NDArray[Any]

_WORKER = Path(__file__).with_name("worker.py")

#: Would make another Python import this one's packages; empty is as good as not set.
FOREIGN_TO_ANOTHER_PYTHON = {"PYTHONPATH": "", "PYTHONHOME": ""}


class RuntimeProcess:
    """A worker process with a runtime in it, and its answers with their errors by name.

    Parameters
    ----------
    limit_s
        Seconds that one request may take.
    python
        The Python to run the worker in; it needs numpy and the runtime, and no qbench.
    """

    def __init__(self, *, limit_s: float, python: str = sys.executable) -> None:
        environment = {} if python == sys.executable else FOREIGN_TO_ANOTHER_PYTHON
        self._child = ChildProcess([python, str(_WORKER)], environment=environment)
        self.python = python
        self.limit_s = limit_s

    def __enter__(self) -> RuntimeProcess:
        """Start the worker."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the worker."""
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the worker has been started and has not ended."""
        return self._child.running

    def start(self) -> None:
        """Start the worker; one that ended by itself may be started again.

        Raises
        ------
        WorkerError
            If its Python cannot be run.
        """
        self._child.start()

    def stop(self) -> None:
        """End the worker at once: there is nothing to save."""
        self._child.stop(limit_s=0.0)

    def ask(
        self, request: dict[str, Any], *blobs: bytes, name: str, doing: str, limits: int = 1
    ) -> tuple[dict[str, Any], tuple[bytes, ...]]:
        """Send a request about the artifact called `name` and wait for its answer, `limits` times the limit at most.

        Raises
        ------
        WorkerCrashedError, WorkerTimeoutError
            If it ends or hangs its process; `name` and the signal are in the message.
        WorkerError
            If the runtime cannot be imported.
        UnresolvedOperatorError
            If the runtime has no kernel for one of the artifact's operators.
        InvalidArtifactError
            If the runtime refuses the artifact for another reason.
        ArtifactError
            If it wants inputs that qbench cannot feed.
        """
        self.send(request, *blobs, doing=doing, limits=limits)
        return self.receive(name=name, doing=doing, limits=limits)

    def send(self, request: dict[str, Any], *blobs: bytes, doing: str, limits: int = 1) -> None:
        """Send a request whose answer is `receive`d later; errors as in `ask`."""
        self._child.send(request, blobs, doing=doing, limit_s=limits * self.limit_s)

    def receive(self, *, name: str, doing: str, limits: int = 1) -> tuple[dict[str, Any], tuple[bytes, ...]]:
        """Wait for the answer to what was sent; errors as in `ask`."""
        answer, parts = self._child.receive(doing=doing, limit_s=limits * self.limit_s)
        if refused := answer.get("refused"):
            raise ArtifactError(f"{name}: {refused}")
        if error := answer.get("error"):
            raise self._named(name, error)
        return answer, parts

    def _named(self, name: str, error: str) -> Exception:
        if error.startswith(("ModuleNotFoundError", "ImportError")):
            where = "the worker process" if self.python == sys.executable else self.python
            return WorkerError(f"the runtime cannot be imported in {where}: {error}")
        if "unresolved custom op" in error or "Didn't find op" in error or "custom op" in error.lower():
            return UnresolvedOperatorError(
                f"{name}: the runtime has no kernel for an operator of the artifact ({error}). Convert it to "
                "built-in operators, or run it in a runtime that has the kernel"
            )
        return InvalidArtifactError(f"{name}: the runtime refuses the artifact ({error})")


def ask_environment(python: str, packages: tuple[str, ...], *, limit_s: float) -> dict[str, str]:
    """Versions of ``python`` and of `packages` in another Python; empty for one that is not installed.

    Raises
    ------
    WorkerError
        If `python` cannot be run, or does not answer as a Python does.
    """
    process = RuntimeProcess(limit_s=limit_s, python=python)
    process.start()
    try:
        request = {"do": "environment", "packages": packages}
        answer, _ = process.ask(request, name=python, doing=f"asking {python} for its packages")
    finally:
        process.stop()
    versions: dict[str, str] = answer["versions"]
    return versions


class WorkerInterpreter:
    """An artifact in a worker process, behind the protocol `qbench.runtime.interpreter.Interpreter`.

    Parameters
    ----------
    content
        The bytes of the artifact.
    options
        Runtime, threads, kernels and delegate.
    name
        What errors call it.
    process
        The worker; it is started if it does not run yet.
    cpus
        Processors to stay on; empty to go where the system wants.

    Raises
    ------
    QbenchError
        As `RuntimeProcess.ask`.
    """

    def __init__(
        self,
        content: bytes,
        options: RuntimeOptions,
        *,
        name: str,
        process: RuntimeProcess,
        cpus: tuple[int, ...] = (),
    ) -> None:
        self.subject: Subject | None = None
        self.invoke: Callable[[], None] = self._invoke
        self.options = options
        self.name = name
        self._process = process
        if not process.running:
            process.start()
        self._ask({"do": "open", "cpus": cpus, **msgspec.to_builtins(options)}, content, doing=f"loading {self.name}")
        self._read_tensors()

    def __enter__(self) -> WorkerInterpreter:
        """It is open already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the worker."""
        self.close()

    def close(self) -> None:
        """End the worker."""
        self._process.stop()

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The inputs, in the artifact's order; named by its signature where it has one."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The outputs, likewise."""
        return self._tensors("outputs")

    def _invoke(self) -> None:
        """Run the artifact once, on what `input_view` was last written to."""
        for index in list(self._views):
            self.set_input(index, self._views.pop(index))
        self._ask({"do": "invoke", "times": 1}, doing=f"running {self.name}")

    def set_input(self, index: int, stored: Array) -> None:
        """Copy `stored` to the input at `index`; shape and dtype are those of its `TensorSpec`.

        Raises
        ------
        MeasurementError
            If they are not.
        """
        spec = self._inputs[index]
        if stored.shape != spec.shape or stored.dtype.name != spec.dtype:
            raise MeasurementError(
                f"{self.name}: the input {spec.name!r} takes {spec.dtype} of shape {spec.shape}, found "
                f"{stored.dtype.name} of shape {stored.shape}"
            )
        self._ask(
            {"do": "set", "index": index},
            np.ascontiguousarray(stored).tobytes(),
            doing=f"setting the input of {self.name}",
        )

    def input_view(self, index: int) -> Array:
        """An array that the next invoke copies to the input at `index`, to be dropped before it."""
        spec = self._inputs[index]
        return self._views.setdefault(index, np.zeros(spec.shape, spec.dtype))

    def output(self, index: int) -> Array:
        """A copy of the output at `index`."""
        answer, (content,) = self._ask({"do": "get", "index": index}, doing=f"reading the output of {self.name}")
        return np.frombuffer(content, dtype=answer["dtype"]).reshape(answer["shape"])

    #: There is no memory to share with another process.
    output_view = output

    def resize_batch(self, examples: int) -> None:
        """Run `examples` examples at once from now on.

        Raises
        ------
        MeasurementError
            If an input has no first axis to resize, or the artifact does not run at that size.
        """
        for spec in self._inputs:
            if not spec.shape:
                raise MeasurementError(f"the input {spec.name!r} is a scalar, which has no axis for examples")
        try:
            self._ask({"do": "resize", "examples": examples}, doing=f"resizing {self.name}")
        except InvalidArtifactError as error:
            raise MeasurementError(f"the artifact cannot run {examples} examples at once ({error})") from error
        self._read_tensors()

    def _ask(self, request: dict[str, Any], *blobs: bytes, doing: str) -> tuple[dict[str, Any], tuple[bytes, ...]]:
        return self._process.ask(request, *blobs, name=self.name, doing=doing)

    def _read_tensors(self) -> None:
        self._inputs = self._tensors("inputs")
        self._views: dict[int, Array] = {}

    def _tensors(self, which: str) -> tuple[TensorSpec, ...]:
        answer, _ = self._ask({"do": "tensors", "of": which}, doing=f"reading tensors of {self.name}")
        return msgspec.convert(answer["tensors"], tuple[TensorSpec, ...])
