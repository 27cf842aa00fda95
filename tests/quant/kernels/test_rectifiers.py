"""RELU and its relatives against the runtime's kernels, over every value that can be stored."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st

from qbench.quant.affine import QuantizationParameters
from qbench.quant.kernels.rectifiers import EXACT, hard_swish, leaky_relu, rectifier
from quant.budget import examples
from quant.kernel_lab import Operand, Result, run_operator
from quant.kernels.drawn_params import all_values, params

RECTIFIERS = ["RELU", "RELU6", "RELU_N1_TO_1"]


def claims(*names: str) -> list[tuple[str, str, str]]:
    return [(name, dtype, family) for name in names for dtype in EXACT[name] for family in sorted(EXACT[name][dtype])]


@st.composite
def pairs(draw, dtype: str, lowest_ratio: float = -12, highest_ratio: float = 12):
    """Parameters of an input, and of an output with a scale not too far from its."""
    input_params = draw(params(dtype, -12, 8))
    ratio = draw(params(dtype, lowest_ratio, highest_ratio))
    output_params = QuantizationParameters(input_params.scale / ratio.scale, ratio.zero_point, dtype=dtype)
    return input_params, output_params


def run(name: str, input_params, output_params, family: str, alpha: float | None = None) -> np.ndarray:
    options = None
    if alpha is not None:
        options = schema.LeakyReluOptionsT()
        options.alpha = alpha
    stored = all_values(input_params.dtype)
    return run_operator(
        name, [Operand(stored, input_params)], [Result(stored.shape, output_params)], options, family=family
    )[0]


@pytest.mark.parametrize(("name", "dtype", "family"), claims(*RECTIFIERS))
@examples(25)
@given(data=st.data())
def test_rectifiers(name: str, dtype: str, family: str, data):
    input_params, output_params = data.draw(pairs(dtype))
    expected = rectifier(
        all_values(dtype), activation=name, input_params=input_params, output_params=output_params, family=family
    )
    np.testing.assert_array_equal(run(name, input_params, output_params, family), expected, strict=True)


ALPHAS = st.sampled_from([0.0, 0.01, 0.2, 0.5, 1.0, -0.5, -1.0, 3.0]) | st.floats(-2, 2, width=32)


@pytest.mark.parametrize(("name", "dtype", "family"), claims("LEAKY_RELU"))
@examples(40)
@given(data=st.data())
def test_leaky_relu(name: str, dtype: str, family: str, data):
    input_params, output_params = data.draw(pairs(dtype, -6, 6) if family == "xnnpack" else pairs(dtype))
    alpha = data.draw(ALPHAS.filter(lambda value: family != "xnnpack" or abs(value) > 0.3))
    expected = leaky_relu(
        all_values(dtype), alpha=alpha, input_params=input_params, output_params=output_params, family=family
    )
    np.testing.assert_array_equal(run(name, input_params, output_params, family, alpha), expected, strict=True)


EDGES = [  # ratio of the scales, alpha, whether the delegate takes it
    (1 / 256, 1.0, True),
    (1 / 257, 2.0, False),
    (128.0, 0.5, True),
    (129.0, 0.5, False),
    (1.0, 1 / 256, True),
    (1.0, 1 / 257, False),
    (2.0, 64.0, True),
    (2.0, 64.1, False),
    (1.0, -127.99609375, True),
    (1.0, -128.0, False),
]


@pytest.mark.parametrize(("ratio", "alpha", "is_delegated"), EDGES)
def test_beyond_what_the_delegate_takes_the_runtime_computes(ratio: float, alpha: float, *, is_delegated: bool):
    input_params, output_params = QuantizationParameters(ratio, -128), QuantizationParameters(1.0, 5)
    arguments = {"alpha": alpha, "input_params": input_params, "output_params": output_params}
    delegated = leaky_relu(all_values("int8"), **arguments, family="xnnpack")
    if is_delegated:
        found = run("LEAKY_RELU", input_params, output_params, "xnnpack", alpha)
        np.testing.assert_array_equal(found, delegated)
    else:
        with pytest.raises(AssertionError, match="XNNPACK does not take"):
            run("LEAKY_RELU", input_params, output_params, "xnnpack", alpha)
        np.testing.assert_array_equal(delegated, leaky_relu(all_values("int8"), **arguments, family="builtin"))


def test_a_negative_slope_of_16_bits_rounds_halves_up_before_or_after_it_turns_them_around():
    input_params, output_params = (QuantizationParameters(scale, 0, dtype="int16") for scale in (0.25, 0.5))
    below = slice(0, 4)  # -32768, -32767, ...
    assert run("LEAKY_RELU", input_params, output_params, "reference", -1.0)[below].tolist() == [
        16384, 16383, 16383, 16382,
    ]  # fmt: skip
    assert run("LEAKY_RELU", input_params, output_params, "builtin", -1.0)[below].tolist() == [
        16384, 16384, 16383, 16383,
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "dtype", "family"), claims("HARD_SWISH"))
@examples(40)
@given(data=st.data())
def test_hard_swish(name: str, dtype: str, family: str, data):
    input_params, output_params = data.draw(pairs(dtype, -20, 6))
    expected = hard_swish(all_values(dtype), input_params=input_params, output_params=output_params, family=family)
    np.testing.assert_array_equal(run(name, input_params, output_params, family), expected, strict=True)


@pytest.mark.parametrize(("scale", "refused"), [(127.9, False), (128.0, True), (1000.0, True)])
def test_hard_swish_refuses_what_the_runtime_refuses(scale: float, *, refused: bool):
    input_params, output_params = QuantizationParameters(scale), QuantizationParameters(1.0)
    if refused:
        with pytest.raises(RuntimeError, match="failed to prepare"):
            run("HARD_SWISH", input_params, output_params, "reference")
        with pytest.raises(ValueError, match="the runtime refuses an input scale of 128 times"):
            hard_swish(all_values("int8"), input_params=input_params, output_params=output_params)
    else:
        expected = hard_swish(all_values("int8"), input_params=input_params, output_params=output_params)
        np.testing.assert_array_equal(run("HARD_SWISH", input_params, output_params, "reference"), expected)


def test_hard_swish_gives_a_step_where_there_is_none_if_it_shifts_16_bits_away():
    """A shift of more than 15 bits masks with -1: 100 * 2**-10 of a step becomes 1 instead of 0."""
    input_params, output_params = QuantizationParameters(2.0**-10), QuantizationParameters(1.0)
    found = run("HARD_SWISH", input_params, output_params, "reference")
    assert found[all_values("int8") == 100].tolist() == [1]


@pytest.mark.parametrize("name", [*RECTIFIERS, "HARD_SWISH"])
def test_the_delegate_leaves_them_to_the_runtime(name: str):
    one = QuantizationParameters(0.1)
    with pytest.raises(AssertionError, match="XNNPACK does not take"):
        run(name, one, one, "xnnpack")


def test_a_bound_beyond_int32_has_no_result():
    with pytest.raises(ValueError, match="does not fit in int32"):
        rectifier(
            all_values("int8"),
            activation="RELU6",
            input_params=QuantizationParameters(0.1),
            output_params=QuantizationParameters(1e-10),
        )
