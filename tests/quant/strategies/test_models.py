"""Every generated model of one operator is one that the runtime takes, runs, and says something with."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from qbench.quant.strategies import OPERATORS, operator_models
from qbench.tflite.reader import read_model

from .running import FAMILIES, run, saturates, written_shape

#: What is looked for is found in any run, or the strategy has become worse.
SEARCH = settings(
    deadline=None, max_examples=2000, database=None, derandomize=True, phases=[Phase.generate, Phase.shrink]
)


def only_operator(model):
    (operator,) = read_model(model.content).subgraphs[0].operators
    return operator


@pytest.mark.parametrize("operator", OPERATORS)
@given(data=st.data())
def test_the_runtime_prepares_and_runs_every_model_with_all_families(operator, data):
    model = data.draw(operator_models(operator))
    outputs = [run(model, family)[0] for family in FAMILIES]
    assert {output.shape for output in outputs} == {written_shape(model)}
    assert outputs[0].size


@given(operator_models(max_rank=5, max_side=4, max_channels=5))
def test_up_to_five_dimensions(model):
    for family in FAMILIES:
        run(model, family)


@given(operator_models())
def test_a_model_is_the_one_operator_that_it_says(model):
    (subgraph,) = read_model(model.content).subgraphs
    (operator,) = subgraph.operators
    assert operator.name == ("QUANTIZE" if model.operator == "REQUANTIZE" else model.operator)
    types = [subgraph.tensors[index].dtype for index in (operator.inputs[0], operator.outputs[0])]
    expected = {"QUANTIZE": ["float32", model.dtype], "DEQUANTIZE": [model.dtype, "float32"]}
    assert types == expected.get(model.operator, [model.dtype] * 2)
    assert [tuple(subgraph.tensors[index].shape) for index in subgraph.inputs] == [x.shape for x in model.inputs]


@given(operator_models(["FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"]))
def test_weights_and_biases_are_as_the_specification_wants_them(model):
    (subgraph,) = read_model(model.content).subgraphs
    (operator,) = subgraph.operators
    x, weights, bias = (subgraph.tensors[index] for index in [*operator.inputs, operator.inputs[1]][:3])
    assert not weights.zero_points.any()
    assert weights.data.view(np.int8).min() >= -127
    if weights.scales.size > 1:
        assert weights.quantized_dimension == (3 if operator.name == "DEPTHWISE_CONV_2D" else 0)
    if operator.inputs[2] >= 0:
        assert bias.dtype == {"int8": "int32", "int16": "int64"}[model.dtype]
        assert not bias.zero_points.any()
        np.testing.assert_array_equal(bias.scales, x.scales * weights.scales)


@given(operator_models(dtypes="int16"))
def test_int16_has_no_zero_points(model):
    (subgraph,) = read_model(model.content).subgraphs
    assert not any(tensor.zero_points.any() for tensor in subgraph.tensors)


COMPUTING = ["FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "SUB", "MUL", "MEAN", "LEAKY_RELU", "REQUANTIZE"]
MOVING = ["AVERAGE_POOL_2D", "MAX_POOL_2D", "CONCATENATION", "RESHAPE", "PAD", "TRANSPOSE", "RELU", "RELU6", "QUANTIZE"]


@pytest.mark.parametrize("dtype", ["int8", "int16"])
@pytest.mark.parametrize("operators", [COMPUTING, MOVING], ids=["computing", "moving"])
def test_outputs_mostly_say_something_and_sometimes_saturate(operators, dtype):
    seen = Counter()

    @settings(deadline=None, max_examples=300, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(operator_models(operators, dtypes=dtype))
    def count(model):
        output, detail = run(model)
        if output.size < 8:
            return
        seen["large"] += 1
        seen["some"] += saturates(output).any()
        seen["all"] += saturates(output).all()
        seen["zero"] += (output == detail["quantization"][1]).all()

    count()
    assert seen["large"] >= 150
    assert 0.1 * seen["large"] <= seen["some"] <= 0.7 * seen["large"]
    assert seen["all"] <= 0.15 * seen["large"]
    assert seen["zero"] <= 0.3 * seen["large"]


def test_the_smallest_model_with_a_stride():
    strided = find(
        operator_models("CONV_2D"), lambda model: only_operator(model).options["stride_h"] == 2, settings=SEARCH
    )
    assert strided.inputs[0].shape == (1, 1, 1, 1)
    assert not strided.inputs[0].any()


def test_the_smallest_model_with_a_dilation():
    model = find(
        operator_models("DEPTHWISE_CONV_2D"),
        lambda model: only_operator(model).options["dilation_w_factor"] == 2,
        settings=SEARCH,
    )
    assert model.inputs[0].size <= 3


@pytest.mark.parametrize("operator", ["CONV_2D", "ADD", "MEAN"])
def test_the_smallest_model_with_an_output_that_is_not_zero(operator):
    def speaks(model):
        output, detail = run(model)
        return (output != detail["quantization"][1]).any()

    model = find(operator_models(operator), speaks, settings=SEARCH)
    assert all(array.size == 1 for array in model.inputs)
    assert len(model.inputs) <= 2
    weights = [tensor.shape for tensor in read_model(model.content).subgraphs[0].tensors if tensor.data is not None]
    assert all(np.prod(shape) <= 2 for shape in weights)


@pytest.mark.parametrize("operator", ["CONV_2D", "RELU", "CONCATENATION", "REQUANTIZE"])
def test_the_smallest_model_that_saturates(operator):
    model = find(
        operator_models(operator, dtypes="int8"), lambda model: saturates(run(model)[0]).any(), settings=SEARCH
    )
    # The scale of a convolution's output follows its input: what is far from the rest saturates, not what is alone.
    assert all(array.size <= (16 if operator == "CONV_2D" else 1) for array in model.inputs)


def test_one_wrong_value_is_found_alone():
    # As if a kernel were wrong for one stored value, wherever it stands.
    model = find(operator_models("RELU", dtypes="int8"), lambda model: (model.inputs[0] == -128).any(), settings=SEARCH)
    assert model.inputs[0].tolist() == [-128]


def test_the_simplest_of_all():
    model = find(operator_models(), lambda _: True, settings=SEARCH)
    assert [array.size for array in model.inputs] == [1] * len(model.inputs)
    assert not any(array.any() for array in model.inputs)
    tensors = read_model(model.content).subgraphs[0].tensors
    assert {float(scale) for tensor in tensors[:1] for scale in tensor.scales} <= {1.0, 2.0**-6}


def test_a_model_is_shown_in_a_line():
    model = find(operator_models("CONV_2D", dtypes="int8"), lambda _: True, settings=SEARCH)
    assert repr(model).startswith("OperatorModel(CONV_2D, int8, int8[1, 1, 1, 1]; ")
    assert len(repr(model)) < 120


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"operators": "CONV_3D"}, "'CONV_3D' is none of FULLY_CONNECTED, CONV_2D"),
        ({"operators": []}, "operators is empty"),
        ({"dtypes": ("int8", "uint8")}, "'uint8' is neither int8 nor int16"),
        ({"operators": "HARD_SWISH", "dtypes": "int16"}, r"know none of dtypes=\('int16',\)"),
        ({"max_side": 0}, "max_side=0 must be an integer of at least 1"),
        ({"max_channels": 2.5}, "max_channels=2.5 must be an integer"),
        ({"max_batch": True}, "max_batch=True must be an integer"),
        ({"max_rank": 6}, "max_rank=6 is more than the 5"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_drawn(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        operator_models(**arguments)
