"""Generated models of a few operators run, and shrink to the operators that matter."""

from __future__ import annotations

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis.errors import InvalidArgument

from qbench.quant.strategies import graph_models
from qbench.tflite.reader import read_model

from .running import FAMILIES, run, written_shape

SEARCH = settings(
    deadline=None, max_examples=2000, database=None, derandomize=True, phases=[Phase.generate, Phase.shrink]
)


@given(graph_models())
def test_the_runtime_prepares_and_runs_every_model_with_all_families(model):
    shapes = {run(model, family)[0].shape for family in FAMILIES}
    assert shapes == {written_shape(model)}


@given(graph_models(min_operators=2, max_operators=3))
def test_operators_are_those_of_the_file_and_as_many_as_asked_for(model):
    (subgraph,) = read_model(model.content).subgraphs
    names = [name.replace("REQUANTIZE", "QUANTIZE") for name in model.operators]
    assert [operator.name for operator in subgraph.operators] == names
    inner = [name for name in model.operators if name not in ("QUANTIZE", "DEQUANTIZE")]
    assert 2 <= len(inner) <= 3


def test_an_operator_reads_what_one_before_the_last_gave():
    def joins(model):
        (subgraph,) = read_model(model.content).subgraphs
        reads = [index for operator in subgraph.operators for index in operator.inputs]
        return any(reads.count(index) > 1 for operator in subgraph.operators for index in operator.outputs)

    model = find(graph_models(["ADD", "RELU"]), joins, settings=SEARCH)
    assert len(model.operators) <= 3


def test_the_shortest_way_from_a_convolution_to_a_softmax():
    wanted = {"CONV_2D", "SOFTMAX"}
    models = graph_models(["CONV_2D", "SOFTMAX", "RELU", "ADD"])
    model = find(models, lambda model: wanted <= set(model.operators), settings=SEARCH)
    # QUANTIZE and DEQUANTIZE at the ends may stay.
    assert set(model.operators) - {"QUANTIZE", "DEQUANTIZE"} == wanted
    assert model.inputs[0].shape == (1, 1, 1, 1)


def test_a_failing_model_is_printed_in_a_line():
    @settings(database=None, max_examples=1, phases=[Phase.generate])
    @given(graph_models())
    def fails(model):
        assert not model.content

    with pytest.raises(AssertionError) as caught:
        fails()
    assert "model=GraphModel(" in "".join(caught.value.__notes__)
    assert "content=" not in "".join(caught.value.__notes__)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"operators": ["CONV_2D", "QUANTIZE"]}, "QUANTIZE stands at the ends of a model only"),
        ({"operators": "HARD_SWISH", "dtypes": "int16"}, "know none of dtypes"),
        ({"min_operators": 0}, "min_operators=0 must be an integer of at least 1"),
        ({"min_operators": 3, "max_operators": 2}, "min_operators=3 is larger than max_operators=2"),
        ({"max_side": 0}, "max_side=0 must be"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_drawn(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        graph_models(**arguments)
