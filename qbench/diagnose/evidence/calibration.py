"""Calibration as a tested input: against what is evaluated, against the artifact, and against parts of itself."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.diagnose.evidence.records import CalibrationReport, InputReport, RangeStability

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from qbench.models.datasets import Dataset
    from qbench.records import TensorSpec
    from qbench.tflite.graph import Subgraph

    Array = npt.NDArray[Any]

#: What litert-quantizer's own calibration keeps of the range so far with each example.
_MOVING_AVERAGE = 0.95
#: Ranges settle long before, and the arrays of large images need not be turned into real values as a whole.
_MOST_EXAMPLES, _MOST_VALUES = 1024, 1 << 25
#: A copy that was compressed or scaled anew keeps all but this share of an example's variance.
_NEAR = 0.01
#: Multiplications that looking for near copies may take; about a second.
_MOST_MULTIPLICATIONS = 2e10
_CHUNK = 256
#: How far beyond the evaluation's range, as a share of its width, an example is one that reaches further.
_BEYOND = 0.25
#: What it takes to hold one half of a set against the other.
LEAST_EXAMPLES = 2


def has_ranges(graph: Subgraph) -> bool:
    """Whether the ranges of activations are part of an artifact, so that somebody calibrated it."""
    return any(tensor.data is None and tensor.scales.size for tensor in graph.tensors)


def input_reports(dataset: Dataset, specs: Sequence[TensorSpec]) -> tuple[InputReport, ...]:
    """Ranges of what is fed to an artifact's inputs, for inputs that stand for real values.

    They are those of the finite values; an input that is fed none has no report.

    Parameters
    ----------
    specs
        The artifact's inputs; those of a dataset with one unnamed input are one.
    """
    reports = []
    for spec in specs:
        single = len(specs) == 1 and len(dataset.input_arrays) == 1
        name = next(iter(dataset.input_arrays)) if single else spec.name
        given = dataset.input_arrays.get(name)
        if given is None or not (np.issubdtype(given.dtype, np.floating) or dataset.input_scale is not None):
            continue
        calibration = dataset.calibration_arrays.get(name)
        real = dataset.real_values(_thinned(given))
        if np.isfinite(real).any():
            reports.append(
                _input_report(spec, real, None if calibration is None else dataset.real_values(_thinned(calibration)))
            )
    return tuple(reports)


def infinite_values(dataset: Dataset) -> Iterator[str]:
    """How many values of each input's examples are infinite, as clauses; NaN is refused elsewhere."""
    for kind, arrays in (("evaluation", dataset.input_arrays), ("calibration", dataset.calibration_arrays)):
        for name, array in arrays.items():
            if not np.issubdtype(array.dtype, np.floating):
                continue
            # Example by example: a bool for each value of a large set may be more than there is room for.
            count = sum(int(np.count_nonzero(np.isinf(row))) for row in array)
            if count:
                where = f" of input {name!r}" if name else ""
                are = "values are" if count > 1 else "value is"
                yield f"{count:,} {kind} {are} infinite{where}; ranges are those of the others"


def calibration_report(
    dataset: Dataset, *, near_copies: bool = True, check: Callable[[], None] = lambda: None
) -> CalibrationReport | None:
    """What the calibration set is like in itself; None if the dataset has none.

    Exact copies of evaluation examples are no finding here: a `Dataset` that holds one is refused.

    Parameters
    ----------
    near_copies
        Whether to look for copies that are not exact, which takes longer than all else.
    check
        Called again and again; what it raises ends the work.
    """
    arrays = dataset.calibration_arrays
    if not arrays:
        return None
    names = sorted(arrays)
    examples = len(arrays[names[0]])
    seen: set[bytes] = set()
    constant = 0
    for index in range(examples):
        if index % _CHUNK == 0:
            check()
        rows = [arrays[name][index].reshape(-1) for name in names]
        seen.add(hashlib.sha256(b"".join(row.tobytes() for row in rows)).digest())
        constant += all(bool((row == row[:1]).all()) for row in rows)
    return CalibrationReport(
        digest=dataset.calibration_digest,
        examples=examples,
        constant_examples=constant,
        duplicate_examples=examples - len(seen),
        near_copies=_near_copies(dataset, check) if near_copies else None,
    )


def range_stability(extremes: Mapping[str, Array]) -> tuple[RangeStability, ...]:
    """How far ranges depend on which calibration examples there are and on their order; the least stable first.

    Parameters
    ----------
    extremes
        Smallest and largest value of each tensor for each example, shape (examples, 2); a tensor of fewer than two
        examples is left out.
    """
    found = []
    for tensor, pairs in extremes.items():
        if len(pairs) < LEAST_EXAMPLES:
            continue
        whole = _range(pairs)
        width = float(whole[1] - whole[0])
        halves = [_range(pairs[0::2]), _range(pairs[1::2])]
        orders = [_moving_average(pairs), _moving_average(pairs[::-1])]
        found.append(
            RangeStability(
                tensor=tensor,
                low=float(whole[0]),
                high=float(whole[1]),
                moved_by_subset=_moved(halves, width),
                moved_by_order=_moved(orders, width),
            )
        )
    return tuple(sorted(found, key=lambda each: -each.moved_by_subset))


def _input_report(spec: TensorSpec, real: Array, calibration: Array | None) -> InputReport:
    finite = real if np.isfinite(real).all() else real[np.isfinite(real)]
    beyond, examples = 0, 0
    if calibration is not None:
        beyond, examples = _beyond(calibration, float(finite.min()), float(finite.max())), len(calibration)
        calibration = calibration[np.isfinite(calibration)]
        calibration = calibration if calibration.size else None
    represents, saturated = None, 0.0
    if spec.quantized:
        step, zero_point, limits = spec.scales[0], spec.zero_points[0], np.iinfo(spec.dtype)
        represents = (step * (int(limits.min) - zero_point), step * (int(limits.max) - zero_point))
        saturated = float(np.mean((real < represents[0] - step) | (real > represents[1] + step)))
    return InputReport(
        name=spec.name,
        low=float(finite.min()),
        high=float(finite.max()),
        mean=float(finite.mean(dtype=np.float64)),
        deviation=float(finite.std(dtype=np.float64)),
        calibration_low=None if calibration is None else float(calibration.min()),
        calibration_high=None if calibration is None else float(calibration.max()),
        calibration_mean=None if calibration is None else float(calibration.mean(dtype=np.float64)),
        represents_low=represents[0] if represents else None,
        represents_high=represents[1] if represents else None,
        saturated=saturated,
        calibration_examples=examples,
        calibration_beyond=beyond,
    )


def _beyond(examples: Array, low: float, high: float) -> int:
    """How many examples have a finite value beyond a range, by more than a share of its width."""
    room = _BEYOND * (high - low)
    outside = np.isfinite(examples) & ((examples < low - room) | (examples > high + room))
    return int(np.count_nonzero(outside.reshape(len(examples), -1).any(axis=1)))


def _thinned(examples: Array) -> Array:
    """At most so many examples as it takes, from all over the set: sets are often sorted."""
    return examples[:: max(1, -(-len(examples) // _MOST_EXAMPLES), -(-examples.size // _MOST_VALUES))]


def _near_copies(dataset: Dataset, check: Callable[[], None]) -> int | None:
    """Calibration examples whose nearest evaluation example is the same but for a little noise."""
    (name,) = list(dataset.input_arrays)[:1]
    evaluated, calibration = dataset.input_arrays[name], dataset.calibration_arrays[name]
    if len(dataset.input_arrays) > 1 or not np.issubdtype(evaluated.dtype, np.number):
        return None
    if len(evaluated) * calibration.size > _MOST_MULTIPLICATIONS:
        return None
    rows = evaluated.reshape(len(evaluated), -1).astype(np.float32)
    mean = rows.mean(axis=0)
    rows -= mean
    others = calibration.reshape(len(calibration), -1).astype(np.float32) - mean
    energy, found = np.square(rows).sum(axis=1), 0
    for start in range(0, len(others), _CHUNK):
        check()
        chunk = others[start : start + _CHUNK]
        own = np.square(chunk).sum(axis=1)
        nearest = (energy - 2 * (chunk @ rows.T)).min(axis=1) + own
        found += int(np.count_nonzero(nearest < _NEAR * own))
    return found


def _range(pairs: Array) -> Array:
    return np.array([pairs[:, 0].min(), pairs[:, 1].max()], np.float64)


def _moving_average(pairs: Array) -> Array:
    average: Array = pairs[0].astype(np.float64)
    for pair in pairs[1:]:
        average = _MOVING_AVERAGE * average + (1 - _MOVING_AVERAGE) * pair
    return average


def _moved(ranges: Sequence[Array], width: float) -> float:
    return float(np.abs(ranges[0] - ranges[1]).max() / width) if width > 0 else 0.0
