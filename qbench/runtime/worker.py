"""The entry of a worker process: it loads and runs artifacts, so that this process may die instead of another.

It is started by path and imports nothing but the standard library, numpy and the runtime, so that it
also runs in a Python environment that has no qbench.

Requests and answers are frames (see `qbench/frames.py`). What a request asks to ``do`` is a method `Worker.do_...`;
the answer is what that returns, ``{"refused": "..."}`` for what qbench does not run, or ``{"error": "..."}``.
"""

from __future__ import annotations

import gc
import importlib.util
import os
import platform
import signal
import sys
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_Answer = dict[str, Any] | tuple[dict[str, Any], tuple[bytes, ...]]


def _load(name: str, folder: Path) -> Any:
    """A module of qbench by its file, which needs no qbench to be installed."""
    path = folder / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"qbench_{name}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


#: Exit code of a fork that was asked for another one, of what is held at place 0; larger by one for place 1. A fork
#: that a runtime ends by itself has crashed, also with code 0.
_ANOTHER = 200

_HERE = Path(__file__).resolve().parent
frames = _load("frames", _HERE.parent)
memory = _load("memory", _HERE)
native = _load("native", _HERE)
native_library = _load("native_library", _HERE)
native_profiler = _load("native_profiler", _HERE)
stopwatch = _load("stopwatch", _HERE)


class Worker:
    """What this process holds between two requests: one artifact at most."""

    def __init__(self) -> None:
        self._interpreter: Any = None
        self._held: dict[int, tuple[dict[str, Any], bytes, tuple[bytes, ...]]] = {}
        self._is_fork = False

    def do_environment(self, request: dict[str, Any]) -> _Answer:
        """Versions of what this process runs in; the runtime is looked up, not imported."""
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - asked once a run

        found = {"python": ".".join(platform.python_version_tuple()[:2])}
        for package in request["packages"]:
            try:
                found[package] = version(package)
            except PackageNotFoundError:
                found[package] = ""
        return {"versions": found}

    def do_preflight(self, request: dict[str, Any], content: bytes) -> _Answer:
        """Load, allocate and invoke an artifact once with all-zero real inputs, also in a batch of two."""
        if refused := self._open(request, content):
            return refused
        self._interpreter.invoke()
        for output in self._interpreter.get_output_details():
            self._interpreter.get_tensor(output["index"])
        undelegated = native.undelegated_operators(self._interpreter)
        return {"undelegated": undelegated, "batched": native.try_batch(self._interpreter)}

    def do_open(self, request: dict[str, Any], content: bytes) -> _Answer:
        """Load an artifact on the given processors and keep it, its inputs set to zero."""
        return self._open(request, content)

    def do_hold(self, request: dict[str, Any], content: bytes, *inputs: bytes) -> _Answer:
        """Keep an artifact and its inputs, at a place, for the processes that `do_fork` makes of this one."""
        native.import_runtime(request)
        self._held[request["place"]] = (request, content, inputs)
        # Nothing is collected while something is timed, and what is alive now is not touched after a fork.
        gc.collect()
        gc.freeze()
        gc.disable()
        return {}

    def do_fork(self, request: dict[str, Any]) -> _Answer:
        """Let a fork of this process load what is held at a place, and answer all requests from now on.

        A fork that is asked for another one ends, and the process that it was made of makes it. All that a fork
        allocates lies at a place of its own: where weights come to lie in memory decides over a few per
        cent of speed, and a process that is forked draws that lot anew.
        """
        place = request["place"]
        if self._is_fork:
            os._exit(_ANOTHER + place)
        while pid := os.fork():
            place = _outcome_of(pid, as_asked=[_ANOTHER + place for place in self._held]) - _ANOTHER
        self._is_fork = True
        options, content, inputs = self._held[place]
        # A copy: what is shared with the parent lies where it lies in every fork.
        if refused := self._open(
            {**options, "cpus": options["cpus"] if options["threads"] > 1 else ()}, _copy(content)
        ):
            return refused
        for index, stored in enumerate(inputs):
            self.do_set({"index": index}, stored)
        # Several sides are loaded at once, and are on one processor when they are timed. Threads of the runtime
        # go where the thread is that makes them, and are pinned with it above.
        _stay_on(options["cpus"])
        return {}

    def do_memory(self, request: dict[str, Any], content: bytes) -> _Answer:
        """The bytes that an artifact adds to this process when it is loaded and run; see `memory.added_by`."""
        native.import_runtime(request)
        self._interpreter = None  # A fork has none of its threads.

        def run(invokes: int) -> None:
            if refused := self._open(request, _copy(content)):  # Its own bytes count.
                raise ValueError(refused["refused"])
            self.do_invoke({"times": invokes})

        def release() -> None:
            self._interpreter = None

        answer: dict[str, Any] = memory.added_by(run, release, outcome_of=_outcome_of)
        return answer

    def do_profile(self, request: dict[str, Any], content: bytes, *inputs: bytes) -> _Answer:
        """Time per kernel from the runtime's own profiler, or why there is none; see `native_profiler.py`."""
        try:
            answer: dict[str, Any] = native_profiler.profile(native_library, request, content, inputs)
        except native_library.NotAvailableError as error:
            return {"not_available": str(error)}
        return answer

    def do_tensors(self, request: dict[str, Any]) -> _Answer:
        """The inputs or outputs, as fields of `TensorSpec`."""
        names = native.signature_names(self._interpreter)
        return {"tensors": [native.describe(detail, names) for detail in self._details(request)]}

    def do_set(self, request: dict[str, Any], stored: bytes) -> _Answer:
        """Copy bytes to an input."""
        import numpy as np  # noqa: PLC0415 - a worker without the runtime's numpy can still say so

        detail = self._details({"of": "inputs"})[request["index"]]
        array = np.frombuffer(stored, dtype=detail["dtype"]).reshape(detail["shape"])
        self._interpreter.set_tensor(detail["index"], array)
        return {}

    def do_get(self, request: dict[str, Any]) -> _Answer:
        """The bytes of an output."""
        output = self._interpreter.get_tensor(self._details({"of": "outputs"})[request["index"]]["index"])
        return {"shape": list(output.shape), "dtype": output.dtype.name}, (output.tobytes(),)

    def do_resize(self, request: dict[str, Any]) -> _Answer:
        """Run so many examples at once."""
        native.resize_batch(self._interpreter, request["examples"])
        return {}

    def do_invoke(self, request: dict[str, Any]) -> _Answer:
        """Run the artifact."""
        for _ in repeat(None, request["times"]):
            self._interpreter.invoke()
        return {}

    def do_run(self, request: dict[str, Any], content: bytes, *inputs: bytes) -> _Answer:
        """Load an artifact, run it once on inputs of the given shapes, and give all outputs and what ran."""
        if refused := self._open(request, content):
            return refused
        outputs = self._run(request["shapes"], inputs)
        if refused := _refusal_of(outputs):
            return refused
        answer = {"outputs": native.described(outputs), "operators": native.operator_names(self._interpreter)}
        return answer, tuple(output.tobytes() for output in outputs)

    def do_observe(self, request: dict[str, Any], content: bytes, *inputs: bytes) -> _Answer:
        """Run an artifact once as it is and once with all tensors kept, and give the values of those asked for.

        The answer's ``faithful`` says whether both gave the same outputs to the bit; only then are the values those
        of the artifact as it is deployed. A tensor that has no values of its own is left out.
        """
        outputs = []
        for preserve in (False, True):
            if refused := self._open({**request, "preserve": preserve}, content):
                return refused
            outputs.append(self._run(request["shapes"], inputs))
        if refused := _refusal_of(outputs[0]):
            return refused
        values = native.tensor_values(self._interpreter, request["tensors"])
        answer = {
            "faithful": [left.tobytes() for left in outputs[0]] == [right.tobytes() for right in outputs[1]],
            "outputs": native.described(outputs[0]),
            "tensors": list(values),
            "values": native.described(list(values.values())),
        }
        return answer, tuple(array.tobytes() for array in (*outputs[0], *values.values()))

    def do_time(self, request: dict[str, Any]) -> _Answer:
        """Run blocks of invokes, after `discard` that nobody times; see `stopwatch.time_block`."""
        invoke = self._interpreter.invoke
        for _ in repeat(None, request["discard"]):
            invoke()
        invokes, stretch = request["invokes"], request["stretch"]
        blocks = [stopwatch.time_block(invoke, invokes, stretch=stretch) for _ in range(request["blocks"])]
        return {"blocks": blocks}

    def _open(self, request: dict[str, Any], content: bytes) -> dict[str, Any]:
        """Load an artifact with its inputs set to zero; an answer if it is refused."""
        _stay_on(request.get("cpus"))
        self._interpreter = native.open_native(request, content)
        self._interpreter.allocate_tensors()
        if strings := native.string_inputs(self._interpreter):
            return {"refused": f"its input {strings[0]!r} holds strings, which qbench cannot feed"}
        native.fill_with_zero(self._interpreter)
        return {}

    def _run(self, shapes: list[list[int]], inputs: tuple[bytes, ...]) -> list[Any]:
        """Run what is loaded once, on inputs of these shapes; all its outputs."""
        native.resize_inputs(self._interpreter, shapes)
        for index, stored in enumerate(inputs):
            self.do_set({"index": index}, stored)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(detail["index"]) for detail in self._details({"of": "outputs"})]

    def _details(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        inputs = request["of"] == "inputs"
        details = self._interpreter.get_input_details() if inputs else self._interpreter.get_output_details()
        return list(details)


def _refusal_of(outputs: Sequence[Any]) -> dict[str, Any]:
    """An answer if an output is no number, else nothing."""
    objects = [str(output.dtype) for output in outputs if output.dtype.hasobject or output.dtype.kind in "SU"]
    return {"refused": f"it has an output of {objects[0]}, which is no number"} if objects else {}


def _copy(content: bytes) -> bytes:
    return bytes(memoryview(content))


def _stay_on(cpus: Any) -> None:
    if cpus and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)


def _outcome_of(pid: int, as_asked: Sequence[int] = (0,)) -> int:
    """Wait for a fork and return its exit code, one of those it may be asked to end with.

    How it died otherwise, this process dies too, so that who started this process learns of it.
    """
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        if os.WTERMSIG(status) != signal.SIGKILL:  # To which nobody can react otherwise.
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    code = os.WEXITSTATUS(status)
    if code not in as_asked:
        os._exit(code)
    return code


def main() -> None:
    """Answer requests until the input ends."""
    # What lies beside this file must not be taken for somebody's top-level module.
    sys.path[:] = [entry for entry in sys.path if entry != str(_HERE)]
    worker = Worker()
    # Nothing is read ahead, so that a fork finds the next request where its parent left off.
    with os.fdopen(int(sys.argv[1]), "wb") as replies, os.fdopen(sys.stdin.fileno(), "rb", buffering=0) as requests:
        while (frame := frames.read_frame(requests)) is not None:
            request, blobs = frame
            try:
                answer = getattr(worker, f"do_{request['do']}")(request, *blobs)
            except Exception as error:  # noqa: BLE001 - whatever a runtime raises is an answer
                answer = {"error": f"{type(error).__name__}: {error}"}
            header, parts = answer if isinstance(answer, tuple) else (answer, ())
            frames.write_frame(replies, header, parts)


if __name__ == "__main__":
    main()
