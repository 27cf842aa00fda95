"""The bounds of fused activations: where they are rounded, and that the kernels clamp there."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbench.quant.affine import QuantizationParameters
from qbench.quant.kernels.activation_range import activation_range
from quant.budget import examples
from quant.kernels.drawn_params import scales
from quant.kernels.linear_cases import ACTIVATIONS, Case, found_of


@pytest.mark.parametrize("family", ["reference", "builtin", "xnnpack"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@examples(40)
@given(
    scale=scales(-7, 4) | st.sampled_from([0.8, 4.0, 12.0, 2.4, 6 / 2.5, 6 / 3.5]), zero_point=st.integers(-128, 127)
)
def test_the_kernels_clamp_there(activation: str, family: str, scale: float, zero_point: int):
    params = QuantizationParameters(scale, zero_point)
    one = QuantizationParameters(1.0)
    bias = np.array([-(2**20), 2**20], np.int32)
    case = Case(
        "CONV_2D",
        np.zeros((1, 1, 1, 1), np.int8),
        np.zeros((2, 1, 1, 1), np.int8),
        bias,
        one,
        one,
        params,
        {"activation": activation},
    )
    assert tuple(found_of(case, family).reshape(-1)) == activation_range(activation, params, family=family)


@pytest.mark.parametrize(
    ("activation", "expected"),
    [("NONE", (-128, 127)), ("RELU", (10, 127)), ("RELU_N1_TO_1", (6, 14)), ("RELU6", (10, 34))],
)
def test_bounds_by_hand(activation: str, expected: tuple[int, int]):
    assert activation_range(activation, QuantizationParameters(0.25, 10)) == expected


def test_dtypes_and_their_ends():
    assert activation_range("RELU6", QuantizationParameters(1e-3, 100)) == (100, 127)
    assert activation_range("NONE", QuantizationParameters(1.0, dtype="int16")) == (-32768, 32767)
    assert activation_range("RELU", QuantizationParameters(1.0, 3, dtype="uint8")) == (3, 255)
    # A narrow range is the quantizer's matter.
    assert activation_range("NONE", QuantizationParameters(1.0, narrow_range=True)) == (-128, 127)


@pytest.mark.parametrize(("zero_point", "reference", "xnnpack"), [(0, 1, 0), (1, 2, 2), (-2, -1, -2)])
def test_a_bound_halfway_between_two_integers(zero_point: int, reference: int, xnnpack: int):
    params = QuantizationParameters(12.0, zero_point)
    assert activation_range("RELU6", params)[1] == reference
    assert activation_range("RELU6", params, family="builtin")[1] == reference
    assert activation_range("RELU6", params, family="xnnpack")[1] == xnnpack


def test_what_the_runtime_refuses_is_refused():
    with pytest.raises(ValueError, match="no kernel fuses the activation TANH"):
        activation_range("TANH", QuantizationParameters(1.0))
    tiny = QuantizationParameters(2e-38)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"the bound 6\.0 of the activation does not fit in int32"):
            activation_range("RELU6", tiny)
        assert activation_range("RELU6", tiny, family="xnnpack") == (0, 127)


def test_the_runtime_refuses_it_too():
    one = QuantizationParameters(1.0)
    arrays = [np.zeros((1, 1, 1, 1), np.int8)] * 2
    case = Case(
        "CONV_2D", *arrays, np.zeros(1, np.int32), one, one, QuantizationParameters(1e-9), {"activation": "RELU6"}
    )
    with pytest.raises(RuntimeError, match="no_integer_overflow_from_quantization"):
        found_of(case, "reference")
