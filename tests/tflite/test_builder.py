"""What is written is what is read, and one operator cut out of a real artifact is that operator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from qbench.tflite.builder import Affine, Graph, operator_model
from qbench.tflite.options import options_table
from qbench.tflite.reader import read_model

ARTIFACTS = sorted(Path(__file__).parents[2].glob("baselines/artifacts/*.tflite"))


def test_constants_and_parameters_survive():
    graph = Graph()
    x = graph.tensor("x", [-1, 3], "int8", Affine(0.5, -7))
    weights = np.arange(-6, 6, dtype=np.int8).reshape(4, 3)
    scales, points = np.array([0.1, 0.2, 0.3, 0.4], np.float32), np.array([0, 1, 2, 3])
    constant = graph.constant("weights", weights, Affine(scales, points, 0))
    tensors = read_model(graph.build([x], [x])).subgraphs[0].tensors
    assert (tensors[x].dtype, tensors[x].shape, tensors[x].signature) == ("int8", (1, 3), (-1, 3))
    assert (tensors[x].scales.tolist(), tensors[x].zero_points.tolist()) == ([0.5], [-7])
    assert tensors[x].constant() is None
    np.testing.assert_array_equal(tensors[constant].constant(), weights)
    np.testing.assert_array_equal(tensors[constant].scales, scales)
    assert tensors[constant].zero_points.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("count", [1, 2, 3, 16])
def test_int4_is_packed_and_unpacked(count: int):
    graph = Graph()
    values = np.arange(-8, 8, dtype=np.int8)[-count:]
    index = graph.constant("weights", values, Affine(1.0), dtype="int4")
    tensor = read_model(graph.build([index], [index])).subgraphs[0].tensors[index]
    assert (tensor.dtype, tensor.stored_bytes) == ("int4", (count + 1) // 2)
    np.testing.assert_array_equal(tensor.constant(), values)


def test_options_are_read_by_the_names_of_the_schema():
    graph = Graph()
    x, y = graph.tensor("x", [1, 4, 4, 1]), graph.tensor("y", [1, 2, 2, 1])
    options = schema.Pool2DOptionsT(
        padding=schema.Padding.VALID,
        strideW=2,
        strideH=3,
        filterWidth=4,
        filterHeight=5,
        fusedActivationFunction=schema.ActivationFunctionType.RELU6,
    )
    graph.operator("MAX_POOL_2D", [x], [y], options, version=2)
    (operator,) = read_model(graph.build([x], [y])).subgraphs[0].operators
    assert (operator.options_type, operator.version) == ("Pool2DOptions", 2)
    assert operator.options == {
        "padding": "VALID",
        "stride_w": 2,
        "stride_h": 3,
        "filter_width": 4,
        "filter_height": 5,
        "fused_activation_function": "RELU6",
    }


def test_an_unknown_option_is_refused_by_name():
    with pytest.raises(ValueError, match="Conv2DOptions has no field 'strides'; it has padding, stride_w, stride_h"):
        options_table(schema, "Conv2DOptions", {"strides": 2})


@pytest.mark.parametrize("artifact", ARTIFACTS, ids=lambda path: path.stem[:8])
def test_every_operator_of_a_real_artifact_stands_alone(artifact: Path):
    model = read_model(artifact.read_bytes())
    graph = model.subgraphs[0]
    for number, operator in enumerate(graph.operators):
        content = operator_model(model, number)
        alone = read_model(content).subgraphs[0]
        (copy,) = alone.operators
        assert (copy.name, copy.options_type, copy.options, copy.version) == (
            operator.name,
            operator.options_type,
            operator.options,
            operator.version,
        )
        for old, new in zip(operator.inputs + operator.outputs, copy.inputs + copy.outputs, strict=True):
            assert (old < 0) == (new < 0)
            if old < 0:
                continue
            was, now = graph.tensors[old], alone.tensors[new]
            assert (was.name, was.dtype, was.shape) == (now.name, now.dtype, now.shape)
            assert was.quantized_dimension == now.quantized_dimension
            np.testing.assert_array_equal(was.scales, now.scales)
            np.testing.assert_array_equal(was.zero_points, now.zero_points)
            assert (was.data is None) == (now.data is None)
            if was.data is not None:
                np.testing.assert_array_equal(was.data, now.data)
        Interpreter(model_content=content).allocate_tensors()


def test_what_does_not_stand_for_itself_is_refused():
    graph = Graph()
    x = graph.tensor("x", [1])
    graph.operator("custom:Mine", [x], [x])
    model = read_model(graph.build([x], [x]))
    with pytest.raises(ValueError, match="custom:Mine cannot be cut out"):
        operator_model(model, 0)
