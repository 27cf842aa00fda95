"""Quantize and dequantize against slow references and against the runtime's own kernel."""

from __future__ import annotations

import math
import warnings
from fractions import Fraction

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from graph_builder import Affine, Graph
from hypothesis import given, settings
from hypothesis import strategies as st

from qbench.quant.affine import dequantize, quantize

DTYPES = ["int8", "uint8", "int16"]


def slow_quantize(value: float, scale: float, zero_point: int, dtype: str) -> int:
    """One value, with the operations of the documentation one after the other."""
    quotient = float(np.float32(np.float32(value) / np.float32(scale)))
    # Python rounds a Fraction half to even; the sum is rounded to float32 as the kernel's is.
    moved = float(np.float32(round(Fraction(quotient)) + zero_point))
    limits = np.iinfo(dtype)
    return int(min(max(moved, limits.min), limits.max))


@st.composite
def cases(draw):
    dtype = draw(st.sampled_from(DTYPES))
    limits = np.iinfo(dtype)
    scale = draw(st.floats(min_value=2**-20, max_value=2**10, width=32))
    zero_point = draw(st.integers(limits.min, limits.max))
    # Around the whole range and beyond it on both sides.
    steps = st.floats(min_value=-(2**17), max_value=2**17, width=32)
    values = draw(st.lists(steps, min_size=1, max_size=20))
    return np.array(values, np.float32) * np.float32(scale), scale, zero_point, dtype


@settings(deadline=None)  # other work on the machine is no failure
@given(cases())
def test_quantize_is_the_slow_reference(case):
    real, scale, zero_point, dtype = case
    stored = quantize(real, scale=scale, zero_point=zero_point, dtype=dtype)
    assert stored.dtype == dtype
    assert stored.tolist() == [slow_quantize(value, scale, zero_point, dtype) for value in real.tolist()]


@settings(deadline=None)
@given(cases())
def test_quantizing_loses_at_most_half_a_step_within_the_range(case):
    real, scale, zero_point, dtype = case
    limits = np.iinfo(dtype)
    low, high = (float(limits.min) - zero_point) * scale, (float(limits.max) - zero_point) * scale
    again = dequantize(
        quantize(real, scale=scale, zero_point=zero_point, dtype=dtype), scale=scale, zero_point=zero_point
    )
    inside = (real >= low) & (real <= high)
    # float32 holds the quotient of a value to one part in 2**23.
    assert np.all(np.abs(again - real)[inside] <= 0.5 * scale * (1 + 2**-10) + np.abs(real)[inside] * 2**-22)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_stored_value_survives_the_round_trip(dtype: str):
    limits = np.iinfo(dtype)
    stored = np.arange(limits.min, limits.max + 1).astype(dtype)
    real = dequantize(stored, scale=0.0371, zero_point=5)
    np.testing.assert_array_equal(quantize(real, scale=0.0371, zero_point=5, dtype=dtype), stored)


def test_ties_go_to_the_even_integer_before_the_zero_point_is_added():
    real = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], np.float32) * 0.25
    assert quantize(real, scale=0.25, zero_point=0, dtype="int8").tolist() == [-2, -2, 0, 0, 2, 2]
    # Rounding after the addition would give 0, 2, 2, 4, 4, 6 - 1 and so on.
    assert quantize(real, scale=0.25, zero_point=1, dtype="int8").tolist() == [-1, -1, 1, 1, 3, 3]


@pytest.mark.parametrize(("dtype", "low", "high"), [("int8", -128, 127), ("uint8", 0, 255), ("int16", -32768, 32767)])
def test_what_is_out_of_range_is_clamped_and_so_are_infinities(dtype: str, low: int, high: int):
    real = np.array([-np.inf, -1e38, -1e9, 1e9, 1e38, np.inf], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stored = quantize(real, scale=1e-3, zero_point=0, dtype=dtype)
        doubles = quantize(np.array([-1e300, 1e300]), scale=1e-3, zero_point=0, dtype=dtype)
    assert stored.tolist() == [low] * 3 + [high] * 3
    assert doubles.tolist() == [low, high]


@pytest.mark.parametrize("bad", [math.nan, -math.nan])
def test_nan_is_refused_wherever_it_stands(bad: float):
    real = np.zeros((3, 5), np.float32)
    real[2, 4] = bad
    real[0, 0] = np.inf
    with pytest.raises(ValueError, match="NaN has no quantized value"):
        quantize(real, scale=0.1, zero_point=0, dtype="int8")


@pytest.mark.parametrize("scale", [0.0, -0.1, math.nan, math.inf, 1e-50, 1e50])
def test_a_scale_that_is_no_positive_finite_float32_is_refused(scale: float):
    with pytest.raises(ValueError, match="scale must be a positive finite float32, got"):
        quantize(np.zeros(1, np.float32), scale=scale, zero_point=0, dtype="int8")


@pytest.mark.parametrize(
    "real", [np.array(1.2), np.float32(1.2), np.zeros((0, 4)), np.ones((2, 0, 3)), np.array([[3]])]
)
def test_any_shape_and_number_type(real):
    stored = quantize(real, scale=0.5, zero_point=1, dtype="int8")
    assert stored.shape == np.shape(real)
    assert stored.dtype == np.int8
    assert np.array_equal(stored, np.rint(np.asarray(real) / 0.5) + 1)


def test_out_is_written_to_and_returned():
    real = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    memory = np.full((5, 4), 99, np.int8)
    out = memory[1:4]
    assert quantize(real, scale=0.02, zero_point=3, dtype="int8", out=out) is out
    np.testing.assert_array_equal(memory[1:4], quantize(real, scale=0.02, zero_point=3, dtype="int8"))
    assert (memory[[0, 4]] == 99).all()


def test_the_values_given_are_left_alone():
    real = np.array([0.3, -0.3], np.float32)
    quantize(real, scale=0.02, zero_point=3, dtype="int8")
    np.testing.assert_array_equal(real, np.array([0.3, -0.3], np.float32))


@pytest.mark.parametrize("scale", [0.0371, float(np.float32(0.0371))])
@pytest.mark.parametrize("dtype", DTYPES)
def test_dequantize_is_exact_arithmetic_rounded_once(dtype: str, scale: float):
    limits = np.iinfo(dtype)
    stored = np.linspace(limits.min, limits.max, 61).astype(dtype)
    zero_point = int(limits.max)
    real = dequantize(stored, scale=scale, zero_point=zero_point)
    assert real.dtype == np.float32
    exact = [float(Fraction(value - zero_point) * Fraction(scale)) for value in stored.tolist()]
    assert real.tolist() == np.array(exact).astype(np.float32).tolist()


def test_dequantize_does_not_overflow_the_stored_type():
    # -128 - 127 is 1 in int8 arithmetic.
    assert dequantize(np.array([-128], np.int8), scale=1.0, zero_point=127).tolist() == [-255.0]


@pytest.mark.parametrize(("dtype", "zero_point"), [("int8", 3), ("int8", -128), ("uint8", 128), ("int16", 0)])
@pytest.mark.parametrize("scale", [2.0**-7, 2.0**-3, 1.0, 2.0])
def test_the_runtime_quantizes_alike_ties_included(dtype: str, zero_point: int, scale: float):
    limits = np.iinfo(dtype)
    steps = np.arange(max(limits.min, -300) - 5, min(limits.max, 300) + 5) - zero_point
    # A power of two as the scale, so that a tie is a tie: the kernel multiplies by the scale's inverse.
    # For int16 it rounds ties away from zero in the last few elements of an array.
    fractions = [0.0, 0.25] if dtype == "int16" else [0.0, 0.25, 0.5]
    real = (np.concatenate([steps + fraction for fraction in fractions]) * scale).astype(np.float32)
    graph = Graph()
    x, y = graph.tensor("x", real.shape), graph.tensor("y", real.shape, dtype, Affine(scale, zero_point))
    graph.operator("QUANTIZE", [x], [y], schema.QuantizeOptionsT())
    interpreter = Interpreter(model_content=graph.build([x], [y]))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], real)
    interpreter.invoke()
    runtime = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_array_equal(quantize(real, scale=scale, zero_point=zero_point, dtype=dtype), runtime)
