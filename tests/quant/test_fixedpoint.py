"""The fixed-point arithmetic against exact arithmetic on Python's integers and fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qbench.quant.fixedpoint import (
    multiply_by_quantized_multiplier,
    multiply_int64_by_quantized_multiplier,
    quantize_multiplier,
    round_half_away,
    rounding_divide_by_pot,
    saturating_rounding_doubling_high_mul,
)

LOW, HIGH = -(2**31), 2**31 - 1
# Values near the ends and near powers of two are where carries and ties are.
EDGES = [LOW, LOW + 1, -(2**30), -3, -2, -1, 0, 1, 2, 3, 2**30 - 1, 2**30, HIGH - 1, HIGH]
int32 = st.integers(LOW, HIGH) | st.sampled_from(EDGES)
significands = st.integers(2**30, HIGH) | st.sampled_from([2**30, 2**30 + 1, HIGH - 1, HIGH])
factors = st.floats(min_value=2.0**-33, max_value=2.0**30)


def nearest(value: Fraction, *, ties: str) -> int:
    """An integer next to `value`; `ties` go ``away`` from zero or ``up``."""
    below = math.floor(value)
    rest = value - below
    if rest == Fraction(1, 2):
        return below + (ties == "up" or value > 0)
    return below + (rest > Fraction(1, 2))


def wrapped(value: int) -> int:
    """`value` in 32 bits of two's complement."""
    return (value - LOW) % 2**32 + LOW


def slow_high_mul(a: int, b: int) -> int:
    return min(nearest(Fraction(a * b, 2**31), ties="up"), HIGH)


def slow_double(x: int, multiplier: int, shift: int) -> int:
    high = slow_high_mul(wrapped(x << max(shift, 0)), multiplier)
    return nearest(Fraction(high, 2 ** max(-shift, 0)), ties="away")


def slow_single(x: int, multiplier: int, shift: int) -> int:
    return wrapped(nearest(Fraction(x * multiplier, 2 ** (31 - shift)), ties="up"))


def slow_int64(x: int, multiplier: int, shift: int) -> int:
    reduced = (multiplier + 2**15) // 2**16 if multiplier < 0x7FFF0000 else 0x7FFF
    return wrapped(nearest(Fraction(x * reduced, 2 ** (15 - shift)), ties="up"))


@settings(deadline=None)
@given(st.floats(min_value=0, allow_infinity=False) | factors)
@example(0.0)
@example(5e-324)
@example(2.0**-32)
@example(2.0**-32 - 2.0**-85)
@example(1.0 - 2.0**-53)  # rounds up to the next power of two
@example(2.0**-32 * (1.0 - 2.0**-53))
def test_a_factor_is_its_significand_and_shift(real: float):
    significand, shift = quantize_multiplier(real)
    assert significand.dtype == shift.dtype == np.int32
    if significand == 0:
        assert shift == 0
        assert real < 2.0**-32
        return
    assert 2**30 <= significand <= HIGH
    assert shift >= -31
    value = Fraction(int(significand)) * Fraction(2) ** (int(shift) - 31)
    # Half a unit of the last of the 31 bits.
    assert abs(value - Fraction(real)) <= Fraction(2) ** (int(shift) - 32)


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        (1.0, (2**30, 1)),
        (0.5, (2**30, 0)),
        (2.0**-32, (2**30, -31)),
        (2.0**-33, (0, 0)),
        (1.0 - 2.0**-53, (2**30, 1)),
        ((2.0**31 - 0.5) / 2.0**31, (2**30, 1)),  # a tie goes up
        ((2.0**30 + 0.5) / 2.0**31, (2**30 + 1, 0)),
        ((2.0**30 + 1.5) / 2.0**31, (2**30 + 2, 0)),
    ],
)
def test_factors_at_the_edges(real: float, expected: tuple[int, int]):
    assert quantize_multiplier(real) == expected


def test_factors_of_any_shape():
    real = np.array([[0.0, 1.0, 0.3], [2.0**-40, 7e8, 1e-3]])
    significand, shift = quantize_multiplier(real)
    assert significand.shape == shift.shape == real.shape
    for at in np.ndindex(real.shape):
        assert (significand[at], shift[at]) == quantize_multiplier(float(real[at]))
    # A float32 factor is used as it is, in double precision.
    assert quantize_multiplier(np.float32(0.1)) == quantize_multiplier(float(np.float32(0.1)))
    assert quantize_multiplier(np.float32(0.1)) != quantize_multiplier(0.1)


@pytest.mark.parametrize("bad", [-1e-300, -1.0, math.nan, math.inf, -math.inf])
def test_a_factor_that_has_no_multiplier_is_named(bad: float):
    with pytest.raises(ValueError, match=f"a multiplier must be a finite number of at least 0, got {bad}"):
        quantize_multiplier([0.5, bad, 0.25])


@settings(deadline=None)
@given(int32, int32)
@example(LOW, LOW)
@example(-1, 2**30)  # ties of a negative product go up
@example(-3, 2**30)
@example(3, 2**30)
def test_high_mul_is_the_rounded_product(a: int, b: int):
    result = saturating_rounding_doubling_high_mul(np.int32(a), np.int32(b))
    assert result.dtype == np.int32
    assert result == slow_high_mul(a, b)


@settings(deadline=None)
@given(int32, st.integers(0, 31))
@example(LOW, 31)
@example(LOW, 0)
@example(HIGH, 0)
@example(2**30, 31)
@example(-(2**30), 31)
def test_dividing_by_a_power_of_two_rounds_halves_away(x: int, exponent: int):
    result = rounding_divide_by_pot(np.int32(x), exponent)
    assert result.dtype == np.int32
    assert result == nearest(Fraction(x, 2**exponent), ties="away")


@settings(deadline=None)
@given(int32, significands | st.just(0), st.integers(-31, 31))
def test_double_rounding_is_the_slow_reference(x: int, multiplier: int, shift: int):
    result = multiply_by_quantized_multiplier(np.int32(x), multiplier, shift)
    assert result.dtype == np.int32
    assert result == slow_double(x, multiplier, shift)


@settings(deadline=None)
@given(int32, significands | st.just(0), st.integers(-31, 30))
def test_single_rounding_is_the_slow_reference(x: int, multiplier: int, shift: int):
    result = multiply_by_quantized_multiplier(np.int32(x), multiplier, shift, rounding="single")
    assert result.dtype == np.int32
    assert result == slow_single(x, multiplier, shift)


@settings(deadline=None)
@given(st.integers(-(2**47), 2**47 - 1) | int32, significands | st.just(0), st.integers(-31, 7))
@example(-(2**47), HIGH, -31)
@example(2**47 - 1, HIGH, -31)
@example(1000, 0x7FFF0000 - 1, 0)
@example(1000, 0x7FFF0000, 0)
def test_the_64_bit_variant_is_the_slow_reference(x: int, multiplier: int, shift: int):
    result = multiply_int64_by_quantized_multiplier(np.int64(x), multiplier, shift)
    assert result.dtype == np.int32
    assert result == slow_int64(x, multiplier, shift)


@settings(deadline=None)
@given(int32, factors)
def test_both_roundings_are_within_one_of_the_real_product_and_of_each_other(x: int, real: float):
    exact = Fraction(x) * Fraction(real)
    multiplier, shift = quantize_multiplier(real)
    if not LOW <= x * 2 ** max(int(shift), 0) <= HIGH or abs(exact) >= HIGH - 1:
        return  # Neither is defined where the accumulator overflows.
    double = int(multiply_by_quantized_multiplier(x, multiplier, shift))
    single = int(multiply_by_quantized_multiplier(x, multiplier, shift, rounding="single"))
    assert abs(double - exact) <= 1
    assert abs(single - exact) <= 1
    assert abs(double - single) <= 1


@settings(deadline=None)
@given(st.lists(st.tuples(int32, significands, st.integers(-31, 7)), min_size=1, max_size=8))
def test_arrays_are_the_single_values_and_broadcast(cases: list[tuple[int, int, int]]):
    x, multiplier, shift = (np.array(column) for column in zip(*cases, strict=True))
    grid = multiply_by_quantized_multiplier(x[:, np.newaxis], multiplier, shift)
    single = multiply_by_quantized_multiplier(x[:, np.newaxis], multiplier, shift, rounding="single")
    wide = multiply_int64_by_quantized_multiplier(x[:, np.newaxis], multiplier, shift)
    assert grid.shape == single.shape == wide.shape == (len(cases), len(cases))
    for row, value in enumerate(x.tolist()):
        for column, (_, one, by) in enumerate(cases):
            assert grid[row, column] == slow_double(value, one, by)
            assert single[row, column] == slow_single(value, one, by)
            assert wide[row, column] == slow_int64(value, one, by)


@pytest.mark.parametrize(("rounding", "shift"), [("double", 32), ("double", -32), ("single", 31), ("single", -32)])
def test_a_shift_that_c_does_not_define_is_refused(rounding, shift: int):
    with pytest.raises(ValueError, match=rf"the shift of a multiplier must be from -31 to 3.*{shift}"):
        multiply_by_quantized_multiplier([1, 2], 2**30, [0, shift], rounding=rounding)


def test_what_breaks_the_contract_is_refused():
    with pytest.raises(ValueError, match="a quantized multiplier is at least 0, got -1"):
        multiply_by_quantized_multiplier(1, -1, 0)
    with pytest.raises(ValueError, match="x must fit 32 bits, got values from 2147483648 to 2147483648"):
        multiply_by_quantized_multiplier(np.int64(2**31), 2**30, 0)
    with pytest.raises(ValueError, match="x must be integers of 32 bits, got float64"):
        multiply_by_quantized_multiplier(1.5, 2**30, 0)
    with pytest.raises(ValueError, match="exponent of a rounding division must be from 0 to 31"):
        rounding_divide_by_pot(1, 32)
    for value in (2**47, -(2**47) - 1):
        with pytest.raises(ValueError, match=r"a 16x8 accumulator must be in \[-2\*\*47, 2\*\*47\)"):
            multiply_int64_by_quantized_multiplier(value, 2**30, 0)
    for shift in (8, -32):
        with pytest.raises(ValueError, match="the shift of a 16x8 multiplier must be from -31 to 7"):
            multiply_int64_by_quantized_multiplier(1, 2**30, shift)


def test_arrays_of_no_elements():
    nothing = np.zeros((0, 3), np.int32)
    assert multiply_by_quantized_multiplier(nothing, 2**30, 0).shape == (0, 3)
    assert multiply_int64_by_quantized_multiplier(nothing, 2**30, 0).shape == (0, 3)
    assert quantize_multiplier(np.zeros(0))[0].shape == (0,)


@settings(deadline=None)
@given(
    st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**24), 2**24).map(lambda doubled: doubled / 2)
    | st.sampled_from([0.49999999999999994, -0.49999999999999994, 2.0**52 - 0.5, -(2.0**52) + 0.5])
)
def test_halves_are_rounded_away_from_zero(value: float):
    result = round_half_away(np.float64(value))
    assert result.dtype == np.float64
    assert result == nearest(Fraction(value), ties="away")
    assert math.copysign(1, result) == math.copysign(1, value)


@settings(deadline=None)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False) | st.sampled_from([0.49999997, -0.49999997]))
def test_halves_are_rounded_away_from_zero_in_single_precision(value: float):
    single = np.float32(value)
    result = round_half_away(single)
    assert result.dtype == np.float32
    assert result == nearest(Fraction(float(single)), ties="away")


def test_rounding_keeps_what_is_no_number():
    result = round_half_away(np.array([np.nan, np.inf, -np.inf], np.float32))
    np.testing.assert_array_equal(result, np.array([np.nan, np.inf, -np.inf], np.float32))
