"""The same artifact on all families of kernels: what is due to quantizing it, and what to how kernels round."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from qbench.diagnose.evidence.records import FamilyResult
from qbench.errors import QbenchError
from qbench.measure.accuracy import check_labels, is_class_row, predictions, real_outputs
from qbench.measure.evaluate import Evaluation, evaluate
from qbench.measure.inputs import fill_inputs
from qbench.progress import NoProgress
from qbench.runtime.interpreter import open_interpreter
from qbench.runtime.process import RuntimeProcess

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from qbench.models.datasets import Dataset
    from qbench.progress import Progress
    from qbench.records import KernelSet, RuntimeOptions

    Array = npt.NDArray[Any]

#: What the runtime is asked for to get the kernels of a family.
_KERNELS: dict[str, KernelSet] = {"xnnpack": "builtin", "builtin": "no-delegates", "reference": "reference"}

_FIRST_RUN_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Families:
    """Results of the families, that which the artifact is deployed on first, and why others have none."""

    results: tuple[FamilyResult, ...]
    notes: tuple[str, ...]


def family_results(
    content: bytes,
    dataset: Dataset,
    options: RuntimeOptions,
    *,
    output: int = 0,
    examples: int = 1000,
    limit_s: float = 10.0,
    progress: Progress | None = None,
) -> Families:
    """Evaluate an artifact on every family of kernels.

    Each family runs in a worker process first: kernels that nobody deploys may crash. One that cannot run the artifact,
    or gives NaN, is in the notes.

    Parameters
    ----------
    options
        How the artifact is deployed: flips are those from what it predicts like that.
    output
        Index of the output that predictions are read from; nothing flips where it is no row of classes.
    examples, limit_s
        How many of the first examples are run at most, the same for all families, and for how many seconds in all:
        reference kernels may take a thousand times as long as others, so it is tried first what one example takes.

    Raises
    ------
    QbenchError
        If the artifact does not run as it is deployed, or the dataset does not fit it.
    """
    kinds = _kinds(options)
    notes: list[str] = []
    usable = _usable(content, kinds, notes)
    example_s = {family: _example_s(content, dataset, chosen) for family, chosen in usable.items()}
    count = max(1, min(examples, dataset.examples, int(limit_s / max(sum(example_s.values()), 1e-9))))
    part = _first(dataset, count)
    results: list[FamilyResult] = []
    deployed: Evaluation | None = None
    for family, chosen in usable.items():
        try:
            with (progress or NoProgress()).task(f"running {family} kernels") as report:
                found = evaluate(content, part, chosen, progress=report)
                results.append(_result(family, found, deployed or found, output, part))
        except QbenchError as error:
            if deployed is None:
                raise
            notes.append(f"{family} kernels: {error}")
        else:
            deployed = deployed or found
    return Families(results=tuple(results), notes=tuple(notes))


def _kinds(options: RuntimeOptions) -> dict[str, RuntimeOptions]:
    """What each family is run with; the deployed one comes first."""
    plain = msgspec.structs.replace(options, delegate="")
    kinds = {family: msgspec.structs.replace(plain, kernels=kernels) for family, kernels in _KERNELS.items()}
    if options.delegate:
        return {Path(options.delegate).name: options, **kinds}
    (deployed,) = (family for family, kernels in _KERNELS.items() if kernels == options.kernels)
    return {deployed: kinds.pop(deployed), **kinds}


def _usable(content: bytes, kinds: dict[str, RuntimeOptions], notes: list[str]) -> dict[str, RuntimeOptions]:
    """Those of `kinds` that run the artifact once in a worker; the first is known to, or its error is raised."""
    usable: dict[str, RuntimeOptions] = {}
    process = RuntimeProcess(limit_s=_FIRST_RUN_S)
    try:
        for family, chosen in kinds.items():
            if not process.running:
                process.start()
            request = {"do": "preflight", **msgspec.to_builtins(chosen)}
            try:
                process.ask(request, content, name=f"{family} kernels", doing=f"running it on {family} kernels")
            except QbenchError as error:
                if not usable:
                    raise
                notes.append(f"{family} kernels: {error}")
            else:
                usable[family] = chosen
    finally:
        process.stop()
    return usable


def _example_s(content: bytes, dataset: Dataset, options: RuntimeOptions) -> float:
    """Seconds that the first example takes, one by one; only how many are run depends on it."""
    interpreter = open_interpreter(content, options)
    fill_inputs(interpreter, dataset)
    interpreter.invoke()  # Sets up what later ones reuse.
    started = time.perf_counter()
    interpreter.invoke()
    return time.perf_counter() - started


def _result(family: str, found: Evaluation, deployed: Evaluation, output: int, dataset: Dataset) -> FamilyResult:
    real_outputs(found)  # Raises what is said of NaN.
    accuracy, flips = None, 0
    if is_class_row(found, output):
        classified = predictions(found, output)
        flips = int(np.count_nonzero(classified != predictions(deployed, output)))
        if dataset.labels is not None:
            labels = check_labels(dataset.labels, classes=max(found.outputs[output].shape[1:]), name=dataset.name)
            accuracy = float(np.count_nonzero(classified == labels) / len(labels))
    return FamilyResult(
        family=family,
        accuracy=accuracy,
        flips=flips,
        max_output_steps=_steps(found, deployed),
        examples=dataset.examples,
    )


def _steps(found: Evaluation, deployed: Evaluation) -> int:
    """The largest difference of all stored outputs that are quantized."""
    pairs: Sequence[tuple[Array, Array]] = [
        (ours, theirs)
        for spec, ours, theirs in zip(found.specs, found.outputs, deployed.outputs, strict=True)
        if spec.quantized
    ]
    return max((int(np.abs(ours.astype(np.int64) - theirs).max()) for ours, theirs in pairs), default=0)


def _first(dataset: Dataset, count: int) -> Dataset:
    inputs = {name: array[:count] for name, array in dataset.input_arrays.items()}
    named = not isinstance(dataset.inputs, np.ndarray)
    labels = None if dataset.labels is None else np.asarray(dataset.labels)[:count]
    groups = None if dataset.groups is None else list(dataset.groups)[:count]
    given = inputs if named else next(iter(inputs.values()))
    return replace(dataset, inputs=given, labels=labels, calibration=None, groups=groups)
