"""Parts that are cut out of a file compute what they compute in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import models_zoo
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st

from qbench.quant.strategies import GraphModel, graph_models
from qbench.tflite.builder import Affine, Graph
from qbench.tflite.cut import Cutter, operators_behind, operators_between
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from qbench.tflite.graph import Array

pytestmark = pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")


def _values(content: bytes, inputs: list[Array]) -> dict[int, Array]:
    """All tensors of a run, by index."""
    interpreter = Interpreter(model_content=content, experimental_preserve_all_tensors=True)
    for detail, stored in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.resize_tensor_input(detail["index"], stored.shape)
    interpreter.allocate_tensors()
    for detail, stored in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], stored)
    interpreter.invoke()
    tensors = range(len(read_model(content).subgraphs[0].tensors))
    return {index: interpreter.get_tensor(index) for index in tensors}


def _outputs(content: bytes, inputs: list[Array]) -> list[Array]:
    values = _values(content, inputs)
    return [values[index] for index in read_model(content).subgraphs[0].outputs]


@given(graph_models(min_operators=2, max_operators=5), st.data())
@settings(max_examples=25, deadline=None)
def test_a_part_gives_what_it_gives_in_the_whole(drawn: GraphModel, data: st.DataObject):
    model = read_model(drawn.content)
    graph = model.subgraphs[0]
    values = _values(drawn.content, list(drawn.inputs))
    number = data.draw(st.integers(0, len(graph.operators) - 1), "the operator that the part ends with")
    outputs = [index for index in graph.operators[number].outputs if index not in graph.inputs]
    start = data.draw(st.integers(0, number), "the operator that the part begins with")
    inputs = [
        index
        for index in dict.fromkeys((*graph.inputs, *(o for one in graph.operators[:start] for o in one.outputs)))
        if any(index in operator.inputs for operator in graph.operators[start : number + 1])
    ]
    part = Cutter(drawn.content, model).part(inputs, outputs)
    assert len(read_model(part).subgraphs[0].operators) <= number + 1
    found = _outputs(part, [values[index] for index in inputs])
    for index, array in zip(outputs, found, strict=True):
        np.testing.assert_array_equal(array, values[index])


def test_a_part_holds_only_what_it_needs():
    content = models_zoo.float_island()
    model = read_model(content)
    graph = model.subgraphs[0]
    (output,) = graph.operators[2].outputs
    part = read_model(Cutter(content, model).part(graph.operators[2].inputs[:1], [output])).subgraphs[0]
    assert [operator.name for operator in part.operators] == ["EXP"]
    assert len(part.tensors) == 2


def test_inputs_and_outputs_are_in_the_order_asked_for():
    content = models_zoo.two_inputs_two_outputs()
    model = read_model(content)
    left, right, total, product = range(4)
    part = Cutter(content, model).part([right, left], [product, total])
    graph = read_model(part).subgraphs[0]
    assert [graph.tensors[index].name for index in (*graph.inputs, *graph.outputs)] == [
        "right",
        "left",
        "product",
        "sum",
    ]
    found = _outputs(part, [np.full((1, 4), 3, np.float32), np.full((1, 4), 2, np.float32)])
    assert [array[0, 0] for array in found] == [6, 5]


def test_parts_of_one_file_leave_each_other_alone():
    content = models_zoo.float_island()
    model = read_model(content)
    cutter, graph = Cutter(content, model), model.subgraphs[0]
    first = cutter.part(graph.inputs, graph.outputs)
    for operator in graph.operators:
        cutter.part([index for index in operator.inputs if graph.tensors[index].data is None], operator.outputs)
    assert cutter.part(graph.inputs, graph.outputs) == first


def test_weights_in_blocks_keep_their_scales():
    content = _blockwise()
    model = read_model(content)
    graph = model.subgraphs[0]
    x = np.random.default_rng(0).normal(size=(1, 64)).astype(np.float32)
    part = Cutter(content, model).part([1], graph.outputs)
    np.testing.assert_array_equal(_outputs(part, [np.abs(x)])[0], _outputs(content, [x])[0])
    assert not np.array_equal(_outputs(part, [x])[0], _outputs(content, [x])[0])


def test_constants_that_lie_behind_the_tables_come_along():
    graph = Graph()
    x, y = graph.tensor("x", [1, 4]), graph.tensor("y", [1, 4])
    factor = np.array([1, 2, 3, 4], np.float32)
    constant = graph.constant("factor", factor)
    graph.operator("MUL", [x, constant], [y], schema.MulOptionsT())
    buffer = graph.model.buffers[graph.subgraph.tensors[constant].buffer]
    buffer.data, buffer.offset, buffer.size = None, 4096, factor.nbytes
    tables = graph.build([x], [y])
    content = tables.ljust(4096, b"\0") + factor.tobytes()
    part = Cutter(content, read_model(content)).part([x], [y])
    np.testing.assert_array_equal(_outputs(part, [np.full((1, 4), 2, np.float32)])[0], [[2, 4, 6, 8]])


def _blockwise() -> bytes:
    """ABS, then FULLY_CONNECTED with int4 weights that have a scale for each 32 of them."""
    generator = np.random.default_rng(0)
    graph = Graph()
    x, real = graph.tensor("x", [1, 64]), graph.tensor("abs", [1, 64])
    graph.operator("ABS", [x], [real], schema.AbsOptionsT())
    weights = graph.constant("weights", generator.integers(-7, 8, size=(4, 64)).astype(np.int8), dtype="int4")
    scales = graph.constant("scales", generator.uniform(0.1, 1, size=(4, 2)).astype(np.float16))
    graph.subgraph.tensors[weights].quantization = schema.QuantizationParametersT(
        detailsType=schema.QuantizationDetails.BlockwiseQuantization,
        details=schema.BlockwiseQuantizationT(scales=scales, zeroPoints=-1, blockSize=32),
    )
    y = graph.tensor("y", [1, 4])
    graph.operator("FULLY_CONNECTED", [real, weights, -1], [y], schema.FullyConnectedOptionsT(), version=13)
    return graph.build([x], [y])


def test_what_is_needed_and_not_given_is_named():
    content = models_zoo.two_inputs_two_outputs()
    with pytest.raises(ValueError, match="'right' is needed, and is neither among the inputs nor a constant"):
        Cutter(content, read_model(content)).part([0], [2])


def test_what_no_operator_computes_is_no_output():
    content = models_zoo.two_inputs_two_outputs()
    with pytest.raises(ValueError, match="'left' is computed by no operator"):
        Cutter(content, read_model(content)).part([0, 1], [0])


@pytest.mark.parametrize("content", [models_zoo.unresolved_custom_operator(), models_zoo.hanging()])
def test_what_does_not_stand_for_itself_is_refused(content: bytes):
    with pytest.raises(ValueError, match="cannot be cut out"):
        Cutter(content, read_model(content)).part([0], [1])


def test_a_state_is_refused():
    graph = Graph()
    x, y = graph.tensor("x", [1, 4]), graph.tensor("y", [1, 4])
    state = graph.tensor("state", [1, 4])
    graph.subgraph.tensors[state].isVariable = True
    graph.operator("ADD", [x, state], [y], schema.AddOptionsT())
    content = graph.build([x], [y])
    with pytest.raises(ValueError, match="'state' keeps a state"):
        Cutter(content, read_model(content)).part([x, state], [y])


def test_operators_between_and_behind():
    graph = Graph()
    tensors = [graph.tensor(f"t{number}", [1, 4], "int8", Affine(0.1)) for number in range(5)]
    for source, target in ((0, 1), (1, 2), (0, 3)):
        graph.operator("RELU", [tensors[source]], [tensors[target]])
    graph.operator("ADD", [tensors[2], tensors[3]], [tensors[4]], schema.AddOptionsT())
    built = read_model(graph.build([0], [4])).subgraphs[0]
    assert operators_between(built, [0], [4]) == (0, 1, 2, 3)
    assert operators_between(built, [2, 0], [4]) == (2, 3)
    assert operators_behind(built, [1]) == (1, 3)
    assert operators_behind(built, [4]) == ()
