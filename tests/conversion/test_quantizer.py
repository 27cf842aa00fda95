"""Recipes through litert-quantizer, on the accepted float artifacts of the MNIST networks: no conversion is needed."""

from __future__ import annotations

import itertools
import re
from functools import cache

import numpy as np
import pytest
from accepted import accepted_artifact
from ai_edge_litert import schema_py_generated as schema

from benchmarks.data import mnist
from qbench.conversion.calibrated_ranges import CalibratedRanges
from qbench.conversion.quantizer import quantize_by_choice, quantize_mode, quantize_with
from qbench.models.artifact_checks import check_quantized, check_weights_present
from qbench.models.quantization import Quantization
from qbench.models.structure import read_structure
from qbench.records import RuntimeOptions
from qbench.runtime.interpreter import open_interpreter
from qbench.tflite.builder import Graph
from qbench.tflite.reader import read_model

DSCNN, CNN = "mnist-dscnn", "mnist-cnn"
_ELEMENTS = {"int8": 1.0, "int16": 2.0, "int4": 0.5, "float32": 4.0}


@cache
def digits():
    """Calibration images, and test images with their labels, in real values."""
    whole = mnist()
    calibration = whole.real_values(whole.calibration_arrays[""])
    return calibration, whole.real_values(whole.input_arrays[""][:300]), whole.labels[:300]


def samples():
    calibration, _, _ = digits()
    return ({"image": calibration[index : index + 1]} for index in range(len(calibration)))


@cache
def ranges(model=DSCNN):
    return CalibratedRanges(accepted_artifact(model, "fp32"), samples)


def made(model=DSCNN, **choices):
    return quantize_by_choice(Quantization(**choices), accepted_artifact(model, "fp32"), lambda: ranges(model))


def graph(content):
    (only,) = read_model(content).subgraphs
    return only


def outputs(model=DSCNN):
    """Names of the outputs of the float model's operators, with the operators' names."""
    only = graph(accepted_artifact(model, "fp32"))
    return [(operator.name, only.tensors[operator.outputs[0]].name) for operator in only.operators]


def accuracy(content):
    """Share of the test images that the artifact knows, and a check that it runs."""
    _, images, labels = digits()
    interpreter = open_interpreter(content, RuntimeOptions())
    (given,) = interpreter.inputs
    right = 0
    for image, label in zip(images, labels, strict=True):
        values = image[np.newaxis]
        if given.quantized:
            limits = np.iinfo(given.dtype)
            stored = np.rint(values / given.scales[0]) + given.zero_points[0]
            values = np.clip(stored, limits.min, limits.max).astype(given.dtype)
        interpreter.set_input(0, values)
        interpreter.invoke()
        right += int(interpreter.output(0).argmax() == label)
    return right / len(labels)


class TestBuiltinModes:
    @pytest.mark.parametrize("model", ["mnist-mlp", CNN, DSCNN])
    def test_symmetric_artifacts_are_byte_for_byte_those_that_were_accepted(self, model):
        content = quantize_mode("int8-symmetric", accepted_artifact(model, "fp32"), samples)
        assert content == accepted_artifact(model, "int8-symmetric")

    @pytest.mark.parametrize(("mode", "name"), [("int8", "static_wi8_ai8"), ("int16x8", "static_wi8_ai16")])
    def test_ranges_are_those_of_the_librarys_own_calibration(self, mode, name):
        content = accepted_artifact(CNN, "fp32")
        few = lambda: iter(list(samples())[:40])  # noqa: E731 - samples that are asked for twice
        assert quantize_mode(mode, content, few) == quantize_with(name, content, few)

    def test_the_plain_choice_is_the_mode(self):
        content = accepted_artifact(DSCNN, "fp32")
        assert made() == quantize_mode("int8", content, samples)
        assert made(symmetric=True) == quantize_mode("int8-symmetric", content, samples)
        assert made(activations="int16") == quantize_mode("int16x8", content, samples)
        assert made(granularity="tensor") == quantize_mode("int8-per-tensor", content, samples)

    def test_a_recipe_that_the_library_does_not_have_is_refused(self):
        with pytest.raises(ValueError, match="has no recipe 'static'"):
            quantize_with("static", b"", samples)


class TestEveryChoice:
    @pytest.mark.parametrize(
        ("choices", "operators", "least"),
        [
            ({}, ["CONV_2D int8", "DEPTHWISE_CONV_2D int8", "FULLY_CONNECTED int8"], 0.97),
            ({"granularity": "tensor"}, ["CONV_2D int8"], 0.05),
            ({"weights": "int4"}, ["CONV_2D int8xint4", "DEPTHWISE_CONV_2D int8", "FULLY_CONNECTED int8xint4"], 0.95),
            ({"weights": "int4", "granularity": "tensor"}, ["CONV_2D int8xint4"], 0.05),
            ({"weight_ranges": "mse"}, ["CONV_2D int8"], 0.97),
            ({"weight_ranges": "octav"}, ["CONV_2D int8"], 0.97),
            ({"weights": "int4", "weight_ranges": "mse"}, ["CONV_2D int8xint4"], 0.95),
            ({"weights": "int4", "weight_ranges": "octav"}, ["CONV_2D int8xint4"], 0.95),
            ({"symmetric": True}, ["CONV_2D int8"], 0.97),
            ({"activations": "int16"}, ["CONV_2D int16xint8"], 0.97),
            ({"activations": "int16", "weights": "int4"}, ["CONV_2D int16xint4"], 0.95),
            ({"activations": "dynamic"}, ["CONV_2D float32xint8", "DEPTHWISE_CONV_2D float32xint8"], 0.97),
            ({"activations": "dynamic", "weights": "int4"}, ["CONV_2D float32xint4"], 0.95),
            ({"activations": "float"}, ["CONV_2D float32", "DEQUANTIZE int8"], 0.97),
            ({"activations": "float", "weights": "int4"}, ["DEQUANTIZE int4", "DEQUANTIZE int8"], 0.95),
            ({"calibration": "moving-average"}, ["CONV_2D int8"], 0.95),
            ({"calibration": "percentile"}, ["CONV_2D int8"], 0.97),
            ({"calibration": "mse"}, ["CONV_2D int8"], 0.97),
            ({"calibration": "octav"}, ["CONV_2D int8"], 0.95),
            ({"calibration": "mse", "activations": "int16"}, ["CONV_2D int16xint8"], 0.97),
            ({"calibration_examples": 20}, ["CONV_2D int8"], 0.95),
        ],
        ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else None,
    )
    def test_it_makes_an_artifact_that_runs(self, choices, operators, least):
        content = made(**choices)
        structure = read_structure(content)
        check_weights_present(structure, len(content), None)
        check_quantized(structure, read_structure(accepted_artifact(DSCNN, "fp32")), "mine")
        assert structure.float_islands == 0
        assert set(operators) <= set(structure.operators)
        assert accuracy(content) >= least

    def test_no_two_choices_make_the_same_artifact(self):
        # Not octav: where ReLU6 bounds the activations, its answer is that of mse.
        chosen = [{"calibration": each} for each in ("min-max", "moving-average", "percentile", "mse")]
        chosen += [{"weight_ranges": "mse"}, {"weight_ranges": "octav"}, {"weights": "int4"}, {"granularity": "tensor"}]
        chosen += [{"symmetric": True}, {"activations": "int16"}, {"calibration_examples": 9}]
        chosen += [{"calibration": "percentile", "percentile": 99.0}, {"calibration": "mse", "symmetric": True}]
        chosen += [{"calibration": "mse", "calibration_examples": 9}]
        contents = [made(**each) for each in chosen]
        assert len(set(contents)) == len(contents)
        # A second time the ranges are remembered.
        assert [made(**each) for each in chosen] == contents


class TestRanges:
    @pytest.mark.parametrize(
        ("calibration", "share"), [("percentile", 1.0), ("mse", 1.0), ("octav", 1.0), ("moving-average", 1.0)]
    )
    def test_none_is_wider_than_min_max(self, calibration, share):
        extremes = ranges().find(Quantization())
        found = ranges().find(Quantization(calibration=calibration, percentile=99.99))
        assert found.keys() == extremes.keys()
        for name, pair in extremes.items():
            assert pair["min"].shape == found[name]["min"].shape
            assert pair["min"] - 1e-6 <= found[name]["min"] * share
            assert found[name]["max"] * share <= pair["max"] + 1e-6

    def test_the_first_examples_are_those_of_a_shorter_set(self):
        few = CalibratedRanges(accepted_artifact(DSCNN, "fp32"), lambda: iter(list(samples())[:30]))
        for calibration in ("min-max", "moving-average", "percentile", "mse"):
            whole = ranges().find(Quantization(calibration=calibration, calibration_examples=30))
            assert whole == few.find(Quantization(calibration=calibration))

    @pytest.mark.parametrize("calibration", ["mse", "octav"])
    def test_those_for_other_widths_are_not_mistaken_for_one_another(self, calibration):
        content = accepted_artifact(DSCNN, "fp32")
        few = lambda: iter(list(samples())[:20])  # noqa: E731 - samples that are asked for several times
        together = CalibratedRanges(content, few)
        wanted = [
            Quantization(calibration=calibration, **each)
            for each in ({}, {"symmetric": True}, {"activations": "int16"}, {})
        ]
        found = [together.find(each) for each in wanted]
        assert found == [CalibratedRanges(content, few).find(each) for each in wanted]
        assert found[0] == found[3]
        assert found[0] != found[1] != found[2] != found[0]

    def test_only_the_moving_average_depends_on_the_order(self):
        backwards = CalibratedRanges(accepted_artifact(DSCNN, "fp32"), lambda: iter(list(samples())[::-1]))
        same = {
            calibration: ranges().find(Quantization(calibration=calibration))
            == backwards.find(Quantization(calibration=calibration))
            for calibration in ("min-max", "moving-average", "percentile", "mse", "octav")
        }
        assert same == {"min-max": True, "moving-average": False, "percentile": True, "mse": True, "octav": True}

    def test_the_moving_average_is_the_librarys(self):
        from litert_quantizer import recipe  # noqa: PLC0415 - an optional dependency
        from litert_quantizer.quantizer import Quantizer  # noqa: PLC0415 - an optional dependency

        content = accepted_artifact(CNN, "fp32")
        data = [{"input_layer_1": sample["image"]} for sample in list(samples())[:50]]
        theirs = Quantizer(content, recipe.static_wi8_ai8()).calibrate({"serving_default": data}, num_threads=1)
        ours = ranges(CNN).find(Quantization(calibration="moving-average", calibration_examples=50))
        floats = {name for name, pair in ours.items() if pair["min"].dtype == np.float32}
        assert len(floats & theirs.keys()) >= 8
        for name in floats & theirs.keys():
            for end in ("min", "max"):
                assert np.array_equal(ours[name][end], theirs[name][end])

    def test_what_the_library_does_to_them_is_not_remembered(self):
        found = ranges().find(Quantization())
        expected = {name: dict(pair) for name, pair in found.items()}
        found[next(iter(found))] = {}
        assert ranges().find(Quantization()) == expected


class TestFloatOperators:
    @pytest.mark.parametrize("activations", ["int8", "int16"])
    @pytest.mark.parametrize("number", range(len(outputs())))
    def test_each_operator_may_stay_float_by_itself(self, number, activations):
        kind, name = outputs()[number]
        content = made(float_operators=(name,), activations=activations)
        structure = read_structure(content)
        floats = {key: count for key, count in structure.operators.items() if key.endswith(" float32")}
        assert floats == {f"{kind} float32": 1, "QUANTIZE float32": 1}
        assert (structure.quantize_count, structure.dequantize_count, structure.float_islands) == (1, 1, 1)
        # The ends stay what they are, whichever operator computes in float.
        assert [spec.dtype for spec in structure.inputs + structure.outputs] == [activations] * 2

    def test_a_float_operator_computes_as_the_float_model_does(self):
        kind, name = outputs()[1]
        assert kind == "DEPTHWISE_CONV_2D"
        content = made(granularity="tensor", float_operators=tuple(each for op, each in outputs() if op == kind))
        assert accuracy(content) > 0.9 > accuracy(made(granularity="tensor"))
        assert read_structure(content).operators[f"{kind} float32"] == 4
        only = graph(content)
        (operator,) = [each for each in only.operators if only.tensors[each.outputs[0]].name == name]
        assert only.tensors[operator.inputs[1]].dtype == "float32"

    def test_neighbours_share_an_island(self):
        (_, first), (_, second) = outputs()[3:5]
        structure = read_structure(made(float_operators=(first, second)))
        assert (structure.float_islands, structure.quantize_count, structure.dequantize_count) == (1, 1, 1)

    @pytest.mark.parametrize("name", ["dense", "dense;1", "my/dense", "dense[0]"])
    def test_a_name_means_no_other_that_it_is_part_of(self, name):
        only = Graph()
        tensors = [only.tensor(each, [1, 8]) for each in ("x", "dense", "dense;1", "my/dense", "dense[0]")]
        weights = only.constant("weights", np.eye(8, dtype=np.float32))
        for given, made_ in itertools.pairwise(tensors):
            only.operator("FULLY_CONNECTED", [given, weights, -1], [made_], schema.FullyConnectedOptionsT())
        only.signature("serving_default", {"x": tensors[0]}, {"y": tensors[-1]})
        choices = Quantization(activations="dynamic", float_operators=(name,))
        content = graph(quantize_by_choice(choices, only.build(tensors[:1], tensors[-1:]), lambda: None))
        floats = [
            content.tensors[operator.outputs[0]].name
            for operator in content.operators
            if content.tensors[operator.inputs[1]].dtype == "float32"
        ]
        assert floats == [name]

    def test_half_a_name_names_nobody(self):
        name = outputs()[0][1]
        assert ";" in name
        with pytest.raises(ValueError, match="which no operator of the float model has as its output"):
            made(float_operators=(name.partition(";")[0],))

    def test_an_unknown_name_is_refused_with_those_near_it(self):
        name = outputs()[-1][1]
        with pytest.raises(ValueError, match=re.escape(repr(name))) as refused:
            made(float_operators=(name + "x",))
        assert f"float_operators: found {name + 'x'!r}" in str(refused.value)

    def test_operators_that_the_library_leaves_float_may_be_named_too(self):
        (name,) = [name for kind, name in outputs(CNN) if kind == "SHAPE"]
        assert made(CNN, float_operators=(name,)) == made(CNN)

    @pytest.mark.parametrize("activations", ["dynamic", "float"])
    def test_weights_of_float_operators_stay_float(self, activations):
        kind, name = outputs()[-2]
        assert kind == "FULLY_CONNECTED"
        structure = read_structure(made(activations=activations, float_operators=(name,)))
        plain = read_structure(made(activations=activations))
        assert plain.weight_bytes["int8"] - structure.weight_bytes["int8"] == 640
        assert structure.weight_bytes["float32"] - plain.weight_bytes["float32"] == 640 * 4


@cache
def branches():
    """Operators that tie the ranges of tensors together: pooling, joining, adding, reshaping; a fixed range at the end.

    Branch `wide` has values ten times those of branch `x`.
    """
    only = Graph()
    x = only.tensor("x", [1, 4, 4, 2])
    wide, pooled, small, joined, total = (
        only.tensor(name, shape)
        for name, shape in {
            "wide": [1, 4, 4, 2],
            "pooled": [1, 2, 2, 2],
            "small": [1, 2, 2, 2],
            "joined": [1, 2, 2, 4],
            "total": [1, 2, 2, 4],
        }.items()
    )
    flat, scores, y = only.tensor("flat", [1, 16]), only.tensor("scores", [1, 3]), only.tensor("y", [1, 3])
    pool = {"strideH": 2, "strideW": 2, "filterHeight": 2, "filterWidth": 2}
    weights = np.random.default_rng(7).normal(size=(3, 16)).astype(np.float32)
    only.operator("MUL", [x, only.constant("ten", np.full((1,), 10.0, np.float32))], [wide], schema.MulOptionsT())
    only.operator("MAX_POOL_2D", [wide], [pooled], schema.Pool2DOptionsT(**pool))
    only.operator("AVERAGE_POOL_2D", [x], [small], schema.Pool2DOptionsT(**pool))
    only.operator("CONCATENATION", [pooled, small], [joined], schema.ConcatenationOptionsT(axis=3))
    only.operator("ADD", [joined, joined], [total], schema.AddOptionsT())
    shape = only.constant("shape", np.array([1, 16], np.int32))
    only.operator("RESHAPE", [total, shape], [flat], schema.ReshapeOptionsT(newShape=[1, 16]))
    bias = only.constant("bias", np.ones(3, np.float32))
    only.operator(
        "FULLY_CONNECTED", [flat, only.constant("weights", weights), bias], [scores], schema.FullyConnectedOptionsT()
    )
    only.operator("SOFTMAX", [scores], [y], schema.SoftmaxOptionsT(beta=0.1))
    only.signature("serving_default", {"x": x}, {"y": y})
    return only.build([x], [y])


def outcomes(content, examples):
    """Real outputs of an artifact for real inputs."""
    interpreter = open_interpreter(content, RuntimeOptions())
    (given,), (given_back,) = interpreter.inputs, interpreter.outputs
    rows = []
    for example in examples:
        values = example[np.newaxis]
        if given.quantized:
            limits = np.iinfo(given.dtype)
            stored = np.rint(values / given.scales[0]) + given.zero_points[0]
            values = np.clip(stored, limits.min, limits.max).astype(given.dtype)
        interpreter.set_input(0, values)
        interpreter.invoke()
        row = interpreter.output(0)[0].astype(np.float64)
        quantized = given_back.quantized
        rows.append((row - given_back.zero_points[0]) * given_back.scales[0] if quantized else row)
    return np.array(rows)


class TestTiedRanges:
    """The library ties the ranges; whatever was found for each tensor, the artifact has to compute the right values."""

    EXAMPLES = np.random.default_rng(8).normal(size=(40, 4, 4, 2)).astype(np.float32)

    @classmethod
    def ranges(cls):
        return CalibratedRanges(branches(), lambda: ({"x": each[np.newaxis]} for each in cls.EXAMPLES))

    @pytest.mark.parametrize("calibration", ["min-max", "moving-average", "percentile", "mse", "octav"])
    @pytest.mark.parametrize("choices", [{}, {"symmetric": True}, {"activations": "int16"}])
    def test_every_method_fits(self, calibration, choices):
        chosen = Quantization(calibration=calibration, percentile=99.99, **choices)
        content = quantize_by_choice(chosen, branches(), self.ranges)
        assert read_structure(content).float_islands == 0
        error = np.abs(outcomes(content, self.EXAMPLES) - outcomes(branches(), self.EXAMPLES))
        assert error.mean() < (0.05 if calibration == "moving-average" else 0.015)

    @pytest.mark.parametrize("name", ["wide", "pooled", "small", "joined", "total", "flat", "scores", "y"])
    def test_every_operator_may_stay_float(self, name):
        content = quantize_by_choice(Quantization(float_operators=(name,)), branches(), self.ranges)
        error = np.abs(outcomes(content, self.EXAMPLES) - outcomes(branches(), self.EXAMPLES))
        assert error.mean() < 0.015
        assert sum(key.endswith(" float32") for key in read_structure(content).operators) == 2

    def test_tied_tensors_have_one_scale(self):
        chosen = Quantization(calibration="percentile", percentile=90.0)
        tensors = {each.name: each for each in graph(quantize_by_choice(chosen, branches(), self.ranges)).tensors}
        for one, other in (("wide", "pooled"), ("x", "small"), ("total", "flat")):
            assert tensors[one].scales == tensors[other].scales
        assert tensors["y"].scales == 1 / 256


def dense(weights, shape=(1, 64)):
    """A float FULLY_CONNECTED with `weights` (outputs, inputs), with the signature that calibration needs."""
    only = Graph()
    x, y = only.tensor("x", shape), only.tensor("y", [1, len(weights)])
    operands = [x, only.constant("weights", np.asarray(weights, np.float32))]
    only.operator("FULLY_CONNECTED", [*operands, -1], [y], schema.FullyConnectedOptionsT())
    only.signature("serving_default", {"x": x}, {"y": y})
    return only.build([x], [y])


def weights_of(content):
    """Stored weights, and their scales (one for each tensor, channel or block)."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (tensor,) = [each for each in model.subgraphs[0].tensors if each.name == b"weights"]
    only = graph(content)
    (plain,) = [each for each in only.tensors if each.name == "weights"]
    scales = tensor.quantization.scale
    if scales is None or len(scales) == 0:
        details = tensor.quantization.details
        scales = graph(content).tensors[details.scales].constant().ravel()
    return plain.constant(), np.asarray(scales, np.float64)


class TestWeights:
    WEIGHTS = np.random.default_rng(5).normal(size=(8, 64)).astype(np.float32)

    @pytest.mark.parametrize(
        ("granularity", "scales", "weight_ranges"),
        [
            *itertools.product(["tensor"], [1], ["min-max", "octav", "mse"]),
            *itertools.product(["channel"], [8], ["min-max", "octav", "mse"]),
            *itertools.product(["block32"], [16], ["min-max", "octav"]),
            *itertools.product(["block64"], [8], ["min-max", "octav"]),
        ],
    )
    def test_the_granularity_says_how_many_scales(self, granularity, scales, weight_ranges):
        choices = Quantization(
            weights="int4", granularity=granularity, weight_ranges=weight_ranges, activations="dynamic"
        )
        stored, found = weights_of(quantize_by_choice(choices, dense(self.WEIGHTS), lambda: None))
        assert found.size == scales
        assert found.min() > 0
        blocks = found.reshape(8 if scales >= 8 else 1, -1)
        real = stored * np.repeat(blocks, 64 // blocks.shape[1], axis=1)
        assert np.abs(stored).max() <= 8
        assert np.corrcoef(real.ravel(), self.WEIGHTS.ravel())[0, 1] > 0.97

    @pytest.mark.parametrize("weight_ranges", ["octav", "mse"])
    def test_better_ranges_have_less_error_than_min_max_at_four_bits(self, weight_ranges):
        weights = np.random.default_rng(6).normal(size=(4, 4096)).astype(np.float32)

        def error(ranges):
            choices = Quantization(weights="int4", weight_ranges=ranges, activations="dynamic")
            stored, scales = weights_of(quantize_by_choice(choices, dense(weights, (1, 4096)), lambda: None))
            return np.mean((stored * scales[:, np.newaxis] - weights) ** 2)

        assert error(weight_ranges) < 0.8 * error("min-max")

    @pytest.mark.parametrize("weight_ranges", ["octav", "mse"])
    @pytest.mark.parametrize("activations", ["dynamic", "int8"])
    def test_a_dead_channel_keeps_its_operator_on_min_max(self, weight_ranges, activations):
        """The library divides by a scale of 0 there: its weights would be NaN, cast to whatever."""
        weights = self.WEIGHTS.copy()
        weights[3] = 0
        content = dense(weights)
        found = CalibratedRanges(content, lambda: iter([{"x": np.ones((1, 64), np.float32)}]))
        chosen, plain = (
            quantize_by_choice(Quantization(weight_ranges=each, activations=activations), content, lambda: found)
            for each in (weight_ranges, "min-max")
        )
        assert chosen == plain
        stored, scales = weights_of(chosen)
        assert (stored[3] == 0).all()
        assert scales.min() > 0

    def test_blocks_of_zeros_or_of_another_size_are_left_to_whole_channels(self):
        zeros = self.WEIGHTS.copy()
        zeros[2, 32:] = 0
        choices = Quantization(weights="int4", granularity="block32", activations="dynamic")
        for weights in (zeros, self.WEIGHTS[:, :48]):
            with pytest.raises(ValueError, match='found granularity = "block32" and no weights that it fits'):
                quantize_by_choice(choices, dense(weights, (1, weights.shape[1])), lambda: None)

    def test_blocks_are_for_those_that_can_have_them(self):
        structure = read_structure(made(weights="int4", granularity="block32", activations="dynamic"))
        assert structure.weight_bytes["float16"] == 2 * 10 * 2
        assert {"CONV_2D float32xint4", "DEPTHWISE_CONV_2D float32xint8"} <= set(structure.operators)

    def test_a_model_without_operators_for_int4_is_refused(self):
        only = Graph()
        x, y = only.tensor("x", [1, 4]), only.tensor("y", [1, 4])
        only.operator("RELU", [x], [y])
        only.signature("serving_default", {"x": x}, {"y": y})
        with pytest.raises(ValueError, match='found weights = "int4" and no operator that can have them '):
            quantize_by_choice(Quantization(weights="int4", activations="float"), only.build([x], [y]), lambda: None)

    def test_all_that_could_have_it_being_float_is_refused(self):
        with pytest.raises(ValueError, match='found weights = "int4"'):
            quantize_by_choice(
                Quantization(weights="int4", activations="dynamic", float_operators=("y",)),
                dense(self.WEIGHTS),
                lambda: None,
            )
