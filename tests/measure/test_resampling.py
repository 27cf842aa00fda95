"""A user's own metrics on resamples of the examples of two artifacts."""

from __future__ import annotations

import numpy as np
import pytest

from qbench.errors import MeasurementError
from qbench.measure.metrics import OwnMetric
from qbench.measure.resampling import compare_means, compare_sets
from qbench.records import Metric


def own_metric(function, *, direction: str = "lower", **options) -> OwnMetric:
    return OwnMetric(metric=Metric(name="own", unit="", direction=direction), function=function, **options)


VALUES = np.random.default_rng(0).exponential(size=80)


def always() -> bool:
    return True


@pytest.mark.parametrize(("direction", "sign"), [("lower", 1), ("higher", -1)])
def test_what_is_worse_is_the_directions_to_say(direction: str, sign: int):
    means = compare_means(own_metric(None, direction=direction), VALUES + 0.5, VALUES)
    assert means.change == pytest.approx(sign * 0.5)
    assert means.resampled == pytest.approx(sign * 0.5)
    own = own_metric(lambda outputs, _: outputs.mean(), direction=direction)
    sets = compare_sets(own, {"a": VALUES + 0.5}, {"a": VALUES}, None, more=always)
    assert sets.change == pytest.approx(sign * 0.5)
    assert sets.resampled == pytest.approx(sign * 0.5)


def test_of_a_function_of_means_it_is_that_function_which_is_compared():
    means = compare_means(own_metric(None, of_mean=np.sqrt), 4 * VALUES, VALUES)
    assert means.change == pytest.approx(np.sqrt(VALUES.mean()))
    sets = compare_sets(
        own_metric(lambda outputs, _: np.sqrt(outputs.mean())), {"a": 4 * VALUES}, {"a": VALUES}, None, more=always
    )
    assert means.resampled.mean() == pytest.approx(sets.resampled.mean(), rel=0.01)


def test_both_sides_and_the_labels_are_of_the_same_drawn_examples():
    seen = []

    def function(outputs, labels):
        np.testing.assert_array_equal(outputs["a"] % 100, labels)
        np.testing.assert_array_equal(outputs["b"] % 100, labels)
        seen.append(labels)
        return 0.0

    labels = np.arange(20)
    now, reference = ({"a": labels + shift, "b": labels + shift + 100} for shift in (0, 300))
    compare_sets(own_metric(function), now, reference, labels, more=always)
    for first, second in zip(seen[::2], seen[1::2], strict=True):
        np.testing.assert_array_equal(first, second)
    assert any(len(set(drawn.tolist())) < 20 for drawn in seen)


def test_resamples_on_which_the_function_fails_have_no_value():
    def needs_both(outputs, labels):
        if len(set(labels.tolist())) < 2:
            raise ValueError("one class only")
        return outputs.mean()

    rare, common = np.arange(40) < 5, np.arange(40) < 1
    found = compare_sets(own_metric(needs_both), {"a": VALUES[:40]}, {"a": VALUES[40:]}, rare, more=always)
    assert 1_900 < len(found.resampled) < 2_000
    with pytest.raises(MeasurementError, match="the metric has no value on "):
        compare_sets(own_metric(needs_both), {"a": VALUES[:40]}, {"a": VALUES[40:]}, common, more=always)


def test_values_of_other_shapes_cannot_be_compared():
    with pytest.raises(MeasurementError, match=r"the shape \(80, 2\).* and \(80, 3\)"):
        compare_means(own_metric(None, of_mean=np.sum), np.ones((80, 2)), np.ones((80, 3)))
