"""Each operator alone: on the float model's values, and on the kernels that it is deployed with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import models_zoo
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from diagnose.faults import committed, digits
from diagnose.graph_pairs import Node, Writer, conv
from qbench.diagnose.matching.match import match_graphs
from qbench.diagnose.operators.comparison import Comparison
from qbench.diagnose.operators.isolated import INPUT, run_alone, units
from qbench.diagnose.operators.observe import Feed, Laboratory
from qbench.errors import UnspecifiedError
from qbench.quant.affine import QuantizationParameters, dequantize, quantize
from qbench.records import RuntimeOptions
from qbench.runtime.process import RuntimeProcess
from qbench.tflite.builder import Affine, Graph
from qbench.tflite.cut import Cutter
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbench.diagnose.matching.match import Matching
    from qbench.diagnose.operators.isolated import Unit
    from qbench.tflite.graph import Array


@pytest.fixture(scope="module")
def laboratory() -> Iterator[Laboratory]:
    with RuntimeProcess(limit_s=60) as process:
        yield Laboratory(process, RuntimeOptions())


def _units(content: bytes, float_content: bytes) -> tuple[list[Unit], Matching]:
    model = read_model(content)
    matching = match_graphs(model.subgraphs[0], read_model(float_content).subgraphs[0])
    return list(units(matching, Cutter(content, model))), matching


def _floats(laboratory: Laboratory, content: bytes, *inputs: Array) -> dict[int, Array]:
    """Values of all tensors of a float graph."""
    graph = read_model(content).subgraphs[0]
    stored = Feed(content, graph, inputs, name="float").stored(0, len(inputs[0]))
    return laboratory.observe(content, stored, range(len(graph.tensors)), name="float").tensors


def test_an_operator_alone_is_fed_the_float_models_values(laboratory: Laboratory):
    # Dense layers whose result is known without a runtime.
    content, float_content = models_zoo.dense_int8(), models_zoo.dense_float()
    found, matching = _units(content, float_content)
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    floats = _floats(laboratory, float_content, x)
    weights, bias = models_zoo.dense_weights()
    scale = np.abs(weights).max(axis=1) / np.float32(127)
    params = QuantizationParameters(models_zoo.DENSE_INPUT["int8"].scale, models_zoo.DENSE_INPUT["int8"].zero_point)
    stored = dequantize(quantize(x, params), params)
    expected = stored @ (np.rint(weights / scale[:, np.newaxis]) * scale[:, np.newaxis]).T + bias
    output = models_zoo.DENSE_OUTPUT["int8"]
    low, high = ((bound - output.zero_point) * output.scale for bound in (-128, 127))
    (alone,) = run_alone(found[1], matching, floats, laboratory).values()
    assert np.abs(alone - expected.clip(low, high)).max() <= output.scale * 0.51
    (entered,) = run_alone(found[0], matching, floats, laboratory).values()
    np.testing.assert_array_equal(entered, stored)


def test_all_operators_of_all_recipes_run_alone():
    for model in ("mnist-dscnn", "mnist-cnn", "mnist-mlp"):
        for recipe in ("fp16", "dynamic", "int8", "int8-per-tensor", "int8-symmetric", "int16x8"):
            found, matching = _units(committed(recipe, model), committed("fp32", model))
            assert matching.unmatched == (), recipe
            assert [unit.note for unit in found if unit.note] == [], recipe
            assert all(unit.runs for unit in found), recipe


@pytest.mark.parametrize("recipe", ["fp16", "dynamic", "int8", "int8-symmetric", "int16x8"])
def test_alone_an_operator_runs_on_the_kernels_it_runs_on_in_the_whole(laboratory: Laboratory, recipe: str):
    content = committed(recipe, "mnist-cnn")
    graph = read_model(content).subgraphs[0]
    found, _ = _units(content, committed("fp32", "mnist-cnn"))
    stored = Feed(content, graph, (digits().input_arrays[""][:8],), name="it").stored(0, 8)
    seen = laboratory.observe(content, stored, range(len(graph.tensors)), name="it").tensors
    for unit in found:
        if unit.number != INPUT:
            alone = laboratory.run(unit.content, [seen[index] for index, _ in unit.inputs], name=unit.operator)
            for (index, _), array in zip(unit.outputs, alone, strict=True):
                np.testing.assert_array_equal(array, seen[index])


def test_quantized_inputs_come_first_and_float_ones_not_at_all():
    found, _ = _units(committed("int8"), committed("fp32"))
    assert (found[0].number, found[0].operator) == (INPUT, "INPUT int8")
    assert [unit.number for unit in found[1:]] == list(range(12))
    assert _units(committed("dynamic"), committed("fp32"))[0][0].operator == "CONV_2D float32"


def test_weights_that_are_dequantized_first_belong_to_their_operator(laboratory: Laboratory):
    found, matching = _units(committed("fp16"), committed("fp32"))
    assert [unit.operator.split()[0] for unit in found[:2]] == ["CONV_2D", "DEPTHWISE_CONV_2D"]
    floats = _floats(laboratory, committed("fp32"), digits().input_arrays[""][:4])
    (alone,) = run_alone(found[0], matching, floats, laboratory).values()
    ((_, other),) = found[0].outputs
    assert 0 < np.abs(alone - floats[other]).max() < 0.01


def test_float_islands_stay_float(laboratory: Laboratory):
    content = models_zoo.float_island()
    floats = Graph()
    tensors = [floats.tensor(name, (1, 4, 4, 3)) for name in ("x", "first", "grown", "y")]
    source = read_model(content).subgraphs[0]
    for number, (before, after) in {0: (0, 1), 5: (2, 3)}.items():
        operator = source.operators[number]
        weights, bias = (source.tensors[index] for index in operator.inputs[1:])
        real = weights.constant() * weights.scales.reshape(-1, 1, 1, 1), bias.constant() * bias.scales
        constants = [floats.constant("", array.astype(np.float32)) for array in real]
        options = schema.Conv2DOptionsT(padding=schema.Padding.SAME, strideH=1, strideW=1)
        floats.operator("CONV_2D", [tensors[before], *constants], [tensors[after]], options)
        if number == 0:
            floats.operator("EXP", [tensors[1]], [tensors[2]], schema.ExpOptionsT())
    float_content = floats.build(tensors[:1], tensors[-1:])
    found, matching = _units(content, float_content)
    assert matching.unmatched == ()
    by_name = {unit.operator: unit for unit in found}
    values = _floats(laboratory, float_content, np.full((1, 4, 4, 3), 0.3, np.float32))
    (grown,) = run_alone(by_name["EXP float32"], matching, values, laboratory).values()
    np.testing.assert_array_equal(grown, values[2])
    (back,) = run_alone(by_name["QUANTIZE float32"], matching, values, laboratory).values()
    assert np.abs(back - values[2].clip(0, 255 * 0.02)).max() <= 0.0101


def test_operators_without_counterpart_run_with_the_next_that_has_one(laboratory: Laboratory):
    nodes = [conv(-1, 2, 2, 0, "RELU"), conv(0, 2, 2, 1)]
    apart = [conv(-1, 2, 2, 0), Node("RELU", (0,), 2), conv(1, 2, 2, 1)]
    floats = Writer(nodes).write()
    found, matching = _units(Writer(apart, quantized=True).write().content, floats.content)
    assert [(unit.number, unit.together) for unit in found] == [(INPUT, ()), (1, (0,)), (2, ())]
    assert found[1].note == "together with 0 CONV_2D"
    x = np.random.default_rng(0).normal(size=(3, 4, 4, 2)).astype(np.float32)
    values = _floats(laboratory, floats.content, x)
    ((_, other),) = found[1].outputs
    (alone,) = run_alone(found[1], matching, values, laboratory).values()
    assert np.abs(alone - values[other].clip(0, 6.5)).max() < 0.1


def test_what_leads_back_to_an_unknown_input_says_so():
    quantized, floats = Graph(), Graph()
    left, right, y = (quantized.tensor(name, [1, 4], "int8", Affine(0.1)) for name in ("left", "right", "y"))
    quantized.operator("ADD", [left, right], [y], schema.AddOptionsT(), version=2)
    x, z = floats.tensor("x", [1, 4]), floats.tensor("z", [1, 4])
    floats.operator("ADD", [x, x], [z], schema.AddOptionsT())
    found, _ = _units(quantized.build([left, right], [y]), floats.build([x], [z]))
    assert not found[0].runs
    assert found[0].note == "not run alone: its input 'left' has no counterpart in the float model"


def test_a_state_cannot_be_run_alone():
    def stateful(dtype: str, affine: Affine | None) -> bytes:
        graph = Graph()
        x, state, y = (graph.tensor(name, [1, 4], dtype, affine) for name in ("x", "state", "y"))
        graph.subgraph.tensors[state].isVariable = True
        graph.operator("ADD", [x, state], [y], schema.AddOptionsT())
        return graph.build([x, state], [y])

    found, _ = _units(stateful("int8", Affine(0.1)), stateful("float32", None))
    assert "'state' keeps a state" in found[-1].note


def test_nan_of_the_float_model_has_no_quantized_value(laboratory: Laboratory):
    found, matching = _units(models_zoo.dense_int8(), models_zoo.dense_float())
    with pytest.raises(UnspecifiedError, match="NaN"):
        run_alone(found[1], matching, {0: np.full((1, 4), np.nan, np.float32)}, laboratory)


def test_every_output_of_an_operator_is_held_against_its_own(laboratory: Laboratory):
    def split(dtype: str, affine: Affine | None, names: tuple[str, str]) -> bytes:
        graph = Graph()
        x = graph.tensor("x", [1, 4], dtype, affine)
        halves = [graph.tensor(name, [1, 2], dtype, affine) for name in names]
        axis = graph.constant("axis", np.array(1, np.int32))
        graph.operator("SPLIT", [axis, x], halves, schema.SplitOptionsT(numSplits=2), version=2)
        return graph.build([x], halves)

    content, float_content = split("int8", Affine(0.5), ("a", "b")), split("float32", None, ("b", "a"))
    found, matching = _units(content, float_content)
    # By the outputs' names they are crossed, and the operator says that they are not.
    floats = _floats(laboratory, float_content, np.array([[1, 2, 3, 4]], np.float32))
    alone = run_alone(found[-1], matching, floats, laboratory)
    for index, other in found[-1].outputs:
        np.testing.assert_array_equal(alone[index], floats[other])


def test_examples_may_be_along_the_second_axis(laboratory: Laboratory):
    """As in recurrent networks that are unrolled: TRANSPOSE to time first, then UNPACK."""

    def unrolled(dtype: str, affine: Affine | None) -> bytes:
        graph = Graph()
        x = graph.tensor("x", [-1, 3, 2], dtype, affine)
        turned = graph.tensor("turned", [3, -1, 2], dtype, affine)
        steps = [graph.tensor(f"step{number}", [-1, 2], dtype, affine) for number in range(3)]
        order = graph.constant("order", np.array([1, 0, 2], np.int32))
        graph.operator("TRANSPOSE", [x, order], [turned], schema.TransposeOptionsT(), version=2)
        graph.operator("UNPACK", [turned], steps, schema.UnpackOptionsT(num=3, axis=0), version=2)
        return graph.build([x], steps)

    float_content = unrolled("float32", None)
    found, matching = _units(unrolled("int8", Affine(0.5)), float_content)
    floats = _floats(laboratory, float_content, np.arange(24, dtype=np.float32).reshape(4, 3, 2))
    alone = run_alone(found[-1], matching, floats, laboratory)
    assert len(alone) == 3
    for index, other in found[-1].outputs:
        np.testing.assert_array_equal(alone[index], floats[other])


def test_a_value_that_the_runtime_does_not_keep_is_a_note_of_its_operator():
    found, matching = _units(committed("int8"), committed("fp32"))
    comparison = Comparison(found[1], matching)
    with RuntimeProcess(limit_s=60) as process:
        comparison.compare_alone({}, Laboratory(process, RuntimeOptions()))
    assert comparison.notes == ["not run alone: the runtime keeps no value of the tensor: a delegate has swallowed it"]
