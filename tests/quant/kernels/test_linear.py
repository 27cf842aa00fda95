"""The operators with weights against the runtime's kernels of every family."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbench.quant.affine import QuantizationParameters
from qbench.quant.kernels import accumulate, convolution, linear, transpose_convolution
from qbench.quant.kernels.convolution import conv_2d, depthwise_conv_2d
from qbench.quant.kernels.linear import fully_connected
from qbench.quant.kernels.transpose_convolution import transpose_conv
from quant.budget import examples
from quant.kernels.linear_cases import HAS_AVX, ORACLES, Case, cases, expected_of, found_of

CLAIMS = [
    (name, dtype.split()[0], "int32" if "int32" in dtype else "", family)
    for module in (linear, convolution, transpose_convolution)
    for name, dtypes in module.EXACT.items()
    for dtype, families in dtypes.items()
    for family in sorted(families)
]


@pytest.mark.parametrize(("name", "dtype", "bias_dtype", "family"), CLAIMS)
@examples(40)  # other work on the machine is no failure
@given(data=st.data())
def test_what_is_claimed_to_be_exact_is(name: str, dtype: str, bias_dtype: str, family: str, data: st.DataObject):
    case = data.draw(cases(name, dtype, family, bias_dtype))
    expected, found = expected_of(case, family), found_of(case, family)
    assert expected.dtype == found.dtype
    np.testing.assert_array_equal(expected, found)


@pytest.mark.parametrize(
    ("name", "dtype", "bias_dtype"),
    [
        ("CONV_2D", "int8", ""),
        ("CONV_2D", "int16", "int32"),
        ("FULLY_CONNECTED", "int8", ""),
        ("FULLY_CONNECTED", "int16", "int32"),
        ("TRANSPOSE_CONV", "int16", "int32"),
        ("TRANSPOSE_CONV", "int8", ""),
        ("DEPTHWISE_CONV_2D", "int8", ""),
    ],
)
@examples(40)
@given(data=st.data())
def test_builtin_kernels_are_within_one_and_exact_with_avx(name: str, dtype: str, bias_dtype: str, data: st.DataObject):
    case = data.draw(cases(name, dtype, "builtin", bias_dtype))
    expected, found = expected_of(case, "builtin"), found_of(case, "builtin")
    assert np.abs(expected.astype(int) - found).max() <= (0 if HAS_AVX else 1)


ONE = QuantizationParameters(1.0)


def case_of(name: str, inputs, weights, bias=None, *, params=(ONE, ONE, ONE), **given) -> Case:
    arrays = [np.asarray(inputs, params[0].dtype), np.asarray(weights, np.int8)]
    if bias is not None and not isinstance(bias, np.ndarray):
        bias = np.array(bias, np.int64 if arrays[0].dtype == np.int16 else np.int32)
    return Case(name, *arrays, bias, *params, given)


@pytest.mark.parametrize("family", ["reference", "builtin", "xnnpack"])
def test_accumulators_wrap_around_where_the_kernels_do(family: str):
    # 70,000 products of 255 and 127 are more than 2**31.
    depth = 70_000
    params = (QuantizationParameters(1.0, -128), ONE, QuantizationParameters(2.0**25))
    case = case_of("FULLY_CONNECTED", np.full((2, depth), 127), np.full((1, depth), 127), [0], params=params)
    expected = expected_of(case, family)
    assert (expected < 0).all()
    np.testing.assert_array_equal(expected, found_of(case, family))


@pytest.mark.parametrize("family", ["reference", "xnnpack"])
def test_the_delegate_takes_int4_weights_of_an_even_number_of_inputs(family: str):
    rng = np.random.default_rng(4)
    params = (QuantizationParameters(0.1, 5), QuantizationParameters(np.full(7, 0.02), quantized_dimension=0), ONE)
    inputs, weights = rng.integers(-128, 128, (3, 20)), rng.integers(-8, 8, (7, 20))
    case = case_of("FULLY_CONNECTED", inputs, weights, range(7), params=params)._replace(weights_dtype="int4")
    np.testing.assert_array_equal(expected_of(case, family), found_of(case, family))


@pytest.mark.parametrize("family", ["reference", "builtin"])
@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_weights_of_fully_connected_may_have_a_zero_point(family: str, dtype: str):
    rng = np.random.default_rng(5)
    inputs, weights = rng.integers(-128, 128, (30, 12)), rng.integers(-128, 128, (9, 12))
    params = (
        QuantizationParameters(0.5, dtype=dtype),
        QuantizationParameters(0.03, 77),
        QuantizationParameters(7.0, dtype=dtype),
    )
    case = case_of("FULLY_CONNECTED", inputs, weights, range(9), params=params)
    expected, found = expected_of(case, family), found_of(case, family)
    assert np.abs(expected.astype(int) - found).max() <= (family == "builtin" and not HAS_AVX)
    unmoved = case._replace(weight_params=QuantizationParameters(0.03))
    assert (expected_of(unmoved, family) != expected).any()


@pytest.mark.parametrize(("zero_point", "expected"), [(77, 0), (0, 1)])
def test_int16_weights_with_a_zero_point_go_to_the_reference_kernel(zero_point: int, expected: int):
    # A quarter: rounded at the high half first, it becomes a half, and that 1.
    params = (
        QuantizationParameters(1.0, dtype="int16"),
        QuantizationParameters(1.0, zero_point),
        QuantizationParameters(4.0, dtype="int16"),
    )
    case = case_of("FULLY_CONNECTED", [[1]], [[zero_point + 1]], np.zeros(1, np.int32), params=params)
    assert expected_of(case, "builtin").tolist() == [[expected]]
    if expected == 0 or HAS_AVX:
        assert found_of(case, "builtin").tolist() == [[expected]]


def test_builtin_fully_connected_with_one_scale_multiplies_scales_in_float32():
    stored = np.arange(-32768, 32768).reshape(-1, 1)
    params = (
        QuantizationParameters(0.013, dtype="int16"),
        QuantizationParameters(0.37),
        QuantizationParameters(0.6131, dtype="int16"),
    )
    case = case_of("FULLY_CONNECTED", stored, [[127]], np.zeros(1, np.int32), params=params)
    expected, found = expected_of(case, "builtin"), found_of(case, "builtin")
    assert np.abs(expected.astype(int) - found).max() <= (not HAS_AVX)
    # Two scales, even if they are equal, are multiplied in float64.
    both = QuantizationParameters([0.37, 0.37], quantized_dimension=0)
    twice = case._replace(weights=np.repeat(case.weights, 2, axis=0), bias=np.zeros(2, np.int32), weight_params=both)
    expected_twice, found_twice = expected_of(twice, "builtin"), found_of(twice, "builtin")
    assert np.abs(expected_twice.astype(int) - found_twice).max() <= (not HAS_AVX)
    assert (expected_twice[:, :1] != expected).any()


def test_depthwise_is_one_group_for_each_channel():
    rng = np.random.default_rng(6)
    inputs = rng.integers(-128, 128, (2, 7, 6, 5)).astype(np.int8)
    weights = rng.integers(-127, 128, (1, 3, 2, 15)).astype(np.int8)
    bias = rng.integers(-999, 999, 15).astype(np.int32)
    scales = rng.uniform(0.01, 0.1, 15)
    params = {
        "input_params": QuantizationParameters(0.1, 9),
        "output_params": QuantizationParameters(1.3, -7),
        "stride": (2, 1),
        "dilation": (1, 2),
    }
    for family in ("reference", "xnnpack"):
        of_depthwise = depthwise_conv_2d(
            inputs,
            weights,
            bias,
            weight_params=QuantizationParameters(scales, quantized_dimension=3),
            family=family,
            **params,
        )
        of_groups = conv_2d(
            inputs,
            np.ascontiguousarray(weights.transpose(3, 1, 2, 0)),
            bias,
            weight_params=QuantizationParameters(scales, quantized_dimension=0),
            family=family,
            **params,
        )
        np.testing.assert_array_equal(of_depthwise, of_groups)


@pytest.mark.parametrize("name", ["CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"])
@examples(10)
@given(data=st.data())
def test_examples_in_one_call_do_not_depend_on_each_other(name: str, data: st.DataObject):
    case = data.draw(cases(name, "int8", "reference"))
    together = expected_of(case, "reference")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accumulate, "_BLOCK_BYTES", 1)
        np.testing.assert_array_equal(expected_of(case, "reference"), together)


@pytest.mark.parametrize(("depth", "dtype"), [(200, np.float32), (300, np.float64)])
def test_sums_are_taken_in_a_type_that_holds_them(depth: int, dtype: type):
    inputs = np.full((1, depth), -128, np.int8)
    params = QuantizationParameters(1.0, 127)
    assert accumulate.exact_float(depth, inputs, params) is dtype
    with pytest.raises(ValueError, match="may not be exact in float64"):
        accumulate.exact_float(2**46, inputs, params)


@pytest.mark.parametrize("bias_dtype", ["int32", "int64", None])
@pytest.mark.parametrize("family", ["reference", "builtin"])
def test_fully_connected_of_16_bits_without_a_bias_sums_up_in_what_the_operator_says(bias_dtype: str, family: str):
    depth = 1000
    wide, out = QuantizationParameters(1.0, dtype="int16"), QuantizationParameters(2.0**18, dtype="int16")
    case = case_of("FULLY_CONNECTED", np.full((1, depth), -32768), np.full((1, depth), -128), params=(wide, ONE, out))
    case = case._replace(given={"bias_dtype": bias_dtype})
    wraps = bias_dtype == "int32" or (bias_dtype is None and family == "builtin")
    assert (expected_of(case, family) < 0).all() == wraps
    np.testing.assert_array_equal(expected_of(case, family), found_of(case, family))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"padding": "FULL"}, "padding must be SAME or VALID, got FULL"),
        ({"padding": "VALID", "dilation": (4, 1)}, "a kernel that reaches over 5 inputs does not fit in 4"),
        ({"activation": "TANH"}, "no kernel fuses the activation TANH"),
    ],
)
@pytest.mark.parametrize("oracle", [conv_2d, depthwise_conv_2d])
def test_convolutions_refuse_what_is_no_convolution(oracle, arguments: dict, message: str):
    inputs, weights = np.zeros((1, 4, 4, 1), np.int8), np.zeros((1, 2, 2, 1), np.int8)
    with pytest.raises(ValueError, match=message):
        oracle(inputs, weights, None, input_params=ONE, weight_params=ONE, output_params=ONE, **arguments)


@pytest.mark.parametrize(
    ("name", "inputs", "weights", "given", "message"),
    [
        ("CONV_2D", (1, 4, 4, 3), (4, 1, 1, 2), {}, "4 filters of 2 channels do not divide 3 channels into groups"),
        ("CONV_2D", (1, 4, 4, 4), (3, 1, 1, 2), {}, "3 filters of 2 channels do not divide 4 channels into groups"),
        ("CONV_2D", (1, 4, 4, 2), (3, 1, 1, 4), {}, "3 filters of 4 channels do not divide 2 channels into groups"),
        ("DEPTHWISE_CONV_2D", (1, 4, 4, 3), (1, 1, 1, 4), {}, "4 filters are no multiple of 3 channels"),
        ("FULLY_CONNECTED", (3, 5), (2, 4), {}, r"inputs of shape \(3, 5\) do not fit weights of depth 4"),
        ("FULLY_CONNECTED", (2, 2), (2, 4), {"keep_num_dims": True}, "do not fit weights of depth 4"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(name: str, inputs, weights, given: dict, message: str):
    with pytest.raises(ValueError, match=message):
        expected_of(case_of(name, np.zeros(inputs), np.zeros(weights), **given), "reference")


@pytest.mark.parametrize("name", ["FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"])
def test_unsigned_activations_are_refused(name: str):
    shape = (1, 1) if name == "FULLY_CONNECTED" else (1, 1, 1, 1)
    params = (QuantizationParameters(1.0, dtype="uint8"), ONE, QuantizationParameters(1.0, dtype="uint8"))
    given = {"output_shape": shape} if name == "TRANSPOSE_CONV" else {}
    with pytest.raises(ValueError, match="found inputs of uint8, expected int8 or int16"):
        expected_of(case_of(name, np.zeros(shape), np.zeros(shape), params=params, **given), "reference")


def test_fully_connected_reads_any_shape_in_rows():
    inputs = np.arange(8, dtype=np.int8).reshape(2, 2, 2)
    weights = np.array([[1, 0, 0, 0]], np.int8)
    output = fully_connected(inputs, weights, None, input_params=ONE, weight_params=ONE, output_params=ONE)
    assert output.tolist() == [[0], [4]]


def test_transpose_conv_drops_what_falls_outside():
    inputs, weights = np.ones((1, 2, 1, 1), np.int8), np.array([1, 2, 3], np.int8).reshape(1, 3, 1, 1)
    output = transpose_conv(
        inputs,
        weights,
        None,
        output_shape=(1, 3, 1, 1),
        stride=(2, 1),
        input_params=ONE,
        weight_params=ONE,
        output_params=ONE,
    )
    # One row of padding in front and one behind.
    assert output.reshape(-1).tolist() == [2, 4, 2]


def test_every_oracle_is_claimed():
    assert {name for name, *_ in CLAIMS} == set(ORACLES)
