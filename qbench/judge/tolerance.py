"""How much worse a metric may be, and which of several declarations of that holds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from qbench.verdicts import Allowance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.records import Metric

#: A number in the metric's own unit, or what becomes one at a reference.
Allowed: TypeAlias = float | Allowance

#: A mean of shares, each of them 1, may be more than 1 by rounding: of cosines it often is.
_ROUNDING = 1e-6

#: Tolerances of metrics of the user's own, by their names.
_OWN = ("metrics", "metrics_drop")

#: What two declarations of are merged, not replaced.
_APART = (*_OWN, "drift")


class DriftTolerance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How much worse than its anchor's an accepted value may be, after any number of changes (`qbench.judge.drift`).

    Each attribute is a limit in the terms of the tolerance of that name; None where nothing is said.
    """

    accuracy_regression: Allowed | None = None
    agreement_regression: Allowed | None = None
    sqnr_db: float | None = None
    size: float | None = None
    compressed_size: float | None = None
    memory: float | None = None
    peak_memory: float | None = None
    float_islands: float | None = None
    quantize_dequantize: float | None = None
    undelegated_operators: float | None = None
    integer_compute: float | None = None
    metrics: dict[str, Allowed] = {}

    def __post_init__(self) -> None:
        _check_amounts(self, ("metrics",))

    def overridden_by(self, other: DriftTolerance) -> DriftTolerance:
        """What `other` says, and what this one says where `other` is silent."""
        said = {key: value for key in self.__struct_fields__ if (value := getattr(other, key)) is not None}
        return msgspec.structs.replace(self, **{**said, "metrics": {**self.metrics, **other.metrics}})

    def for_metric(self, key: str) -> Allowed | None:
        """The limit called `key`, or the one of the user's metric of that name."""
        return _named(self, key)


class Tolerance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tolerances that one place declares; None where it says nothing.

    Attributes
    ----------
    accuracy_drop
        Loss of accuracy (top-1, and top-k where asked) against fp32 in the same run: 0.005 is half a
        percentage point, and an `Allowance` says it as a share of the accuracy or of the errors.
    accuracy_regression
        Loss of accuracy against the baseline of the same recipe, in the same terms.
    slice_drop, slice_regression
        Loss of accuracy against fp32, and against the baseline, in any class or group of the dataset, absolute: a loss
        that is more than that, and more than chance, fails (`qbench.judge.slices`).
    agreement_regression
        Loss of agreement with fp32 against the baseline, in the same terms.
    sqnr_db
        Loss of output signal to quantization noise ratio against the baseline, in decibel.
    latency
        Growth of the latency against the baseline's artifact, as a share: 0.05 is five per cent.
    min_speedup
        How many times as fast as fp32 in the same run it has to be; not a tolerance but a floor.
    size
        Growth of the artifact's bytes against the baseline, as a share.
    compressed_size
        Growth of the artifact's bytes after deflate against the baseline, as a share. Not gated unless it is given,
        because it depends on the build of zlib.
    memory
        Growth of the bytes the runtime keeps for tensors against the baseline, as a share.
    peak_memory
        Growth of what loading and running it adds to a process's memory, against the baseline, as a share.
    float_islands, quantize_dequantize
        How many more of them than in the baseline.
    undelegated_operators
        How many operators that compute, and that a delegate ran in the baseline, may be left to the runtime.
    integer_compute
        Loss of the share of multiply-accumulates done on integers against the baseline, absolute.
    metrics
        Tolerances of a user's own metrics against the baseline by name, in the metric's own unit or as an `Allowance`.
    metrics_drop
        The same against fp32 in the same run.
    drift
        How much worse than their anchor's values may become through many changes.
    """

    accuracy_drop: Allowed | None = None
    accuracy_regression: Allowed | None = None
    slice_drop: float | None = None
    slice_regression: float | None = None
    agreement_regression: Allowed | None = None
    sqnr_db: float | None = None
    latency: float | None = None
    min_speedup: float | None = None
    size: float | None = None
    compressed_size: float | None = None
    memory: float | None = None
    peak_memory: float | None = None
    float_islands: float | None = None
    quantize_dequantize: float | None = None
    undelegated_operators: float | None = None
    integer_compute: float | None = None
    metrics: dict[str, Allowed] = {}
    metrics_drop: dict[str, Allowed] = {}
    drift: DriftTolerance | None = None

    def __post_init__(self) -> None:
        _check_amounts(self, _OWN)

    def overridden_by(self, other: Tolerance) -> Tolerance:
        """The tolerance that says what `other` says, and what this one says where `other` is silent."""
        values: dict[str, Any] = {
            key: own if (said := getattr(other, key)) is None else said
            for key in self.__struct_fields__
            if key not in _APART and ((own := getattr(self, key)) is not None or getattr(other, key) is not None)
        }
        return Tolerance(
            **values,
            metrics={**self.metrics, **other.metrics},
            metrics_drop={**self.metrics_drop, **other.metrics_drop},
            drift=(self.drift or DriftTolerance()).overridden_by(other.drift) if other.drift else self.drift,
        )

    def for_metric(self, key: str) -> Allowed | None:
        """The tolerance called `key`, or the one of the user's metric of that name."""
        return _named(self, key)


def _named(tolerance: Tolerance | DriftTolerance, key: str) -> Allowed | None:
    if key in tolerance.metrics:
        return tolerance.metrics[key]
    return getattr(tolerance, key, None) if key in tolerance.__struct_fields__ else None


def _check_amounts(tolerance: Tolerance | DriftTolerance, own: Sequence[str]) -> None:
    """Refuse what is below zero or no finite number, and under `own` what is no metric of the user's own."""
    amounts = {
        key: value for key in tolerance.__struct_fields__ if key not in own and (value := getattr(tolerance, key))
    }
    for table in own:
        named = getattr(tolerance, table)
        if taken := sorted(named.keys() & set(tolerance.__struct_fields__)):
            raise ValueError(f"{table} is for metrics of your own; {', '.join(taken)} stands beside it, not inside")
        amounts |= named
    for key, value in amounts.items():
        # A record has refused what it must not be already.
        if not isinstance(value, msgspec.Struct) and not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{key} must be a finite number of at least 0, got {value}")


#: What holds where nothing is declared. Agreement, SQNR and memory are shown and not gated: a change of
#: theirs is a symptom, and accuracy and size are what it is a symptom of. Peak memory also depends on how the
#: kernels of a processor lay out weights.
DEFAULT_TOLERANCE = Tolerance(
    accuracy_drop=0.005,
    accuracy_regression=0.002,
    latency=0.05,
    size=0.01,
    float_islands=0,
    quantize_dequantize=0,
    undelegated_operators=0,
    integer_compute=0.0,
)


def resolve_tolerance(*declarations: Tolerance, default: Tolerance = DEFAULT_TOLERANCE) -> Tolerance:
    """Merge declarations from the most general to the most particular; the later one wins.

    Parameters
    ----------
    default
        What holds where none of them says anything.
    """
    resolved = default
    for declared in declarations:
        resolved = resolved.overridden_by(declared)
    return resolved


def margin_at(allowed: Allowed, metric: Metric, *, reference: float) -> float:
    """What `allowed` comes to at a reference, in the metric's unit; the strictest where it says several things.

    A reference without errors leaves no errors to grow from, and one of 0 no share: the margin is then 0.

    Raises
    ------
    ValueError
        If it speaks of errors and `reference` is not between 0 and 1, so that there is no share of errors.
    """
    if not isinstance(allowed, Allowance):
        return allowed
    margins = []
    if allowed.absolute is not None:
        margins.append(allowed.absolute)
    if allowed.relative is not None:
        margins.append(allowed.relative * abs(reference))
    if allowed.errors is not None:
        margins.append(allowed.errors * error_share(metric, reference))
    return min(margins)


def error_share(metric: Metric, value: float) -> float:
    """The share of errors that the value of a share stands for: itself where lower is better, else what is left to 1.

    Raises
    ------
    ValueError
        If the value is not between 0 and 1.
    """
    if not -_ROUNDING <= value <= 1 + _ROUNDING:
        raise ValueError(f"{metric.name} is {value:g}, and only a share between 0 and 1 has errors that may grow")
    value = min(max(value, 0.0), 1.0)
    return value if metric.direction == "lower" else 1 - value
