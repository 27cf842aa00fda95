"""SOFTMAX against the runtime's kernels, and the fixed-point functions below it against real ones."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st

from qbench.quant.affine import QuantizationParameters
from qbench.quant.kernels import gemmlowp
from qbench.quant.kernels.softmax import EXACT, softmax
from quant.budget import examples
from quant.kernel_lab import Operand, Result, build_operator, run_operator
from quant.kernels.drawn_params import IS_X86_64, params

PROBABILITIES = {
    "int8": QuantizationParameters(1 / 256, -128),
    "uint8": QuantizationParameters(1 / 256, 0, dtype="uint8"),
    "int16": QuantizationParameters(1 / 32768, 0, dtype="int16"),
}


def options(beta: float) -> schema.SoftmaxOptionsT:
    table = schema.SoftmaxOptionsT()
    table.beta = beta
    return table


@st.composite
def cases(draw, dtype: str):
    shape = (*draw(st.lists(st.integers(1, 4), max_size=3)), draw(st.sampled_from([1, 2, 3, 9, 17, 40, 300])))
    limits = np.iinfo(dtype)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    stored = {
        "anything": lambda: rng.integers(limits.min, limits.max + 1, shape),
        "close": lambda: rng.integers(limits.max - 12, limits.max + 1, shape) - rng.integers(0, 200),
        "extremes": lambda: rng.choice([limits.min, limits.max], shape),
    }[draw(st.sampled_from(["anything", "close", "extremes"]))]()
    beta = draw(st.sampled_from([1.0, 1.0, 0.5, 2.3, 0.01]))
    input_params = draw(params(dtype, -20, 0) if dtype == "int16" else params(dtype, -18, 4))
    return stored.astype(dtype), beta, input_params


def check(case, output_params: QuantizationParameters, family: str, *, tolerance: int = 0) -> None:
    stored, beta, input_params = case
    expected = softmax(stored, beta=beta, input_params=input_params, output_params=output_params, family=family)
    (found,) = run_operator(
        "SOFTMAX", [Operand(stored, input_params)], [Result(stored.shape, output_params)], options(beta), family=family
    )
    assert found.dtype == expected.dtype
    assert np.abs(found.astype(np.int64) - expected).max() <= tolerance


@pytest.mark.parametrize(
    ("dtype", "family"), [(dtype, family) for dtype, claims in EXACT["SOFTMAX"].items() for family in sorted(claims)]
)
def test_the_kernels_give_what_the_oracle_gives(dtype: str, family: str):
    @examples(40)
    @given(cases(dtype))
    def holds(case):
        check(case, PROBABILITIES[dtype], family)

    holds()


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@examples(40)
@given(data=st.data())
def test_builtin_adds_floats_and_is_within_1_elsewhere_than_on_x86(dtype: str, data):
    check(data.draw(cases(dtype)), PROBABILITIES[dtype], "builtin", tolerance=0 if IS_X86_64 else 1)


@pytest.mark.skipif(not IS_X86_64, reason="AArch64 has another algorithm")
@pytest.mark.parametrize(("scale", "classes", "others"), [(0.125, 10_000, 12), (0.125, 10_000, 52), (0.1, 1000, 39)])
def test_builtin_adds_one_after_the_other(scale: float, classes: int, others: int):
    """Rows for which the error of that, and of adding in pairs, is one step."""
    stored = np.full((1, classes), others, np.int8)
    stored[0, 0] = 127
    check((stored, 1.0, QuantizationParameters(scale)), PROBABILITIES["int8"], "builtin")


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("alike", [8, 171, 512])
def test_builtin_rounds_halves_up(dtype: str, alike: int):
    """512 logits alike share 256 steps: half a step each."""
    stored = np.zeros((1, alike), dtype)
    check((stored, 1.0, QuantizationParameters(0.1, dtype=dtype)), PROBABILITIES[dtype], "builtin")


@pytest.mark.parametrize("family", ["reference", "builtin"])
@examples(25)
@given(case=cases("int8"))
def test_probabilities_of_16_bits_of_logits_of_8(family: str, case):
    # Of the two kernels only the float one knows where the zero point is.
    check(case, PROBABILITIES["int16"], family, tolerance=0 if family == "reference" or IS_X86_64 else 1)


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_the_delegate_leaves_it_to_the_runtime(dtype: str):
    logits = QuantizationParameters(0.1, 0, dtype=dtype)
    with pytest.raises(AssertionError, match="XNNPACK does not take SOFTMAX"):
        check((np.zeros((1, 4), dtype), 1.0, logits), PROBABILITIES[dtype], "xnnpack")


def test_many_rows_of_16_bits():
    rng = np.random.default_rng(5)
    stored = rng.integers(-2000, 2001, (2000, 6)).astype(np.int16)
    logits = QuantizationParameters(2.0**-11, dtype="int16")
    check((stored, 1.0, logits), PROBABILITIES["int16"], "reference")


def test_many_rows_of_8_bits_with_probabilities_of_16():
    rng = np.random.default_rng(5)
    stored = rng.integers(-128, 128, (5000, 3)).astype(np.int8)
    check((stored, 1.0, QuantizationParameters(0.03)), PROBABILITIES["int16"], "reference")


def test_the_last_axis_only():
    stored = np.array([[[10, 20], [30, 30]], [[5, -5], [0, 127]]], np.int8)
    whole = softmax(stored, input_params=QuantizationParameters(0.05), output_params=PROBABILITIES["int8"])
    for index in np.ndindex(2, 2):
        alone = softmax(stored[index], input_params=QuantizationParameters(0.05), output_params=PROBABILITIES["int8"])
        np.testing.assert_array_equal(whole[index], alone)


ONE_RUN = """
import sys
import numpy
from ai_edge_litert.interpreter import Interpreter, OpResolverType
interpreter = Interpreter(model_content=sys.stdin.buffer.read(),
                          experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
interpreter.allocate_tensors()
logits = interpreter.get_input_details()[0]
interpreter.set_tensor(logits["index"], numpy.zeros(logits["shape"], numpy.int8))
interpreter.invoke()
print("alive")
"""


@pytest.mark.parametrize(
    ("classes", "scale", "survives"), [(511, 0.1, True), (512, 0.1, False), (1000, 0.1, False), (4, 2.0**-26, False)]
)
def test_the_reference_kernel_ends_the_process_over_many_classes_alike(classes: int, scale: float, *, survives: bool):
    """From a sum of 512 on, a shift would be over 31: an untrained classifier of 1000 classes is enough."""
    stored, logits = np.zeros((1, classes), np.int8), QuantizationParameters(scale)
    content = build_operator(
        "SOFTMAX", [Operand(stored, logits)], [Result(stored.shape, PROBABILITIES["int8"])], options(1.0)
    )
    ended = subprocess.run([sys.executable, "-c", ONE_RUN], input=content, capture_output=True, check=False)
    assert (b"alive" in ended.stdout) == survives
    if survives:
        check((stored, 1.0, logits), PROBABILITIES["int8"], "reference")
    else:
        with pytest.raises(ValueError, match="ends the process"):
            softmax(stored, input_params=logits, output_params=PROBABILITIES["int8"])
        check((stored, 1.0, logits), PROBABILITIES["int8"], "builtin", tolerance=0 if IS_X86_64 else 1)


@pytest.mark.parametrize(("bits", "tolerance"), [(32, 2.0**-20), (16, 2.0**-10)])
@pytest.mark.parametrize("integer_bits", [3, 5])
def test_fixed_point_functions_are_the_real_ones_nearly(bits, integer_bits: int, tolerance: float):
    raw = -np.unique(np.geomspace(1, 2 ** (bits - 1), 20_000).astype(np.int64))
    real = raw / 2.0 ** (bits - 1 - integer_bits)
    exponential = gemmlowp.exp_on_negative_values(raw, integer_bits=integer_bits, bits=bits) / 2.0 ** (bits - 1)
    np.testing.assert_allclose(exponential, np.exp(real), atol=tolerance)
    fraction = -raw[raw > -(2 ** (bits - 1))]
    inverse = gemmlowp.one_over_one_plus_x(fraction, bits=bits) / 2.0 ** (bits - 1)
    np.testing.assert_allclose(inverse, 1 / (1 + fraction / 2.0 ** (bits - 1)), atol=tolerance)
    if integer_bits == 3:
        for sign in (-1, 1):
            s_shape = gemmlowp.logistic(sign * raw[:-1], integer_bits=3, bits=bits) / 2.0 ** (bits - 1)
            np.testing.assert_allclose(s_shape, 1 / (1 + np.exp(-sign * real[:-1])), atol=tolerance)
            tangent = gemmlowp.tanh(sign * raw[:-1], integer_bits=3, bits=bits) / 2.0 ** (bits - 1)
            np.testing.assert_allclose(tangent, np.tanh(sign * real[:-1]), atol=tolerance)


def test_fixed_point_functions_of_zero():
    zero = np.zeros(1, np.int64)
    assert gemmlowp.exp_on_negative_values(zero, integer_bits=5).tolist() == [2**31 - 1]
    assert gemmlowp.logistic(zero, integer_bits=3).tolist() == [2**14]
    assert gemmlowp.tanh(zero, integer_bits=3).tolist() == [0]
