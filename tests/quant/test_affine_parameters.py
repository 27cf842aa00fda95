"""Quantization parameters: what they refuse, and that they are values."""

from __future__ import annotations

import copy
import math
import pickle
import re
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given, settings

from qbench.quant.affine import QuantizationParameters
from quant.affine_cases import DTYPES, LIMITS, Case, cases

SMALLEST = 2.0**-126
PER_CHANNEL = QuantizationParameters([0.5, 0.25], [3, -4], quantized_dimension=2)


# --- what they refuse -------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.0, -0.1, math.nan, math.inf, 1e-50, 1e50, 1e-39, -0.0])
def test_a_scale_that_is_no_positive_normal_float32_is_refused(scale: float):
    with pytest.raises(ValueError, match=f"scale must be a positive finite float32, .* got {re.escape(str(scale))}"):
        QuantizationParameters(scale)
    with pytest.raises(ValueError, match=f"got {re.escape(str(scale))} in channel 1"):
        QuantizationParameters([0.5, scale, 0.5], quantized_dimension=0)


def test_the_smallest_and_the_largest_scale():
    assert QuantizationParameters(SMALLEST).scale == SMALLEST
    assert QuantizationParameters(np.finfo(np.float32).max).scale == np.finfo(np.float32).max


@pytest.mark.parametrize(("dtype", "low", "high"), [(dtype, *LIMITS[dtype]) for dtype in DTYPES])
def test_a_zero_point_is_a_stored_value(dtype: str, low: int, high: int):
    for point in (low, high):
        assert QuantizationParameters(1.0, point, dtype=dtype).zero_point == point
    for point in (low - 1, high + 1, 2**40):
        with pytest.raises(ValueError, match=f"a zero point must be a stored value, from {low} to {high}, got {point}"):
            QuantizationParameters(1.0, point, dtype=dtype)
    if low:
        with pytest.raises(ValueError, match=f"from {low + 1} to {high}, got {low}"):
            QuantizationParameters(1.0, low, dtype=dtype, narrow_range=True)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((1.0,), {"dtype": "int32"}, "found the dtype 'int32', expected one of int4, int8, uint8, int16"),
        ((1.0,), {"dtype": "uint8", "narrow_range": True}, "uint8 has none; use a signed dtype"),
        ((1.0, 0.5), {}, "found a zero point of float64, expected integers"),
        (([1.0, 2.0],), {}, r"found scales of shape \(2,\) for a whole tensor, .* name the quantized_dimension"),
        (
            (1.0,),
            {"quantized_dimension": 0},
            r"found a scale of shape \(\) with quantized_dimension=0, expected a list",
        ),
        (([],), {"quantized_dimension": 0}, r"found a scale of shape \(0,\)"),
        (([[1.0]],), {"quantized_dimension": 0}, r"found a scale of shape \(1, 1\)"),
        (([1.0],), {"quantized_dimension": -1}, "found quantized_dimension=-1, expected an integer of at least 0"),
        (([1.0],), {"quantized_dimension": 0.5}, "found quantized_dimension=0.5, expected an integer"),
        (([1.0, 2.0], [0, 0, 0]), {"quantized_dimension": 0}, r"zero points of shape \(3,\), expected one, or one for"),
        ((1.0, [0]), {}, r"found zero points of shape \(1,\)"),
    ],
)
def test_what_cannot_be_is_named(arguments, options, message: str):
    with pytest.raises(ValueError, match=message):
        QuantizationParameters(*arguments, **options)


# --- that they are values ---------------------------------------------------------------------------------


def test_types_and_shapes():
    params = QuantizationParameters(0.1, 7, dtype="uint8")
    assert (params.scale.dtype, params.scale.shape) == (np.float32, ())
    assert (params.zero_point.dtype, params.zero_point.shape) == (np.int32, ())
    assert (params.qmin, params.qmax, params.storage_dtype) == (0, 255, np.uint8)
    assert not params.is_per_channel
    assert PER_CHANNEL.is_per_channel
    assert PER_CHANNEL.scale.shape == PER_CHANNEL.zero_point.shape == (2,)
    assert QuantizationParameters([0.5, 0.25], 3, quantized_dimension=0).zero_point.tolist() == [3, 3]
    int4 = QuantizationParameters(1.0, dtype="int4", narrow_range=True)
    assert (int4.qmin, int4.qmax, int4.storage_dtype) == (-7, 7, np.int8)


def test_nothing_can_be_changed():
    given_scales = np.array([0.5, 0.25], np.float32)
    params = QuantizationParameters(given_scales, quantized_dimension=0)
    given_scales[0] = 99
    assert params.scale[0] == 0.5
    for again in (params, copy.deepcopy(params), pickle.loads(pickle.dumps(params))):
        with pytest.raises(FrozenInstanceError):
            again.dtype = "int16"
        with pytest.raises(FrozenInstanceError):
            del again.scale
        for array in (again.scale, again.zero_point):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1
        assert again == params


def test_equal_by_value():
    def variants():
        yield QuantizationParameters(0.5)
        yield QuantizationParameters(0.25)
        yield QuantizationParameters(0.5, 1)
        yield QuantizationParameters(0.5, dtype="uint8")
        yield QuantizationParameters(0.5, narrow_range=True)
        yield QuantizationParameters([0.5], quantized_dimension=0)
        yield QuantizationParameters([0.5], quantized_dimension=1)
        yield QuantizationParameters([0.5, 0.5], quantized_dimension=0)

    assert list(variants()) == list(variants())
    assert len({*variants(), *variants()}) == 8
    assert QuantizationParameters(0.1) == QuantizationParameters(np.float32(0.1), np.int64(0))
    assert QuantizationParameters(0.5) != 0.5


@pytest.mark.parametrize(
    ("params", "text"),
    [
        (QuantizationParameters(0.1, 3), "QuantizationParameters(0.1, zero_point=3, dtype='int8')"),
        (
            PER_CHANNEL,
            "QuantizationParameters([0.5, 0.25], zero_point=[3, -4], quantized_dimension=2, dtype='int8')",
        ),
        (
            QuantizationParameters(np.arange(1, 65) / 8, quantized_dimension=0, narrow_range=True, dtype="int4"),
            (
                "QuantizationParameters([0.125, ..., 8.0] of 64 channels, zero_point=0, quantized_dimension=0, "
                "dtype='int4', narrow_range=True)"
            ),
        ),
    ],
)
def test_they_show_what_they_are(params: QuantizationParameters, text: str):
    assert repr(params) == text


@settings(deadline=None)
@given(cases())
def test_few_channels_are_shown_so_that_they_can_be_read_back(case: Case):
    assert eval(repr(case.params)) == case.params


@pytest.mark.parametrize(
    ("params", "shape", "layout"),
    [
        (QuantizationParameters(1.0), (), (1, 1, 1)),
        (QuantizationParameters(1.0), (2, 3, 4), (1, 1, 24)),
        (PER_CHANNEL, (5, 3, 2), (15, 2, 1)),
        (PER_CHANNEL, (5, 3, 2, 7), (15, 2, 7)),
        (PER_CHANNEL, (0, 3, 2, 7), (0, 2, 7)),
    ],
)
def test_layout(params: QuantizationParameters, shape: tuple[int, ...], layout: tuple[int, int, int]):
    assert params.layout(shape) == layout
