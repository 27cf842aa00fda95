"""Quantize and dequantize: their properties, and a slow reference."""

from __future__ import annotations

import math
import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbench.quant.affine import QuantizationParameters, dequantize, fake_quantize, quantize
from quant.affine_cases import DTYPES, LIMITS, ROUNDINGS, Case, cases, slow_quantize, slow_quotient

roundings = st.sampled_from(ROUNDINGS)
int8 = QuantizationParameters(0.02, 3)


# --- quantize ---------------------------------------------------------------------------------------------


@settings(deadline=None)  # other work on the machine is no failure
@given(cases(), roundings)
def test_quantize_is_the_slow_reference(case: Case, rounding: str):
    stored = quantize(case.real, case.params, rounding=rounding)
    assert stored.dtype == case.params.storage_dtype
    assert stored.shape == case.real.shape
    assert stored.ravel().tolist() == slow_quantize(case, rounding)


@settings(deadline=None)
@given(cases(), roundings)
def test_quantizing_loses_at_most_half_a_step_within_the_range_and_saturates_outside(case: Case, rounding: str):
    real, scales = case.real.astype(np.float64), case.scales.astype(np.float64)
    low, high = ((edge - case.points) * scales for edge in (case.params.qmin, case.params.qmax))
    again = fake_quantize(case.real, case.params, rounding=rounding).astype(np.float64)
    # float32 holds the inverse of the scale, the quotient and the result to one part in 2**24 each; a value less
    # than 2**-126 it holds to 2**-150.
    rounded = np.abs(real) * 2.0**-22 + 2.0**-149
    assert np.all(np.abs(again - np.clip(real, low, high)) <= 0.5 * scales + rounded)
    assert np.array_equal(again[real <= low], low[real <= low].astype(np.float32))
    assert np.array_equal(again[real >= high], high[real >= high].astype(np.float32))


@settings(deadline=None)
@given(cases(), roundings)
def test_zero_is_the_zero_point_and_back(case: Case, rounding: str):
    zeros = np.zeros_like(case.real)
    stored = quantize(zeros, case.params, rounding=rounding)
    assert np.array_equal(stored, case.points)
    assert np.array_equal(quantize(-zeros, case.params, rounding=rounding), case.points)
    assert not dequantize(stored, case.params).any()
    assert not dequantize(stored, case.params, arithmetic="folded").any()


@settings(deadline=None)
@given(cases(per_channel=False), roundings)
def test_larger_values_never_get_smaller_integers(case: Case, rounding: str):
    stored = quantize(np.sort(case.real.ravel()), case.params, rounding=rounding).astype(np.int64)
    assert np.all(np.diff(stored) >= 0)


@settings(deadline=None)
@given(cases(), roundings)
def test_fake_quantizing_twice_is_once(case: Case, rounding: str):
    once = fake_quantize(case.real, case.params, rounding=rounding)
    assert np.array_equal(fake_quantize(once, case.params, rounding=rounding), once)
    assert np.array_equal(quantize(once, case.params), quantize(case.real, case.params, rounding=rounding))


@settings(deadline=None)
@given(cases(lowest=2.0**-40, highest=2.0**40), roundings, st.integers(-40, 40))
def test_a_power_of_two_in_values_and_scale_changes_no_integer(case: Case, rounding: str, power: int):
    factor = np.float32(2.0**power)
    params = QuantizationParameters(
        case.params.scale * factor,
        case.params.zero_point,
        quantized_dimension=case.params.quantized_dimension,
        dtype=case.params.dtype,
        narrow_range=case.params.narrow_range,
    )
    expected = quantize(case.real, case.params, rounding=rounding)
    # Values that become subnormal would lose bits.
    kept = (np.abs(case.real) >= 2.0**-80) | (case.real == 0)
    assert np.array_equal(quantize(case.real * factor, params, rounding=rounding)[kept], expected[kept])


@settings(deadline=None)
@given(cases(per_channel=False), roundings, st.integers(0, 2))
def test_one_channel_is_the_whole_tensor(case: Case, rounding: str, axis: int):
    real = np.expand_dims(case.real, min(axis, case.real.ndim))
    params = QuantizationParameters(
        [case.params.scale],
        [case.params.zero_point],
        quantized_dimension=min(axis, case.real.ndim),
        dtype=case.params.dtype,
        narrow_range=case.params.narrow_range,
    )
    stored = quantize(real, params, rounding=rounding)
    assert np.array_equal(stored, quantize(real, case.params, rounding=rounding))
    assert np.array_equal(dequantize(stored, params), dequantize(stored, case.params))


@settings(deadline=None)
@given(cases(per_channel=True), roundings)
def test_each_channel_is_a_tensor_of_its_own(case: Case, rounding: str):
    axis = case.params.quantized_dimension
    stored = quantize(case.real, case.params, rounding=rounding)
    for channel in range(case.real.shape[axis]):
        alone = QuantizationParameters(
            case.params.scale[channel],
            case.params.zero_point[channel],
            dtype=case.params.dtype,
            narrow_range=case.params.narrow_range,
        )
        expected = quantize(case.real.take(channel, axis), alone, rounding=rounding)
        assert np.array_equal(stored.take(channel, axis), expected)


@settings(deadline=None)
@given(cases())
def test_roundings_differ_by_at_most_one_and_only_near_ties(case: Case):
    results = {rounding: quantize(case.real, case.params, rounding=rounding).astype(np.int64) for rounding in ROUNDINGS}
    for index in np.ndindex(case.real.shape):
        one = {rounding: int(stored[index]) for rounding, stored in results.items()}
        assert max(one.values()) - min(one.values()) <= 1
        quotient = slow_quotient(float(case.real[index]), float(case.scales[index]), "half_even")
        to_tie = abs(abs(quotient - math.floor(quotient)) - Fraction(1, 2))
        if one["half_away"] != one["half_even"]:
            assert to_tie == 0
        if one["reciprocal"] != one["half_even"]:
            assert to_tie <= abs(quotient) * Fraction(1, 2**22)


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [
        ("half_even", [-2, -2, 0, 0, 2, 2]),
        ("half_away", [-3, -2, -1, 1, 2, 3]),
        ("reciprocal", [-2, -2, 0, 0, 2, 2]),
    ],
)
@pytest.mark.parametrize("zero_point", [0, 1, -7])
def test_ties_are_rounded_before_the_zero_point_is_added(rounding: str, expected: list[int], zero_point: int):
    real = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], np.float32) * 0.25
    stored = quantize(real, QuantizationParameters(0.25, zero_point), rounding=rounding)
    assert stored.tolist() == [value + zero_point for value in expected]


def test_the_number_just_below_a_half_is_rounded_to_zero():
    below = np.nextafter(np.float32(0.5), np.float32(0))
    stored = quantize(np.array([below, -below, 0.5, -0.5]), QuantizationParameters(1.0), rounding="half_away")
    assert stored.tolist() == [0, 0, 1, -1]


def test_reciprocal_is_another_function_than_dividing():
    params = QuantizationParameters(0.0371)
    ties = (np.arange(-127, 127) + 0.5) * params.scale.astype(np.float64)
    differing = quantize(ties, params) != quantize(ties, params, rounding="reciprocal")
    assert differing.any()
    assert not differing.all()


@settings(deadline=None)
@given(st.sampled_from(["int4", "int8", "int16"]), st.lists(st.floats(-1e6, 1e6, width=32), min_size=1), roundings)
def test_symmetric_weights_never_take_the_lowest_value(dtype: str, values: list[float], rounding: str):
    weights = np.array(values, np.float32)
    params = QuantizationParameters.from_values(weights, dtype=dtype, symmetric=True)
    wide = np.concatenate([weights, weights * 2, [-np.inf]])
    assert quantize(wide, params, rounding=rounding).min() == -LIMITS[dtype][1]


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("edge", [0, 1])
def test_what_is_out_of_range_is_clamped_and_so_are_infinities(dtype: str, rounding: str, edge: int):
    low, high = LIMITS[dtype]
    params = QuantizationParameters(1e-3, LIMITS[dtype][edge], dtype=dtype)
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        real = np.array([-np.inf, -3e38, -1e9, -66, 66, 1e9, 3e38, np.inf], np.float32)
        stored = quantize(real, params, rounding=rounding)
        doubles = quantize(np.array([-1e300, 1e300]), params, rounding=rounding)
    assert stored.tolist() == [low] * 4 + [high] * 4
    assert doubles.tolist() == [low, high]


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("bad", [math.nan, -math.nan])
@pytest.mark.parametrize("place", [0, 7, -1])
def test_nan_is_refused_wherever_it_stands(bad: float, rounding: str, place: int):
    real = np.zeros((3, 5), np.float32)
    real[1, 1] = np.inf
    real.flat[place] = bad
    with pytest.raises(ValueError, match="NaN has no quantized value"):
        quantize(real, int8, rounding=rounding)


@pytest.mark.parametrize(
    "real",
    [np.array(1.2), np.float32(1.2), 1.2, np.zeros((0, 4)), np.ones((2, 0, 3)), np.array([[3]]), [True, False], [[-7]]],
)
def test_any_shape_and_number_type(real):
    stored = quantize(real, QuantizationParameters(0.5, 1))
    assert stored.shape == np.shape(real)
    assert stored.dtype == np.int8
    assert np.array_equal(stored, np.rint(np.asarray(real) / 0.5) + 1)


def test_complex_numbers_are_no_real_values():
    with pytest.raises(TypeError):
        quantize(np.array([1j]), int8)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_subnormal_values_are_zero(rounding: str):
    assert quantize(np.array([1e-40, -1e-45]), int8, rounding=rounding).tolist() == [3, 3]
    smallest = QuantizationParameters(2.0**-126)
    real = np.array([2.0**-149, 2.0**-127, 3 * 2.0**-127, -(2.0**-126)])
    expected = {"half_away": [0, 1, 2, -1]}.get(rounding, [0, 0, 2, -1])
    assert quantize(real, smallest, rounding=rounding).tolist() == expected


# --- dequantize -------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(cases())
def test_dequantize_is_exact_arithmetic_rounded_once(case: Case):
    stored = quantize(case.real, case.params)
    real = dequantize(stored, case.params)
    assert real.dtype == np.float32
    products = [
        float(Fraction(value - point) * Fraction(scale))
        for value, point, scale in zip(
            stored.ravel().tolist(), case.points.ravel().tolist(), case.scales.ravel().tolist(), strict=True
        )
    ]
    assert real.ravel().tolist() == np.array(products).astype(np.float32).tolist()


@settings(deadline=None)
@given(cases())
def test_the_folded_arithmetic_rounds_product_and_offset(case: Case):
    stored = quantize(case.real, case.params)
    offsets = (case.points * case.scales.astype(np.float64)).astype(np.float32)
    expected = stored.astype(np.float32) * case.scales - offsets
    np.testing.assert_array_equal(dequantize(stored, case.params, arithmetic="folded"), expected)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_stored_value_survives_the_round_trip(dtype: str, rounding: str):
    low, high = LIMITS[dtype]
    for scale in (0.0371, 2.0**-126, 3e30, 1.0):
        params = QuantizationParameters(scale, 5, dtype=dtype)
        stored = np.arange(low, high + 1).astype(params.storage_dtype)
        np.testing.assert_array_equal(quantize(dequantize(stored, params), params, rounding=rounding), stored)


def test_dequantize_does_not_overflow_the_stored_type():
    # -128 - 127 is 1 in int8 arithmetic.
    assert dequantize(np.array([-128], np.int8), QuantizationParameters(1.0, 127)).tolist() == [-255.0]


def test_only_the_stored_type_is_dequantized():
    with pytest.raises(ValueError, match="found stored values of uint8, expected int8 for int8"):
        dequantize(np.array([200], np.uint8), int8)
    with pytest.raises(ValueError, match="found stored values of int32, expected int8 for int4"):
        dequantize(np.array([200], np.int32), QuantizationParameters(1.0, dtype="int4"))


# --- arrays -----------------------------------------------------------------------------------------------


def test_out_is_written_to_and_returned():
    real = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    memory = np.full((5, 4), 99, np.int8)
    out = memory[1:4]
    assert quantize(real, int8, out=out) is out
    np.testing.assert_array_equal(memory[1:4], quantize(real, int8))
    assert (memory[[0, 4]] == 99).all()
    again = np.empty((3, 4), np.float32)
    assert dequantize(out, int8, out=again) is again
    np.testing.assert_array_equal(again, dequantize(out, int8))


def test_out_need_not_be_contiguous_nor_apart_from_the_values():
    real = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    expected = quantize(real, int8)
    turned = np.zeros((4, 3), np.int8).T
    np.testing.assert_array_equal(quantize(real, int8, out=turned), expected)
    shared = real.copy()
    inside = shared.view(np.int8).ravel()[3 : 3 + 12].reshape(3, 4)
    np.testing.assert_array_equal(quantize(shared, int8, out=inside), expected)
    np.testing.assert_array_equal(quantize(np.asfortranarray(real), int8), expected)
    np.testing.assert_array_equal(quantize(real[::-1, ::2], int8), expected[::-1, ::2])


@pytest.mark.parametrize("out", [np.empty((3, 5), np.int8), np.empty((3, 4), np.uint8), np.empty(12, np.int8)])
def test_out_of_another_shape_or_type_is_refused(out):
    with pytest.raises(ValueError, match=r"found out of shape .*, expected the shape \(3, 4\) and int8"):
        quantize(np.zeros((3, 4), np.float32), int8, out=out)


def test_the_values_given_are_left_alone():
    real = np.array([0.3, -0.3], np.float32)
    stored = quantize(real, int8)
    np.testing.assert_array_equal(real, np.array([0.3, -0.3], np.float32))
    copy = stored.copy()
    dequantize(stored, int8)
    np.testing.assert_array_equal(stored, copy)


def test_channels_that_are_not_the_arrays_are_refused():
    params = QuantizationParameters([0.1, 0.2, 0.3], quantized_dimension=1)
    with pytest.raises(ValueError, match=r"shape \(3, 4\), expected 3 channels along dimension 1: one for each scale"):
        quantize(np.zeros((3, 4), np.float32), params)
    with pytest.raises(ValueError, match="quantized_dimension=1, expected one of the 1 of the array"):
        dequantize(np.zeros(3, np.int8), params)


def test_unknown_rules_are_refused():
    with pytest.raises(ValueError, match="found the rounding 'half_up', expected one of half_even, half_away, recip"):
        quantize(np.zeros(1), int8, rounding="half_up")
    with pytest.raises(ValueError, match="found the arithmetic 'double', expected one of exact, folded"):
        dequantize(np.zeros(1, np.int8), int8, arithmetic="double")
