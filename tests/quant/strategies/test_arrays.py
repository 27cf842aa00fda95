"""Arrays hold what their parameters allow, reach the places where kernels differ, and shrink."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from qbench.quant.affine import QuantizationParameters, quantize
from qbench.quant.strategies import (
    calibration_sets,
    channel_weights,
    quantization_parameters,
    quantized_arrays,
    real_arrays,
    stored_arrays,
)

SEARCH = settings(
    deadline=None, max_examples=5000, database=None, derandomize=True, phases=[Phase.generate, Phase.shrink]
)
INT8 = QuantizationParameters(0.5, 3)
SHAPE = (2, 3, 4)
PER_CHANNEL = quantization_parameters(dtype="int8", channels=3, quantized_dimension=1)


@given(quantized_arrays(quantization_parameters(narrow_range=st.booleans())))
def test_stored_values_are_those_that_their_parameters_store(pair):
    stored, params = pair
    assert stored.dtype == params.storage_dtype
    assert stored.min() >= params.qmin
    assert stored.max() <= params.qmax


@given(stored_arrays(INT8, shape=SHAPE), stored_arrays(PER_CHANNEL, shape=SHAPE))
def test_shapes_are_those_asked_for(one, other):
    assert one.shape == other.shape == SHAPE


@given(quantized_arrays(PER_CHANNEL))
def test_a_shape_that_is_left_open_fits_the_channels(pair):
    assert pair[0].shape[1] == 3


def test_stored_arrays_shrink_to_the_zero_point_and_to_the_one_value_that_matters():
    assert find(stored_arrays(INT8), lambda _: True, settings=SEARCH).tolist() == [3]
    assert find(stored_arrays(INT8), lambda stored: (stored == -128).any(), settings=SEARCH).tolist() == [-128]
    assert find(stored_arrays(INT8), lambda stored: (stored > 50).any(), settings=SEARCH).tolist() == [51]


def test_stored_arrays_may_be_empty():
    assert find(stored_arrays(INT8, shape=(2, 0)), lambda _: True, settings=SEARCH).shape == (2, 0)


def test_large_arrays_have_many_values():
    stored = find(stored_arrays(INT8, shape=(50, 50)), lambda stored: len(np.unique(stored)) > 100, settings=SEARCH)
    assert stored.shape == (50, 50)


def steps(real):
    """Exactly the number of scales above or below 0: the scale of INT8 is a power of two."""
    return real.astype(np.float64) / 0.5


@given(real_arrays(quantization_parameters()))
def test_real_values_are_finite_float32(real):
    assert real.dtype == np.float32
    assert np.isfinite(real).all()


@given(real_arrays(quantization_parameters(dtype="int8"), ties=False))
def test_without_ties_all_ways_of_rounding_agree(real):
    assert real.dtype == np.float32


@given(st.data(), quantization_parameters(dtype="int8", max_scale=1e3))
def test_without_ties_and_outside_all_ways_of_rounding_agree_and_nothing_is_clamped(data, params):
    real = data.draw(real_arrays(st.just(params), ties=False, outside=False))
    ways = [quantize(real, params, rounding=way) for way in ("half_even", "half_away", "reciprocal")]
    np.testing.assert_array_equal(ways[0], ways[1])
    np.testing.assert_array_equal(ways[0], ways[2])
    quotient = real.astype(np.float64) / float(params.scale) + int(params.zero_point)
    assert quotient.min() >= params.qmin - 1e-3
    assert quotient.max() <= params.qmax + 1e-3


@pytest.mark.parametrize(
    "is_there",
    [
        lambda steps: steps % 1 == 0.5,
        lambda steps: (steps % 1 != 0.5) & (np.abs(steps % 1 - 0.5) < 1e-4),
        lambda steps: (steps + 3 > 127) & (steps + 3 <= 127.5),
        lambda steps: steps + 3 < -129,
        lambda steps: np.abs(steps) > 1e6,
        lambda steps: steps % 1 == 0.25,
    ],
    ids=["tie", "beside a tie", "rounds to the end", "beyond the end", "far", "plain"],
)
def test_real_values_reach(is_there):
    find(real_arrays(INT8), lambda real: is_there(steps(real)).any(), settings=SEARCH)


def test_real_values_that_matter_are_left_alone():
    assert find(real_arrays(INT8), lambda real: (steps(real) % 1 == 0.5).any(), settings=SEARCH).size == 1
    assert find(real_arrays(INT8), lambda real: (steps(real) > 200).any(), settings=SEARCH).size == 1


def test_real_arrays_shrink_to_zero():
    assert find(real_arrays(INT8), lambda _: True, settings=SEARCH).tolist() == [0.0]


@given(channel_weights(shape=(4, 3, 2), quantized_dimension=1, min_scale=0.5, max_scale=2.0))
def test_weights_are_as_the_specification_wants_them(pair):
    stored, params = pair
    assert stored.min() >= -127
    assert stored.dtype == np.int8
    assert params.quantized_dimension == 1
    assert params.narrow_range
    assert not params.zero_point.any()
    assert params.scale.shape == (3,)
    assert 0.125 <= params.scale.min() <= params.scale.max() <= 2 * 4 * 64


def test_weights_have_channels_of_zeros_and_outliers():
    weights = channel_weights(shape=(3, 2))

    def is_zero(pair):
        return (~pair[0].any(axis=1)).sum() == 1

    def has_outlier(pair):
        scales = np.sort(pair[1].scale)
        return scales[-1] >= 20 * scales[-2]

    _, params = find(weights, is_zero, settings=SEARCH)
    assert params.scale.tolist() == [1.0] * 3
    assert find(weights, has_outlier, settings=SEARCH)[1].scale.tolist() == [64.0, 1.0, 1.0]
    never = channel_weights(shape=(3, 2), zero_channels=False, outlier_channels=False)

    @given(never)
    def no_outlier(pair):
        assert not has_outlier(pair)

    no_outlier()


def test_weights_shrink_to_zeros():
    stored, params = find(channel_weights(shape=(2, 2), dtype="int4"), lambda _: True, settings=SEARCH)
    assert not stored.any()
    assert params.scale.tolist() == [1.0, 1.0]
    assert (params.qmin, params.qmax) == (-7, 7)


@given(calibration_sets(shape=(2, 3), min_examples=2, max_examples=5, min_value=-4.0, max_value=9.0))
def test_calibration_sets_are_lists_of_examples(examples):
    assert 2 <= len(examples) <= 5
    for example in examples:
        assert example.shape == (2, 3)
        assert example.dtype == np.float32
        assert -4 <= example.min() <= example.max() <= 9


def test_calibration_sets_of_each_kind_come_up():
    sets = calibration_sets(shape=(4,), min_examples=2)

    def has_outlier(examples):
        values = np.sort(np.abs(np.concatenate(examples)))
        return values[-1] > 100 * values[-2] > 0

    def grows(examples):
        return np.abs(examples[-1]).max() > 10 * np.abs(examples[0]).max() > 0

    find(sets, has_outlier, settings=SEARCH)
    find(sets, grows, settings=SEARCH)
    find(sets, lambda examples: np.min(examples) >= 0 < np.max(examples), settings=SEARCH)
    (only,) = find(calibration_sets(shape=(4,)), lambda _: True, settings=SEARCH)
    assert not only.any()
    assert find(calibration_sets(shape=(4,), min_examples=0), lambda _: True, settings=SEARCH) == []


@pytest.mark.parametrize(
    ("strategy", "arguments", "message"),
    [
        (stored_arrays, {"params": 0.5}, "params=0.5 must be QuantizationParameters or a strategy"),
        (stored_arrays, {"params": INT8, "shape": 3}, "shape=3 must be a tuple of integers or a strategy"),
        (real_arrays, {"params": INT8, "shape": (2, -1)}, "must be an integer of at least 0"),
        (channel_weights, {"shape": None}, "shape=None: weights need one"),
        (channel_weights, {"shape": (3,), "quantized_dimension": 1}, "has no channels in quantized_dimension=1"),
        (channel_weights, {"shape": (3,), "dtype": "uint8"}, "dtype='uint8' must be one of int4, int8, int16"),
        (channel_weights, {"shape": (3,), "min_scale": 0.0}, "min_scale=0.0 must be a positive finite number"),
        (calibration_sets, {"shape": (3,), "min_examples": 3, "max_examples": 2}, "min_examples=3 is larger than"),
        (calibration_sets, {"shape": st.just((3,))}, "must be a tuple: all examples have the same"),
        (calibration_sets, {"shape": (3,), "min_value": "low"}, "min_value='low' must be a finite number"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_drawn(strategy, arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        strategy(**arguments)


def test_a_shape_that_does_not_fit_the_channels_is_refused_when_it_is_drawn():
    with pytest.raises(InvalidArgument, match="does not have 3 channels in dimension 1"):
        find(stored_arrays(PER_CHANNEL, shape=(3, 2)), lambda _: True, settings=SEARCH)
