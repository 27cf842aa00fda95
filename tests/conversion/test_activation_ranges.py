from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from qbench.conversion.activation_ranges import (
    least_error_range,
    moving_average,
    octav_range,
    percentile_range,
    squared_error,
)
from qbench.conversion.value_histogram import BIN_WIDTH, ZERO_BELOW, ValueCounter

#: Shapes of activations, from a generator and a size.
SHAPES = {
    "normal": lambda generator, size: generator.normal(size=size),
    "relu": lambda generator, size: np.maximum(generator.normal(size=size), 0),
    "relu6": lambda generator, size: np.clip(generator.normal(3, 3, size), 0, 6),
    "laplace": lambda generator, size: generator.laplace(size=size),
    "skewed": lambda generator, size: generator.lognormal(0, 1.5, size) - 0.5,
    "negative": lambda generator, size: -generator.gamma(0.7, size=size),
    "far from 0": lambda generator, size: generator.normal(20, 1, size),
    "outlier": lambda generator, size: np.append(generator.normal(size=size - 1), 300.0),
    "two outliers": lambda generator, size: np.append(generator.normal(size=size - 2), [200.0, -90.0]),
}
WIDTHS = [(8, False), (8, True), (16, True)]

activations = st.tuples(st.sampled_from(sorted(SHAPES)), st.integers(0, 1 << 16), st.floats(1e-3, 1e3)).map(
    lambda chosen: (SHAPES[chosen[0]](np.random.default_rng(chosen[1]), 3000) * chosen[2]).astype(np.float32)
)


def counted(values):
    counter = ValueCounter()
    counter.add(np.asarray(values, np.float32))
    return counter.histogram()


def error(values, ends, bits, *, symmetric):
    """Mean squared error of quantizing each value, as litert-quantizer makes the scale and the zero point."""
    values = np.asarray(values, np.float64)
    low, high, top = min(ends[0], 0.0), max(ends[1], 0.0), 2 ** (bits - 1) - 1
    if symmetric:
        scale, zero_point, least = max(-low, high) / top, 0, -top
    else:
        scale, least = (high - low) / (2 * top + 1), -top - 1
        zero_point = np.rint(least - low / scale)
    stored = np.clip(np.rint(values / scale) + zero_point, least, top)
    return np.mean(((stored - zero_point) * scale - values) ** 2)


class TestMovingAverage:
    def test_it_goes_a_twentieth_of_the_way_to_each_further_example(self):
        low, high = moving_average(np.array([-1.0, -3.0, -1.0]), np.array([2.0, 4.0, 2.0]))
        assert low == pytest.approx(0.95 * (0.95 * -1 + 0.05 * -3) + 0.05 * -1)
        assert high == pytest.approx(0.95 * (0.95 * 2 + 0.05 * 4) + 0.05 * 2)

    def test_it_depends_on_the_order(self):
        low, high = np.array([-1.0, -3.0]), np.array([2.0, 4.0])
        assert moving_average(low, high) != moving_average(low[::-1], high[::-1])

    @given(npst.arrays(np.float32, st.tuples(st.integers(1, 20), st.just(2)), elements=st.floats(-9, 9, width=32)))
    def test_it_lies_within_all_values(self, pairs):
        lows, highs = pairs.min(axis=1), pairs.max(axis=1)
        low, high = moving_average(lows, highs)
        assert lows.min() - 1e-5 <= low <= high + 1e-5
        assert high <= highs.max() + 1e-5

    def test_one_example_is_its_own_average(self):
        assert moving_average(np.array([-1.5]), np.array([2.5])) == (-1.5, 2.5)


class TestPercentile:
    @given(
        npst.arrays(
            np.float32,
            st.integers(1, 300),
            elements=st.floats(-1e6, 1e6, width=32) | st.sampled_from([0.0, 1.0, -1.0, 5.5]),
        ),
        st.sampled_from([50.5, 75.0, 90.0, 99.0, 99.9, 99.99, 100.0]),
    )
    @settings(deadline=None)
    def test_it_is_the_value_at_the_rank_or_less_than_a_bin_beyond(self, values, percentile):
        low, high = percentile_range(counted(values), percentile)
        ranked = np.sort(values).astype(np.float64)
        left_out = int(values.size * (100 - percentile) / 100 + 1e-6)
        exact_low, exact_high = ranked[left_out], ranked[values.size - 1 - left_out]
        assume(max(abs(exact_low), abs(exact_high)) >= 2 * ZERO_BELOW)
        for found, exact, outward in ((high, exact_high, 1), (-low, -exact_low, 1)):
            assert exact - 2 * ZERO_BELOW <= found * outward <= exact + abs(exact) * BIN_WIDTH + 2 * ZERO_BELOW

    def test_all_of_it_is_min_and_max_exactly(self):
        values = np.random.default_rng(0).normal(size=999).astype(np.float32)
        assert percentile_range(counted(values), 100.0) == (values.min(), values.max())

    def test_few_outliers_do_not_count(self):
        values = np.append(np.random.default_rng(0).uniform(-1, 1, 100_000), [1e6] * 5 + [-1e5] * 5)
        low, high = percentile_range(counted(values), 99.99)
        assert high == pytest.approx(1, rel=0.003)
        assert low == pytest.approx(-1, rel=0.003)

    def test_a_range_of_zeros_alone_is_none(self):
        values = np.append(np.zeros(10_000), [7.0, -2.0])
        assert percentile_range(counted(values), 99.9) == (-2.0, 7.0)
        assert percentile_range(counted(np.append(values, [1.0] * 20)), 99.9)[1] == pytest.approx(1, rel=0.002)


class TestSquaredError:
    @pytest.mark.parametrize(("bits", "symmetric"), WIDTHS[:2])
    @given(values=activations, left=st.floats(0.05, 1), right=st.floats(0.05, 1))
    @settings(deadline=None, max_examples=40)
    def test_it_is_that_of_quantizing_each_value(self, values, bits, symmetric, left, right):
        ends = (min(float(values.min()), 0) * left, max(float(values.max()), 0) * right)
        found = squared_error(counted(values), ends, bits=bits, symmetric=symmetric)
        step = (max(ends[1], 0) - min(ends[0], 0)) / 2**bits
        # Values are taken as spread over bins that are a fraction of a step wide.
        assert found == pytest.approx(error(values, ends, bits, symmetric=symmetric), rel=0.1, abs=step**2 * 0.01)

    def test_zeros_cost_nothing_and_a_range_of_nothing_everything(self):
        assert squared_error(counted([0.0, 0.0]), (0.0, 0.0), bits=8, symmetric=False) == 0.0
        assert squared_error(counted([0.0, 1.0]), (0.0, 0.0), bits=8, symmetric=False) == np.inf
        assert squared_error(counted([0.0] * 9), (-1.0, 1.0), bits=8, symmetric=False) == 0.0

    def test_what_is_beyond_is_clipped(self):
        assert squared_error(counted([3.0]), (-1.0, 1.0), bits=8, symmetric=True) == pytest.approx(4.0)
        assert squared_error(counted([-3.0]), (-1.0, 1.0), bits=8, symmetric=False) == pytest.approx(4.0, rel=0.01)


class TestLeastError:
    @pytest.mark.parametrize(("bits", "symmetric"), WIDTHS)
    @given(values=activations)
    @settings(deadline=None, max_examples=25)
    def test_no_range_of_a_grid_is_much_better(self, values, bits, symmetric):
        found = least_error_range(counted(values), bits=bits, symmetric=symmetric)
        whole = float(values.min()), float(values.max())
        assert whole[0] <= found[0] <= found[1] <= whole[1]
        shares = np.geomspace(1, 1 / 64, 16)
        grid = [(whole[0] * left, whole[1] * right) for left, right in itertools.product(shares, shares)]
        best = min(error(values, ends, bits, symmetric=symmetric) for ends in grid if ends[0] < ends[1])
        assert error(values, found, bits, symmetric=symmetric) <= best * 1.1

    def test_a_long_tail_is_clipped_and_an_even_spread_is_not(self):
        generator = np.random.default_rng(0)
        tail, even = generator.laplace(size=100_000), generator.uniform(-1, 1, 100_000)
        low, high = least_error_range(counted(tail), bits=8, symmetric=False)
        assert high < 0.85 * tail.max()
        assert low > 0.85 * tail.min()
        assert least_error_range(counted(even), bits=8, symmetric=False)[1] > 0.98

    @pytest.mark.parametrize("shape", ["outlier", "skewed"])
    def test_the_search_finds_what_neither_of_its_starts_is(self, shape):
        values = SHAPES[shape](np.random.default_rng(0), 200_000)
        histogram = counted(values)
        starts = [(values.min(), values.max()), octav_range(histogram, bits=8, symmetric=False)]
        found = least_error_range(histogram, bits=8, symmetric=False)
        assert error(values, found, 8, symmetric=False) < 0.99 * min(
            error(values, start, 8, symmetric=False) for start in starts
        )

    def test_zeros_alone_have_a_range_of_zero(self):
        assert least_error_range(counted([0.0]), bits=8, symmetric=False) == (0.0, 0.0)


class TestOctav:
    @pytest.mark.parametrize(("bits", "symmetric"), WIDTHS)
    @given(values=activations)
    @settings(deadline=None, max_examples=25)
    def test_no_clip_of_a_grid_has_less_error_under_its_model(self, values, bits, symmetric):
        low, high = octav_range(counted(values), bits=bits, symmetric=symmetric)
        magnitudes = np.abs(values.astype(np.float64))
        divisor = 12 if not symmetric and (values.min() >= 0 or values.max() <= 0) else 3

        def modelled(clip):
            inside = np.count_nonzero((magnitudes > 0) & (magnitudes <= clip))
            return inside * clip**2 * 4.0**-bits / divisor + (np.maximum(magnitudes - clip, 0) ** 2).sum()

        best = min(map(modelled, np.geomspace(1e-3, 1, 400) * magnitudes.max()))
        assert modelled(max(-low, high)) <= best * 1.01

    def test_the_fixed_point_of_the_paper_is_reached(self):
        """Equation 6: the mean magnitude beyond the clip, each value inside weighing as a share of the noise."""
        values = np.abs(np.random.default_rng(1).laplace(size=200_000))
        clip = octav_range(counted(np.append(values, -values)), bits=4, symmetric=True)[1]
        beyond = values > clip
        assert clip == pytest.approx(values[beyond].sum() / ((~beyond).sum() * 4.0**-4 / 3 + beyond.sum()), rel=0.01)
        # The known best clip of Laplace's distribution at 4 bits (Banner et al., 2019, arXiv 1810.05723).
        assert clip == pytest.approx(5.03, rel=0.03)

    def test_zeros_need_no_steps(self):
        values = np.abs(np.random.default_rng(1).laplace(size=10_000))
        dense, sparse = counted(values), counted(np.append(values, np.zeros(90_000)))
        assert octav_range(dense, bits=4, symmetric=False) == pytest.approx(
            octav_range(sparse, bits=4, symmetric=False), abs=1e-3
        )

    def test_it_stays_within_the_values(self):
        assert octav_range(counted(np.linspace(0, 1, 1000)), bits=8, symmetric=False)[0] == 0.0
        low, high = octav_range(counted([-0.5, 1.0, 2.0]), bits=8, symmetric=False)
        assert low == -0.5
        assert 1.99 < high <= 2.0


@given(values=activations, seed=st.integers(0, 99))
@settings(deadline=None, max_examples=10)
def test_no_method_asks_for_the_order_of_the_values(values, seed):
    first, second = counted(values), counted(np.random.default_rng(seed).permutation(values))
    assert percentile_range(first, 99.5) == percentile_range(second, 99.5)
    assert least_error_range(first, bits=8, symmetric=False) == least_error_range(second, bits=8, symmetric=False)
    assert octav_range(first, bits=8, symmetric=False) == octav_range(second, bits=8, symmetric=False)
