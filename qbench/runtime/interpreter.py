"""One protocol for the interpreters that qbench knows, and the adapter that LiteRT and tf.lite share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import msgspec
import numpy as np

from qbench.errors import InvalidArtifactError, MeasurementError
from qbench.records import RuntimeOptions, Subject, TensorSpec
from qbench.runtime import native

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Array = npt.NDArray[Any]


class Interpreter(Protocol):
    """A loaded artifact with allocated tensors, ready to be invoked."""

    #: Runs the artifact once. The runtime's own bound method: nothing of qbench is in the timed path.
    invoke: Callable[[], None]

    #: Whose artifact this is, where that is known.
    subject: Subject | None

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The inputs, in the artifact's order; named by its signature where it has one."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The outputs, likewise."""

    def set_input(self, index: int, stored: Array) -> None:
        """Copy `stored` to the input at `index`; shape and dtype are those of its `TensorSpec`."""

    def input_view(self, index: int) -> Array:
        """The memory of an input, to be dropped before the next invoke."""

    def output(self, index: int) -> Array:
        """A copy of the output at `index`."""

    def output_view(self, index: int) -> Array:
        """The memory of an output, to be dropped before the next invoke."""

    def resize_batch(self, examples: int) -> None:
        """Run `examples` examples at once from now on."""


class TfliteInterpreter:
    """An artifact in LiteRT or tf.lite, whose Python interpreters have the same interface.

    Parameters
    ----------
    content
        The bytes of the artifact.
    options
        Runtime, threads and kernels.

    Raises
    ------
    InvalidArtifactError
        If the runtime refuses the artifact.
    """

    def __init__(self, content: bytes, options: RuntimeOptions) -> None:
        try:
            self._native = native.open_native(msgspec.to_builtins(options), content)
            self._native.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise InvalidArtifactError(f"the runtime refuses the artifact ({error})") from error
        self._content = content
        self.options = options
        #: Whose artifact this is, where that is known.
        self.subject: Subject | None = None
        self._names = native.signature_names(self._native)
        self._read_details()
        self.invoke: Callable[[], None] = self._native.invoke

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The inputs, in the artifact's order; named by its signature where it has one."""
        return tuple(self._spec(detail) for detail in self._input_details)

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The outputs, likewise; after `resize_batch` their shapes are right once the artifact has run."""
        return tuple(self._spec(detail) for detail in self._native.get_output_details())

    def set_input(self, index: int, stored: Array) -> None:
        """Copy `stored` to the input at `index`; shape and dtype are those of its `TensorSpec`."""
        self._native.set_tensor(self._input_details[index]["index"], stored)

    def input_view(self, index: int) -> Array:
        """The memory of an input, to be dropped before the next invoke.

        Raises
        ------
        MeasurementError
            If the input is a scalar, of which the runtime gives a copy.
        """
        view = self._native.tensor(self._input_details[index]["index"])()
        if not isinstance(view, np.ndarray):
            raise MeasurementError(f"the input {self.inputs[index].name!r} is a scalar, which has no axis for examples")
        return view

    def output(self, index: int) -> Array:
        """A copy of the output at `index`."""
        return cast("Array", self._native.get_tensor(self._output_details[index]["index"]))

    def output_view(self, index: int) -> Array:
        """The memory of an output, to be dropped before the next invoke."""
        return cast("Array", self._native.tensor(self._output_details[index]["index"])())

    def resize_batch(self, examples: int) -> None:
        """Run `examples` examples at once from now on.

        Raises
        ------
        MeasurementError
            If an input has no first axis to resize, or the artifact does not run at that size.
        """
        for spec in self.inputs:
            if not spec.shape:
                raise MeasurementError(f"the input {spec.name!r} is a scalar, which has no axis for examples")
        try:
            native.resize_batch(self._native, examples)
        except (RuntimeError, ValueError) as error:
            raise MeasurementError(f"the artifact cannot run {examples} examples at once ({error})") from error
        self._read_details()

    def arena_bytes(self) -> int | None:
        """Bytes of memory that the runtime laid out for tensors which are not constants.

        Read off the addresses of the tensors: constants lie inside the artifact's own bytes, all others
        in the arena, where tensors that are not needed at the same time share memory. Neither padding
        between tensors nor memory that a delegate keeps for itself is in it. None where the runtime
        gives no tensor memory at all.
        """
        constants = np.frombuffer(self._content, dtype=np.uint8)
        first = constants.ctypes.data
        spans = []
        for detail in self._native.get_tensor_details():
            view = self._view(detail)
            if isinstance(view, np.ndarray) and view.size and not first <= view.ctypes.data < first + constants.size:
                spans.append((view.ctypes.data, view.ctypes.data + view.nbytes))
            del view
        return _covered_bytes(spans) if spans else None

    def _view(self, detail: dict[str, Any]) -> Array | None:
        if np.dtype(detail["dtype"]).hasobject or np.issubdtype(detail["dtype"], np.character):
            return None  # Strings lie elsewhere, and asking for them ends the process.
        try:
            return cast("Array", self._native.tensor(detail["index"])())
        except (ValueError, RuntimeError):
            return None  # A tensor that the delegate has swallowed has no memory of its own.

    def _read_details(self) -> None:
        self._input_details: list[dict[str, Any]] = self._native.get_input_details()
        self._output_details: list[dict[str, Any]] = self._native.get_output_details()

    def _spec(self, detail: dict[str, Any]) -> TensorSpec:
        return msgspec.convert(native.describe(detail, self._names), TensorSpec)


def open_interpreter(artifact: Path | bytes, options: RuntimeOptions) -> TfliteInterpreter:
    """Load an artifact and allocate its tensors.

    Raises
    ------
    InvalidArtifactError
        If the file cannot be read or the runtime refuses it.
    """
    if isinstance(artifact, Path):
        try:
            artifact = artifact.read_bytes()
        except OSError as error:
            raise InvalidArtifactError(f"the artifact cannot be read ({error})") from error
    return TfliteInterpreter(artifact, options)


def _covered_bytes(spans: list[tuple[int, int]]) -> int:
    """Length of the union of memory ranges.

    What lies between two ranges is left out: it may be padding, or the heap between two allocations,
    whose size is chance.
    """
    total, covered_to = 0, 0
    for start, end in sorted(spans):
        total += max(0, end - max(start, covered_to))
        covered_to = max(covered_to, end)
    return total
