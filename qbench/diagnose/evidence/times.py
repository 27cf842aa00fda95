"""What each operator takes, of a quantized artifact and of its float model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qbench.diagnose.evidence.records import OperatorTime
from qbench.measure.inputs import input_bytes
from qbench.runtime.interpreter import open_interpreter
from qbench.runtime.profiler import UNKNOWN, Profile, profile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.models.datasets import Dataset
    from qbench.records import RuntimeOptions
    from qbench.runtime.profiler import KernelTime


class OperatorTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Times of both sides, for one example each; empty where the profiler is not available.

    Attributes
    ----------
    times, float_times
        Of the artifact and of the float model, in the order in which operators ran first.
    notes
        Why there are none, or what is to be known about those that there are.
    """

    times: tuple[OperatorTime, ...]
    float_times: tuple[OperatorTime, ...]
    notes: tuple[str, ...] = ()


def operator_times(
    float_content: bytes | None, content: bytes, dataset: Dataset, options: RuntimeOptions, *, limit_s: float = 2.0
) -> OperatorTimes:
    """Profile an artifact and its float model with the first examples of a dataset.

    Both are run with as many examples at once as the artifact needs for the profiler's microseconds to tell its kernels
    apart, so that they can stand next to each other.

    Parameters
    ----------
    float_content
        None to profile the artifact alone.
    limit_s
        Seconds of profiling for each side.

    Raises
    ------
    QbenchError
        If one of the artifacts cannot be used, or the dataset does not fit it.
    """
    ours = _profiled(content, dataset, options, examples=0, limit_s=limit_s)
    if isinstance(ours, str):
        return OperatorTimes(times=(), float_times=(), notes=(f"times of operators: {ours}",))
    notes = [] if ours.is_tried else [f"times of operators: nobody tried the profiler of {ours.runtime_version} before"]
    if float_content is None:
        return OperatorTimes(times=times_by_operator(ours.kernels), float_times=(), notes=tuple(notes))
    floats = _profiled(float_content, dataset, options, examples=ours.examples, limit_s=limit_s)
    if isinstance(floats, str):
        notes.append(f"times of the float model's operators: {floats}")
    return OperatorTimes(
        times=times_by_operator(ours.kernels),
        float_times=() if isinstance(floats, str) else times_by_operator(floats.kernels),
        notes=tuple(notes),
    )


def times_by_operator(kernels: Sequence[KernelTime]) -> tuple[OperatorTime, ...]:
    """Times of kernels, added up for operators that are known to have run several; all others stand for themselves."""
    groups: dict[int, list[KernelTime]] = {}
    for place, kernel in enumerate(kernels):
        groups.setdefault(kernel.number if kernel.number != UNKNOWN else -2 - place, []).append(kernel)
    return tuple(
        OperatorTime(
            number=group[0].number,
            kernel=" + ".join(dict.fromkeys(kernel.kernel for kernel in group)),
            delegated=group[0].delegated,
            nanoseconds=sum(kernel.nanoseconds for kernel in group),
            resolution_ns=sum(kernel.resolution_ns for kernel in group),
        )
        for group in groups.values()
    )


def _profiled(
    content: bytes, dataset: Dataset, options: RuntimeOptions, *, examples: int, limit_s: float
) -> Profile | str:
    interpreter = open_interpreter(content, options)
    stored = input_bytes(interpreter, dataset)
    inputs = {spec.name: values for spec, values in zip(interpreter.inputs, stored, strict=True)}
    found = profile(content, options, inputs, examples=examples, limit_s=limit_s)
    if isinstance(found, str) and examples > 1:
        return profile(content, options, inputs, examples=1, limit_s=limit_s)
    return found
