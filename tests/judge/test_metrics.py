"""The table of qbench's own metrics."""

from __future__ import annotations

import pytest

from qbench.judge.metrics import (
    ACCURACY_DROP,
    LATENCY_METRIC,
    METRICS_BY_KIND,
    RESERVED_NAMES,
    TOP_K_DROP,
    GatedMetric,
    kind_of,
)
from qbench.judge.tolerance import DEFAULT_TOLERANCE, Tolerance
from qbench.models.config import METRIC_KINDS

ALL = [gated for metrics in METRICS_BY_KIND.values() for gated in metrics]


def ids(gated: GatedMetric) -> str:
    return gated.metric.name


@pytest.mark.parametrize("gated", ALL, ids=ids)
def test_each_gated_metric_has_a_tolerance_that_exists(gated: GatedMetric):
    assert gated.tolerance_key == "" or gated.tolerance_key in Tolerance.__struct_fields__


@pytest.mark.parametrize("gated", ALL, ids=ids)
def test_what_is_judged_against_the_baseline_is_exact(gated: GatedMetric):
    assert gated.metric.exact or not gated.tolerance_key


def test_latency_is_the_noisy_one():
    assert not LATENCY_METRIC.exact
    assert LATENCY_METRIC.relative
    assert LATENCY_METRIC.direction == "lower"


@pytest.mark.parametrize(
    ("name", "direction", "relative"),
    [
        ("accuracy", "higher", False),
        ("top_k_accuracy", "higher", False),
        ("agreement", "higher", False),
        ("flips", "lower", False),
        ("sqnr_db", "higher", False),
        ("max_error_lsb", "lower", False),
        ("size_bytes", "lower", True),
        ("compressed_bytes", "lower", True),
        ("weight_bytes", "lower", False),
        ("arena_bytes", "lower", True),
        ("peak_memory_bytes", "lower", True),
        ("float_islands", "lower", False),
        ("quantize_dequantize", "lower", False),
        ("undelegated_operators", "lower", False),
        ("integer_compute", "higher", False),
    ],
)
def test_direction_and_scale(name: str, direction: str, relative: bool):  # noqa: FBT001 - a table's column
    (gated,) = [gated for gated in ALL if gated.metric.name == name]
    assert (gated.metric.direction, gated.metric.relative) == (direction, relative)


def test_the_gate_is_on_for_accuracy_size_and_structure_without_any_declaration():
    on = {gated.metric.name for gated in ALL if DEFAULT_TOLERANCE.for_metric(gated.tolerance_key) is not None}
    structure = {"float_islands", "quantize_dequantize", "undelegated_operators", "integer_compute"}
    assert on == {"accuracy", "top_k_accuracy", "size_bytes"} | structure


def test_every_kind_has_metrics():
    assert set(METRICS_BY_KIND) == set(METRIC_KINDS)


def test_names_are_distinct_and_reserved():
    names = [gated.metric.name for gated in ALL]
    assert len(set(names)) == len(names)
    assert {*names, ACCURACY_DROP.name, TOP_K_DROP.name, LATENCY_METRIC.name} <= RESERVED_NAMES


@pytest.mark.parametrize("key", Tolerance.__struct_fields__)
def test_a_tolerance_of_ours_cannot_be_inherited_by_name(key: str):
    assert key in RESERVED_NAMES


@pytest.mark.parametrize(
    ("name", "kind"),
    [("size_bytes", "size"), ("float_islands", "structure"), ("flips", "accuracy"), ("psnr", "accuracy")],
)
def test_kind_of(name: str, kind: str):
    assert kind_of(name) == kind
