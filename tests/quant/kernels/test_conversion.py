"""QUANTIZE and DEQUANTIZE against the runtime's kernels."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st

from qbench.quant.affine import QuantizationParameters
from qbench.quant.kernels.conversion import EXACT, dequantize, quantize, requantize
from quant.budget import examples
from quant.kernel_lab import Operand, Result, run_operator
from quant.kernels.drawn_params import IS_X86_64, all_values, params

BYTES = ["int8", "uint8"]
FAMILIES = ["reference", "builtin", "xnnpack"]
PAIRS = [(a, b) for a in (*BYTES, "int16") for b in (*BYTES, "int16") if (a, b) != ("int16", "uint8")]
SHAPES = st.sampled_from([(1,), (7,), (8,), (33,), (2, 3, 50), (1, 127), (16, 16, 4)])


def run(operand: Operand, shape: tuple[int, ...], output_params, family: str) -> np.ndarray:
    name, options = ("DEQUANTIZE", schema.DequantizeOptionsT()) if output_params is None else ("QUANTIZE", None)
    return run_operator(
        name, [operand], [Result(shape, output_params)], options or schema.QuantizeOptionsT(), family=family
    )[0]


@st.composite
def reals(draw, scale: np.ndarray, zero_point: int, dtype: str, shape: tuple[int, ...]):
    """Integers, ties and what is a little short of them, over the whole range and beyond its ends."""
    limits = np.iinfo(dtype)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    steps = rng.integers(limits.min - 40, limits.max + 40, shape) - zero_point
    fractions = rng.choice([0, 0.25, 0.5, 0.49999, 0.50001], shape)
    return ((steps + fractions) * scale * rng.choice([1, 1, 1, 1000], shape)).astype(np.float32)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [*BYTES, "int16"])
@examples(40)
@given(data=st.data())
def test_quantize(dtype: str, family: str, data):
    assert family in EXACT["QUANTIZE"]["float32"]
    output_params, shape = data.draw(params(dtype)), data.draw(SHAPES)
    real = data.draw(reals(output_params.scale, int(output_params.zero_point), dtype, shape))
    # What the delegate does not take is the runtime's.
    runs = "builtin" if family == "xnnpack" and dtype == "int16" else family
    found = run(Operand(real), shape, output_params, runs)
    np.testing.assert_array_equal(found, quantize(real, output_params=output_params, family=family), strict=True)


@pytest.mark.parametrize("family", ["reference", "builtin"])
@pytest.mark.parametrize("dtype", [*BYTES, "int16"])
@examples(15)
@given(data=st.data())
def test_quantize_and_dequantize_channels(dtype: str, family: str, data):
    limits = np.iinfo(dtype)
    axis = data.draw(st.integers(0, 2))
    scale = 2.0 ** np.array([data.draw(st.floats(-10, 4)) for _ in range(3)])
    zero_point = 0 if dtype == "int16" else data.draw(st.integers(limits.min, limits.max))
    channels = QuantizationParameters(scale, zero_point, quantized_dimension=axis, dtype=dtype)
    shape = tuple(3 if dimension == axis else 4 + dimension for dimension in range(3))
    per_channel = np.moveaxis(np.broadcast_to(channels.scale, (*shape[:axis], *shape[axis + 1 :], 3)), -1, axis)
    real = data.draw(reals(per_channel, zero_point, dtype, shape))
    stored = run(Operand(real), shape, channels, family)
    np.testing.assert_array_equal(stored, quantize(real, output_params=channels, family=family), strict=True)
    if dtype != "int16":  # the runtime has no kernel
        found = run(Operand(stored, channels), shape, None, family)
        np.testing.assert_array_equal(found, dequantize(stored, input_params=channels, family=family), strict=True)


def test_the_last_few_values_of_an_array_round_otherwise_in_builtin():
    half = QuantizationParameters(0.5)
    real = np.full(11, 0.25, np.float32)
    expected = [0] * 8 + [1] * 3
    assert run(Operand(real), (11,), half, "builtin").tolist() == expected
    assert quantize(real, output_params=half, family="builtin").tolist() == expected


@pytest.mark.parametrize("family", FAMILIES)
def test_a_narrow_range_is_not_known_to_kernels(family: str):
    narrow = QuantizationParameters(1.0, narrow_range=True)
    assert quantize(np.array([-500.0], np.float32), output_params=narrow, family=family).tolist() == [-128]


@pytest.mark.skipif(not IS_X86_64, reason="what a conversion beyond int32 gives is the processor's")
@pytest.mark.parametrize("family", ["reference", "builtin"])
@pytest.mark.parametrize(("zero_point", "found"), [(0, [-128, -128]), (5, [-128, -128]), (-5, [127, 127])])
def test_the_runtime_sends_infinities_of_both_signs_to_one_end(family: str, zero_point: int, found: list[int]):
    """2**31 steps and more become the lowest int32, and adding a negative zero point wraps that to the highest."""
    real = np.array([-np.inf, np.inf] * 5, np.float32)
    output_params = QuantizationParameters(1.0, zero_point)
    assert run(Operand(real), (10,), output_params, family).tolist() == found * 5
    assert quantize(real, output_params=output_params, family=family).tolist() == [-128, 127] * 5
    assert run(Operand(real), (10,), output_params, "xnnpack").tolist() == [-128, 127] * 5


@st.composite
def requantizations(draw, dtype: str, output_dtype: str):
    input_params, ratio = draw(params(dtype, -12, 8)), draw(params(output_dtype, -10, 8))
    scale = input_params.scale * draw(st.sampled_from([1.0, float(ratio.scale), float(ratio.scale)]))
    return input_params, QuantizationParameters(scale, ratio.zero_point, dtype=output_dtype)


@pytest.mark.parametrize(("dtype", "output_dtype"), PAIRS)
@pytest.mark.parametrize("family", ["reference", "builtin"])
@examples(40)
@given(data=st.data())
def test_requantize(family: str, dtype: str, output_dtype: str, data):
    assert family in EXACT["QUANTIZE"][dtype]
    input_params, output_params = data.draw(requantizations(dtype, output_dtype))
    stored = all_values(dtype)[data.draw(st.integers(0, 20)) :]
    expected = requantize(stored, input_params=input_params, output_params=output_params, family=family)
    found = run(Operand(stored, input_params), stored.shape, output_params, family)
    np.testing.assert_array_equal(found, expected, strict=True)


@pytest.mark.parametrize("dtype", BYTES)
@examples(40)
@given(data=st.data())
def test_requantize_in_the_delegate(dtype: str, data):
    input_params, ratio = data.draw(params(dtype, -12, 8)), data.draw(params(dtype, -6.9, 7.9))
    output_params = QuantizationParameters(input_params.scale * ratio.scale, ratio.zero_point, dtype=dtype)
    stored = all_values(dtype)
    expected = requantize(stored, input_params=input_params, output_params=output_params, family="xnnpack")
    found = run(Operand(stored, input_params), stored.shape, output_params, "xnnpack")
    np.testing.assert_array_equal(found, expected, strict=True)


EDGES = [  # dtypes, ratio of the scales, whether the delegate takes it
    ("int8", "int8", 1 / 256, True),
    ("int8", "int8", 1 / 257, False),
    ("uint8", "uint8", 128.0, True),
    ("uint8", "uint8", 129.0, False),
    ("int8", "uint8", 0.4, False),
    ("uint8", "int8", 0.4, False),
    ("int8", "int16", 0.4, False),
    ("int16", "int16", 0.4, False),
]


@pytest.mark.parametrize(("dtype", "output_dtype", "ratio", "is_delegated"), EDGES)
def test_beyond_what_the_delegate_takes_the_runtime_requantizes(
    dtype, output_dtype, ratio: float, *, is_delegated: bool
):
    input_params, output_params = (
        QuantizationParameters(scale, 0, dtype=name) for scale, name in ((ratio, dtype), (1.0, output_dtype))
    )
    stored = all_values(dtype)
    delegated = requantize(stored, input_params=input_params, output_params=output_params, family="xnnpack")
    if is_delegated:
        found = run(Operand(stored, input_params), stored.shape, output_params, "xnnpack")
        np.testing.assert_array_equal(found, delegated)
    else:
        with pytest.raises(AssertionError, match="XNNPACK does not take"):
            run(Operand(stored, input_params), stored.shape, output_params, "xnnpack")
        builtin = requantize(stored, input_params=input_params, output_params=output_params, family="builtin")
        np.testing.assert_array_equal(delegated, builtin)


def test_three_families_three_results():
    """-1.5 steps of the output: away from zero, up, and with a factor in units of 1/256."""
    input_params, output_params = QuantizationParameters(0.25), QuantizationParameters(1.0)
    stored = np.full(16, -6, np.int8)
    results = [
        requantize(stored, input_params=input_params, output_params=output_params, family=family)[0]
        for family in FAMILIES
    ]
    assert results == [-2, -1, -1]
    assert requantize(
        np.array([100], np.int8),
        input_params=QuantizationParameters(0.05),
        output_params=QuantizationParameters(0.06),
        family="xnnpack",
    ).tolist() == [(100 * 213 + 128) >> 8]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [*BYTES, "int16"])
@examples(25)
@given(data=st.data())
def test_dequantize(dtype: str, family: str, data):
    input_params = data.draw(params(dtype))
    stored = all_values(dtype)[data.draw(st.integers(0, 20)) :]
    expected = dequantize(stored, input_params=input_params, family=family)
    runs = "builtin" if family == "xnnpack" and dtype == "int16" else family
    found = run(Operand(stored, input_params), stored.shape, None, runs)
    if runs == "builtin" and not IS_X86_64:
        span = 2.0**-22 * float(input_params.scale) * np.iinfo(dtype).max
        np.testing.assert_allclose(found, expected, rtol=0, atol=2 * span)
    else:
        assert runs == "builtin" or family in EXACT["DEQUANTIZE"][dtype]
        np.testing.assert_array_equal(found, expected, strict=True)
