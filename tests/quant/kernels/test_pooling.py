"""AVERAGE_POOL_2D and MAX_POOL_2D against the runtime's kernels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st

from qbench.quant.affine import QuantizationParameters
from qbench.quant.kernels import pooling
from quant.budget import examples
from quant.kernel_lab import Operand, Result, run_operator
from quant.kernels.drawn_params import params

ORACLES = {"AVERAGE_POOL_2D": pooling.average_pool_2d, "MAX_POOL_2D": pooling.max_pool_2d}
CLAIMS = [
    (name, dtype, family)
    for name, dtypes in pooling.EXACT.items()
    for dtype, families in dtypes.items()
    for family in sorted(families)
]


class Case(NamedTuple):
    """An image batch, and windows over it."""

    inputs: np.ndarray
    params: QuantizationParameters
    filter_size: tuple[int, int]
    stride: tuple[int, int]
    padding: str
    activation: str = "NONE"


@st.composite
def cases(draw, dtype: str, *, delegated: bool):
    limits = np.iinfo(dtype)
    filter_size = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    stride = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    if delegated:
        stride = tuple(min(pair) for pair in zip(stride, filter_size, strict=True))
    padding = draw(st.sampled_from(["SAME", "VALID"]))
    smallest = filter_size if padding == "VALID" else (1, 1)
    size = [low + draw(st.integers(0, 9)) for low in smallest]
    shape = (draw(st.integers(1, 3)), *size, draw(st.sampled_from([1, 3, 8, 16, 33, 70, 257])))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    inputs = {
        "anything": lambda: rng.integers(limits.min, limits.max + 1, shape),
        "small": lambda: rng.integers(max(-3, limits.min), 4, shape),  # sums with both signs and many ties
        "lowest": lambda: np.full(shape, limits.min),
    }[draw(st.sampled_from(["anything", "small", "lowest"]))]()
    drawn = draw(params(dtype, -9, 2))
    if draw(st.booleans()):  # 6 / scale halfway between two integers
        halfway = 6 / (draw(st.integers(0, 127)) + 0.5)
        drawn = QuantizationParameters(halfway, int(drawn.zero_point), dtype=dtype)
    activation = draw(st.sampled_from(["NONE", "RELU", "RELU_N1_TO_1", "RELU6"]))
    return Case(inputs.astype(dtype), drawn, filter_size, stride, padding, activation)


def expected_of(name: str, case: Case, family: str, **other) -> np.ndarray:
    return ORACLES[name](
        case.inputs,
        **{"input_params": case.params, "output_params": case.params, **other},
        filter_size=case.filter_size,
        stride=case.stride,
        padding=case.padding,
        activation=case.activation,
        family=family,
    )


def found_of(name: str, case: Case, shape: tuple[int, ...], family: str, **other) -> np.ndarray:
    table = schema.Pool2DOptionsT(
        padding=getattr(schema.Padding, case.padding),
        filterHeight=case.filter_size[0],
        filterWidth=case.filter_size[1],
        strideH=case.stride[0],
        strideW=case.stride[1],
        fusedActivationFunction=getattr(schema.ActivationFunctionType, case.activation),
    )
    affine = {"input_params": case.params, "output_params": case.params, **other}
    operands, results = [Operand(case.inputs, affine["input_params"])], [Result(shape, affine["output_params"])]
    return run_operator(name, operands, results, table, family=family, version=3)[0]


def check(name: str, case: Case, family: str, **other) -> None:
    expected = expected_of(name, case, family, **other)
    found = found_of(name, case, expected.shape, family, **other)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)  # the kernel computes the shape


@pytest.mark.parametrize(("name", "dtype", "family"), CLAIMS)
def test_the_kernels_give_what_the_oracle_gives(name: str, dtype: str, family: str):
    @examples(25)
    @given(cases(dtype, delegated=family == "xnnpack"))
    def holds(case: Case):
        check(name, case, family)

    holds()


@pytest.mark.parametrize("name", ORACLES)
def test_windows_by_hand(name: str):
    inputs = np.array([[1, 2, 6], [-7, 0, 1], [-2, -3, 9]], np.int8)[None, :, :, None]
    case = Case(inputs, QuantizationParameters(1.0, 5), (2, 2), (1, 1), "SAME")
    # SAME puts the odd row and column of padding at the end; 7 / 2 and -5 / 2 are ties.
    by_hand = {
        "AVERAGE_POOL_2D": [[-1, 2, 4], [-3, 2, 5], [-3, 3, 9]],
        "MAX_POOL_2D": [[2, 6, 6], [0, 9, 9], [-2, 9, 9]],
    }[name]
    assert expected_of(name, case, "reference")[0, :, :, 0].tolist() == by_hand


def test_the_delegate_takes_no_quantized_average():
    case = Case(np.ones((1, 4, 4, 8), np.int8), QuantizationParameters(1.0), (2, 2), (2, 2), "SAME")
    with pytest.raises(AssertionError, match="XNNPACK does not take AVERAGE_POOL_2D"):
        check("AVERAGE_POOL_2D", case, "xnnpack")


@pytest.mark.parametrize(("filter_size", "stride"), [((2, 2), (3, 1)), ((1, 1), (1, 2)), ((2, 1), (2, 2))])
def test_bounds_are_the_runtimes_where_the_delegate_does_not_take_the_stride(filter_size, stride):
    # 6 / scale is 1.5: the runtime's bound is 2 + 1, the delegate's rint(2.5).
    case = Case(np.full((1, 6, 6, 8), 9, np.int8), QuantizationParameters(4.0, 1), filter_size, stride, "SAME", "RELU6")
    with pytest.raises(AssertionError, match="XNNPACK does not take MAX_POOL_2D"):
        check("MAX_POOL_2D", case, "xnnpack")
    assert (expected_of("MAX_POOL_2D", case, "xnnpack") == 3).all()
    taken = case._replace(filter_size=(3, 3), stride=(1, 1))
    assert (expected_of("MAX_POOL_2D", taken, "xnnpack") == 2).all()
    check("MAX_POOL_2D", taken, "xnnpack")


@pytest.mark.parametrize("family", ["reference", "builtin"])
@pytest.mark.parametrize("name", ORACLES)
def test_nothing_is_rescaled_and_bounds_are_those_of_the_output(name: str, family: str):
    inputs = np.arange(-128, 128, dtype=np.int8).reshape(1, 16, 16, 1)
    case = Case(inputs, QuantizationParameters(1.0), (2, 2), (2, 2), "VALID", "RELU6")
    other = {"input_params": QuantizationParameters(0.5, 7), "output_params": QuantizationParameters(0.1, -90)}
    check(name, case, family, **other)
    assert expected_of(name, case, family, **other).min() == -90


@pytest.mark.parametrize("family", ["reference", "builtin"])
def test_an_average_of_more_than_65536_elements_of_16_bits_overflows(family: str):
    params = QuantizationParameters(1.0, dtype="int16")
    case = Case(np.full((1, 300, 300, 1), 32767, np.int16), params, (300, 300), (1, 1), "VALID")
    check("AVERAGE_POOL_2D", case, family)
    assert expected_of("AVERAGE_POOL_2D", case, family).item() == -14955


@pytest.mark.parametrize("name", ORACLES)
def test_what_no_kernel_computes_is_refused(name: str):
    case = Case(np.zeros((1, 2, 5, 1), np.int8), QuantizationParameters(1.0), (3, 3), (1, 1), "VALID")
    with pytest.raises(ValueError, match="no window of 3 fits into 2 elements"):
        expected_of(name, case, "reference")
    with pytest.raises(ValueError, match="padding must be SAME or VALID, got full"):
        expected_of(name, case._replace(padding="full"), "reference")
    with pytest.raises(ValueError, match="must have the same dtype, got int8 and uint8"):
        expected_of(name, case, "reference", output_params=QuantizationParameters(1.0, dtype="uint8"))
