"""Biases of channels whose weights are gone, through litert-quantizer: on a small network, without a conversion."""

from __future__ import annotations

import flatbuffers
import numpy as np
import pytest
from accepted import BASELINES, accepted_artifact
from ai_edge_litert import schema_py_generated as schema
from small_network import CONV, DENSE, DEPTHWISE, SIZE, network, weights

from qbench.conversion import biases
from qbench.conversion.biases import LARGEST_BIAS, with_fitting_biases
from qbench.conversion.calibrated_ranges import CalibratedRanges
from qbench.conversion.quantizer import quantize_by_choice, quantize_mode, quantize_with
from qbench.models.operators import bias_operand, mac_operands
from qbench.models.quantization import Quantization
from qbench.models.structure import read_structure
from qbench.records import RuntimeOptions
from qbench.runtime.interpreter import open_interpreter
from qbench.tflite.builder import Graph
from qbench.tflite.reader import read_model

_IMAGES = np.random.default_rng(3).random((40, SIZE, SIZE, 1), np.float32)
_DEAD = [0, 2]
_MODES = ("int8", "int8-symmetric", "int16x8")
_CHOICES = (
    {},
    {"weight_ranges": "mse"},
    {"weight_ranges": "octav"},
    {"weights": "int4"},
    {"activations": "int16"},
    {"symmetric": True},
)


def pruned(factor=0.0, bias=3.0, kinds=(CONV, DEPTHWISE, DENSE)):
    """The small network with some channels' weights multiplied by `factor`, and a bias that matters."""
    values = weights()
    for kind in kinds:
        if kind == DEPTHWISE:
            values[kind][..., _DEAD] *= factor
        else:
            values[kind][_DEAD] *= factor
        values[f"{kind}/bias"][_DEAD] = [bias, -bias / 2]
    return network(values)


def samples(name="image"):
    return ({name: image[np.newaxis]} for image in _IMAGES)


def by_choice(content, **choices):
    return quantize_by_choice(Quantization(**choices), content, lambda: CalibratedRanges(content, samples))


def unrepaired(monkeypatch, make):
    """What the library makes."""
    with monkeypatch.context() as patched:
        patched.setattr(biases, "with_fitting_biases", lambda content, _: content)
        return make()


def biased(content, subgraph=0):
    """Input, weights, bias of each operator that has one."""
    graph = read_model(content).subgraphs[subgraph]
    found = [
        (*mac_operands(operator), bias_operand(operator)) for operator in graph.operators if mac_operands(operator)
    ]
    return [tuple(graph.tensors[index] for index in operands) for operands in found]


def results(content):
    """Probabilities in real values, shape (examples, classes)."""
    graph = read_model(content).subgraphs[0]
    given, made = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    interpreter = open_interpreter(content, RuntimeOptions())
    found = []
    for image in _IMAGES:
        values = image[np.newaxis]
        if len(given.scales):
            limits = np.iinfo(given.dtype)
            steps = np.rint(values / given.scales[0]) + given.zero_points[0]
            values = steps.clip(limits.min, limits.max).astype(given.dtype)
        interpreter.set_input(0, values)
        interpreter.invoke()
        stored = interpreter.output(0)[0].astype(np.float64)
        found.append((stored - made.zero_points[0]) * made.scales[0] if len(made.scales) else stored)
    return np.stack(found)


def check_biases(content, floats, subgraph=0):
    for (given, kernel, bias), (_, _, real) in zip(biased(content, subgraph), biased(floats, subgraph), strict=True):
        np.testing.assert_array_equal(bias.scales, given.scales[0] * kernel.scales)
        error = np.abs(bias.constant() * bias.scales.astype(np.float64) - real.constant())
        assert (error <= 0.5001 * bias.scales + np.abs(real.constant()) * 1e-6).all()
        assert np.abs(bias.constant()).max() <= LARGEST_BIAS[kernel.dtype] * (1 + 1e-6)


class TestDeadChannels:
    # Nearly dead: the library's scale is above its least, and still far too small for the bias.
    @pytest.mark.parametrize("factor", [0.0, 1e-6, 1e-9])
    @pytest.mark.parametrize("mode", _MODES)
    def test_a_mode_keeps_their_bias(self, mode, factor, monkeypatch):
        floats = pruned(factor)
        content = quantize_mode(mode, floats, samples)
        check_biases(content, floats)
        assert not read_structure(content).saturated_biases
        assert np.abs(results(content) - results(floats)).max() < 0.05
        made = unrepaired(monkeypatch, lambda: quantize_mode(mode, floats, samples))
        assert len(read_structure(made).saturated_biases) == 3
        assert np.abs(results(made) - results(floats)).max() > 0.3

    @pytest.mark.parametrize("choices", _CHOICES, ids=str)
    def test_a_recipe_of_choices_keeps_their_bias(self, choices):
        floats = pruned()
        content = by_choice(floats, **choices)
        check_biases(content, floats)
        assert np.abs(results(content) - results(floats)).max() < (0.35 if "weights" in choices else 0.05)

    def test_a_recipe_of_the_librarys_keeps_their_bias(self):
        floats = pruned()
        check_biases(quantize_with("static_wi8_ai8", floats, samples), floats)

    def test_one_scale_for_a_whole_tensor_is_widened_too(self):
        floats = network(
            {name: array if "/" in name else array * np.float32(1e-7) for name, array in weights().items()}
        )
        content = by_choice(floats, granularity="tensor")
        check_biases(content, floats)
        assert {len(kernel.scales) for _, kernel, _ in biased(content)} == {1}

    def test_only_they_change(self, monkeypatch):
        floats = pruned(kinds=(CONV,))
        made = unrepaired(monkeypatch, lambda: quantize_mode("int8", floats, samples))
        content = with_fitting_biases(made, floats)
        assert len(content) == len(made)
        # Scales of weights and of biases, and the biases, of two channels; their weights are zero as before.
        assert sum(a != b for a, b in zip(content, made, strict=True)) <= 3 * 4 * len(_DEAD)
        assert with_fitting_biases(content, floats) == content

    def test_nearly_dead_weights_are_requantized(self, monkeypatch):
        # The bias needs a scale about ten times the one that the weights have.
        floats = pruned(1e-4, bias=300.0, kinds=(CONV,))
        make = lambda: quantize_mode("int8", floats, samples)  # noqa: E731 - asked for twice
        (_, narrow, _), (_, wide, bias) = biased(unrepaired(monkeypatch, make))[0], biased(make())[0]
        changed = narrow.scales != wide.scales
        assert list(np.flatnonzero(changed)) == _DEAD
        assert abs(bias.constant()[0] / LARGEST_BIAS["int8"] - 1) <= 1e-6
        real = biased(floats)[0][1].constant()[_DEAD]
        stored = wide.constant()[_DEAD] * wide.scales[_DEAD].reshape(-1, 1, 1, 1)
        assert np.abs(stored).max() > 0
        assert (np.abs(stored - real) <= 0.51 * wide.scales[_DEAD].max()).all()


class TestLeftAlone:
    @pytest.mark.parametrize("model", ["mnist-mlp", "mnist-cnn", "mnist-dscnn"])
    def test_no_accepted_artifact_changes(self, model):
        recipes = [path.stem for path in (BASELINES / model).glob("*.json")]
        assert "int8" in recipes
        for recipe in recipes:
            content = accepted_artifact(model, recipe)
            assert with_fitting_biases(content, accepted_artifact(model, "fp32")) is content

    @pytest.mark.parametrize("mode", ["fp16", "dynamic"])
    def test_float_biases_stay(self, mode, monkeypatch):
        floats = pruned()
        make = lambda: quantize_mode(mode, floats, samples)  # noqa: E731 - asked for twice
        assert make() == unrepaired(monkeypatch, make)

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_a_bias_that_is_no_number_is_not_made_one(self, value):
        content = by_choice(network())
        values = weights()
        values[f"{CONV}/bias"][0] = value
        assert with_fitting_biases(content, network(values)) is content

    def test_zero_bias_of_a_dead_channel(self, monkeypatch):
        floats = pruned(bias=0.0)
        make = lambda: quantize_mode("int8", floats, samples)  # noqa: E731 - asked for twice
        assert make() == unrepaired(monkeypatch, make)


def shared_weights(bias=3.0):
    """Two FULLY_CONNECTED with the same weights, each with a bias of its own that is large in another channel."""
    kernel = np.random.default_rng(1).normal(0, 0.3, (8, 8)).astype(np.float32)
    kernel[:2] = 0
    biases = np.full((2, 8), 0.1, np.float32)
    biases[[0, 1], [0, 1]] = bias
    graph = Graph()
    tensors = [graph.tensor(name, [1, 8]) for name in ("x", "first", "second")]
    kernel_index = graph.constant("kernel", kernel)
    for number in range(2):
        operands = [tensors[number], kernel_index, graph.constant(f"bias{number}", biases[number])]
        graph.operator("FULLY_CONNECTED", operands, [tensors[number + 1]], schema.FullyConnectedOptionsT())
    graph.signature("serving_default", {"x": tensors[0]}, {"y": tensors[2]})
    return graph.build(tensors[:1], tensors[2:])


def shared_bias():
    """Two FULLY_CONNECTED with the same bias, which the library stores twice."""
    kernels = np.random.default_rng(1).normal(0, 0.3, (2, 8, 8)).astype(np.float32)
    kernels[:, 3] = 0
    graph = Graph()
    tensors = [graph.tensor(name, [1, 8]) for name in ("x", "first", "second")]
    bias = graph.constant("bias", np.full(8, 2.5, np.float32))
    for number in range(2):
        operands = [tensors[number], graph.constant(f"kernel{number}", kernels[number]), bias]
        graph.operator("FULLY_CONNECTED", operands, [tensors[number + 1]], schema.FullyConnectedOptionsT())
    graph.signature("serving_default", {"x": tensors[0]}, {"y": tensors[2]})
    return graph.build(tensors[:1], tensors[2:])


def transposed():
    """TRANSPOSE_CONV, whose operands stand in another order."""
    kernel = np.random.default_rng(1).normal(0, 0.3, (3, 2, 2, 2)).astype(np.float32)
    kernel[1] = 0
    graph = Graph()
    x, y = graph.tensor("x", [1, 4, 4, 2]), graph.tensor("y", [1, 8, 8, 3])
    operands = [graph.constant("shape", np.array([1, 8, 8, 3], np.int32)), graph.constant("kernel", kernel), x]
    operands.append(graph.constant("bias", np.array([1, -4, 0.5], np.float32)))
    options = schema.TransposeConvOptionsT(padding=schema.Padding.VALID, strideH=2, strideW=2)
    graph.operator("TRANSPOSE_CONV", operands, [y], options, version=3)
    graph.signature("serving_default", {"x": x}, {"y": y})
    return graph.build([x], [y])


class TestSharing:
    @pytest.mark.parametrize(("make", "shape"), [(shared_weights, (8,)), (shared_bias, (8,)), (transposed, (4, 4, 2))])
    def test_constants_that_several_read(self, make, shape, monkeypatch):
        floats = make()
        inputs = np.random.default_rng(5).random((20, 1, *shape), np.float32)
        given = lambda: ({"x": each} for each in inputs)  # noqa: E731 - asked for several times
        check_biases(quantize_mode("int8", floats, given), floats)
        made = unrepaired(monkeypatch, lambda: quantize_mode("int8", floats, given))
        assert read_structure(made).saturated_biases

    def test_weights_that_another_kind_of_operator_reads_keep_their_scales(self, monkeypatch):
        floats = pruned(kinds=(CONV,))
        made = unrepaired(monkeypatch, lambda: quantize_mode("int8", floats, samples))
        assert with_fitting_biases(made, floats) != made
        model = schema.ModelT.InitFromPackedBuf(made, 0)
        graph = model.subgraphs[0]
        # RESHAPE is given the kernel as its shape: nonsense to run, and a reader that is not known.
        reshape = next(each for each in read_model(made).subgraphs[0].operators if each.name == "RESHAPE")
        place = read_model(made).subgraphs[0].operators.index(reshape)
        kernel = graph.operators[0].inputs[1]
        graph.operators[place].inputs = [reshape.inputs[0], kernel]
        builder = flatbuffers.Builder(0)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        content = bytes(builder.Output())
        assert with_fitting_biases(content, floats) is content
