"""LOGISTIC, TANH and ELU against the runtime's kernels, over every value that can be stored."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbench.quant.affine import QuantizationParameters
from qbench.quant.kernels.lookup import EXACT, elu, logistic, tanh
from quant.budget import examples
from quant.kernel_lab import Operand, Result, run_operator
from quant.kernels.drawn_params import all_values, params

ORACLES = {"LOGISTIC": logistic, "TANH": tanh, "ELU": elu}
RANGE = {
    ("LOGISTIC", "int8"): QuantizationParameters(1 / 256, -128),
    ("LOGISTIC", "uint8"): QuantizationParameters(1 / 256, 0, dtype="uint8"),
    ("TANH", "int8"): QuantizationParameters(1 / 128, 0),
    ("TANH", "uint8"): QuantizationParameters(1 / 128, 128, dtype="uint8"),
}
INT16_RANGE = QuantizationParameters(1 / 32768, 0, dtype="int16")
FAMILIES = ["reference", "builtin", "xnnpack"]
#: Powers of two that have a path of their own, others; what is nearly one, on both sides of the tolerance; a step of
#: the table, a scale whose products wrap in 32 bits, one so small that everything is 0.
INT16_SCALES = [2.0**-12, 2.0**-11, 2.0**-10, 2.0**-13, 2.0**-12 * 1.0006, 2.0**-12 * 0.9993, 2.0**-11 * 1.0008]
INT16_SCALES += [1 / 24 / 512, 1e-3, 0.00037, 0.7, 9.0, 1e-9]


def differences(name: str, input_params, output_params, family: str) -> np.ndarray:
    stored = all_values(input_params.dtype)
    expected = ORACLES[name](stored, input_params=input_params, output_params=output_params, family=family)
    (found,) = run_operator(name, [Operand(stored, input_params)], [Result(stored.shape, output_params)], family=family)
    assert found.dtype == expected.dtype
    return np.abs(found.astype(np.int64) - expected)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@examples(40)
@given(data=st.data())
def test_logistic_of_8_bits(dtype: str, family: str, data):
    assert family in EXACT["LOGISTIC"][dtype]
    assert not differences("LOGISTIC", data.draw(params(dtype, -14, 4)), RANGE["LOGISTIC", dtype], family).any()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@examples(40)
@given(data=st.data())
def test_tanh_of_8_bits(dtype: str, family: str, data):
    output_params = data.draw(st.just(RANGE["TANH", dtype]) | params(dtype, -10, -4))
    missed = differences("TANH", data.draw(params(dtype, -14, 4)), output_params, family)
    assert missed.max() <= 1
    assert np.count_nonzero(missed) <= 1, "tanhf of the C library is off by a last bit more often than it should"


@pytest.mark.parametrize("family", ["builtin", "xnnpack"])
@examples(40)
@given(data=st.data())
def test_elu(family: str, data):
    missed = differences("ELU", data.draw(params("int8", -14, 4)), data.draw(params("int8", -14, 4)), family)
    assert missed.max() <= 1
    assert np.count_nonzero(missed) <= 1, "expm1f of the C library is off by a last bit more often than it should"


def test_the_runtime_has_no_reference_kernel_of_elu():
    one = QuantizationParameters(0.1)
    with pytest.raises(ValueError, match="Registration failed"):
        differences("ELU", one, one, "reference")


@pytest.mark.parametrize("family", ["reference", "builtin"])
@pytest.mark.parametrize("scale", INT16_SCALES)
@pytest.mark.parametrize("name", ["LOGISTIC", "TANH"])
def test_16_bits(name: str, scale: float, family: str):
    assert family in EXACT[name]["int16"]
    assert not differences(name, QuantizationParameters(scale, 0, dtype="int16"), INT16_RANGE, family).any()


@pytest.mark.parametrize("name", ["LOGISTIC", "TANH"])
@examples(15)
@given(input_params=params("int16", -20, -4))
def test_16_bits_of_any_scale(name: str, input_params):
    assert not differences(name, input_params, INT16_RANGE, "reference").any()


def test_only_builtin_has_a_path_of_its_own_for_powers_of_two():
    power, nearly = (QuantizationParameters(2.0**-12 * factor, 0, dtype="int16") for factor in (1, 1.001))
    stored = all_values("int16")
    for oracle in (logistic, tanh):
        same = [
            np.array_equal(*(oracle(stored, input_params=p, output_params=INT16_RANGE, family=f) for f in FAMILIES[:2]))
            for p in (power, nearly)
        ]
        assert same == [False, True]


@pytest.mark.parametrize("name", ["LOGISTIC", "TANH"])
def test_the_delegate_leaves_16_bits_to_the_runtime(name: str):
    with pytest.raises(AssertionError, match="XNNPACK does not take"):
        differences(name, QuantizationParameters(2.0**-12, 0, dtype="int16"), INT16_RANGE, "xnnpack")


def test_any_shape():
    stored = np.arange(24, dtype=np.int8).reshape(2, 3, 4)
    found = logistic(stored, input_params=QuantizationParameters(0.1), output_params=RANGE["LOGISTIC", "int8"])
    assert found.shape == stored.shape
    assert found[1, 2, 3] == round(256 / (1 + np.exp(-2.3))) - 128
