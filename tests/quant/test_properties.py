"""What must hold of QUANTIZE and DEQUANTIZE whatever the parameters, on the kernels of all families.

Where a kernel does not keep to one of these, the smallest example is kept in ``test_deviations.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbench.quant.affine import QuantizationParameters
from qbench.quant.family import FAMILIES
from quant.budget import examples
from quant.conversions import convert

if TYPE_CHECKING:
    from qbench.quant.family import Family
    from qbench.tflite.graph import Array

DTYPES = ["int8", "uint8", "int16"]
#: The delegate takes no int16: its kernels are those of `builtin` then.
KERNELS = [(dtype, family) for dtype in DTYPES for family in FAMILIES if (dtype, family) != ("int16", "xnnpack")]
every_kernel = pytest.mark.parametrize(("dtype", "family"), KERNELS)

#: Other work on the machine is no failure, and one example is hundreds of values.
ordinary = examples(20)

#: One operation in float32 is off by half of this at most; a kernel does three or four, the comparison some more.
ULPS = 2.0**-21


@st.composite
def parameters(draw, dtype: str, octaves: int = 30) -> QuantizationParameters:
    limits = np.iinfo(dtype)
    points = st.integers(limits.min, limits.max) | st.sampled_from([limits.min, limits.max])
    scale = draw(st.floats(2.0**-octaves, 2.0**octaves, width=32))
    return QuantizationParameters(scale, 0 if dtype == "int16" else draw(points), dtype=dtype)


@st.composite
def steps(draw, params: QuantizationParameters) -> Array:
    """Multiples of the scale, between all stored values of 8 bits or some of 16 and beyond both ends, ties among them.

    As many as a multiple of 8: ``builtin`` treats the last few differently.
    """
    stride = 401 if params.dtype == "int16" else 1
    first = params.qmin - 32 - draw(st.integers(0, stride - 1))
    whole = np.arange(first, params.qmax + 32 + stride, stride) - int(params.zero_point)
    fractions = [0.0, 0.5, *draw(st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=2))]
    return np.repeat(whole, 4) + np.tile(fractions, len(whole))


def real(multiples: Array, params: QuantizationParameters) -> Array:
    padded = np.concatenate([multiples, np.repeat(multiples[-1:], -len(multiples) % 8)])
    return (padded * float(params.scale)).astype(np.float32)


def everything_stored(params: QuantizationParameters) -> Array:
    return np.arange(params.qmin, params.qmax + 1).astype(params.dtype)


def in_doubles(values: Array, params: QuantizationParameters) -> tuple[Array, Array]:
    """Quotients that are to be rounded, and the real values that the ends of the range stand for."""
    scale, zero_point = float(params.scale), int(params.zero_point)
    ends = (np.array([params.qmin, params.qmax], np.float64) - zero_point) * scale
    return values.astype(np.float64) / scale, ends


@every_kernel
@ordinary
@given(data=st.data())
def test_a_value_in_range_loses_half_a_step_at_most(dtype: str, family: Family, data: st.DataObject):
    params = data.draw(parameters(dtype))
    values = real(data.draw(steps(params)), params)
    _, again = convert(values, params, None, family=family)
    quotients, (low, high) = in_doubles(values, params)
    inside = (values >= low) & (values <= high)
    lost = np.abs(again.astype(np.float64) - values)[inside] / float(params.scale)
    # `builtin` computes stored * scale - zero_point * scale, so the zero point counts too.
    allowed = 0.5 + (np.abs(quotients) + abs(int(params.zero_point)))[inside] * ULPS
    assert inside.sum() > 100
    assert np.all(lost <= allowed)


@every_kernel
@ordinary
@given(data=st.data())
def test_a_value_out_of_range_becomes_the_end_of_the_range(dtype: str, family: Family, data: st.DataObject):
    params = data.draw(parameters(dtype))
    beyond = np.array(data.draw(st.lists(st.floats(1, 2**29), min_size=8, max_size=40)))
    above, below = params.qmax - int(params.zero_point) + beyond, params.qmin - int(params.zero_point) - beyond
    (stored,) = convert(real(np.concatenate([above, below]), params), params, family=family)
    assert np.all(stored[: len(above)] == params.qmax)
    assert np.all(stored[len(above) : 2 * len(above)] == params.qmin)


@every_kernel
@ordinary
@given(data=st.data())
def test_zero_is_exact(dtype: str, family: Family, data: st.DataObject):
    params = data.draw(parameters(dtype))
    stored, again = convert(np.array([0.0, -0.0] * 9, np.float32), params, None, family=family)
    assert np.all(stored == params.zero_point)
    assert np.all(again == 0)


@every_kernel
@ordinary
@given(data=st.data())
def test_both_ways_are_monotone(dtype: str, family: Family, data: st.DataObject):
    params = data.draw(parameters(dtype))
    values = np.sort(real(data.draw(steps(params)), params))
    stored, again = convert(values, params, None, family=family)
    assert np.all(np.diff(stored.astype(np.int64)) >= 0)
    assert np.all(np.diff(again) >= 0)


@every_kernel
@ordinary
@given(data=st.data())
def test_a_second_round_trip_changes_nothing(dtype: str, family: Family, data: st.DataObject):
    params = data.draw(parameters(dtype))
    values = real(data.draw(steps(params)), params)
    stored, again, stored_again, once_more = convert(values, params, None, params, None, family=family)
    np.testing.assert_array_equal(stored_again, stored)
    np.testing.assert_array_equal(once_more, again)


@every_kernel
@ordinary
@given(data=st.data())
def test_every_stored_value_survives_the_round_trip(dtype: str, family: Family, data: st.DataObject):
    params = data.draw(parameters(dtype, octaves=100))
    stored = everything_stored(params)
    np.testing.assert_array_equal(convert(stored, params, None, params, family=family)[1], stored)


@every_kernel
@ordinary
@given(data=st.data())
def test_a_power_of_two_rescales_exactly(dtype: str, family: Family, data: st.DataObject):
    params = data.draw(parameters(dtype))
    factor = np.float32(2.0 ** data.draw(st.integers(-60, 60)))
    values = real(data.draw(steps(params)), params)
    rescaled = QuantizationParameters(params.scale * factor, params.zero_point, dtype=dtype)
    stored, again = convert(values, params, None, family=family)
    stored_too, again_too = convert(values * factor, rescaled, None, family=family)
    np.testing.assert_array_equal(stored_too, stored)
    np.testing.assert_array_equal(again_too, again * factor)


@pytest.mark.parametrize("dtype", DTYPES)
@ordinary
@given(data=st.data())
def test_families_differ_by_one_and_only_next_to_ties(dtype: str, data: st.DataObject):
    params = data.draw(parameters(dtype))
    values = real(data.draw(steps(params)), params)
    stored = {
        family: convert(values, params, family=family)[0].astype(np.int64) for name, family in KERNELS if name == dtype
    }
    quotients, _ = in_doubles(values, params)
    distance_to_tie = np.abs(np.abs(quotients) % 1 - 0.5)
    for family, found in stored.items():
        difference = np.abs(found - stored["reference"])
        assert difference.max() <= 1, family
        assert np.all(distance_to_tie[difference > 0] <= np.abs(quotients)[difference > 0] * ULPS), family


REQUANTIZED = [
    (source, target, family)
    for source in DTYPES
    for target in DTYPES
    if (source, target) != ("int16", "uint8")  # the runtime refuses
    for family in FAMILIES
    if family != "xnnpack" or (source == target != "int16")
]


@pytest.mark.parametrize(("source", "target", "family"), REQUANTIZED)
@ordinary
@given(data=st.data())
def test_requantizing_is_within_one_of_the_real_product(source: str, target: str, family: Family, data: st.DataObject):
    params = data.draw(parameters(source))
    ratio = data.draw(st.floats(2.0**-7, 2.0**6))  # the delegate takes no others
    other = data.draw(parameters(target))
    other = QuantizationParameters(float(params.scale) / ratio, other.zero_point, dtype=target)
    stored = everything_stored(params)
    (found,) = convert(stored, params, other, family=family)
    exact = (stored - params.zero_point) * (float(params.scale) / float(other.scale)) + int(other.zero_point)
    # Half a step for rounding, and a quarter as two roundings follow each other; the delegate's multiplier has 8 bits.
    allowed = 1 if family == "xnnpack" else 0.75 + ULPS
    assert np.abs(found - np.clip(exact, other.qmin, other.qmax)).max() <= allowed


@every_kernel
@ordinary
@given(data=st.data())
def test_requantizing_to_the_same_parameters_changes_nothing(dtype: str, family: Family, data: st.DataObject):
    params = data.draw(parameters(dtype))
    stored = everything_stored(params)
    np.testing.assert_array_equal(convert(stored, params, params, family=family)[0], stored)
