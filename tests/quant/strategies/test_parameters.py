"""Parameters, ranges and multipliers stay within their bounds, reach them, and shrink."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from qbench.quant.strategies import multipliers, quantization_parameters, ranges

SEARCH = settings(
    deadline=None, max_examples=5000, database=None, derandomize=True, phases=[Phase.generate, Phase.shrink]
)
LIMITS = {"int4": (-8, 7), "int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}
SCALES = st.floats(2.0**-60, 2.0**60, width=32)


@given(quantization_parameters())
def test_any_parameters_are_those_of_the_specification(params):
    assert params.dtype in ("int8", "uint8", "int16")
    low, high = LIMITS[params.dtype]
    assert low <= params.zero_point <= high
    assert params.dtype != "int16" or params.zero_point == 0
    assert 2.0**-20 <= params.scale <= 2.0**20
    assert params.scale.dtype == np.float32


@given(st.data(), SCALES, SCALES)
def test_scales_stay_within_their_bounds(data, one, other):
    low, high = sorted([one, other])
    params = data.draw(quantization_parameters(min_scale=low, max_scale=high, channels=3))
    assert (params.scale >= low).all()
    assert (params.scale <= high).all()


@given(st.data(), st.sampled_from(sorted(LIMITS)), st.booleans())
def test_zero_points_stay_within_their_bounds(data, dtype, narrow):
    low, high = LIMITS[dtype]
    least, most = sorted([data.draw(st.integers(low, high)), data.draw(st.integers(low, high))])
    params = data.draw(
        quantization_parameters(dtype=dtype, min_zero_point=least, max_zero_point=most, narrow_range=narrow)
    )
    narrow = narrow and dtype != "uint8"
    assert max(least, low + narrow) <= params.zero_point <= max(most, low + narrow)
    assert params.narrow_range == narrow


@given(quantization_parameters(dtype=st.sampled_from(["int4", "uint8"]), symmetric=True, narrow_range=st.booleans()))
def test_symmetric_parameters_have_the_zero_point_in_the_middle(params):
    assert params.zero_point == {"int4": 0, "uint8": 128}[params.dtype]


@given(quantization_parameters(dtype="int8", channels=st.integers(1, 5), quantized_dimension=3))
def test_channels_have_parameters_of_their_own(params):
    assert params.quantized_dimension == 3
    assert params.scale.shape == params.zero_point.shape
    assert 1 <= params.scale.size <= 5


@pytest.mark.parametrize(
    "is_kind",
    [
        lambda scale: math.frexp(scale)[0] == 0.5 and scale < 1e-3,
        lambda scale: scale == np.float32(0.1),
        lambda scale: math.frexp(scale)[0] * 2**12 % 1 > 0,
    ],
    ids=["power of two", "nice", "any"],
)
def test_scales_of_each_kind_come_up(is_kind):
    find(quantization_parameters(), lambda params: is_kind(float(params.scale)), settings=SEARCH)


@pytest.mark.parametrize("dtype", sorted(LIMITS))
def test_parameters_shrink_to_one_and_zero(dtype):
    params = find(quantization_parameters(dtype=dtype), lambda _: True, settings=SEARCH)
    assert (float(params.scale), int(params.zero_point)) == (1.0, 0)


def test_what_matters_is_left_of_parameters():
    params = find(quantization_parameters(dtype="int8"), lambda params: params.zero_point < -20, settings=SEARCH)
    assert (float(params.scale), int(params.zero_point)) == (1.0, -21)
    params = find(quantization_parameters(dtype="int8"), lambda params: params.scale < 0.2, settings=SEARCH)
    assert (float(params.scale), int(params.zero_point)) == (0.125, 0)


@given(ranges(min_value=-3.0, max_value=5.0, min_width=0.25, max_width=2.0))
def test_ranges_stay_within_their_bounds(pair):
    low, high = pair
    assert low.dtype == high.dtype == np.float32
    assert -3 <= low <= high <= 5
    assert 0.25 - 1e-5 <= high - low <= 2 + 1e-5


def test_ranges_lie_anywhere_and_shrink_to_nothing():
    assert find(ranges(), lambda _: True, settings=SEARCH) == (0, 0)
    low, high = find(ranges(), lambda pair: pair[0] > 0 and pair[1] - pair[0] >= 1, settings=SEARCH)
    assert 0 < low <= 2
    assert high - low < 3
    find(ranges(), lambda pair: pair[1] < 0, settings=SEARCH)
    find(ranges(), lambda pair: pair[0] == pair[1] != 0, settings=SEARCH)


@given(multipliers(min_value=1e-3, max_value=0.999))
def test_multipliers_stay_within_their_bounds(value):
    assert isinstance(value, float)
    assert 1e-3 <= value <= 0.999


def test_multipliers_reach_the_places_where_significands_carry():
    assert find(multipliers(), lambda _: True, settings=SEARCH) == 1.0
    # frexp's fraction rounds up to 1 in 31 bits: the shift is one more.
    find(multipliers(), lambda value: math.frexp(value)[0] >= 1 - 2.0**-32, settings=SEARCH)
    find(multipliers(), lambda value: value < 2.0**-30, settings=SEARCH)
    find(multipliers(), lambda value: value > 64, settings=SEARCH)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dtype": "int32"}, "dtype='int32' must be one of int4, int8, uint8, int16"),
        ({"dtype": 8}, "dtype=8 must be a name or a strategy"),
        ({"min_scale": 0}, "min_scale=0 must be a positive finite number"),
        ({"max_scale": math.nan}, "max_scale=nan must be a positive finite number"),
        ({"min_scale": 1e-40}, "min_scale=1e-40 must be a normal float32"),
        ({"min_scale": 2.0, "max_scale": 1.0}, "min_scale=2.0 is larger than max_scale=1.0"),
        ({"dtype": "int8", "min_zero_point": -129}, "min_zero_point=-129 must be between -128 and 127"),
        ({"min_zero_point": 3, "max_zero_point": 2}, "min_zero_point=3 is larger than max_zero_point=2"),
        ({"symmetric": True, "min_zero_point": 0}, "symmetric=True sets the zero point"),
        ({"channels": 0}, "channels=0 must be an integer of at least 1"),
        ({"quantized_dimension": -1}, "quantized_dimension=-1 must be an integer of at least 0"),
        ({"narrow_range": 1}, "narrow_range=1 must be a bool"),
    ],
)
def test_parameters_that_make_no_sense_are_refused_before_anything_is_drawn(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        quantization_parameters(**arguments)


@pytest.mark.parametrize(
    ("strategy", "arguments", "message"),
    [
        (ranges, {"min_value": math.inf}, "min_value=inf must be a finite number"),
        (ranges, {"min_value": 1, "max_value": 0}, "min_value=1 is larger than max_value=0"),
        (ranges, {"min_width": -1.0}, "min_width=-1.0 must not be negative"),
        (ranges, {"max_value": 1, "min_value": 0, "min_width": 2}, "min_width=2 is wider than"),
        (ranges, {"min_width": 3, "max_width": 2}, "min_width=3 is larger than max_width=2"),
        (multipliers, {"min_value": 0.0}, "min_value=0.0 must be a positive finite number"),
        (multipliers, {"min_value": 2.0, "max_value": 1.0}, "min_value=2.0 is larger than max_value=1.0"),
    ],
)
def test_bounds_that_make_no_sense_are_refused_before_anything_is_drawn(strategy, arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        strategy(**arguments)
