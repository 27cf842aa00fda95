"""From accumulators to outputs: against exact arithmetic, and against kernels at the limits of 32 bits."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qbench.quant.affine import QuantizationParameters
from qbench.quant.kernels.requantize import (
    convolution_rounding,
    legacy_factor,
    real_factor,
    requantize,
    requantizer,
    xnnpack_factor,
)
from quant.budget import examples
from quant.kernels.drawn_params import IS_X86_64, scales
from quant.kernels.linear_cases import CHANNEL_AXIS, HAS_AVX, Case, expected_of, found_of

WIDE = QuantizationParameters(1.0, dtype="int16")


def slow_round(value: Fraction, ties: str) -> int:
    floor = math.floor(value)
    if value - floor != Fraction(1, 2):
        return math.floor(value + Fraction(1, 2))
    return {"up": floor + 1, "away": floor + (value > 0), "even": floor + floor % 2}[ties]


def slow_in_two_steps(accumulator: int, exponent: int, ties: str) -> int:
    """The product with ``2**exponent = 2**30 / 2**31 * 2**shift``, rounded at its high half and at the shift."""
    shift = exponent + 1
    high_half = slow_round(Fraction(accumulator * 2 ** max(shift, 0), 2), "up")
    return slow_round(Fraction(high_half, 2 ** max(-shift, 0)), ties)


@pytest.mark.parametrize(
    ("rounding", "slow"),
    [
        ("double", lambda x, exponent: slow_in_two_steps(x, exponent, "away")),
        ("upward", lambda x, exponent: slow_in_two_steps(x, exponent, "up")),
        ("int64", lambda x, exponent: slow_round(x * Fraction(2) ** exponent, "up")),
        ("float64", lambda x, exponent: slow_round(x * Fraction(2) ** exponent, "away")),
        ("float32", lambda x, exponent: slow_round(x * Fraction(2) ** exponent, "even")),
    ],
)
@settings(deadline=None)
@given(
    accumulators=st.lists(st.integers(-(2**15), 2**15) | st.integers(-50, 50), min_size=1, max_size=20),
    exponent=st.integers(-12, 0),
    zero_point=st.integers(-128, 127),
)
def test_powers_of_two_with_ties_of_all_kinds(
    rounding: str, slow, accumulators: list[int], exponent: int, zero_point: int
):
    output_params = QuantizationParameters(1.0, zero_point)
    factor = np.array(2.0**exponent, np.float32 if rounding == "float32" else np.float64)
    found = requantize(np.array(accumulators)[:, np.newaxis], factor, rounding=rounding, output_params=output_params)
    expected = [slow(accumulator, exponent) + zero_point for accumulator in accumulators]
    assert found.dtype == np.int8
    assert found.reshape(-1).tolist() == np.clip(expected, -128, 127).tolist()


@pytest.mark.parametrize("rounding", ["double", "upward", "vector", "int64", "float64", "float32"])
@settings(deadline=None)
@given(
    accumulators=st.lists(st.integers(-(2**24), 2**24), min_size=1, max_size=20),
    factor=scales(-24, 6),
)
def test_no_rounding_is_off_by_more_than_one(rounding: str, accumulators: list[int], factor: float):
    exact = np.array([float(value * Fraction(factor)) for value in accumulators])
    assume(np.abs(exact).max() < 2**30)
    given_factor = np.array(factor, np.float32 if rounding == "float32" else np.float64)
    found = requantize(np.array([accumulators]), given_factor, rounding=rounding, output_params=WIDE)
    # The 15 bits of a 16x8 multiplier are wrong by one part in 2**15 of an output of as many steps.
    assert np.abs(found - np.clip(exact, -32768, 32767)).max() <= (2 if rounding == "int64" else 1)


def test_vectors_of_8_channels_round_up_and_the_rest_away_from_zero():
    accumulators = np.full((1, 19), -2, np.int32)
    found = requantize(accumulators, np.array(0.25), rounding="vector", output_params=QuantizationParameters(1.0))
    assert found.tolist() == [[0] * 16 + [-1] * 3]


@pytest.mark.parametrize(
    ("family", "accumulator", "expected"),
    [
        ("reference", "int32", "double"),
        ("reference", "int64", "int64"),
        ("builtin", "int32", "vector"),
        ("builtin", "int64", "int64"),
        ("xnnpack", "int32", "float32"),
    ],
)
def test_how_families_round(family: str, accumulator: str, expected: str):
    assert convolution_rounding(family, accumulator, builtin="vector") == expected


def test_the_three_factors_differ_in_where_they_are_rounded():
    scales_of = [QuantizationParameters(value) for value in (0.1, 0.3, 0.7)]
    inputs, weights, outputs = (Fraction(float(params.scale)) for params in scales_of)
    assert real_factor(*scales_of) == float(Fraction(float(inputs * weights)) / outputs)
    rounded = np.float32(float(inputs * weights))
    assert legacy_factor(*scales_of) == float(Fraction(float(rounded)) / outputs)
    assert xnnpack_factor(*scales_of) == np.float32(float(Fraction(float(rounded)) / outputs))
    assert xnnpack_factor(*scales_of).dtype == np.float32
    assert len({float(f(*scales_of)) for f in (real_factor, legacy_factor, xnnpack_factor)}) == 3


def test_a_requantizer_takes_the_factor_of_its_rounding():
    params = (QuantizationParameters(0.1), QuantizationParameters(0.3), QuantizationParameters(0.7, 5))
    accumulators = np.arange(-300, 300, dtype=np.int32)[:, np.newaxis]
    for rounding, factor in (("float32", xnnpack_factor(*params)), ("double", real_factor(*params))):
        np.testing.assert_array_equal(
            requantizer(params, rounding, "RELU6")(accumulators),
            requantize(accumulators, factor, rounding=rounding, output_params=params[2], activation="RELU6"),
        )


def limit_case(name: str, bias: np.ndarray, factor: float, zero_point: int, dtype: str = "int8") -> Case:
    """Products that are small next to the bias, which goes to the limits of 32 bits."""
    units = len(bias)
    shape = {"FULLY_CONNECTED": (units, 1), "DEPTHWISE_CONV_2D": (1, 1, 1, units)}.get(name, (units, 1, 1, 1))
    inputs = np.arange(-9, 9).astype(dtype).reshape((18, 1) if name == "FULLY_CONNECTED" else (18, 1, 1, 1))
    weights = np.resize(np.array([1, -3, 127], np.int8), shape)
    axis = CHANNEL_AXIS.get(name, 0)
    params = (
        QuantizationParameters(1.0, dtype=dtype),
        QuantizationParameters(np.ones(units), quantized_dimension=axis),
        QuantizationParameters(1 / factor, zero_point, dtype=dtype),
    )
    return Case(name, inputs, weights, bias, *params, {})


LIMITS = np.array([0, 1, 2**24, -(2**24), 2**30, -(2**30), 2**31 - 1, -(2**31), 2**31 - 1000, -(2**31) + 1000])


@pytest.mark.parametrize("family", ["reference", "builtin", "xnnpack"])
@pytest.mark.parametrize("name", ["FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"])
@examples(40)
@given(factor=scales(-32, 8), zero_point=st.sampled_from([-128, -1, 0, 1, 127]))
def test_accumulators_over_all_32_bits(name: str, family: str, factor: float, zero_point: int):
    assume(factor < 256)  # the delegate takes no more
    bias = LIMITS
    if family == "xnnpack" or (name, family) == ("FULLY_CONNECTED", "reference"):
        bias = LIMITS[np.abs(LIMITS) * factor < 2**30]  # see below for the others
    case = limit_case(name, bias.astype(np.int32), factor, zero_point)
    expected, found = expected_of(case, family), found_of(case, family)
    is_of_ruy = family == "builtin" and name != "DEPTHWISE_CONV_2D"
    if not is_of_ruy or HAS_AVX:
        np.testing.assert_array_equal(expected, found)


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_reference_fully_connected_turns_a_very_large_output_into_the_lowest(dtype: str):
    bias = np.array([2**30, -(2**30)], np.int64 if dtype == "int16" else np.int32)
    case = limit_case("FULLY_CONNECTED", bias, 4.0, 0, dtype)
    limits = np.iinfo(dtype)
    assert expected_of(case, "reference")[0].tolist() == [limits.max, limits.min]
    if IS_X86_64:  # C leaves the conversion undefined
        assert found_of(case, "reference")[0].tolist() == [limits.min, limits.min]


@pytest.mark.parametrize("name", ["FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"])
def test_the_delegate_may_turn_a_very_low_output_into_the_highest(name: str):
    case = limit_case(name, np.array([-(2**30)], np.int32), 4.0, -1)
    assert (expected_of(case, "xnnpack") == -128).all()
    # Depends on the processor: the scalar kernels clamp before they convert.
    assert set(found_of(case, "xnnpack").reshape(-1)) in ({127}, {-128})
