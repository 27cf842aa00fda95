"""Stored values are those that their parameters store, and shrink; weights are as the specification wants them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from qbench.quant.affine import QuantizationParameters
from qbench.quant.strategies import channel_weights, quantization_parameters, quantized_arrays, stored_arrays

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


@pytest.mark.parametrize(
    ("strategy", "arguments", "message"),
    [
        (stored_arrays, {"params": 0.5}, "params=0.5 must be QuantizationParameters or a strategy"),
        (stored_arrays, {"params": INT8, "shape": 3}, "shape=3 must be a tuple of integers or a strategy"),
        (channel_weights, {"shape": None}, "shape=None: weights need one"),
        (channel_weights, {"shape": (3,), "quantized_dimension": 1}, "has no channels in quantized_dimension=1"),
        (channel_weights, {"shape": (3,), "dtype": "uint8"}, "dtype='uint8' must be one of int4, int8, int16"),
        (channel_weights, {"shape": (3,), "min_scale": 0.0}, "min_scale=0.0 must be a positive finite number"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_drawn(strategy, arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        strategy(**arguments)


def test_a_shape_that_does_not_fit_the_channels_is_refused_when_it_is_drawn():
    with pytest.raises(InvalidArgument, match="does not have 3 channels in dimension 1"):
        find(stored_arrays(PER_CHANNEL, shape=(3, 2)), lambda _: True, settings=SEARCH)
