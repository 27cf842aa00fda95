"""Run an artifact over a whole dataset, fast, without changing one bit of what it predicts.

Examples are run in batches and shared out to a `concurrent.futures.Executor`. How large a batch is
best depends on the artifact and the processor's caches, so a short trial decides; the same trial runs
its examples one by one too, and only batch sizes whose outputs are the same to the bit are used.
"""

from __future__ import annotations

import math
import os
import time
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from qbench.errors import MeasurementError
from qbench.measure.inputs import InputEncoder, batch_axis, input_encoders
from qbench.runtime.interpreter import open_interpreter

if TYPE_CHECKING:
    from collections.abc import Callable

    from qbench.models.datasets import Array, Dataset
    from qbench.records import RuntimeOptions, TensorSpec
    from qbench.runtime.interpreter import TfliteInterpreter

_BATCHES = (8, 64, 256)
_TRIAL_EXAMPLES = 64
_TRIAL_LEAST_EXAMPLES = 4
_TRIAL_LIMIT_S = 0.2
_BATCH_LIMIT_BYTES = 8 << 20

#: A shard this long makes the cost of opening another interpreter vanish, and progress still moves.
_SHARD_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What an artifact gave for every example of a dataset.

    Attributes
    ----------
    outputs
        One array of shape (examples, ...) for each output, as stored by the artifact.
    specs
        The output tensors.
    batch
        Examples that were run at once; 1 if no larger batch gave the same bits.
    workers
        Interpreters that ran at once.
    """

    outputs: tuple[Array, ...]
    specs: tuple[TensorSpec, ...]
    batch: int
    workers: int


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A run of examples for one interpreter, complete in itself, so that it can be sent to another process.

    `first` is the place of its first example in the dataset; `with_axis` says that the artifact's
    tensors have an axis for examples.
    """

    content: bytes
    options: RuntimeOptions
    encoders: tuple[InputEncoder, ...]
    first: int
    examples: int
    batch: int
    with_axis: bool

    def part(self, first: int, examples: int, batch: int) -> Shard:
        """At most `examples` of its examples from `first` on, to be run in batches of `batch`."""
        stop = min(first + examples, self.examples)
        encoders = tuple(encoder.part(first, stop) for encoder in self.encoders)
        return replace(self, encoders=encoders, first=self.first + first, examples=stop - first, batch=batch)


def evaluate(
    content: bytes,
    dataset: Dataset,
    options: RuntimeOptions,
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Run the artifact `content` on every example of `dataset`.

    Parameters
    ----------
    executor
        Runs the shards; by default a pool of threads, because the runtime lets go of Python's lock
        while it computes and threads need no copies of the data.
    workers
        How many shards run at once; by default the number of processors this process may use.
    progress
        Called with the number of finished examples and of all.

    Raises
    ------
    DatasetError
        If the dataset does not fit the artifact's inputs.
    MeasurementError
        If the artifact does not give one output per example, or does not run on one.
    """
    interpreter = open_interpreter(content, options)
    with_axis = batch_axis(dataset, interpreter.inputs)
    whole = Shard(
        content=content,
        options=options,
        encoders=input_encoders(dataset, interpreter.inputs),
        first=0,
        examples=dataset.examples,
        batch=_own_batch(interpreter.inputs) if with_axis else 1,
        with_axis=with_axis,
    )
    batch, example_s = _choose_batch(whole, interpreter)
    workers = workers or usable_processors()
    shards = _split(whole, batch, workers, example_s)
    parts: dict[int, tuple[Array, ...]] = {}
    done = 0
    with _pool(executor, workers) as pool:
        futures = {pool.submit(run_shard, shard): shard for shard in shards}
        try:
            for future in as_completed(futures):
                shard = futures[future]
                parts[shard.first] = future.result()
                done += shard.examples
                if progress is not None:
                    progress(done, dataset.examples)
        except BaseException:
            # An error or Ctrl-C must not wait for all the shards that nobody will look at.
            for future in futures:
                future.cancel()
            raise
    ordered = [parts[first] for first in sorted(parts)]
    outputs = tuple(np.concatenate(columns) for columns in zip(*ordered, strict=True))
    return Evaluation(outputs=outputs, specs=interpreter.outputs, batch=batch, workers=min(workers, len(shards)))


def run_shard(shard: Shard, opened: TfliteInterpreter | None = None) -> tuple[Array, ...]:
    """The outputs of one shard's examples, an array of shape (examples, ...) for each output.

    Parameters
    ----------
    opened
        An interpreter of the shard's artifact to use instead of opening one.

    Raises
    ------
    MeasurementError
        If an output has no axis for the examples of a batch, or the artifact does not run on an example.
    """
    interpreter = opened or open_interpreter(shard.content, shard.options)
    if shard.with_axis and shard.batch != _own_batch(interpreter.inputs):
        interpreter.resize_batch(shard.batch)
    columns: list[Array] = []
    for start in range(0, shard.examples, shard.batch):
        count = min(shard.batch, shard.examples - start)
        for index, encoder in enumerate(shard.encoders):
            view = interpreter.input_view(index)
            encoder.write(start, start + count, view[:count] if shard.with_axis else view[np.newaxis])
            if shard.with_axis and count < len(view):
                # Rows beyond the last example hold it too: memory as it was found may be no valid input.
                view[count:] = view[count - 1]
            del view  # The runtime refuses to run while somebody holds its memory.
        try:
            interpreter.invoke()
        except RuntimeError as error:
            raise MeasurementError(
                f"the artifact does not run on the examples {shard.first + start} to "
                f"{shard.first + start + count - 1} of the dataset ({error})"
            ) from error
        # A delegate may learn the outputs' new shapes only when it runs.
        columns = columns or _columns(interpreter.outputs, shard)
        for index, column in enumerate(columns):
            output = interpreter.output_view(index)
            column[start : start + count] = output[:count] if shard.with_axis else output
            del output
    return tuple(columns)


def usable_processors() -> int:
    """Processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _choose_batch(whole: Shard, opened: TfliteInterpreter) -> tuple[int, float]:
    """The fastest batch size whose outputs equal those of one by one, and its seconds per example."""
    if not whole.with_axis or whole.batch != 1:
        return whole.batch, _timed(whole.part(0, whole.batch, whole.batch), opened)[1]
    _, first_s = _timed(whole.part(0, 1, 1), opened)
    affordable = int(_TRIAL_LIMIT_S / max(first_s, 1e-9))
    examples = min(whole.examples, max(_TRIAL_LEAST_EXAMPLES, min(_TRIAL_EXAMPLES, affordable)))
    expected, best_s = _timed(whole.part(0, examples, 1), opened)
    best = 1
    example_bytes = max(encoder.stored[:1].size * 4 for encoder in whole.encoders)
    for batch in _BATCHES:
        if batch > whole.examples or batch * example_bytes > _BATCH_LIMIT_BYTES or batch * best_s > 2 * _TRIAL_LIMIT_S:
            break
        try:
            outputs, example_s = _timed(whole.part(0, max(batch, examples), batch), opened)
        except MeasurementError:
            break
        if example_s < best_s and _same_bits(whole, batch, outputs, expected, opened):
            best, best_s = batch, example_s
    return best, best_s


def _same_bits(
    whole: Shard,
    batch: int,
    outputs: tuple[Array, ...],
    expected: tuple[Array, ...],
    opened: TfliteInterpreter,
) -> bool:
    """Whether a batch gave what one by one gives: in its first rows and, if it is longer, in its last."""
    examples = len(expected[0])
    if not all(ours[:examples].tobytes() == one.tobytes() for ours, one in zip(outputs, expected, strict=True)):
        return False
    if batch <= examples:
        return True
    first = batch - _TRIAL_LEAST_EXAMPLES
    last = run_shard(whole.part(first, _TRIAL_LEAST_EXAMPLES, 1), opened)
    return all(ours[first:batch].tobytes() == one.tobytes() for ours, one in zip(outputs, last, strict=True))


def _timed(shard: Shard, opened: TfliteInterpreter) -> tuple[tuple[Array, ...], float]:
    """Run a shard; its outputs and seconds per example. A choice of batch is all that depends on the time."""
    started = time.perf_counter()
    outputs = run_shard(shard, opened)
    return outputs, (time.perf_counter() - started) / max(1, shard.examples)


def _split(whole: Shard, batch: int, workers: int, example_s: float) -> list[Shard]:
    """Shards of whole batches, enough of them for all workers and for progress to show."""
    count = workers * max(1, math.ceil(whole.examples * example_s / workers / _SHARD_S))
    size = max(batch, math.ceil(whole.examples / count / batch) * batch)
    return [whole.part(first, size, batch) for first in range(0, whole.examples, size)]


def _pool(executor: Executor | None, workers: int) -> Executor:
    # A caller's executor is left open; `with` on the wrapper below closes only what was made here.
    return ThreadPoolExecutor(max_workers=workers) if executor is None else _Borrowed(executor)


class _Borrowed(Executor):
    """An executor that belongs to somebody else and stays open."""

    def __init__(self, executor: Executor) -> None:
        self.submit = executor.submit  # type: ignore[method-assign]  # the caller's, unwrapped


def _own_batch(specs: tuple[TensorSpec, ...]) -> int:
    return specs[0].shape[0] if specs and specs[0].shape else 1


def _columns(specs: tuple[TensorSpec, ...], shard: Shard) -> list[Array]:
    """Room for the outputs of all examples of a shard."""
    for spec in specs:
        if shard.with_axis and spec.shape[:1] != (shard.batch,):
            raise MeasurementError(
                f"the output {spec.name!r} has the shape {spec.shape} for a batch of {shard.batch} examples; "
                "expected one row for each example"
            )
    shapes = [spec.shape[1:] if shard.with_axis else spec.shape for spec in specs]
    return [np.empty((shard.examples, *shape), dtype=spec.dtype) for shape, spec in zip(shapes, specs, strict=True)]
