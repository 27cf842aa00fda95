"""How much worse a metric may be, and which of several declarations of that holds."""

from __future__ import annotations

import math

import msgspec


class Tolerance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tolerances that one place declares; None where it says nothing.

    Attributes
    ----------
    accuracy_drop
        Loss of accuracy (top-1, and top-k where asked) against fp32 in the same run, absolute: 0.005 is
        half a percentage point.
    accuracy_regression
        Loss of accuracy against the baseline of the same recipe, absolute.
    agreement_regression
        Loss of agreement with fp32 against the baseline, absolute.
    sqnr_db
        Loss of output signal to quantization noise ratio against the baseline, in decibel.
    latency
        Growth of the latency against the baseline's artifact, as a share: 0.05 is five per cent.
    min_speedup
        How many times as fast as fp32 in the same run it has to be; not a tolerance but a floor.
    size
        Growth of the artifact's bytes against the baseline, as a share.
    memory
        Growth of the bytes the runtime keeps for tensors against the baseline, as a share.
    peak_memory
        Growth of what loading and running it adds to a process's memory, against the baseline, as a share.
    float_islands, quantize_dequantize
        How many more of them than in the baseline.
    integer_compute
        Loss of the share of multiply-accumulates done on integers against the baseline, absolute.
    metrics
        Tolerances of a user's own metrics by name, in the metric's own unit.
    """

    accuracy_drop: float | None = None
    accuracy_regression: float | None = None
    agreement_regression: float | None = None
    sqnr_db: float | None = None
    latency: float | None = None
    min_speedup: float | None = None
    size: float | None = None
    memory: float | None = None
    peak_memory: float | None = None
    float_islands: float | None = None
    quantize_dequantize: float | None = None
    integer_compute: float | None = None
    metrics: dict[str, float] = {}

    def __post_init__(self) -> None:
        numbers = {key: value for key in self.__struct_fields__ if key != "metrics" and (value := getattr(self, key))}
        if taken := sorted(self.metrics.keys() & set(self.__struct_fields__)):
            raise ValueError(f"metrics is for metrics of your own; {', '.join(taken)} stands beside it, not inside")
        for key, value in {**numbers, **self.metrics}.items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{key} must be a finite number of at least 0, got {value}")

    def overridden_by(self, other: Tolerance) -> Tolerance:
        """The tolerance that says what `other` says, and what this one says where `other` is silent."""
        values = {
            key: own if (said := getattr(other, key)) is None else said
            for key in self.__struct_fields__
            if key != "metrics" and ((own := getattr(self, key)) is not None or getattr(other, key) is not None)
        }
        return Tolerance(**values, metrics={**self.metrics, **other.metrics})

    def for_metric(self, key: str) -> float | None:
        """The tolerance called `key`, or the one of the user's metric of that name."""
        if key in self.metrics:
            return self.metrics[key]
        return getattr(self, key, None) if key in self.__struct_fields__ else None


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
    integer_compute=0.0,
)


def resolve_tolerance(*declarations: Tolerance) -> Tolerance:
    """Merge declarations from the most general to the most particular; the later one wins."""
    resolved = DEFAULT_TOLERANCE
    for declared in declarations:
        resolved = resolved.overridden_by(declared)
    return resolved
