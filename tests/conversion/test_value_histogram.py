from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from qbench.conversion.value_histogram import BIN_WIDTH, ZERO_BELOW, ValueCounter

finite = npst.arrays(
    np.float32, st.integers(1, 60), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)
)


def counted(*portions):
    counter = ValueCounter()
    for portion in portions:
        counter.add(np.asarray(portion, np.float32))
    return counter.histogram()


@given(finite)
@settings(deadline=None)
def test_each_value_is_counted_in_a_bin_that_holds_it(values):
    histogram = counted(values)
    taken = np.where(np.abs(values) < ZERO_BELOW, 0, values).astype(np.float64)
    # Adjacent bins share a bound: a value belongs to the one that starts with its magnitude.
    magnitudes = np.abs(taken)[:, np.newaxis]
    near = np.minimum(np.abs(histogram.low), np.abs(histogram.high))
    far = np.maximum(np.abs(histogram.low), np.abs(histogram.high))
    sides = np.sign(histogram.low + histogram.high)
    same_side = (np.sign(taken)[:, np.newaxis] == sides) | (near == far)
    holds = (near <= magnitudes) & (magnitudes <= far) & same_side
    assert holds.any(axis=1).all() or np.abs(values).max() < ZERO_BELOW
    assert (histogram.counts > 0).all()
    assert histogram.total == values.size
    assert (histogram.minimum, histogram.maximum) == (values.min(), values.max())


@given(finite)
@settings(deadline=None)
def test_bins_are_in_order_and_narrow(values):
    histogram = counted(values)
    assert (histogram.low <= histogram.high).all()
    assert (histogram.high[:-1] <= histogram.low[1:]).all()
    magnitudes = np.minimum(np.abs(histogram.low), np.abs(histogram.high))
    assert (histogram.high - histogram.low <= np.maximum(magnitudes * BIN_WIDTH, ZERO_BELOW)).all()


@given(finite, st.integers(1, 59), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_neither_order_nor_portions_count(values, cut, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    whole, portions = counted(values), counted(shuffled[:cut], shuffled[cut:])
    for name in ("low", "high", "counts"):
        assert np.array_equal(getattr(whole, name), getattr(portions, name))


def test_counts_by_bin_are_those_of_a_search_through_the_bounds():
    values = np.random.default_rng(0).normal(size=20_000).astype(np.float32)
    histogram = counted(values)
    positive = histogram.low > 0
    edges = np.append(histogram.low[positive], np.inf)
    expected, _ = np.histogram(values[values > 0].astype(np.float64), edges)
    assert np.array_equal(histogram.counts[positive], expected)
    mirrored = counted(-values)
    assert np.array_equal(mirrored.counts[::-1], histogram.counts)
    assert np.array_equal(-mirrored.high[::-1], histogram.low)


def test_what_is_not_finite_is_left_out():
    histogram = counted([1.0, np.inf, -np.inf, np.nan, 2.0])
    assert (histogram.total, histogram.minimum, histogram.maximum) == (2, 1.0, 2.0)
    assert counted([np.inf], []) is None


def test_values_next_to_zero_are_zeros():
    histogram = counted([0.0, -0.0, ZERO_BELOW / 2, 1.0, -1.0])
    assert histogram.counts.tolist() == [1, 3, 1]
    assert histogram.low[1] == histogram.high[1] == 0.0
