"""Options, weighted operators and outputs of an artifact against those of its float model."""

from __future__ import annotations

from dataclasses import replace

import models_zoo as zoo
import pytest

from diagnose import faults
from diagnose.graph_pairs import Writer, conv
from qbench.diagnose.evidence.options import options_reports, other_outputs, weighted_operators
from qbench.diagnose.matching.match import match_graphs
from qbench.tflite.reader import read_model


def matched(content, float_content):
    return match_graphs(*(read_model(each).subgraphs[0] for each in (content, float_content)))


@pytest.mark.parametrize(
    ("operator", "changed", "said"),
    [
        (
            3,
            {"dilationWFactor": 2, "dilationHFactor": 2},
            ("its dilation_h_factor is 2, the float model's 1", "its dilation_w_factor is 2, the float model's 1"),
        ),
        (4, {"fusedActivationFunction": 0}, ("its fused_activation_function is NONE, the float model's RELU6",)),
        (1, {"strideW": 1}, ("its stride_w is 1, the float model's 2",)),
        (11, {"beta": 0.5}, ("its beta is 0.5, the float model's 1.0",)),
    ],
)
def test_an_option_that_is_another_is_named_at_its_operator(operator, changed, said):
    fault = faults.other_option(operator, **changed)
    (report,) = options_reports(matched(fault.content, fault.float_content))
    assert (report.number, report.differences) == (operator, said)
    assert report.output == faults.output_of(fault.content, operator)


@pytest.mark.parametrize("recipe", ["int8", "int8-symmetric", "int16x8", "dynamic", "fp16", "fp32"])
@pytest.mark.parametrize("model", ["mnist-dscnn", "mnist-cnn", "mnist-mlp"])
def test_of_one_model_all_options_are_the_same_and_all_weights_have_a_counterpart(model, recipe):
    found = matched(faults.committed(recipe, model), faults.committed("fp32", model))
    assert options_reports(found) == ()
    weighted, lost = weighted_operators(found)
    assert weighted > 1
    assert lost == 0
    assert other_outputs(found) == ""


def test_weights_of_other_sizes_have_no_counterpart():
    found = matched(faults.committed("int8", "mnist-cnn"), faults.committed("fp32", "mnist-mlp"))
    weighted, lost = weighted_operators(found)
    assert lost > weighted / 2


def test_the_same_weights_for_another_batch_are_no_other_model():
    nodes = [conv(-1, 2, 3, seed=0), conv(0, 3, 3, seed=1), conv(1, 3, 2, seed=2)]
    floats = Writer(nodes).write().graph
    quantized = Writer(nodes, quantized=True).write().graph
    # As many examples at once as nobody has in the float graph.
    tensors = tuple(
        each if each.data is not None else replace(each, shape=(4, *each.shape[1:])) for each in quantized.tensors
    )
    found = match_graphs(replace(quantized, tensors=tensors), floats)
    assert found.unmatched
    assert weighted_operators(found) == (3, 0)
    assert other_outputs(found) == ""


def test_outputs_of_another_size_are_told():
    assert other_outputs(matched(zoo.dense_int8(4, 3), zoo.dense_float(4, 5))) == (
        "its outputs have 3 values for an example, the float model's 5"
    )
    assert other_outputs(matched(zoo.dense_int8(batch=4), zoo.dense_float(batch=1))) == ""
