"""The metrics that qbench itself measures: unit, direction, and the tolerance that holds for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qbench.judge.tolerance import Tolerance
from qbench.records import Direction, Metric

if TYPE_CHECKING:
    from collections.abc import Mapping


class GatedMetric(msgspec.Struct, frozen=True, kw_only=True):
    """A metric, and the key of its tolerance against the baseline; empty if it is only shown."""

    metric: Metric
    tolerance_key: str = ""


def _gated(
    name: str, unit: str, direction: Direction, key: str = "", *, relative: bool = False, exact: bool = True
) -> GatedMetric:
    metric = Metric(name=name, unit=unit, direction=direction, relative=relative, exact=exact)
    return GatedMetric(metric=metric, tolerance_key=key)


#: Accuracy on the evaluation set: share of examples whose label has the largest output.
ACCURACY = "accuracy"
#: Share of examples whose label is among the k largest outputs.
TOP_K_ACCURACY = "top_k_accuracy"
#: Share of examples on which the artifact predicts what fp32 predicts.
AGREEMENT = "agreement"
SIZE = "size_bytes"
#: What a package or a download takes; what pruning is for. Other builds of zlib compress a little differently.
COMPRESSED_SIZE = "compressed_bytes"
#: What loading and running an artifact adds to the memory of a process that has the runtime in it.
PEAK_MEMORY = "peak_memory_bytes"
LATENCY = "latency_ns"
#: How many times as fast as fp32 of the same run; measured side by side, so that machines can be compared.
SPEEDUP = "speedup"

FLOAT_ISLANDS = "float_islands"
CONVERSIONS = "quantize_dequantize"
#: Operators that compute and that no delegate runs; not measured where an artifact is run without one on purpose.
UNDELEGATED = "undelegated_operators"

#: What each kind of measurement consists of. Names are those that a baseline file has.
METRICS_BY_KIND: Mapping[str, tuple[GatedMetric, ...]] = {
    "accuracy": (
        _gated(ACCURACY, "", "higher", "accuracy_regression"),
        _gated(TOP_K_ACCURACY, "", "higher", "accuracy_regression"),
        _gated(AGREEMENT, "", "higher", "agreement_regression"),
        _gated("flips", "examples", "lower"),
        _gated("sqnr_db", "dB", "higher", "sqnr_db"),
        _gated("max_error_lsb", "LSB", "lower"),
    ),
    "size": (
        _gated(SIZE, "B", "lower", "size", relative=True),
        _gated(COMPRESSED_SIZE, "B", "lower", "compressed_size", relative=True),
        _gated("weight_bytes", "B", "lower"),
        _gated("arena_bytes", "B", "lower", "memory", relative=True),
        _gated(PEAK_MEMORY, "B", "lower", "peak_memory", relative=True),
    ),
    "structure": (
        _gated(FLOAT_ISLANDS, "", "lower", "float_islands"),
        _gated(CONVERSIONS, "operators", "lower", "quantize_dequantize"),
        _gated(UNDELEGATED, "operators", "lower", "undelegated_operators"),
        _gated("integer_compute", "", "higher", "integer_compute"),
    ),
    # Latency itself is judged by contests, not against what was measured on another day.
    "latency": (
        _gated(SPEEDUP, "", "higher", exact=False),
        _gated(f"{SPEEDUP}_low", "", "higher", exact=False),
        _gated(f"{SPEEDUP}_high", "", "higher", exact=False),
    ),
}

#: What a verdict is about that says of a subject that it is no longer declared.
DECLARATION = "declaration"

#: What is compared with fp32 of the same run instead of with the baseline.
ACCURACY_DROP = Metric(name="accuracy_drop", unit="", direction="higher")
TOP_K_DROP = Metric(name="top_k_accuracy_drop", unit="", direction="higher")
#: What a class or group lost, against fp32 and against the baseline.
SLICE_DROP = "slice_drop"
SLICE_REGRESSION = "slice_regression"
LATENCY_METRIC = Metric(name=LATENCY, unit="ns", direction="lower", relative=True, exact=False)

#: Names that a user's own metric must not take: those of metrics here, and of tolerances, which it would inherit.
RESERVED_NAMES = frozenset(
    {gated.metric.name for kind in METRICS_BY_KIND.values() for gated in kind}
    | {ACCURACY_DROP.name, TOP_K_DROP.name, LATENCY, *Tolerance.__struct_fields__}
)

#: Ends the name of a metric where its last value is compared with that of an anchor.
DRIFT_SUFFIX = "_drift"


def drop_of(metric: Metric) -> Metric:
    """What a user's own metric is called where it is compared with fp32 of the same run."""
    return msgspec.structs.replace(metric, name=f"{metric.name}_drop")


def verdict_kind(metric: str) -> str:
    """The kind of measurement that a verdict on `metric` is about; a verdict on a whole kind is called as the kind."""
    if metric == DECLARATION or metric in METRICS_BY_KIND:
        return metric
    return "latency" if metric == LATENCY else kind_of(metric)


def kind_of(name: str) -> str:
    """The kind of measurement that the metric `name` belongs to; a user's own belong to accuracy."""
    name = name.removesuffix(DRIFT_SUFFIX)
    kinds = (kind for kind, metrics in METRICS_BY_KIND.items() if any(gated.metric.name == name for gated in metrics))
    return next(kinds, "accuracy")
