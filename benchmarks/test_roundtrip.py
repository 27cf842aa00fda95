"""Whether values survive quantizing and dequantizing with the scales and zero points of an artifact's own ends.

Needs hypothesis. Asked are qbench's code, which prepares the inputs of every other test, and the operators of the
runtime, with the kernels that the artifact is run with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qbench.quant.affine import QuantizationParameters, dequantize, quantize
from qbench.quant.strategies import real_arrays, stored_arrays
from qbench.runtime.interpreter import open_interpreter
from qbench.tflite.builder import Affine, Graph

if TYPE_CHECKING:
    import numpy.typing as npt

    from qbench.runtime.interpreter import TfliteInterpreter

    Array = npt.NDArray[Any]

# Other work on the machine is no failure. Fixtures are the same for all examples of a test, which only read them.
# Every example builds an interpreter, so a profile's number of examples is taken for a quarter.
roundtrip = settings(
    deadline=None,
    max_examples=max(1, settings().max_examples // 4),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def ends(interpreter: TfliteInterpreter) -> list[QuantizationParameters]:
    """Parameters of the artifact's quantized inputs and outputs."""
    found = [
        QuantizationParameters(spec.scales[0], spec.zero_points[0], dtype=spec.dtype)
        for spec in (*interpreter.inputs, *interpreter.outputs)
        if spec.quantized
    ]
    return found or pytest.skip("inputs and outputs are float")


def by_kernels(values: Array, params: QuantizationParameters, interpreter: TfliteInterpreter) -> Array:
    """What QUANTIZE makes of real `values`, or DEQUANTIZE of stored ones."""
    graph, affine = Graph(), Affine(float(params.scale), int(params.zero_point))
    real, stored = graph.tensor("real", values.shape), graph.tensor("stored", values.shape, params.dtype, affine)
    quantizes = values.dtype == np.float32
    source, target = (real, stored) if quantizes else (stored, real)
    options = schema.QuantizeOptionsT() if quantizes else schema.DequantizeOptionsT()
    graph.operator("QUANTIZE" if quantizes else "DEQUANTIZE", [source], [target], options, version=2)
    kernels = open_interpreter(graph.build([source], [target]), interpreter.options)
    kernels.set_input(0, values)
    kernels.invoke()
    return kernels.output(0)


@roundtrip
@given(data=st.data())
def test_values_in_range_lose_half_a_step(
    ends: list[QuantizationParameters], interpreter: TfliteInterpreter, data: st.DataObject
) -> None:
    params = data.draw(st.sampled_from(ends))
    real = data.draw(real_arrays(params, outside=False))
    step = float(params.scale)
    allowed = 0.5 * step + (np.abs(real) + abs(int(params.zero_point)) * step) * 2.0**-21
    for again in (
        dequantize(quantize(real, params), params),
        by_kernels(by_kernels(real, params, interpreter), params, interpreter),
    ):
        assert np.all(np.abs(again.astype(np.float64) - real) <= allowed)


@roundtrip
@given(data=st.data())
def test_stored_values_come_back(
    ends: list[QuantizationParameters], interpreter: TfliteInterpreter, data: st.DataObject
) -> None:
    params = data.draw(st.sampled_from(ends))
    stored = data.draw(stored_arrays(params))
    np.testing.assert_array_equal(quantize(dequantize(stored, params), params), stored)
    real = by_kernels(stored, params, interpreter)
    assert np.all(real[stored == params.zero_point] == 0)
    np.testing.assert_array_equal(by_kernels(real, params, interpreter), stored)


@roundtrip
@given(data=st.data())
def test_kernels_quantize_as_qbench_does_but_for_ties(
    ends: list[QuantizationParameters], interpreter: TfliteInterpreter, data: st.DataObject
) -> None:
    params = data.draw(st.sampled_from(ends))
    real = data.draw(real_arrays(params, outside=False))
    steps = real.astype(np.float64) / float(params.scale)
    # Each kernel rounds ties as it likes, and to one that multiplies by 1 / scale, values next to them are ties.
    near_tie = np.abs(np.abs(steps) % 1 - 0.5) <= (np.abs(steps) + 1) * 2.0**-21
    difference = by_kernels(real, params, interpreter).astype(int) - quantize(real, params)
    assert np.all(np.abs(difference) <= near_tie)
