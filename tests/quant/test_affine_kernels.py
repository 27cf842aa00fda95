"""Quantize and dequantize against the runtime's own QUANTIZE and DEQUANTIZE, of each family."""

from __future__ import annotations

import platform
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from qbench.quant.affine import QuantizationParameters, dequantize, quantize
from quant.affine_cases import LIMITS
from quant.kernel_lab import Operand, Result, run_operator

if TYPE_CHECKING:
    from qbench.quant.affine import Rounding
    from qbench.quant.family import Family
    from qbench.tflite.graph import Array

#: The builtin kernels work in vectors of so many elements, and otherwise on the rest.
VECTOR = 8
EXAMPLES = 250
CLAIMED = [
    (dtype, family)
    for dtype in ("int8", "uint8", "int16")
    for family in ("reference", "builtin", "xnnpack")
    if (dtype, family) != ("int16", "xnnpack")  # The delegate does not take it.
]
on_x86 = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="what x86 instructions give")


def run_quantize(real: Array, params: QuantizationParameters, family: Family) -> Array:
    return run_operator(
        "QUANTIZE", [Operand(real)], [Result(real.shape, params)], schema.QuantizeOptionsT(), family=family
    )[0]


def run_dequantize(stored: Array, params: QuantizationParameters, family: Family) -> Array:
    return run_operator(
        "DEQUANTIZE", [Operand(stored, params)], [Result(stored.shape)], schema.DequantizeOptionsT(), family=family
    )[0]


def drawn(rng: np.random.Generator, dtype: str) -> tuple[QuantizationParameters, Array]:
    """Parameters at the extremes and between, and values with ties, without, and outside of the range."""
    low, high = LIMITS[dtype]
    point = 0 if dtype == "int16" else int(rng.choice([low, high, rng.integers(low, high + 1)]))
    scale = 2.0 ** (rng.integers(-30, 30) if rng.integers(2) else rng.uniform(-30, 30))
    params = QuantizationParameters(scale, point, dtype=dtype)
    size = int(rng.integers(1, 200))
    steps = rng.integers(2 * low - 100, 2 * high + 100, size) / 2 - point
    if rng.integers(2):
        steps = rng.uniform(low - 50, high + 50, size) - point
    return params, (steps * params.scale.astype(np.float64)).astype(np.float32)


@pytest.mark.parametrize(("dtype", "family"), CLAIMED)
def test_quantize_is_the_kernel(dtype: str, family: Family):
    rounding: Rounding = "half_away" if family == "reference" else "reciprocal"
    rng = np.random.default_rng([LIMITS[dtype][1], len(family)])
    for _ in range(EXAMPLES):
        params, real = drawn(rng, dtype)
        kernel = run_quantize(real, params, family)
        size = real.size // VECTOR * VECTOR if family == "builtin" else real.size
        found = quantize(real, params, rounding=rounding)
        np.testing.assert_array_equal(found[:size], kernel[:size], repr(params), strict=True)
        # The rest is divided in float64 and rounded half away from zero: by one from all other rules.
        rest = np.trunc(2 * (real / params.scale.astype(np.float64))[size:])
        halves_away = np.trunc((rest + np.sign(rest)) / 2) + params.zero_point
        np.testing.assert_array_equal(np.clip(halves_away, params.qmin, params.qmax), kernel[size:], repr(params))


@pytest.mark.parametrize(("dtype", "family"), CLAIMED)
def test_dequantize_is_the_kernel(dtype: str, family: Family):
    if family == "builtin" and platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("processors with a fused multiply-add round once less")
    rng = np.random.default_rng([LIMITS[dtype][1], len(family), 1])
    for _ in range(EXAMPLES):
        params, _ = drawn(rng, dtype)
        low, high = LIMITS[dtype]
        stored = rng.integers(low, high + 1, int(rng.integers(1, 200))).astype(dtype)
        kernel = run_dequantize(stored, params, family)
        size = stored.size // VECTOR * VECTOR if family == "builtin" else 0
        folded, exact = dequantize(stored, params, arithmetic="folded"), dequantize(stored, params)
        np.testing.assert_array_equal(kernel[:size], folded[:size], repr(params), strict=True)
        np.testing.assert_array_equal(kernel[size:], exact[size:], repr(params), strict=True)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("family", ["reference", "builtin"])
def test_per_channel_is_the_reference_kernel_in_both_families(family: Family, axis: int):
    rng = np.random.default_rng(axis)
    for _ in range(10):
        shape = tuple(rng.integers(2, 6, 3))
        scales = 2.0 ** rng.uniform(-8, 8, shape[axis])
        params = QuantizationParameters(scales, int(rng.integers(-128, 128)), quantized_dimension=axis)
        along = params.scale.reshape([-1 if number == axis else 1 for number in range(3)])
        real = (rng.integers(-300, 300, shape) / 2 * along).astype(np.float32)
        stored = run_quantize(real, params, family)
        np.testing.assert_array_equal(quantize(real, params, rounding="half_away"), stored, strict=True)
        np.testing.assert_array_equal(dequantize(stored, params), run_dequantize(stored, params, family), strict=True)


@on_x86
@pytest.mark.parametrize("family", ["reference", "builtin"])
@pytest.mark.parametrize(("dtype", "low", "high"), [("int8", -128, 127), ("uint8", 0, 255), ("int16", -32768, 32767)])
def test_the_runtimes_own_kernels_turn_the_largest_values_into_the_lowest(
    dtype: str, low: int, high: int, family: Family
):
    # The conversion to int32 of a quotient from 2**31 on gives -2**31, which is clamped to the lowest value.
    params = QuantizationParameters(1.0, dtype=dtype)
    real = np.array([2.0**31, 1e30, np.inf, np.nan, 2.0**31 - 128, -np.inf] * 2, np.float32)
    assert run_quantize(real, params, family).tolist() == [low, low, low, low, high, low] * 2
    finite = real[~np.isnan(real)]
    assert quantize(finite, params, rounding="half_away").tolist() == [high, high, high, high, low] * 2


def test_xnnpack_clamps_the_largest_values():
    real = np.array([2.0**31, 1e30, np.inf, -1e30, -np.inf], np.float32)
    params = QuantizationParameters(1.0)
    np.testing.assert_array_equal(run_quantize(real, params, "xnnpack"), quantize(real, params, rounding="reciprocal"))


_SUBNORMAL = """
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from qbench.tflite.builder import Affine, Graph

graph = Graph()
x, y = graph.tensor("x", [9]), graph.tensor("y", [9], "int8", Affine(1e-39))
graph.operator("QUANTIZE", [x], [y], schema.QuantizeOptionsT())
for name in ("BUILTIN_REF", "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "BUILTIN"):
    interpreter = Interpreter(
        model_content=graph.build([x], [y]), experimental_op_resolver_type=getattr(OpResolverType, name)
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(x, np.arange(-4, 5).astype(np.float32) * np.float32(1e-39))
    interpreter.invoke()
    print(interpreter.get_tensor(y).tolist(), flush=True)
"""


@on_x86
def test_no_two_families_agree_about_a_subnormal_scale(request: pytest.FixtureRequest):
    # Why it is refused. In a process of its own, which XNNPACK brings down.
    done = subprocess.run(
        [sys.executable, "-c", _SUBNORMAL],
        env={"PYTHONPATH": str(request.config.rootpath / "tests")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[:2] == [str([*range(-4, 5)]), str([*[-128] * 8, 4])]
    assert len(done.stdout.splitlines()) == 2
    assert done.returncode < 0, done.stderr
