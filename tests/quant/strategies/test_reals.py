"""Real values reach the places where kernels differ, and shrink; calibration sets come in all kinds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from qbench.quant.affine import QuantizationParameters, quantize
from qbench.quant.strategies import calibration_sets, quantization_parameters, real_arrays

SEARCH = settings(
    deadline=None, max_examples=5000, database=None, derandomize=True, phases=[Phase.generate, Phase.shrink]
)
INT8 = QuantizationParameters(0.5, 3)


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
        (real_arrays, {"params": INT8, "shape": (2, -1)}, "must be an integer of at least 0"),
        (calibration_sets, {"shape": (3,), "min_examples": 3, "max_examples": 2}, "min_examples=3 is larger than"),
        (calibration_sets, {"shape": st.just((3,))}, "must be a tuple: all examples have the same"),
        (calibration_sets, {"shape": (3,), "min_value": "low"}, "min_value='low' must be a finite number"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_drawn(strategy, arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        strategy(**arguments)
