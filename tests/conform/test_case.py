from __future__ import annotations

import math

import numpy as np
import pytest

from qbench.conform.case import WHOLE, Case, Distance, distance


def _distance(left, right, dtype):
    return distance([np.array(left, dtype)], [np.array(right, dtype)])


def test_integers_are_apart_by_their_difference():
    found = _distance([1, -128, 127, 5], [1, 127, 126, 3], np.int8)
    assert found == Distance(values=4, off_by_one=1, off_by_more=2, largest=255)


def test_the_widest_32_bit_difference_does_not_wrap():
    assert _distance([-(2**31)], [2**31 - 1], np.int32).largest == 2**32 - 1


def test_floats_are_apart_by_the_numbers_between_them():
    one, next_one = np.float32(1), np.nextafter(np.float32(1), np.float32(2))
    found = _distance([one, -0.0, 1e-45, 2.0], [next_one, 0.0, -1e-45, 2.0], np.float32)
    assert found == Distance(values=4, off_by_one=1, off_by_more=1, largest=2)


def test_real_numbers_are_apart_by_the_step_that_they_have():
    left, right = (
        np.array([1.0, 1.0, 1.0, np.inf, np.inf], np.float32),
        np.array([1.0, 1.25, 1.3, np.inf, 0], np.float32),
    )
    found = distance([left], [right], steps=[0.25])
    assert (found.off_by_one, found.off_by_more) == (1, 2)
    assert distance([left[:3]], [right[:3]], steps=[0.25]).largest == 2


def test_integers_of_64_bits_do_not_wrap():
    assert _distance([2**62, 2**63 - 1], [-(2**62), -(2**63)], np.int64).off_by_more == 2
    assert _distance([2**64 - 1], [2**64 - 2], np.uint64).off_by_one == 1


@pytest.mark.parametrize("dtype", [np.float64, np.complex64, np.bool_])
def test_types_without_a_step_are_equal_or_wrong(dtype):
    found = distance([np.array([1, 0, 1], dtype)], [np.array([1, 1, 0], dtype)])
    assert (found.off_by_one, found.off_by_more) == (0, 2)
    assert distance([np.array([1.0])], [np.array([1.0 + 1e-12])]).off_by_more == 1


def test_nan_is_only_near_nan():
    assert _distance([math.nan], [math.nan], np.float32) == Distance(values=1, off_by_one=0, off_by_more=0, largest=0)
    assert _distance([math.nan], [1.0], np.float32).off_by_more == 1
    assert _distance([math.inf], [math.nan], np.float32).off_by_more == 1


@pytest.mark.parametrize("right", [np.zeros((3, 2), np.int8), np.zeros((2, 3), np.uint8), np.zeros((0,), np.int8)])
def test_another_shape_or_dtype_is_wrong_whatever_the_values(right):
    found = distance([np.zeros((2, 3), np.int8)], [right])
    assert found.off_by_more >= 1
    assert found.largest > 2**60


def test_all_outputs_count():
    left, right = [np.zeros(2, np.int8), np.zeros(3, np.int8)], [np.zeros(2, np.int8), np.full(3, 1, np.int8)]
    assert distance(left, right) == Distance(values=5, off_by_one=3, off_by_more=0, largest=1)
    with pytest.raises(ValueError, match="zip"):
        distance(left, right[:1])


def test_nothing_is_equal_to_nothing():
    assert _distance([], [], np.int8) == Distance(values=0, off_by_one=0, off_by_more=0, largest=0)


def test_a_case_knows_its_size_and_whether_it_is_a_whole_artifact():
    case = Case(operator="ADD", dtype="int8", content=b"1234", inputs=(np.zeros(3), np.zeros((2, 2))))
    assert case.size == 11
    assert not case.is_whole
    assert Case(operator=WHOLE, dtype="", content=b"", inputs=()).is_whole
