"""What the runtime's operators with weights do wrong, and the oracles do not.

Each test says what happens in the runtime that is installed: one that fails says that a newer one is better.
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from ai_edge_litert.interpreter import OpResolverType

from qbench.quant.affine import QuantizationParameters
from quant.kernel_lab import RESOLVERS, build_operator
from quant.kernels.linear_cases import Case, expected_of, found_of, operands_of, options_of

ONE = QuantizationParameters(1.0)
WIDE = QuantizationParameters(1.0, dtype="int16")
ONE_RUN = """
import sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
interpreter = Interpreter(
    model_content=sys.stdin.buffer.read(), experimental_op_resolver_type=OpResolverType[sys.argv[1]]
)
interpreter.allocate_tensors()
[detail] = interpreter.get_input_details()
interpreter.set_tensor(detail["index"], np.ones(detail["shape"], np.int8))
interpreter.invoke()
print("survived")
"""


@pytest.mark.parametrize(("family", "survives"), [("reference", True), ("builtin", False), ("xnnpack", False)])
def test_int8_depthwise_without_a_bias_crashes_the_process(family: str, survives: bool):  # noqa: FBT001
    case = Case(
        "DEPTHWISE_CONV_2D", np.ones((1, 2, 2, 8), np.int8), np.ones((1, 1, 1, 8), np.int8), None, *[ONE] * 3, {}
    )
    assert (expected_of(case, family) == 1).all()
    operands, result = operands_of(case)
    content = build_operator(case.name, operands, [result], options_of(case))
    resolver = OpResolverType(RESOLVERS[family]).name
    child = subprocess.run(
        [sys.executable, "-c", ONE_RUN, resolver], input=content, capture_output=True, timeout=60, check=False
    )
    assert (b"survived" in child.stdout) == survives
    assert (child.returncode == 0) == survives


@pytest.mark.parametrize("family", ["reference", "builtin"])
def test_int16_depthwise_reads_int4_weights_as_if_they_were_not_packed(family: str):
    # The byte 0x21 holds the weights 1 and 2. The second input is 0, so that what lies beyond the byte does not matter.
    inputs = np.array([5, 0], np.int16).reshape(1, 1, 2, 1)
    weights = np.array([1, 2], np.int8).reshape(1, 1, 2, 1)
    given = {"padding": "VALID"}
    case = Case("DEPTHWISE_CONV_2D", inputs, weights, np.zeros(1, np.int64), WIDE, ONE, WIDE, given, "int4")
    assert expected_of(case, family).tolist() == [[[[5]]]]
    assert found_of(case, family).tolist() == [[[[0x21 * 5]]]]


@pytest.mark.parametrize("name", ["CONV_2D", "FULLY_CONNECTED"])
def test_int16_with_an_int32_bias_that_the_options_do_not_name_reads_two_numbers_as_one(name: str):
    weights = np.zeros((2, 1) if name == "FULLY_CONNECTED" else (2, 1, 1, 1), np.int8)
    inputs = np.zeros((1, 1) if name == "FULLY_CONNECTED" else (1, 1, 1, 1), np.int16)
    narrow = QuantizationParameters(2.0**20, dtype="int16")
    case = Case(name, inputs, weights, np.array([0, 1], np.int32), WIDE, ONE, narrow, {})
    assert expected_of(case, "reference").reshape(-1).tolist() == [0, 0]
    # 0 and 1 in 32 bits each are 2**32 in 64.
    assert found_of(case, "reference").reshape(-1)[0] == 0
    assert found_of(case, "reference", quantizedBiasType=0).reshape(-1)[0] == 2**12


@pytest.mark.parametrize("name", ["CONV_2D", "FULLY_CONNECTED"])
def test_a_factor_of_256_fails_in_the_delegate_instead_of_going_to_the_builtin_kernel(name: str):
    shape = (1, 1) if name == "FULLY_CONNECTED" else (1, 1, 1, 1)
    fine = QuantizationParameters(1 / 256)
    case = Case(name, np.ones(shape, np.int8), np.ones(shape, np.int8), np.zeros(1, np.int32), ONE, ONE, fine, {})
    for family in ("reference", "builtin"):
        assert found_of(case, family).reshape(-1) == expected_of(case, family).reshape(-1) == [127]
    with pytest.raises(RuntimeError, match="failed to create XNNPACK runtime"):
        found_of(case, "xnnpack")
