"""Values of all tensors of an artifact while it runs on examples, batch by batch, in a worker process."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from qbench.diagnose.operators.values import stored_values
from qbench.errors import (
    ArtifactError,
    DatasetError,
    MeasurementError,
    OutOfTimeError,
    UnspecifiedError,
    WorkerError,
    WorkerTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from qbench.records import RuntimeOptions
    from qbench.runtime.process import RuntimeProcess
    from qbench.tflite.graph import Subgraph

    Array = npt.NDArray[Any]

#: Examples that are run at once, if the artifact allows it.
_BATCH = 128
#: Values of all tensors of a batch may take so much.
_BATCH_LIMIT_BYTES = 48 << 20
#: So many examples are run one by one too, to see whether examples of a batch leave each other alone.
_TRIAL_EXAMPLES = 4


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What a batch gave: stored values of the graph's outputs, and of tensors by their index."""

    outputs: tuple[Array, ...]
    tensors: dict[int, Array]


class Laboratory:
    """A worker process, and how artifacts are run in it.

    Parameters
    ----------
    process
        The worker; it is started when it is needed.
    options
        The kernels that the artifact is deployed with.
    end
        When the work has to end, as `time.monotonic` tells it; None for never.
    """

    def __init__(self, process: RuntimeProcess, options: RuntimeOptions, end: float | None = None) -> None:
        self._process = process
        self._options = options
        self._end, self._limit_s = end, process.limit_s
        self._half = None if end is None else (time.monotonic() + end) / 2

    @property
    def is_half_over(self) -> bool:
        """Whether half of the time is."""
        return self._half is not None and time.monotonic() > self._half

    def check(self) -> None:
        """Go on, unless it is time to end.

        Raises
        ------
        OutOfTimeError
            If it is.
        """
        if self._end is not None:
            left_s = self._end - time.monotonic()
            if left_s <= 0:
                raise OutOfTimeError("there was no more time for it")
            self._process.limit_s = min(self._limit_s, left_s)

    def run(self, content: bytes, inputs: Sequence[Array], *, name: str) -> tuple[Array, ...]:
        """Outputs of an artifact that is run once on stored `inputs`.

        Raises
        ------
        ArtifactError
            If the runtime refuses it.
        WorkerError
            If it ends or hangs its process.
        OutOfTimeError
            If it is time to end.
        """
        answer, parts = self._ask("run", content, inputs, name, {})
        return _arrays(answer["outputs"], parts)

    def observe(self, content: bytes, inputs: Sequence[Array], tensors: Sequence[int], *, name: str) -> Observation:
        """Outputs of an artifact that is run once, and the stored values of `tensors`.

        A tensor that a delegate has swallowed is left out.

        Raises
        ------
        MeasurementError
            If the outputs are others when all tensors are kept: then the values are not those of the artifact.
        ArtifactError, WorkerError, OutOfTimeError
            As `run`.
        """
        answer, parts = self._ask("observe", content, inputs, name, {"tensors": list(tensors)})
        if not answer["faithful"]:
            raise MeasurementError(
                f"{name} gives other outputs when the values of all its tensors are kept, expected the same: what is "
                "inside cannot be observed with these kernels; try the kernels 'no-delegates', or another runtime"
            )
        outputs = len(answer["outputs"])
        values = _arrays(answer["values"], parts[outputs:])
        return Observation(
            outputs=_arrays(answer["outputs"], parts[:outputs]),
            tensors=dict(zip(answer["tensors"], values, strict=True)),
        )

    def _ask(
        self, do: str, content: bytes, inputs: Sequence[Array], name: str, more: dict[str, Any]
    ) -> tuple[dict[str, Any], tuple[bytes, ...]]:
        self.check()
        if not self._process.running:
            self._process.start()
        request = {
            "do": do,
            "shapes": [list(stored.shape) for stored in inputs],
            **msgspec.to_builtins(self._options),
            **more,
        }
        blobs = [np.ascontiguousarray(stored).tobytes() for stored in inputs]
        try:
            return self._process.ask(request, content, *blobs, name=name, doing=f"running {name}")
        except WorkerTimeoutError:
            self.check()  # It may have hung, or have had no time.
            raise


class Feed:
    """Examples for one artifact, from real values to what its inputs store.

    Parameters
    ----------
    inputs
        Real values of shape (examples, ...) for each input of the graph, in its order; integers for an input that
        is not of real values.

    Raises
    ------
    DatasetError
        If they do not fit.
    """

    def __init__(self, content: bytes, graph: Subgraph, inputs: Sequence[Array], *, name: str) -> None:
        self.content, self.graph, self.name = content, graph, name
        self._inputs = tuple(inputs)
        tensors = [graph.tensors[index] for index in graph.inputs]
        for tensor, array in zip(tensors, self._inputs, strict=True):
            if array.shape[1:] not in {tensor.shape, tensor.shape[1:]}:
                raise DatasetError(
                    f"found examples of shape {array.shape[1:]} for the input {tensor.name!r} of {name}, expected "
                    f"{tensor.shape[1:]}"
                )
        self.with_axis = all(
            array.ndim == len(tensor.shape) for tensor, array in zip(tensors, self._inputs, strict=True)
        )
        self.own_batch = tensors[0].shape[0] if self.with_axis else 1

    @property
    def example_bytes(self) -> int:
        """Bytes that the values of all tensors take for one example, in 32 bits each; at least one."""
        held = sum(math.prod(tensor.shape) for tensor in self.graph.tensors if tensor.data is None)
        return max(1, 4 * held // self.own_batch)

    def stored(self, start: int, stop: int) -> list[Array]:
        """What the inputs store for the examples from `start` to `stop`.

        Raises
        ------
        DatasetError
            If an example holds NaN and the input is quantized.
        """
        stored = []
        for index, array in zip(self.graph.inputs, self._inputs, strict=True):
            tensor = self.graph.tensors[index]
            values = array[start:stop] if array.ndim == len(tensor.shape) else array[start]
            try:
                stored.append(stored_values(values, tensor))
            except UnspecifiedError as error:
                raise DatasetError(f"the input {tensor.name!r} of {self.name}: {error}") from error
        return stored


def batches(laboratory: Laboratory, feeds: Sequence[Feed], examples: int) -> Iterator[tuple[int, int]]:
    """Stretches of examples, from start to stop, that all artifacts run at once as they run them one by one."""
    size = _batch(laboratory, feeds, examples)
    for start in range(0, examples, size):
        if start + size <= examples or size > max(feed.own_batch for feed in feeds) or not start:
            yield start, min(start + size, examples)


def _batch(laboratory: Laboratory, feeds: Sequence[Feed], examples: int) -> int:
    own = max(feed.own_batch for feed in feeds)
    size = min(_BATCH, examples, max(1, _BATCH_LIMIT_BYTES // max(feed.example_bytes for feed in feeds)))
    if size <= own or not all(feed.with_axis for feed in feeds):
        return own
    return size if all(_leaves_alone(laboratory, feed, size) for feed in feeds) else own


def _leaves_alone(laboratory: Laboratory, feed: Feed, size: int) -> bool:
    """Whether the first examples give the same bits in a batch and as many as the artifact itself takes at once."""
    step = feed.own_batch
    try:
        together = laboratory.run(feed.content, feed.stored(0, size), name=feed.name)
        for start in range(0, min(_TRIAL_EXAMPLES * step, size - step + 1), step):
            alone = laboratory.run(feed.content, feed.stored(start, start + step), name=feed.name)
            for one, many in zip(alone, together, strict=True):
                if many.shape[:1] != (size,) or one.tobytes() != many[start : start + step].tobytes():
                    return False
    except (ArtifactError, WorkerError):
        return False
    return True


def _arrays(described: Sequence[dict[str, Any]], parts: Sequence[bytes]) -> tuple[Array, ...]:
    return tuple(
        np.frombuffer(part, dtype=one["dtype"]).reshape(one["shape"])
        for one, part in zip(described, parts, strict=True)
    )
