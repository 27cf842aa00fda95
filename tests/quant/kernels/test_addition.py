"""What ADD and SUB have of their own: three roundings, shifts of powers of two, and models that end the process."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quant.budget import examples
from quant.kernel_lab import build_operator
from quant.kernels.drawn_params import IS_X86_64
from quant.kernels.elementwise_cases import Case, cases, check, expected_of, found_of, operands_of, per_tensor


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_the_optimized_add_is_within_one(dtype: str):
    @examples(20)
    @given(cases("ADD", dtype))
    def holds(case: Case):
        check("ADD", case, "builtin", tolerance=1, pot_scale_int16=False)

    holds()


@pytest.mark.parametrize("name", ["ADD", "SUB"])
@pytest.mark.parametrize("family", ["reference", "builtin"])
@examples(20)
@given(data=st.data())
def test_powers_of_two_in_16_bits_are_shifted(name: str, family: str, data):
    exponent, right = data.draw(st.integers(-12, 3)), data.draw(st.integers(0, 15))
    # A scale this close to a power of two counts as one.
    near = data.draw(st.sampled_from([1.0, 1.0004, 0.9996]))
    pair = [(2.0**exponent * near, 0), (2.0 ** (exponent - right), 0)]
    if data.draw(st.booleans()):
        pair.reverse()
    case = data.draw(cases(name, "int16"))
    b = np.broadcast_to(case.b, np.broadcast_shapes(case.a.shape, case.b.shape)).copy()
    a = np.broadcast_to(case.a, b.shape).copy() if name == "ADD" else case.a
    shifted = case._replace(a=a, b=b, params=per_tensor("int16", *pair, (2.0**exponent, 0)))
    check(name, shifted, family, pot_scale_int16=True)


@pytest.mark.parametrize("name", ["ADD", "SUB"])
def test_other_scales_in_16_bits_are_not_shifted_whatever_the_option_says(name: str):
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-32768, 32768, 3000).astype(np.int16) for _ in range(2))
    case = Case(a, b, per_tensor("int16", (0.25, 0), (0.125 * 1.01, 0), (0.25, 0)))
    check(name, case, "reference", pot_scale_int16=True)
    # Where all are powers of two, the two ways differ.
    powers = case._replace(params=per_tensor("int16", (0.25, 0), (0.125, 0), (0.25, 0)))
    ways = [expected_of(name, powers, "reference", pot_scale_int16=option) for option in (True, False)]
    assert (ways[0] != ways[1]).any()


def test_powers_of_two_of_which_none_is_the_outputs_are_refused_as_the_runtime_does():
    case = Case(np.zeros(2, np.int16), np.zeros(2, np.int16), per_tensor("int16", (0.25, 0), (0.5, 0), (1.0, 0)))
    with pytest.raises(ValueError, match=r"must be the output's: got 2\*\*-2 and 2\*\*-1 into 2\*\*0"):
        expected_of("ADD", case, "reference")
    with pytest.raises(RuntimeError, match="failed to prepare"):
        found_of("ADD", case, "reference", pot_scale_int16=True)


# --- what is wrong with the kernels ----------------------------------------------------------------------

ONE_ALLOCATION_AND_RUN = """
import sys
from ai_edge_litert.interpreter import Interpreter, OpResolverType
interpreter = Interpreter(model_content=sys.stdin.buffer.read(),
                          experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
interpreter.allocate_tensors()
interpreter.invoke()
"""


@pytest.mark.parametrize(
    ("name", "case", "message"),
    [
        (
            "ADD",
            Case(np.ones(2, np.int8), np.ones(2, np.int8), per_tensor("int8", *[(1.0, 0)] * 2, (2.0**-19, 0))),
            "ends",
        ),
        (
            "SUB",
            Case(np.ones(2, np.int8), np.ones(2, np.int8), per_tensor("int8", *[(1.0, 0)] * 2, (2.0**-19, 0))),
            "ends",
        ),
        ("ADD", Case(np.ones((2, 2), np.int16), np.ones(2, np.int16), per_tensor("int16", *[(1.0, 0)] * 3)), "option"),
    ],
)
def test_models_that_end_the_process_are_refused(name: str, case: Case, message: str):
    with pytest.raises(ValueError, match=message):
        expected_of(name, case, "reference")
    content = build_operator(name, *operands_of(name, case, pot_scale_int16=True), version=4)
    child = subprocess.run(
        [sys.executable, "-c", ONE_ALLOCATION_AND_RUN], input=content, capture_output=True, timeout=60, check=False
    )
    assert child.returncode < 0, child.stderr


def test_sub_into_a_very_fine_scale_shifts_by_a_negative_number_of_bits():
    case = Case(
        np.array([1, 2], np.int8), np.array([0, 4], np.int8), per_tensor("int8", *[(1.0, 0)] * 2, (2.0**-20, 0))
    )
    assert expected_of("SUB", case, "reference").tolist() == [127, -128]
    if IS_X86_64:  # undefined in C
        assert np.abs(found_of("SUB", case, "reference")).max() < 10


def test_shifting_16_bits_by_16_or_more_rounds_to_one_instead_of_zero():
    stored = np.array([5, -5], np.int16)
    case = Case(stored, np.zeros(2, np.int16), per_tensor("int16", (2.0**-18, 0), (1.0, 0), (1.0, 0)))
    assert expected_of("ADD", case, "reference", pot_scale_int16=True).tolist() == [0, 0]
    assert found_of("ADD", case, "reference", pot_scale_int16=True).tolist() == [1, -1]
