"""The rest of the float model behind an operator: with its own values it predicts what the whole model predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from diagnose.faults import committed, digits
from qbench.diagnose.matching.signals import Signals
from qbench.diagnose.operators.flips_alone import Remainder, predictions, remainder
from qbench.diagnose.operators.observe import Feed, Laboratory
from qbench.records import RuntimeOptions
from qbench.runtime.process import RuntimeProcess
from qbench.tflite.builder import Graph
from qbench.tflite.cut import Cutter
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbench.tflite.graph import Array


@pytest.fixture(scope="module")
def laboratory() -> Iterator[Laboratory]:
    with RuntimeProcess(limit_s=60) as process:
        yield Laboratory(process, RuntimeOptions())


class FloatModel:
    """A float model with the values of all its tensors on some examples."""

    def __init__(self, content: bytes, laboratory: Laboratory, *inputs: Array) -> None:
        self.model, self.laboratory = read_model(content), laboratory
        self.graph = self.model.subgraphs[0]
        self.signals, self.cutter = Signals(self.graph), Cutter(content, self.model)
        stored = Feed(content, self.graph, inputs, name="float").stored(0, len(inputs[0]))
        everything = range(len(self.graph.tensors))
        self.values = laboratory.observe(content, stored, everything, name="float").tensors

    def rest(self, *replaced: int, output: int | None = None) -> Remainder:
        return remainder(self.signals, self.cutter, replaced, self.graph.outputs[0] if output is None else output)

    def run(self, rest: Remainder, replacements: dict[int, Array]) -> Array:
        return rest.run(self.values, replacements, self.laboratory)


@pytest.mark.parametrize("name", ["mnist-dscnn", "mnist-cnn", "mnist-mlp"])
def test_with_its_own_values_the_rest_gives_what_the_whole_gives(laboratory: Laboratory, name: str):
    model = FloatModel(committed("fp32", name), laboratory, digits().input_arrays[""][:64])
    whole = model.values[model.graph.outputs[0]]
    cuts = [model.graph.inputs[0], *(operator.outputs[0] for operator in model.graph.operators)]
    for index in cuts:
        np.testing.assert_array_equal(model.run(model.rest(index), {index: model.values[index]}), whole)


def test_other_values_change_what_comes_behind_them(laboratory: Laboratory):
    model = FloatModel(committed("fp32"), laboratory, digits().input_arrays[""][:64])
    index = model.graph.operators[5].outputs[0]
    found = predictions(model.run(model.rest(index), {index: np.zeros_like(model.values[index])}), 64)
    assert found is not None
    # Without anything from the picture all examples look alike.
    assert len(set(found)) == 1


def _residual() -> bytes:
    """``relu(3 x) + 2 x`` and, as a second output, ``2 x``."""
    graph = Graph()
    x, three, active, two, y = (graph.tensor(name, [1, 4]) for name in ("x", "three", "active", "two", "y"))
    for factor, target in ((3, three), (2, two)):
        constant = graph.constant(f"{factor}", np.array([factor], np.float32))
        graph.operator("MUL", [x, constant], [target], schema.MulOptionsT())
    graph.operator("RELU", [three], [active])
    graph.operator("ADD", [active, two], [y], schema.AddOptionsT())
    return graph.build([x], [y, two])


def test_what_stands_beside_keeps_the_float_models_values(laboratory: Laboratory):
    x = np.array([[1, -2, 3, 4]], np.float32)
    model = FloatModel(_residual(), laboratory, x)
    rest = model.rest(1)
    assert (rest.replaced, rest.beside) == ((1,), (3,))
    found = model.run(rest, {1: np.array([[-5, 5, 5, 5]], np.float32)})
    np.testing.assert_array_equal(found, [[2, 1, 11, 13]])


def test_an_input_that_is_replaced_is_replaced_for_all_its_readers(laboratory: Laboratory):
    model = FloatModel(_residual(), laboratory, np.ones((1, 4), np.float32))
    found = model.run(model.rest(0), {0: np.array([[1, -1, 0, 2]], np.float32)})
    np.testing.assert_array_equal(found, [[5, -2, 0, 10]])


def test_of_two_tensors_in_a_row_the_later_one_is_what_it_is_replaced_by(laboratory: Laboratory):
    x = np.ones((1, 4), np.float32)
    model = FloatModel(_residual(), laboratory, x)
    rest = model.rest(1, 2)
    np.testing.assert_array_equal(model.run(rest, {1: x * 100, 2: x * 5}), x * 7)


def test_an_output_that_does_not_depend_on_it_stays_what_it_is(laboratory: Laboratory):
    x = np.ones((1, 4), np.float32)
    model = FloatModel(_residual(), laboratory, x)
    rest = model.rest(1, output=3)
    np.testing.assert_array_equal(model.run(rest, {1: x * 9}), 2 * x)


def test_the_last_operator_is_the_output_itself(laboratory: Laboratory):
    x = np.ones((1, 4), np.float32)
    model = FloatModel(_residual(), laboratory, x)
    np.testing.assert_array_equal(model.run(model.rest(4), {4: x * 7}), x * 7)


def test_several_outputs_of_one_operator_are_replaced_together(laboratory: Laboratory):
    graph = Graph()
    x, y = graph.tensor("x", [1, 4]), graph.tensor("y", [1, 2])
    halves = [graph.tensor(name, [1, 2]) for name in ("first", "second")]
    axis = graph.constant("axis", np.array(1, np.int32))
    graph.operator("SPLIT", [axis, x], halves, schema.SplitOptionsT(numSplits=2))
    graph.operator("SUB", halves, [y], schema.SubOptionsT())
    model = FloatModel(graph.build([x], [y]), laboratory, np.ones((1, 4), np.float32))
    replaced = {halves[0]: np.array([[5, 6]], np.float32), halves[1]: np.array([[1, 3]], np.float32)}
    np.testing.assert_array_equal(model.run(model.rest(*halves), replaced), [[4, 3]])


def test_predictions_are_the_index_of_the_largest_value():
    assert predictions(np.array([[1, 3, 2], [4, 4, 0]], np.float32), 2).tolist() == [1, 0]
    assert predictions(np.zeros((2, 1, 1, 3), np.float32), 2).tolist() == [0, 0]
    assert predictions(np.array([[1, 3, 2]], np.float32), 1).tolist() == [1]
    assert predictions(np.array([1, 3, 2], np.float32), 1).tolist() == [1]


def test_nan_predicts_nothing():
    assert predictions(np.array([[1, np.nan], [0, 1]], np.float32), 2).tolist() == [-1, 1]


@pytest.mark.parametrize("shape", [(2, 1), (2,), (2, 3, 4), (3, 3)])
def test_what_is_no_row_of_classes_has_no_predictions(shape: tuple[int, ...]):
    assert predictions(np.zeros(shape, np.float32), 2) is None


def test_a_value_that_the_runtime_does_not_keep_is_said_by_name():
    behind = Remainder(replaced=(0,), beside=(1,), output=2, content=b"not run")
    here = np.zeros((1, 2), np.float32)
    for values, replacements in (({}, {0: here}), ({0: here}, {0: here})):
        with pytest.raises(ValueError, match="keeps no value"):
            behind.run(values, replacements, None)
    with pytest.raises(ValueError, match="keeps no value"):
        Remainder(replaced=(0,), beside=(), output=2, content=b"").run({}, {0: here}, None)
