"""Quantization parameters from a range and from values: what they span, and what is no range."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from qbench.quant.affine import QuantizationParameters, fake_quantize, quantize
from quant.affine_cases import DTYPES

SMALLEST = 2.0**-126

# --- from a range -----------------------------------------------------------------------------------------

bounds = st.floats(-1e30, 1e30) | st.floats(-10, 10) | st.just(0.0)
options = st.fixed_dictionaries({"dtype": st.sampled_from(DTYPES), "symmetric": st.booleans()}).filter(
    lambda chosen: not (chosen["symmetric"] and chosen["dtype"] == "uint8")
)


@settings(deadline=None)
@given(bounds, bounds, options)
@example(0.0, 5e-324, {"dtype": "int4", "symmetric": False})
def test_a_range_is_covered_to_half_a_step(one: float, other: float, chosen: dict):
    low, high = min(one, other), max(one, other)
    params = QuantizationParameters.from_range(low, high, **chosen)
    scale, point = float(params.scale), int(params.zero_point)
    # The scale is rounded to float32 and there are up to 65535 of them.
    slack = scale * (0.5 + (params.qmax - params.qmin) * 2.0**-24)
    assert (params.qmin - point) * scale <= min(low, 0) + slack
    assert (params.qmax - point) * scale >= max(high, 0) - slack
    # No step is wasted: the range is not wider either.
    if min(low, 0) != max(high, 0) and scale > SMALLEST:
        span = 2 * max(-low, high) if chosen["symmetric"] else max(high, 0) - min(low, 0)
        assert (params.qmax - params.qmin) * scale <= span * (1 + 2.0**-23)
    edges = np.array([low, high], np.float64)
    assert np.all(np.abs(fake_quantize(edges, params) - edges) <= slack + np.abs(edges) * 2.0**-22)
    assert fake_quantize(np.zeros(1), params) == 0


@settings(deadline=None)
@given(bounds, bounds)
def test_a_symmetric_range_is_narrow_and_around_zero(one: float, other: float):
    params = QuantizationParameters.from_range(min(one, other), max(one, other), symmetric=True)
    assert (params.qmin, params.qmax, params.zero_point) == (-127, 127, 0)
    most = max(abs(one), abs(other))
    assume(most > 1e-30)
    assert params.scale == np.float32(most / 127)
    wide = QuantizationParameters.from_range(min(one, other), max(one, other), symmetric=True, narrow_range=False)
    assert (wide.scale, wide.qmin, wide.zero_point) == (params.scale, -128, 0)


@pytest.mark.parametrize(
    ("low", "high", "dtype", "scale", "point"),
    [
        (-1.0, 1.55, "int8", 0.01, -28),
        (0.0, 2.55, "int8", 0.01, -128),
        (1.0, 2.55, "int8", 0.01, -128),  # widened to hold 0
        (-2.55, -1.0, "int8", 0.01, 127),
        (-1.0, 1.55, "uint8", 0.01, 100),
        (-8.0, 7.0, "int4", 1.0, 0),
        (-32768.0, 32767.0, "int16", 1.0, 0),
    ],
)
def test_ranges_worked_out_by_hand(low: float, high: float, dtype: str, scale: float, point: int):
    params = QuantizationParameters.from_range(low, high, dtype=dtype)
    assert params == QuantizationParameters(scale, point, dtype=dtype)


def test_a_range_for_each_channel():
    low, high = np.array([-1.0, 0.0, -5.0]), np.array([1.55, 2.55, 0.0])
    params = QuantizationParameters.from_range(low, high, quantized_dimension=1)
    for channel in range(3):
        alone = QuantizationParameters.from_range(low[channel], high[channel])
        assert params.scale[channel] == alone.scale
        assert params.zero_point[channel] == alone.zero_point
    assert params.quantized_dimension == 1


def test_a_range_of_nothing_but_zero_has_the_scale_one():
    assert QuantizationParameters.from_range(0, 0) == QuantizationParameters(1.0, -128)
    symmetric = QuantizationParameters.from_range(0, 0, symmetric=True)
    assert symmetric == QuantizationParameters(1.0, narrow_range=True)
    mixed = QuantizationParameters.from_range([0, -1], [0, 1], symmetric=True, quantized_dimension=0)
    assert mixed.scale.tolist() == [1, np.float32(1 / 127)]


def test_a_range_too_small_for_its_scale_gets_the_smallest():
    for low, high in ((0, 1e-45), (-1e-310, 0), (-1e-40, 1e-40)):
        params = QuantizationParameters.from_range(low, high)
        assert params.scale == SMALLEST
        assert abs(float(fake_quantize(np.array([high]), params)[0]) - high) <= SMALLEST / 2


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        (math.nan, 1.0, "a range must be finite, got the minimum nan"),
        (0.0, math.nan, "a range must be finite, got the maximum nan"),
        (-math.inf, 1.0, "a range must be finite, got the minimum -inf"),
        (0.0, math.inf, "a range must be finite, got the maximum inf"),
        (1.0, -1.0, "a minimum must not exceed its maximum, got 1.0 and -1.0"),
        ([0.0, 2.0], [1.0, 1.0], "a minimum must not exceed its maximum, got 2.0 and 1.0"),
        ([0.0, 2.0], 3.0, r"minima of shape \(2,\) and maxima of shape \(\), expected the same shape"),
        (-1e308, 1e308, "scale must be a positive finite float32"),
    ],
)
def test_what_is_no_range_is_named(low, high, message: str):
    with pytest.raises(ValueError, match=message):
        QuantizationParameters.from_range(low, high, quantized_dimension=0 if isinstance(low, list) else None)


def test_symmetric_needs_a_sign():
    with pytest.raises(ValueError, match="symmetric quantization needs a signed dtype, found 'uint8'"):
        QuantizationParameters.from_range(-1, 1, dtype="uint8", symmetric=True)


def test_the_whole_of_float32_is_a_range():
    limit = float(np.finfo(np.float32).max)
    params = QuantizationParameters.from_range(-limit, limit)
    assert quantize(np.array([-limit, 0, limit]), params).tolist() == [-128, 0, 127]


# --- from values ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [None, 0, 1, 2])
def test_from_values_is_from_their_range(axis: int | None):
    values = np.random.default_rng(0).normal(size=(3, 4, 5))
    others = None if axis is None else tuple({0, 1, 2} - {axis})
    expected = QuantizationParameters.from_range(
        values.min(axis=others), values.max(axis=others), symmetric=True, dtype="int16", quantized_dimension=axis
    )
    found = QuantizationParameters.from_values(values, quantized_dimension=axis, symmetric=True, dtype="int16")
    assert found == expected


@pytest.mark.parametrize(
    ("values", "axis", "message"),
    [
        ([], None, r"an array of shape \(0,\) has no range"),
        ([1.0, math.nan], None, "a range must be finite, got the minimum nan"),
        ([1.0, math.inf], None, "a range must be finite, got the maximum inf"),
        ([1.0], 1, "found quantized_dimension=1, expected one of the 1 of the array"),
        ([1.0], -1, "found quantized_dimension=-1"),
    ],
)
def test_values_without_a_range_are_named(values, axis: int | None, message: str):
    with pytest.raises(ValueError, match=message):
        QuantizationParameters.from_values(values, quantized_dimension=axis)
