"""What each operator takes, and the kernel that really ran it, from the runtime's own profiler.

It is reached through the C library of the runtime's package, whose options nothing promises. So it runs in a worker,
everything is checked, and where anything is not as expected there is a reason in place of a `Profile`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from qbench.errors import QbenchError, WorkerCrashedError
from qbench.runtime.kernel_names import match_kernels
from qbench.runtime.native_library import TRIED_VERSIONS
from qbench.runtime.process import RuntimeProcess
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qbench.records import RuntimeOptions

_PACKAGE = "ai-edge-litert"
_DELEGATED = 8  # As in native_profiler.py.
_NANOSECONDS = 1000.0

#: Number of a kernel that no operator of the artifact is known for.
UNKNOWN = -1


class KernelTime(msgspec.Struct, frozen=True, kw_only=True):
    """A kernel that ran, and what it takes for one example.

    Attributes
    ----------
    number
        Place of its operator in the artifact's main subgraph; `UNKNOWN` (-1) where the delegate does not tell.
    kernel
        Its name, such as ``Convolution (NHWC, QC8) IGEMM``; that of the operator where the runtime itself ran it.
    delegated
        Whether a delegate ran it.
    nanoseconds
        Its time divided by the examples of an invoke.
    resolution_ns
        How far that may be off because the profiler counts in whole microseconds.
    """

    number: int
    kernel: str
    delegated: bool
    nanoseconds: float
    resolution_ns: float


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """Kernels in the order in which they ran.

    Attributes
    ----------
    invoke_ns
        What one example takes in all; the profiler itself is in it.
    examples
        Of one invoke: as many as it takes to tell kernels of less than a microsecond apart.
    invokes
        Over which times were averaged.
    runtime_version
        Of the package whose library it is.
    is_tried
        Whether this was tried with that version.
    """

    kernels: tuple[KernelTime, ...]
    invoke_ns: float
    examples: int
    invokes: int
    runtime_version: str
    is_tried: bool


def profile(
    content: bytes,
    options: RuntimeOptions,
    inputs: Mapping[str, bytes] | None = None,
    *,
    examples: int = 0,
    invokes: int = 1000,
    limit_s: float = 2.0,
    process: RuntimeProcess | None = None,
) -> Profile | str:
    """Run the artifact `content` with the runtime's profiler on; the reason if that is not possible.

    Parameters
    ----------
    inputs
        One example of each input, as stored, by the input's name; zeros where there is none.
    examples
        How many to run at once; 0 to choose.
    invokes, limit_s
        How often to run it at most, and for how many seconds.
    process
        The worker to use, which ends if the profiler crashes; a new one by default.

    Raises
    ------
    InvalidArtifactError
        If `content` is no `.tflite`.
    """
    operators = [operator.name for operator in read_model(content).subgraphs[0].operators]
    if options.runtime != "litert":
        return f"the profiler is LiteRT's, and the artifact is run in {options.runtime}"
    if options.delegate:
        return f"the profiler cannot load the delegate {options.delegate}"
    request = {"do": "profile", **msgspec.to_builtins(options), "invokes": invokes, "limit_s": limit_s}
    request["names"] = list(inputs or ())
    stored = tuple((inputs or {}).values())
    try:
        answer, version = _answer(process or RuntimeProcess(limit_s=60.0), request, content, stored, examples)
    except QbenchError as error:
        return str(error)
    if reason := answer.get("not_available"):
        return f"the profiler of {_PACKAGE} {version} is not available: {reason}"
    return Profile(
        kernels=_kernels(answer, operators),
        invoke_ns=_NANOSECONDS * answer["invoke_us"] / answer["examples"],
        examples=answer["examples"],
        invokes=answer["invokes"],
        runtime_version=version,
        is_tried=version in TRIED_VERSIONS,
    )


def _answer(
    process: RuntimeProcess, request: dict[str, Any], content: bytes, stored: Sequence[bytes], examples: int
) -> tuple[dict[str, Any], str]:
    with process:
        ask = {"do": "environment", "packages": [_PACKAGE]}
        found, _ = process.ask(ask, name=_PACKAGE, doing=f"asking for the version of {_PACKAGE}")
        try:
            answer, _ = _profiled(process, {**request, "examples": examples}, content, stored)
        except WorkerCrashedError:
            if examples == 1:
                raise
            # Several examples are more than a runtime may be ready for.
            process.start()
            answer, _ = _profiled(process, {**request, "examples": 1}, content, stored)
    return answer, str(found["versions"][_PACKAGE])


def _profiled(
    process: RuntimeProcess, request: dict[str, Any], content: bytes, stored: Sequence[bytes]
) -> tuple[dict[str, Any], tuple[bytes, ...]]:
    return process.ask(request, content, *stored, name="the artifact", doing="profiling the artifact")


def _kernels(answer: dict[str, Any], operators: Sequence[str]) -> tuple[KernelTime, ...]:
    events = answer["kernels"]
    own = {index for _, kind, index, subgraph, _ in events if kind != _DELEGATED and subgraph == 0}
    taken = [number for number in range(len(operators)) if number not in own]
    names = [name for name, kind, *_ in events if kind == _DELEGATED]
    places = iter(match_kernels(names, [operators[number] for number in taken]))
    examples, invokes = answer["examples"], answer["invokes"]
    kernels = []
    for name, kind, index, subgraph, mean_us in events:
        delegated = kind == _DELEGATED
        if delegated:
            place = next(places)
            number = UNKNOWN if place is None else taken[place]
            # Cut off to whole microseconds: what was cut is half of one, give or take half of one.
            mean_us, off_us = mean_us + 0.5, 0.5  # noqa: PLW2901 - as it is from here on
        else:
            number = index if subgraph == 0 else UNKNOWN
            # Two clocks that were cut off: the mean is right, and its standard deviation at most this.
            off_us = 0.5 / math.sqrt(invokes)
        kernels.append(
            KernelTime(
                number=number,
                kernel=name,
                delegated=delegated,
                nanoseconds=_NANOSECONDS * mean_us / examples,
                resolution_ns=_NANOSECONDS * off_us / examples,
            )
        )
    return tuple(kernels)
