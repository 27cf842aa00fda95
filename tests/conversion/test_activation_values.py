from __future__ import annotations

import models_zoo
import numpy as np
import pytest
from accepted import accepted_artifact
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from declared import features, float_model

from qbench.conversion.activation_values import LARGEST_VALUE, ActivationValues, _extremes, signature
from qbench.tflite.builder import Graph


def by_one(array, name="features"):
    """The samples of `array`, each as a mapping."""
    return lambda: ({name: array[index : index + 1]} for index in range(len(array)))


def relu_model(size=2):
    """y = relu(x), which passes NaN and infinity on, with the signature that calibration needs."""
    graph = Graph()
    x, y = graph.tensor("x", [1, size]), graph.tensor("y", [1, size])
    graph.operator("RELU", [x], [y])
    graph.signature("serving_default", {"x": x}, {"y": y})
    return graph.build([x], [y])


def counting_model():
    """An SVDF, which remembers its inputs from one invoke to the next: the output sums up what it has seen."""
    graph = Graph()
    x, y = graph.tensor("x", [1, 1]), graph.tensor("y", [1, 1])
    state = graph.tensor("state", [1, 3])
    ones = [graph.constant("feature", np.ones((1, 1), np.float32)), graph.constant("time", np.ones((1, 3), np.float32))]
    options = schema.SVDFOptionsT()
    options.rank = 1
    graph.operator("SVDF", [x, *ones, -1, state], [y], options)
    graph.signature("serving_default", {"x": x}, {"y": y})
    graph.subgraph.tensors[state].isVariable = True
    return graph.build([x], [y])


@pytest.fixture(scope="module")
def digits():
    return np.random.default_rng(0).random((12, 28, 28, 1), np.float32)


@pytest.fixture(scope="module")
def network():
    return accepted_artifact("mnist-cnn", "fp32")


class TestExtremes:
    def test_they_are_those_of_every_tensor_of_the_model(self, network, digits):
        interpreter = Interpreter(model_content=network, experimental_preserve_all_tensors=True)
        interpreter.allocate_tensors()
        found = ActivationValues(network, by_one(digits)).extremes()
        details = {each["name"]: each for each in interpreter.get_tensor_details() if each["name"]}
        for number, digit in enumerate(digits):
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], digit[np.newaxis])
            interpreter.invoke()
            for name, extremes in found.items():
                values = interpreter.get_tensor(details[name]["index"])
                assert (extremes.low[number], extremes.high[number]) == (values.min(), values.max())
                assert extremes.rank == values.ndim
        assert sum(1 for each in found.values() if each.low.dtype == np.float32) >= 8

    def test_the_first_examples_are_run_once(self, network, digits, monkeypatch):
        values = ActivationValues(network, by_one(digits))
        ran = []
        run = ActivationValues._run

        def listen(self, start, stop):
            for each in run(self, start, stop):
                ran.append(start)
                yield each

        monkeypatch.setattr(ActivationValues, "_run", listen)
        few = values.extremes(3)
        whole = values.extremes()
        assert len(ran) == 12
        assert len(values.extremes(5)["sequential_1_1/max_pooling2d_1/MaxPool2d"].low) == 5
        assert len(ran) == 12
        for name, each in few.items():
            assert np.array_equal(each.low, whole[name].low[:3])

    def test_an_example_does_not_see_the_one_before(self):
        ones = np.ones((4, 1), np.float32)
        found = ActivationValues(counting_model(), by_one(ones, "x")).extremes()
        assert found["y"].high.tolist() == [1.0] * 4

    def test_infinite_values_are_padding(self):
        examples = np.array([[-np.inf, 2.0], [1.0, np.inf], [-1.0, 1.0]], np.float32)
        found = ActivationValues(relu_model(), by_one(examples, "x")).extremes()
        assert found["x"].low.tolist() == [2.0, 1.0, -1.0]
        assert found["x"].high.tolist() == [2.0, 1.0, 1.0]

    def test_an_array_of_nothing_else_keeps_it(self):
        assert _extremes(np.full(3, -np.inf, np.float32), "x", 0)[0] == -np.inf
        assert _extremes(np.array([LARGEST_VALUE * 1.1, 1.0]), "x", 0) == (1.0, 1.0)


class TestHistograms:
    def test_all_values_of_the_first_examples_are_counted(self, network, digits):
        values = ActivationValues(network, by_one(digits))
        whole, few = values.histograms(), values.histograms(4)
        pooled = "sequential_1_1/max_pooling2d_1/MaxPool2d"
        extremes = values.extremes()[pooled]
        assert (whole[pooled].minimum, whole[pooled].maximum) == (extremes.low.min(), extremes.high.max())
        assert whole[pooled].total == 3 * few[pooled].total
        assert values.histograms(4) is few

    def test_integer_tensors_have_none(self, network, digits):
        found = ActivationValues(network, by_one(digits)).histograms()
        assert not any("Shape" in name for name in found)


class TestRefused:
    def test_a_value_that_is_no_number(self):
        examples = np.array([[1.0, 2.0], [1.0, np.nan]], np.float32)
        with pytest.raises(ValueError, match="found NaN in the tensor 'x' of the float model on calibration example 1"):
            ActivationValues(relu_model(), by_one(examples, "x")).extremes()

    def test_no_examples(self):
        with pytest.raises(ValueError, match="found no calibration example"):
            ActivationValues(float_model(), lambda: iter(())).extremes()

    def test_fewer_examples_than_asked_for(self):
        values = ActivationValues(float_model(), by_one(features(0, 8)))
        with pytest.raises(ValueError, match="found 8 calibration examples, expected the 9 of"):
            values.extremes(9)

    def test_a_model_without_a_signature(self):
        with pytest.raises(ValueError, match="one signature, found"):
            signature(float_model(signed=False))

    def test_a_model_with_a_loop(self):
        graph = Graph()
        x, body = graph.tensor("x", [1, 2]), Graph(graph)
        inner = body.tensor("inner", [1, 2])
        body.build([inner], [inner])
        with pytest.raises(ValueError, match=r"with 2 subgraphs \(loops or branches\), expected one"):
            ActivationValues(graph.build([x], [x]), by_one(features(0, 1)))


def test_inputs_are_matched_by_name_where_there_are_several():
    left, right = np.full((3, 4), 2.0, np.float32), np.full((3, 4), 5.0, np.float32)

    def samples():
        return ({"right": right[each : each + 1], "left": left[each : each + 1]} for each in range(3))

    found = ActivationValues(models_zoo.two_inputs_two_outputs(), samples).extremes()
    assert found["left"].high.tolist() == [2.0] * 3
    assert found["right"].high.tolist() == [5.0] * 3
