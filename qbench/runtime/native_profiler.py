"""Time per kernel from the runtime's own profiler, in a worker process. Imports nothing but the standard library.

Events hold whole microseconds. Those of the runtime's own kernels are differences of two clocks that were cut off,
whose mean over many invokes is right. Those of XNNPACK's kernels are differences that were cut off themselves:
a kernel of 0.9 us is 0 in every invoke, and no number of invokes tells. So several examples are run at once, as many
as it takes for a microsecond to be little of what a kernel takes for all of them.
"""

from __future__ import annotations

import ctypes
import time
from contextlib import ExitStack
from ctypes import byref, c_bool, c_int, c_size_t, c_void_p
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from qbench.runtime.native_library import Library

_BUILTIN, _DELEGATED = 2, 8  # litert_profiler_event.h: what the event is of
_GENERAL, _WHOLE = 1, b"Invoke"
_CPU, _HOST_MEMORY = 1, 1
_WRITE = 1  # kLiteRtTensorBufferLockModeWrite
_INTEGER = 2
_REGISTERED, _LOG_LEVEL, _ERRORS_ONLY = 24, 25, 3  # litert_environment_options.h: which accelerators to look for

#: What the runtime's options call the kernels that an artifact is run with; it has no other way to ask for them.
_MODES = {"builtin": "delegate", "no-delegates": "builtin"}

_WARM_UP = 3
_TRIAL_INVOKES = 20
_LEAST_INVOKES = 10

#: Half a microsecond should be no more than this of what an average kernel takes.
_GOOD_SHARE = 0.01
_MOST_EXAMPLES = 64
_FILLER = 0xA5


def profile(native: Any, request: dict[str, Any], content: bytes, stored: Sequence[bytes]) -> dict[str, Any]:
    """Run an artifact with the profiler on.

    Parameters
    ----------
    native
        The module `native_library.py`, which this cannot import.
    request
        Fields of `qbench.records.RuntimeOptions`; how many `examples` to run at once (0 to choose, falling back to 1),
        `invokes` and `limit_s` for them; `names` of the inputs that there are values for.
    stored
        Bytes of one example of each of these; all others stay zero.

    Returns
    -------
    ``kernels``, a list of ``[name, kind, index, subgraph, mean_us]`` in their order, ``invoke_us``, ``examples`` of an
    invoke and the number of ``invokes`` that were averaged: the faster half, those that neighbours disturbed least.

    Raises
    ------
    NotAvailableError
        If anything is not as expected.
    """
    mode = _MODES.get(request["kernels"])
    if mode is None:
        raise native.NotAvailableError(f"the runtime's profiler cannot run {request['kernels']} kernels")
    library = native.Library()
    inputs = dict(zip(request["names"], stored))  # noqa: B905 - as many
    settings = f'kernel_mode = "{mode}"\nnum_threads = {int(request["threads"])}\n'

    def run(examples: int, invokes: int) -> dict[str, Any]:
        with ExitStack() as stack:
            opened = _Run(native, library, stack, content, settings, examples)
            return opened.average(inputs, invokes, request["limit_s"])

    if request["examples"]:
        return run(request["examples"], request["invokes"])
    trial = run(1, _TRIAL_INVOKES)
    examples = _enough_examples(trial)
    try:
        return run(examples, request["invokes"])
    except native.NotAvailableError:
        if examples == 1:
            raise
        return run(1, request["invokes"])  # An artifact whose shapes allow no more.


def _enough_examples(trial: dict[str, Any]) -> int:
    # What the profiler itself takes is in the whole, and more than a small network; half a microsecond was cut off.
    kernel_us = 0.5 + sum(kernel[-1] for kernel in trial["kernels"]) / len(trial["kernels"])
    examples = 1
    while examples < _MOST_EXAMPLES and 0.5 / (kernel_us * examples) > _GOOD_SHARE:
        examples *= 2
    return examples


class _Run:
    """One artifact with its profiler and its buffers, which live as long as `stack`."""

    def __init__(
        self, native: Any, library: Library, stack: ExitStack, content: bytes, settings: str, examples: int
    ) -> None:
        self._native, self._library, self._stack = native, library, stack
        self._examples = examples
        option, value = native.EnvironmentOption, native.AnyValue
        # No other accelerators are looked for: that takes long and prints.
        options = (option * 2)(
            option(_REGISTERED, value(_INTEGER, _CPU)), option(_LOG_LEVEL, value(_INTEGER, _ERRORS_ONLY))
        )
        self._environment = self._owned("Environment", library.made("CreateEnvironment", 2, options))
        # Tensors of the artifact lie in these bytes, and texts are not copied either.
        self._kept: list[Any] = [ctypes.create_string_buffer(content, len(content))]
        model = self._owned(
            "Model", library.made("CreateModelFromBuffer", self._environment, self._kept[0], len(content))
        )
        options = self._owned("Options", library.made("CreateOptions"))
        library.call("SetOptionsHardwareAccelerators", options, _CPU)
        for name, text in (("runtime_options_string", "enable_profiling = true\n"), ("xnnpack", settings)):
            library.call("AddOpaqueOptions", options, self._opaque(name, text))
        self._model = self._owned(
            "CompiledModel", library.made("CreateCompiledModel", self._environment, model, options)
        )
        self._profiler = library.made("CompiledModelGetProfiler", self._model)
        if (found := library.counted("GetNumModelSignatures", model)) != 1:
            raise native.NotAvailableError(f"the artifact has {found} signatures")
        self._signature = library.made("GetModelSignature", model, 0)
        self._inputs = library.counted("GetNumSignatureInputs", self._signature)
        self._outputs = library.counted("GetNumSignatureOutputs", self._signature)

    def average(self, inputs: dict[str, bytes], invokes: int, limit_s: float) -> dict[str, Any]:
        """What kernels take on average, in the faster half of the invokes."""
        run = self._prepared(inputs)
        for _ in range(_WARM_UP):
            run()
        timed = [self._timed(run)]
        until = time.monotonic() + limit_s
        while len(timed) < invokes and (len(timed) < _LEAST_INVOKES or time.monotonic() < until):
            timed.append(self._timed(run))
        names = [event[:-1] for event in timed[0][1]]
        # What loops and branches run may differ from invoke to invoke, and cannot be averaged.
        alike = sorted(item for item in timed if [event[:-1] for event in item[1]] == names)
        kept = alike[: max(1, len(alike) // 2)]
        sums = [sum(times) / len(kept) for times in zip(*([event[-1] for event in events] for _, events in kept))]  # noqa: B905 - alike
        return {
            "kernels": [[*name, mean_us] for name, mean_us in zip(names, sums)],  # noqa: B905 - as many
            "invoke_us": sum(whole for whole, _ in kept) / len(kept),
            "examples": self._examples,
            "invokes": len(kept),
        }

    def _prepared(self, inputs: dict[str, bytes]) -> Callable[[], None]:
        """What runs the artifact once, on `inputs` repeated for every example."""
        if self._examples > 1:
            for index in range(self._inputs):
                self._resize(index)
        layouts = (self._native.Layout * self._outputs)()
        layout_of_outputs = (self._model, 0, self._outputs, layouts, c_bool(1))
        self._library.call("GetCompiledModelOutputTensorLayouts", *layout_of_outputs)
        before, after = (c_void_p * self._inputs)(), (c_void_p * self._outputs)()
        for index in range(self._inputs):
            layout = self._native.Layout()
            self._library.call("GetCompiledModelInputTensorLayout", self._model, 0, index, byref(layout))
            before[index] = self._buffer("Input", index, layout, 1)
            self._fill(c_void_p(before[index]), index, inputs)
        for index in range(self._outputs):
            # A tensor that gets its shape when it is computed still has that of one example, and is then written
            # beyond its end: the runtime does not look.
            after[index] = self._buffer("Output", index, layouts[index], self._examples)
        arguments = (self._model, 0, self._inputs, before, self._outputs, after)
        return lambda: self._library.call("RunCompiledModel", *arguments)

    def _timed(self, run: Callable[[], None]) -> tuple[int, list[tuple[str, int, int, int, int]]]:
        """Microseconds of one invoke, and its events as name, kind, index, subgraph and microseconds."""
        self._library.call("StartProfiler", self._profiler)
        run()
        self._library.call("StopProfiler", self._profiler)
        found, whole_us = [], 0
        for event in self._events():
            if event.kind in (_BUILTIN, _DELEGATED):
                name = event.tag.decode(errors="replace")
                found.append((name, event.kind, int(event.index), int(event.subgraph), int(event.elapsed_us)))
            elif event.kind == _GENERAL and event.tag == _WHOLE:
                whole_us = int(event.elapsed_us)
        if not found:
            raise self._native.NotAvailableError("the profiler noted no kernel")
        return whole_us, found

    def _events(self) -> Iterator[Any]:
        count = c_int()
        self._library.call("GetNumProfilerEvents", self._profiler, byref(count))
        size = ctypes.sizeof(self._native.Event)
        # Twice the room, for events that are larger than they should be.
        room = ctypes.create_string_buffer(bytes([_FILLER]) * (2 * size * (count.value + 1)))
        self._library.call("GetProfilerEvents", self._profiler, count.value, room)
        written = len(room.raw[:-1].rstrip(bytes([_FILLER])))
        if not size * count.value - ctypes.alignment(self._native.Event) < written <= size * count.value:
            raise self._native.NotAvailableError(f"events are not of {size} bytes: {count.value} fill {written}")
        return iter((self._native.Event * count.value).from_buffer(room))

    def _opaque(self, name: str, text: str) -> c_void_p:
        self._kept.append(ctypes.create_string_buffer(text.encode()))
        # The runtime lets go of the text through this; it belongs to Python.
        destructor = ctypes.CFUNCTYPE(None, c_void_p)(lambda _: None)
        self._kept.append(destructor)
        return self._library.made("CreateOpaqueOptions", name.encode(), self._kept[-2], destructor)

    def _resize(self, index: int) -> None:
        shape = self._type("Input", index).layout.shape
        if not shape or abs(shape[0]) != 1:
            raise self._native.NotAvailableError(f"an input of shape {shape} has no axis for examples")
        sizes = (c_int * len(shape))(self._examples, *shape[1:])
        self._library.call("CompiledModelResizeInputTensorNonStrict", self._model, 0, index, sizes, len(shape))

    def _type(self, which: str, index: int) -> Any:
        tensor = self._library.made(f"GetSignature{which}TensorByIndex", self._signature, index)
        found = self._native.TensorType()
        self._library.call("GetRankedTensorType", tensor, byref(found))
        return found

    def _buffer(self, which: str, index: int, layout: Any, times: int) -> int | None:
        needed = self._library.made(f"GetCompiledModel{which}BufferRequirements", self._model, 0, index)
        size = self._library.counted("GetTensorBufferRequirementsBufferSize", needed) * times
        kind = self._native.TensorType(self._type(which, index).element, layout)
        made = self._library.made(
            "CreateManagedTensorBuffer", self._environment, _HOST_MEMORY, byref(kind), c_size_t(size)
        )
        return self._owned("TensorBuffer", made).value

    def _fill(self, buffer: c_void_p, index: int, inputs: dict[str, bytes]) -> None:
        needed = self._library.made("GetCompiledModelInputBufferRequirements", self._model, 0, index)
        size = self._library.counted("GetTensorBufferRequirementsBufferSize", needed)
        # Signatures have an order of their own.
        text = self._library.made("GetSignatureInputName", self._signature, index)
        name = ctypes.string_at(text.value or 0).decode(errors="replace")
        stored = inputs[name] * self._examples if name in inputs else bytes(size)
        if len(stored) > size:
            raise self._native.NotAvailableError(f"the input {name!r} takes {size} bytes, not {len(stored)}")
        memory = c_void_p()
        self._library.call("LockTensorBuffer", buffer, byref(memory), _WRITE)
        ctypes.memmove(memory, stored, len(stored))
        self._library.call("UnlockTensorBuffer", buffer)

    def _owned(self, kind: str, handle: c_void_p) -> c_void_p:
        self._stack.callback(self._library.destroy, kind, handle)
        return handle
