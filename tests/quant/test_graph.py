"""Whole artifacts through the oracles, against the real kernels."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import models_zoo as zoo
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from benchmarks.data import mnist
from qbench.errors import NoOracleError
from qbench.quant.affine import quantize
from qbench.quant.call import parameters_of
from qbench.quant.graph import run_graph, run_operator, unknown_operators
from qbench.tflite.builder import Affine, Graph
from qbench.tflite.reader import read_model
from quant.kernel_lab import RESOLVERS

BASELINES = Path(__file__).parents[2] / "baselines"
MODELS = ("mnist-mlp", "mnist-cnn", "mnist-dscnn")
RECIPES = ("int8", "int8-per-tensor", "int8-symmetric", "int16x8")
BATCH = 250


def artifact(model: str, recipe: str) -> bytes:
    """The accepted artifact."""
    record = json.loads((BASELINES / model / f"{recipe}.json").read_bytes())
    return (BASELINES / "artifacts" / f"{record['artifact']['sha256']}.tflite").read_bytes()


# The runtime warns that keeping all tensors costs memory; that is the point here.
pytestmark = pytest.mark.filterwarnings("ignore:Warning. Enabling `experimental_preserve_all_tensors`")


@functools.cache
def images() -> np.ndarray:
    """All test images, as real numbers."""
    return mnist().inputs.astype(np.float32) / np.float32(255)


def differences(content: bytes, family: str, examples: int, *, oracle: bytes = b"") -> tuple[int, int]:
    """How many values of all operators' outputs differ from the real kernels', and how many there are.

    `oracle` is what the oracles read, where that is to be another file.
    """
    model = read_model(oracle or content)
    graph = model.subgraphs[0]
    spec = graph.tensors[graph.inputs[0]]
    interpreter = Interpreter(
        model_content=content,
        experimental_op_resolver_type=RESOLVERS[family],
        experimental_preserve_all_tensors=True,
    )
    source = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(source, [BATCH, *spec.shape[1:]])
    interpreter.allocate_tensors()
    counts = [0, 0]

    def compare(number, _, outputs):
        for index, stored in zip(graph.operators[number].outputs, outputs, strict=True):
            counts[0] += int(np.count_nonzero(stored != interpreter.get_tensor(index)))
            counts[1] += stored.size

    for start in range(0, examples, BATCH):
        real = images()[start : start + BATCH].reshape(-1, *spec.shape[1:])
        stored = real if spec.dtype == "float32" else quantize(real, parameters_of(spec))
        interpreter.set_tensor(source, stored)
        interpreter.invoke()
        run_graph(model, [stored], family=family, observe=compare)
    return counts[0], counts[1]


@pytest.mark.parametrize("model", MODELS)
def test_a_whole_network_is_the_reference_kernels_to_the_bit_on_all_test_images(model: str):
    different, total = differences(artifact(model, "int8"), "reference", 10_000)
    assert different == 0
    assert total >= 10_000 * 100, "operators in the middle count, not the saturated end alone"


@pytest.mark.parametrize("family", RESOLVERS)
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("model", MODELS)
def test_every_integer_recipe_is_every_family_to_the_bit(model: str, recipe: str, family: str):
    different, total = differences(artifact(model, recipe), family, BATCH)
    assert different == 0
    assert total >= BATCH * 100


def test_one_wrong_weight_is_seen():
    content = artifact("mnist-cnn", "int8")
    weights = next(
        tensor
        for tensor in read_model(content).subgraphs[0].tensors
        if len(tensor.shape) == 4 and tensor.data is not None
    )
    damaged = bytearray(content)
    damaged[content.index(weights.data.tobytes())] ^= 1
    assert differences(content, "reference", BATCH, oracle=bytes(damaged))[0] > 0


def test_unknown_operators_are_all_named_and_nothing_is_computed():
    model = read_model(artifact("mnist-cnn", "fp32"))
    unknown = ("CONV_2D float32", "FULLY_CONNECTED float32", "MAX_POOL_2D float32", "SOFTMAX float32")
    assert unknown_operators(model.subgraphs[0]) == unknown
    seen: list[int] = []
    with pytest.raises(NoOracleError, match="found CONV_2D float32, FULLY_CONNECTED float32, MAX_POOL_2D float32"):
        run_graph(model, [images()[:1]], observe=lambda number, *_: seen.append(number))
    assert seen == []
    operator = model.subgraphs[0].operators[0]
    with pytest.raises(NoOracleError, match=f"found {operator.name} float32"):
        run_operator(model.subgraphs[0], operator, (images()[:1], None, None))


def test_a_custom_operator_is_unknown_by_its_code():
    graph = Graph()
    x, y = graph.tensor("x", [1], "int8", Affine(1.0)), graph.tensor("y", [1], "int8", Affine(1.0))
    graph.operator("custom:Mine", [x], [y])
    assert unknown_operators(read_model(graph.build([x], [y])).subgraphs[0]) == ("custom:Mine int8",)


@pytest.mark.parametrize("stored", [np.zeros((1, 4), np.uint8), np.zeros(4, np.int8), np.zeros((1, 5), np.int8)])
def test_inputs_that_do_not_fit_are_named(stored: np.ndarray):
    with pytest.raises(ValueError, match=r"the input 'x' takes int8 of shape \(1, 4\), .* found u?int8 of shape"):
        run_graph(read_model(zoo.dense_int8()), [stored])


def test_another_number_of_inputs_and_an_unknown_family_are_named():
    model = read_model(zoo.dense_int8())
    with pytest.raises(ValueError, match="found 0 inputs, expected 1: 'x'"):
        run_graph(model, [])
    with pytest.raises(ValueError, match="found the family 'fast', expected one of reference, builtin, xnnpack"):
        run_graph(model, [np.zeros((1, 4), np.int8)], family="fast")


def test_a_constant_may_be_an_output_and_a_variable_is_refused():
    graph = Graph()
    x = graph.tensor("x", [2], "int8", Affine(1.0))
    constant = graph.constant("constant", np.array([7, 8], np.int8), Affine(1.0))
    content = graph.build([x], [constant, x])
    first, second = run_graph(read_model(content), [np.array([1, 2], np.int8)])
    assert (first.tolist(), second.tolist()) == ([7, 8], [1, 2])
    graph.subgraph.tensors[x].isVariable = True
    with pytest.raises(NoOracleError, match="the variable 'x' keeps a state"):
        run_graph(read_model(graph.build([x], [x])), [np.array([1, 2], np.int8)])


def test_observers_see_every_operator_with_its_values():
    model = read_model(artifact("mnist-mlp", "int8"))
    graph = model.subgraphs[0]
    spec = graph.tensors[graph.inputs[0]]
    stored = quantize(images()[:3].reshape(-1, *spec.shape[1:]), parameters_of(spec))
    seen = {}

    def observe(number, arrays, outputs):
        seen[number] = (arrays, outputs)

    (result,) = run_graph(model, [stored], observe=observe)
    assert list(seen) == list(range(len(graph.operators)))
    np.testing.assert_array_equal(seen[len(seen) - 1][1][0], result)
    for number, (arrays, outputs) in seen.items():
        again = run_operator(graph, graph.operators[number], arrays)
        assert all(np.array_equal(first, second) for first, second in zip(outputs, again, strict=True))
