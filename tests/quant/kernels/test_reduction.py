"""MEAN and SUM against the runtime's kernels, and what is wrong with those."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st

from qbench.errors import UnspecifiedError
from qbench.quant.affine import QuantizationParameters
from qbench.quant.kernels import reduction
from quant.budget import examples
from quant.kernel_lab import Operand, Result, run_operator
from quant.kernels.drawn_params import params, scales

ORACLES = {"MEAN": reduction.mean, "SUM": reduction.sum_}
CLAIMS = [
    (name, dtype, family)
    for name, dtypes in reduction.EXACT.items()
    for dtype, families in dtypes.items()
    for family in sorted(families)
]


class Case(NamedTuple):
    """A tensor, and the axes to reduce."""

    inputs: np.ndarray
    axes: tuple[int, ...]
    input_params: QuantizationParameters
    output_params: QuantizationParameters
    keep_dims: bool = False


@st.composite
def cases(draw, dtype: str):
    limits = np.iinfo(dtype)
    if draw(st.booleans()):  # an image, for which the optimized MEAN has another way
        channels = draw(st.sampled_from([1, 7, 16, 33]))
        shape = (draw(st.integers(1, 2)), *draw(st.tuples(st.integers(1, 12), st.integers(1, 12))), channels)
        axes = draw(st.sampled_from([(1, 2), (2, 1), (-3, -2), (1,), (1, 2, 1)]))
    else:
        shape = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=5)))
        axis = st.integers(-len(shape), len(shape) - 1)
        axes = tuple(draw(st.lists(axis, min_size=1, max_size=len(shape) + 1)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    input_params = draw(params(dtype, -10, 2))
    inputs = {
        "anything": lambda: rng.integers(limits.min, limits.max + 1, shape),
        "small": lambda: rng.integers(max(-8, limits.min), 9, shape),  # sums with both signs and many ties
        "extremes": lambda: np.full(shape, rng.choice([limits.min, limits.max])),
    }[draw(st.sampled_from(["anything", "small", "extremes"]))]()
    ratio = draw(st.just(1.0) | scales(-3, 4) | scales(-9, 28))
    zero_point = int(draw(params(dtype)).zero_point)
    output_params = QuantizationParameters(input_params.scale * np.float32(ratio), zero_point, dtype=dtype)
    return Case(inputs.astype(dtype), axes, input_params, output_params, draw(st.booleans()))


def expected_of(name: str, case: Case, family: str) -> np.ndarray:
    inputs, *rest = case
    return ORACLES[name](inputs, **dict(zip(Case._fields[1:], rest, strict=True)), family=family)


def found_of(name: str, case: Case, shape: tuple[int, ...], family: str, *, threads: int = 1) -> np.ndarray:
    operands = [Operand(case.inputs, case.input_params), Operand(np.array(case.axes, np.int32), is_constant=True)]
    table = schema.ReducerOptionsT(keepDims=case.keep_dims)
    results = [Result(shape, case.output_params)]
    return run_operator(name, operands, results, table, family=family, version=2, threads=threads)[0]


def check(name: str, case: Case, family: str) -> None:
    expected = expected_of(name, case, family)
    found = found_of(name, case, expected.shape, family)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("name", "dtype", "family"), CLAIMS)
def test_the_kernels_give_what_the_oracle_gives(name: str, dtype: str, family: str):
    @examples(40)
    @given(cases(dtype))
    def holds(case: Case):
        check(name, case, family)

    holds()


@pytest.mark.parametrize("family", ["reference", "builtin", "xnnpack"])
def test_by_hand(family: str):
    inputs = np.array([[1, 3, 5], [-7, 0, 2]], np.int8)
    case = Case(inputs, (1,), QuantizationParameters(0.5, 1), QuantizationParameters(0.25, -2))
    # Real values 0, 1, 2 and -4, -0.5, 0.5.
    assert expected_of("MEAN", case, family).tolist() == [2, -7]
    assert expected_of("SUM", case, family).tolist() == [10, -18]
    kept = case._replace(axes=(-1, 1), keep_dims=True)
    assert expected_of("SUM", kept, family).tolist() == [[10], [-18]]


def test_families_round_ties_in_three_ways():
    sums = np.arange(-7, 9, 2, dtype=np.int8)  # halves, in 16 channels
    inputs = np.stack([np.concatenate([sums, sums, sums]), np.zeros(24, np.int8)])[None, :, None]
    case = Case(inputs, (1, 2), QuantizationParameters(1.0), QuantizationParameters(1.0), keep_dims=True)
    away, up, even = [-4, -3, -2, -1, 1, 2, 3, 4], [-3, -2, -1, 0, 1, 2, 3, 4], [-4, -2, -2, 0, 0, 2, 2, 4]
    ways = {family: expected_of("MEAN", case, family).reshape(3, 8).tolist() for family in ("reference", "xnnpack")}
    assert ways == {"reference": [up, up, up], "xnnpack": [even, even, even]}
    # A shift to the right makes the difference between up, in vectors of 16 channels, and away from zero.
    wider = case._replace(output_params=QuantizationParameters(2.0), inputs=case.inputs * 2)
    assert expected_of("MEAN", wider, "builtin").reshape(3, 8).tolist() == [up, up, away]
    assert expected_of("MEAN", wider, "reference").reshape(3, 8).tolist() == [away, away, away]
    flat = wider._replace(keep_dims=False)  # has no way of its own
    assert expected_of("MEAN", flat, "builtin").reshape(3, 8).tolist() == [away, away, away]
    total = case._replace(output_params=QuantizationParameters(2.0))
    assert expected_of("SUM", total, "builtin").reshape(3, 8).tolist() == [away, away, away]
    assert expected_of("SUM", total, "xnnpack").reshape(3, 8).tolist() == [even, even, even]
    for name, each in [("MEAN", case), ("MEAN", wider), ("MEAN", flat), ("SUM", total)]:
        for family in ("builtin", "xnnpack"):
            check(name, each, family)


def test_the_optimized_mean_of_an_image_depends_on_the_number_of_threads():
    rng = np.random.default_rng(0)
    inputs = rng.integers(-8, 9, (2, 2, 4, 24)).astype(np.int8)
    case = Case(inputs, (1, 2), QuantizationParameters(1.0), QuantizationParameters(1.0), keep_dims=True)
    expected = expected_of("MEAN", case, "builtin")
    np.testing.assert_array_equal(found_of("MEAN", case, expected.shape, "builtin"), expected)
    # Two threads take 12 channels each, which fill no vector of 16.
    halves = [case._replace(inputs=inputs[..., :12]), case._replace(inputs=inputs[..., 12:])]
    by_two = np.concatenate([expected_of("MEAN", half, "builtin") for half in halves], axis=-1)
    assert (by_two != expected).any()
    np.testing.assert_array_equal(found_of("MEAN", case, expected.shape, "builtin", threads=2), by_two)


@pytest.mark.parametrize("family", ["reference", "builtin"])
def test_a_mean_over_more_than_65536_elements_of_16_bits_overflows(family: str):
    params_16 = QuantizationParameters(1.0, dtype="int16")
    case = Case(np.full((300, 300), 32767, np.int16), (0, 1), params_16, params_16)
    check("MEAN", case, family)
    assert expected_of("MEAN", case, family) == -14955


def test_the_reference_sum_reads_everything_as_uint8():
    unit = QuantizationParameters(1.0)
    case = Case(np.array([-1, -1], np.int8), (0,), unit, unit)
    assert expected_of("SUM", case, "reference") == -2
    assert found_of("SUM", case, (), "reference") == -1  # 255 + 255, clamped to 255
    words = QuantizationParameters(1.0, dtype="int16")
    wide = case._replace(inputs=np.array([3, 4], np.int16), input_params=words, output_params=words)
    assert expected_of("SUM", wide, "reference") == 7
    assert found_of("SUM", wide, (), "reference").astype(np.int8) == 3  # the bytes 3 and 0
    for family in ("builtin", "xnnpack"):
        check("SUM", case, family)
    check("SUM", wide, "builtin")


def test_the_optimized_sum_leaves_32_bits():
    fine = QuantizationParameters(2.0**-20, dtype="int16")
    case = Case(np.full((1, 200), 32767, np.int16), (1,), QuantizationParameters(1.0, dtype="int16"), fine)
    assert expected_of("SUM", case, "builtin").tolist() == [32767]
    assert found_of("SUM", case, (1,), "builtin").tolist() == [-32768]


@pytest.mark.parametrize("name", ORACLES)
def test_what_no_kernel_computes_is_refused(name: str):
    unit, words = QuantizationParameters(1.0), QuantizationParameters(1.0, 3, dtype="int16")
    case = Case(np.zeros((2, 3), np.int8), (0,), unit, unit)
    with pytest.raises(ValueError, match="must have one dtype, got int8 and int16"):
        expected_of(name, case._replace(output_params=words), "reference")
    with pytest.raises(ValueError, match="zero points of 0"):
        expected_of(name, case._replace(input_params=words, output_params=words), "reference")
    with pytest.raises(ValueError, match="nothing to reduce"):
        expected_of(name, case._replace(inputs=np.zeros((0, 3), np.int8)), "reference")
    with pytest.raises(UnspecifiedError, match="found the axis 2, expected one of 2 dimensions"):
        expected_of(name, case._replace(axes=(2,)), "reference")


@pytest.mark.parametrize("name", ORACLES)
def test_the_delegate_leaves_a_reduction_over_no_axes(name: str):
    rng = np.random.default_rng(0)
    inputs = rng.integers(-128, 128, (3, 5)).astype(np.int8)
    case = Case(inputs, (), QuantizationParameters(0.5, 3), QuantizationParameters(0.3, -9))
    for family in ("reference", "builtin") if name == "MEAN" else ("builtin",):
        check(name, case, family)
    with pytest.raises(AssertionError, match="XNNPACK does not take"):
        check(name, case, "xnnpack")
    np.testing.assert_array_equal(expected_of(name, case, "xnnpack"), expected_of(name, case, "builtin"))
