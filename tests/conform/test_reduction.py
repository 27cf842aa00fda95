from __future__ import annotations

import models_zoo as zoo
import numpy as np

from qbench.conform.case import Case
from qbench.conform.reduction import reduce_inputs
from qbench.tflite.builder import Affine, Graph

ZERO_POINT = zoo.DENSE_INPUT["int8"].zero_point


def dense(stored: np.ndarray) -> Case:
    return Case(operator="FULLY_CONNECTED", dtype="int8", content=zoo.dense_int8(inputs=stored.size), inputs=(stored,))


def test_all_values_but_the_failing_one_go_to_the_zero_point():
    stored = np.arange(64, dtype=np.int8).reshape(1, 64)
    reduced = reduce_inputs(dense(stored), lambda case: bool((case.inputs[0] == 37).any()))
    expected = np.full((1, 64), ZERO_POINT, np.int8)
    expected[0, 37] = 37
    np.testing.assert_array_equal(reduced.inputs[0], expected)


def test_values_that_fail_together_stay_together():
    stored = np.arange(20, 50, dtype=np.int8).reshape(1, 30)
    reduced = reduce_inputs(dense(stored), lambda case: int((case.inputs[0] > 45).sum()) >= 2)
    assert int((reduced.inputs[0] != ZERO_POINT).sum()) == 2


def test_the_case_given_is_left_alone():
    stored = np.arange(8, dtype=np.int8).reshape(1, 8)
    case = dense(stored.copy())
    reduce_inputs(case, lambda _: True)
    np.testing.assert_array_equal(case.inputs[0], stored)


def test_every_input_is_reduced_and_float_goes_to_zero():
    graph = Graph()
    x, y = graph.tensor("x", [4]), graph.tensor("y", [4], "int8", Affine(0.5, 9))
    case = Case(
        operator="",
        dtype="",
        content=graph.build([x, y], [x]),
        inputs=(np.ones(4, np.float32), np.ones(4, np.int8)),
    )
    first, second = reduce_inputs(case, lambda _: True).inputs
    assert first.tolist() == [0] * 4
    assert second.tolist() == [9] * 4


def test_tries_are_bounded():
    tries = 0

    def fails(_: Case) -> bool:
        nonlocal tries
        tries += 1
        return False

    stored = np.full((1, 5000), 1, np.int8)
    reduced = reduce_inputs(dense(stored), fails)
    np.testing.assert_array_equal(reduced.inputs[0], stored)
    assert tries <= 400
