"""Cases on the real kernels of the installed runtime, in workers."""

from __future__ import annotations

import models_zoo as zoo
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from qbench.conform.case import Case
from qbench.conform.kernels import Kernels, Workshop
from qbench.errors import InvalidArtifactError, WorkerCrashedError
from qbench.quant.affine import QuantizationParameters, quantize
from qbench.quant.family import FAMILIES
from qbench.tflite.builder import Affine, Graph


def quantize_model(scale: float = 0.5) -> bytes:
    graph = Graph()
    x, y = graph.tensor("x", [1, 4]), graph.tensor("y", [1, 4], "int8", Affine(scale, 3))
    graph.operator("QUANTIZE", [x], [y], schema.QuantizeOptionsT())
    return graph.build([x], [y])


def case(content: bytes, *inputs: np.ndarray) -> Case:
    return Case(operator="QUANTIZE", dtype="float32", content=content, inputs=inputs)


@pytest.fixture(scope="module")
def workshop():
    with Workshop(limit_s=30) as opened:
        yield opened


def test_the_families_are_the_kernels_that_they_say(workshop: Workshop):
    # Enough of them for the builtin kernel's vectors: what is left over, it rounds like the reference.
    ties = np.array([[0.25, 0.75, 1.25, -0.25]] * 8, np.float32)
    found = {family: workshop.run(case(quantize_model(), ties), Kernels(family=family)) for family in FAMILIES}
    assert found["reference"].outputs[0].tolist() == [[4, 5, 6, 2]] * 8, "halves away from zero"
    assert found["builtin"].outputs[0].tolist() == [[3, 5, 5, 3]] * 8, "halves to even"
    assert {family: outcome.is_delegated for family, outcome in found.items()} == {
        "reference": False,
        "builtin": False,
        "xnnpack": True,
    }


def test_inputs_of_another_shape_resize_the_model(workshop: Workshop):
    real = np.linspace(-3, 3, 12, dtype=np.float32).reshape(3, 4)
    (output,) = workshop.run(case(quantize_model(), real), Kernels(family="builtin")).outputs
    np.testing.assert_array_equal(output, quantize(real, QuantizationParameters(0.5, 3)))


def test_all_outputs_come_back(workshop: Workshop):
    left, right = np.full((1, 4), 3, np.float32), np.full((1, 4), 5, np.float32)
    outcome = workshop.run(case(zoo.two_inputs_two_outputs(), left, right), Kernels(family="builtin"))
    assert [output.tolist() for output in outcome.outputs] == [[[8] * 4], [[15] * 4]]


def test_a_refused_model_is_named_and_the_next_case_runs(workshop: Workshop):
    bad = case(b"no model at all", np.zeros((1, 4), np.float32))
    with pytest.raises(InvalidArtifactError, match="QUANTIZE: the runtime refuses"):
        workshop.run(bad, Kernels(family="builtin"))
    workshop.run(case(quantize_model(), np.zeros((1, 4), np.float32)), Kernels(family="builtin"))


def test_a_crash_is_named_and_the_next_case_gets_a_new_worker(workshop: Workshop):
    zeros = np.zeros((1, 4), np.int8)
    with pytest.raises(WorkerCrashedError, match="SIGABRT"):
        workshop.run(case(zoo.aborting(), zeros, zeros), Kernels(family="reference"))
    workshop.run(case(quantize_model(), np.zeros((1, 4), np.float32)), Kernels(family="reference"))
