"""A user's own metrics."""

from __future__ import annotations

import math

import numpy as np
import pytest

import qbench
from qbench.errors import ConfigError, MeasurementError
from qbench.measure.metrics import OwnMetric, call_metric, load_metric, metric
from qbench.records import Metric

KEY = "tool.qbench.models.m.metrics"

MODULE = """
import qbench

@qbench.metric(unit="px", direction="lower")
def mean_error(outputs, labels):
    return abs(outputs - labels).mean()

@qbench.metric(unit="dB", direction="higher", name="psnr_db")
def psnr(outputs, labels):
    return 1

def plain(outputs, labels):
    return 1

number = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a module with metrics."""
    name = f"own_metrics_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_a_decorated_function_is_loaded_with_what_was_declared(module: str):
    own = load_metric(f"{module}:mean_error", key=KEY)
    assert own.metric == Metric(name="mean_error", unit="px", direction="lower")
    assert own.function(np.array([1.0, 3.0]), np.array([0.0, 0.0])) == 2.0
    assert load_metric(f"{module}:psnr", key=KEY).metric == Metric(name="psnr_db", unit="dB", direction="higher")


def test_the_decorator_is_public_and_leaves_the_function_as_it_is():
    assert qbench.metric is metric

    def function(outputs, labels):
        return outputs + labels

    assert metric(unit="", direction="lower")(function) is function
    assert function(1, 2) == 3


def test_a_direction_that_is_none_is_refused_at_once():
    with pytest.raises(ValueError, match="direction must be 'higher' or 'lower', got 'up'"):
        metric(unit="", direction="up")


@pytest.mark.parametrize("reference", ["nowhere_at_all:f", "{}:missing", "{}", ":f", ""])
def test_what_cannot_be_imported_is_refused_by_key(module: str, reference: str):
    with pytest.raises(ConfigError, match=r"expected 'module:function'") as caught:
        load_metric(reference.format(module), key=KEY)
    assert caught.value.key == KEY


@pytest.mark.parametrize("name", ["plain", "number"])
def test_what_is_not_decorated_is_refused(module: str, name: str):
    with pytest.raises(ConfigError, match=r"which has no unit and direction, expected a function decorated"):
        load_metric(f"{module}:{name}", key=KEY)


# --- calling ----------------------------------------------------------------------------------------------


def own_metric(function, *, direction: str = "lower", **options) -> OwnMetric:
    return OwnMetric(metric=Metric(name="own", unit="", direction=direction), function=function, **options)


ONE, TWO = np.ones(3, np.float32), np.zeros(3, np.float32)


def test_one_output_is_given_bare_and_several_by_name():
    given = []

    def function(outputs, labels):
        given.append((outputs, labels))
        return 0

    labels = np.arange(3)
    call_metric(own_metric(function), {"a": ONE}, labels)
    call_metric(own_metric(function), {"a": ONE, "b": TWO}, None)
    assert given[0][0] is ONE
    assert given[0][1] is labels
    assert given[1] == ({"a": ONE, "b": TWO}, None)


@pytest.mark.parametrize("value", [3, np.float32(3), np.float64(3), np.array(3.0)])
def test_anything_that_is_one_number_is_a_value(value):
    found = call_metric(own_metric(lambda *_: value), {"a": ONE}, None)
    assert type(found.value) is float
    assert (found.value, found.of_examples) == (3.0, None)


def test_a_value_for_each_example_is_a_metric_whose_value_is_the_mean():
    found = call_metric(own_metric(lambda outputs, labels: outputs - labels), {"a": ONE * 4}, np.arange(3))
    assert found.value == 3.0
    np.testing.assert_array_equal(found.of_examples, [4.0, 3.0, 2.0])


def test_a_metric_may_be_a_function_of_means():
    own = own_metric(
        lambda outputs, _: np.stack([outputs, outputs * 4], axis=1), of_mean=lambda mean: mean[1] / mean[0]
    )
    found = call_metric(own, {"a": ONE}, None)
    assert found.value == 4.0
    assert found.of_examples.shape == (3, 2)


@pytest.mark.parametrize(
    ("given", "options", "expected"),
    [
        (np.zeros(2), {}, r"gives the shape \(2,\) for 3 examples; expected a number, or an array of shape \(3,\)"),
        (np.zeros((3, 1)), {}, r"gives the shape \(3, 1\) for 3 examples; expected a number, or an array"),
        (1.0, {"of_mean": float}, r"gives the shape \(\) for 3 examples; expected an array of shape \(3, \.\.\.\)"),
        (np.zeros((2, 3)), {"of_mean": float}, r"gives the shape \(2, 3\) for 3 examples; expected an array of shape"),
    ],
)
def test_a_shape_that_is_not_of_the_examples_is_refused(given, options, expected: str):
    with pytest.raises(MeasurementError, match=f"the metric 'own' {expected}"):
        call_metric(own_metric(lambda *_: given, **options), {"a": ONE}, None)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_an_example_without_a_value_is_named(bad: float):
    values = np.array([1.0, bad, 2.0])
    with pytest.raises(MeasurementError, match="NaN or infinite for 1 of 3 examples, the first of them example 1"):
        call_metric(own_metric(lambda *_: values), {"a": ONE}, None)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_what_is_not_finite_is_refused(value: float):
    with pytest.raises(MeasurementError, match=r"the metric 'own' is -?(nan|inf); expected a finite number"):
        call_metric(own_metric(lambda *_: value), {"a": ONE}, None)


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (lambda *_: None, "TypeError"),
        (lambda *_: "many", "ValueError"),
        (lambda outputs, _: outputs["b"], "IndexError"),
        (lambda: 1, "TypeError"),
        (lambda *_: 1 / 0, "ZeroDivisionError: division by zero"),
    ],
)
def test_a_function_that_fails_is_named_with_its_error(function, named: str):
    with pytest.raises(MeasurementError, match=f"the metric 'own' raised {named}"):
        call_metric(own_metric(function), {"a": ONE}, None)
