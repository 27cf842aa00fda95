"""Operators and tensors of two graphs are paired by structure: names and orders decide nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from diagnose.graph_pairs import ACTIVATION, Node, Writer, conv, depthwise, options_of
from qbench.diagnose.matching.match import Matching, match_graphs
from qbench.diagnose.matching.resemblance import Resemblance
from qbench.tflite.builder import Affine, Graph
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from diagnose.graph_pairs import Written
    from qbench.tflite.graph import Array


def _matched(quantized: Written, floats: Written) -> tuple[int | None, ...]:
    """The node of the float graph that each node of the quantized graph is matched with."""
    matching = match_graphs(quantized.graph, floats.graph)
    nodes = {number: node for node, number in enumerate(floats.numbers)}
    found = (matching.operators.get(number) for number in quantized.numbers)
    return tuple(None if number is None else nodes[number] for number in found)


def _by_name(quantized: Written, floats: Written) -> tuple[int | None, ...]:
    """What matching by the outputs' names would give."""
    names = {
        floats.graph.tensors[floats.graph.operators[number].outputs[0]].name: node
        for node, number in enumerate(floats.numbers)
    }
    graph = quantized.graph
    return tuple(names.get(graph.tensors[graph.operators[number].outputs[0]].name) for number in quantized.numbers)


def _twins(first: int = 1, second: int = 2) -> list[Node]:
    """Two branches that differ in nothing but their weights, joined again."""
    return [
        conv(-1, 2, 2, 0),
        conv(0, 2, 2, first),
        conv(0, 2, 2, second),
        Node("ADD", (1, 2), 2),  # Which does not tell its inputs apart.
    ]


def test_twin_branches_are_told_apart_by_their_weights():
    floats, quantized = Writer(_twins()).write(), Writer(_twins(), quantized=True).write()
    assert _matched(quantized, floats) == (0, 1, 2, 3)


def test_twin_branches_whose_names_are_swapped_are_told_apart_by_their_weights():
    floats = Writer(_twins()).write()
    quantized = Writer(_twins(), quantized=True).write(names={1: "node2", 2: "node1"})
    assert _matched(quantized, floats) == (0, 1, 2, 3)
    assert _by_name(quantized, floats) == (0, 2, 1, 3)  # What a matcher by name is fooled by.


@pytest.mark.parametrize("seed", range(6))
def test_twins_with_the_same_weights_go_by_what_reads_them(seed: int):
    nodes = [*_twins(1, 1)[:3], conv(1, 2, 2, 5), conv(2, 2, 2, 6), Node("ADD", (3, 4), 2)]
    quantized, floats = Writer(nodes, quantized=True, seed=seed).write(), Writer(nodes, seed=seed + 1).write()
    assert [_matched(quantized, floats)[number] for number in (0, 3, 4, 5)] == [0, 3, 4, 5]


@pytest.mark.parametrize("name", ["ADD", "MUL"])
def test_the_inputs_of_sums_and_products_may_be_swapped(name: str):
    nodes = [conv(-1, 2, 2, 0), conv(-1, 2, 2, 1), Node(name, (0, 1), 2)]
    swapped = [*nodes[:2], Node(name, (1, 0), 2)]
    floats = Writer(nodes).write()
    for order, network in ((0, 1), nodes), ((1, 0), swapped):
        quantized = Writer(network, quantized=True).write()
        found = match_graphs(quantized.graph, floats.graph)
        assert found.operators == {0: 0, 1: 1, 2: 2}
        theirs = floats.graph.operators[2].inputs
        ours = quantized.graph.operators[2].inputs
        assert [found.float_tensor(index) for index in ours] == [theirs[place] for place in order]


def test_swapped_inputs_that_nothing_else_tells_apart_go_by_where_they_come_from():
    def network(first: str, *, swapped: bool) -> list[Node]:
        nodes = [Node(first, (-1,), 2)]
        for source in (0, 3):
            nodes += [Node("RELU", (source,), 2), Node("LOGISTIC", (source,), 2)]
            nodes.append(Node("ADD", (source + 2, source + 1) if swapped else (source + 1, source + 2), 2))
        return nodes

    # The first operator is another one, and so pairs come from the end alone; of all others there are two.
    quantized = Writer(network("MAX_POOL_2D", swapped=True), quantized=True).write()
    assert _matched(quantized, Writer(network("RELU6", swapped=False)).write()) == (None, 1, 2, 3, 4, 5, 6)


# --- what is wrong with an artifact must not hide who it is ------------------------------------------------


@pytest.mark.parametrize("factor", [-1.0, 0.0, 6.0, 200.0])
def test_operators_with_wrong_weights_are_found_by_their_place(factor: float):
    nodes = [conv(-1, 2, 2, 0), conv(0, 2, 2, 1), conv(1, 2, 2, 2), Node("LOGISTIC", (2,), 2)]
    wrong = list(nodes)
    wrong[1] = replace(wrong[1], weights=wrong[1].weights * np.float32(factor) + np.float32(1e-6))
    floats = Writer(nodes).write()
    assert _matched(Writer(wrong, quantized=True, seed=1).write(), floats) == (0, 1, 2, 3)


def test_one_of_two_twins_with_wrong_weights_is_what_the_other_leaves():
    nodes = _twins()
    wrong = [*nodes[:1], replace(nodes[1], weights=nodes[1].weights * np.float32(-3)), *nodes[2:]]
    assert _matched(Writer(wrong, quantized=True, seed=1).write(), Writer(nodes, seed=2).write()) == (0, 1, 2, 3)


def test_weights_that_are_nan_are_no_evidence():
    nodes = [conv(-1, 2, 2, 0), conv(0, 2, 2, 1)]
    wrong = [replace(nodes[0], weights=nodes[0].weights * np.float32(np.nan)), nodes[1]]
    assert _matched(Writer(wrong).write(), Writer(nodes).write()) == (0, 1)


# --- converters that write the same network in another way -------------------------------------------------


def test_an_activation_may_be_an_operator_or_an_option():
    fused = [conv(-1, 2, 2, 0, "RELU"), conv(0, 2, 2, 1)]
    apart = [conv(-1, 2, 2, 0), Node("RELU", (0,), 2), conv(1, 2, 2, 1)]
    assert _matched(Writer(fused, quantized=True, seed=1).write(), Writer(apart).write()) == (1, 2)
    assert _matched(Writer(apart, quantized=True, seed=1).write(), Writer(fused).write()) == (None, 0, 1)


def test_a_batch_normalization_may_be_folded():
    factor, shift = np.array([0.9, 1.3], np.float32), np.array([0.2, -0.1], np.float32)

    def unfolded(graph: Graph, x: int, weights: Array, number: int) -> int:
        convolved, scaled, shifted, active = (graph.tensor(f"{name}{number}", [1, 4, 4, 2]) for name in "abcd")
        constants = [graph.constant("", weights), graph.constant("", np.zeros(2, np.float32))]
        graph.operator("CONV_2D", [x, *constants], [convolved], options_of(conv(0, 2, 2, 0)))
        graph.operator("MUL", [convolved, graph.constant("", factor)], [scaled], schema.MulOptionsT())
        graph.operator("ADD", [graph.constant("", shift), scaled], [shifted], schema.AddOptionsT())
        graph.operator("RELU6", [shifted], [active])
        return active

    weights = [np.random.default_rng(seed).normal(size=(2, 1, 1, 2)).astype(np.float32) for seed in range(3)]
    floats = Graph()
    x = last = floats.tensor("x", [1, 4, 4, 2])
    for number, each in enumerate(weights):
        last = unfolded(floats, last, each, number)
    graph = Graph()
    y = first = graph.tensor("x", [1, 4, 4, 2], "int8", ACTIVATION)
    for each in weights:
        scaled = each * factor.reshape(2, 1, 1, 1)
        scales = np.abs(scaled).max(axis=(1, 2, 3)) / np.float32(127)
        stored = np.rint(scaled / scales.reshape(2, 1, 1, 1)).astype(np.int8)
        bias = np.rint(shift / (scales * ACTIVATION.scale)).astype(np.int32)
        constants = [graph.constant("", stored, Affine(scales))]
        constants.append(graph.constant("", bias, Affine(scales * np.float32(ACTIVATION.scale))))
        following = graph.tensor("y", [1, 4, 4, 2], "int8", ACTIVATION)
        graph.operator("CONV_2D", [y, *constants], [following], options_of(conv(0, 2, 2, 0, "RELU6")), version=3)
        y = following
    found = _match(graph.build([first], [y]), floats.build([x], [last]))
    assert found.operators == {0: 3, 1: 7, 2: 11}
    assert found.unmatched == ()
    assert found.constants[0] == ()  # The weights stand in neither file as the other has them.


def test_shapes_may_be_changed_on_the_way():
    def head(*, reshaped: bool) -> bytes:
        graph = Graph()
        x, y = graph.tensor("x", [1, 4, 4, 2]), graph.tensor("y", [1, 5])
        last = x
        if reshaped:
            last = graph.tensor("flat", [1, 32])
            graph.operator("RESHAPE", [x, graph.constant("shape", np.array([-1, 32], np.int32))], [last])
        weights = graph.constant("weights", np.random.default_rng(0).normal(size=(5, 32)).astype(np.float32))
        graph.operator("FULLY_CONNECTED", [last, weights, -1], [y], schema.FullyConnectedOptionsT())
        return graph.build([x], [y])

    found = _match(head(reshaped=True), head(reshaped=False))
    assert found.float_tensor(2) == 0  # What is flat there has the values of the input here.
    assert found.operators == {1: 0}
    assert found.unmatched == ()


def test_between_two_differences_pairs_begin_anew():
    nodes = [Node("LOGISTIC", (-1,), 2), conv(0, 2, 2, 1), conv(1, 2, 2, 2), Node("LOGISTIC", (2,), 2)]
    other = [Node("RELU", (-1,), 2), *nodes[1:3], Node("MAX_POOL_2D", (2,), 2)]
    assert _matched(Writer(nodes, quantized=True, seed=1).write(), Writer(other).write()) == (None, 1, 2, None)


def test_behind_a_difference_pairs_go_on():
    nodes = [conv(-1, 2, 2, 0), Node("LOGISTIC", (0,), 2), conv(1, 2, 2, 1), conv(2, 2, 2, 2), Node("RELU6", (3,), 2)]
    other = [*nodes[:1], Node("RELU6", (0,), 2), *nodes[2:]]
    found = match_graphs(Writer(nodes, quantized=True, seed=1).write().graph, Writer(other).write().graph)
    assert len(found.operators) == 4
    # What the LOGISTIC gives stands for what is in its place.
    assert found.unmatched == ()


def test_what_has_no_counterpart_is_named_and_why():
    nodes = [conv(-1, 2, 2, 0), Node("LOGISTIC", (0,), 2), Node("LOGISTIC", (1,), 2), conv(2, 2, 2, 1)]
    other = [nodes[0], conv(0, 2, 2, 1)]
    quantized = Writer(nodes, quantized=True).write()
    why = "the float model has no LOGISTIC of these options and this output shape"
    assert match_graphs(quantized.graph, Writer(other).write().graph).unmatched == (
        f"1 LOGISTIC int8 ('node1'): {why}",
        f"2 LOGISTIC int8 ('node2'): {why}",
    )


def test_several_inputs_and_outputs_go_by_their_names_and_then_by_their_places():
    def two(*, swapped: bool, renamed: bool) -> bytes:
        graph = Graph()
        left, right = (graph.tensor(f"{name}{renamed or ''}", [1, 4]) for name in ("left", "right"))
        halves = [graph.tensor(f"half{number}{renamed or ''}", [1, 2]) for number in range(2)]
        sums = graph.tensor("difference", [1, 4])
        graph.operator("SUB", [left, right], [sums], schema.SubOptionsT())
        axis = graph.constant("axis", np.array(1, np.int32))
        graph.operator("SPLIT", [axis, sums], halves, schema.SplitOptionsT(numSplits=2))
        return graph.build([right, left] if swapped else [left, right], halves[::-1] if swapped else halves)

    plain = two(swapped=False, renamed=False)
    for found in (_match(two(swapped=True, renamed=False), plain), _match(two(swapped=False, renamed=True), plain)):
        assert [found.float_tensor(index) for index in range(5)] == [0, 1, 2, 3, 4]
        assert found.operators == {0: 0, 1: 1}


def _match(quantized: bytes, floats: bytes) -> Matching:
    return match_graphs(read_model(quantized).subgraphs[0], read_model(floats).subgraphs[0])


# --- whatever network, whatever names, whatever order -----------------------------------------------------


@st.composite
def networks(draw: st.DrawFn) -> list[Node]:
    """Networks that branch and join, with several operators that differ in nothing but their weights."""
    channels = 2
    nodes: list[Node] = []
    for number in range(draw(st.integers(1, 9))):
        source = draw(st.integers(-1, number - 1))
        kind = draw(st.sampled_from(["conv", "conv", "depthwise", "pool", "logistic", "add", "mul"]))
        if kind == "conv":
            nodes.append(conv(source, channels, channels, number, draw(st.sampled_from(["NONE", "RELU6"]))))
        elif kind == "depthwise":
            nodes.append(depthwise(source, channels, number))
        elif kind in {"add", "mul"}:
            nodes.append(Node(kind.upper(), (source, draw(st.integers(-1, number - 1))), channels))
        else:
            nodes.append(Node({"pool": "MAX_POOL_2D", "logistic": "LOGISTIC"}[kind], (source,), channels))
    return nodes


def _computations(nodes: list[Node]) -> list[Any]:
    """What each node computes: nodes that compute the same may stand for each other."""
    found: dict[int, Any] = {-1: "x"}
    for number, node in enumerate(nodes):
        inputs = [found[index] for index in node.inputs]
        inputs = sorted(inputs, key=repr) if node.name in {"ADD", "MUL"} else inputs
        weights = None if node.weights is None else node.weights.tobytes()
        found[number] = (node.name, node.fused, tuple(inputs), weights)
    return [found[number] for number in range(len(nodes))]


@given(networks(), st.integers(0, 1 << 32), st.booleans())
@settings(max_examples=100, deadline=None)
def test_neither_names_nor_orders_matter(nodes: list[Node], seed: int, bridged: bool) -> None:  # noqa: FBT001
    computed = _computations(nodes)
    quantized = Writer(nodes, quantized=True, seed=seed, bridged=bridged).write()
    floats = Writer(nodes, seed=seed + 1).write()
    matching = match_graphs(quantized.graph, floats.graph)
    producers = {floats.graph.operators[number].outputs[0]: node for node, number in enumerate(floats.numbers)}
    for node, number in enumerate(quantized.numbers):
        output = matching.float_tensor(quantized.graph.operators[number].outputs[0])
        assert output is not None
        assert computed[producers[output]] == computed[node]
    assert matching.unmatched == ()


@pytest.mark.parametrize("other_weights", [0, 500])
def test_what_a_long_chain_costs_grows_with_its_pairs_and_no_faster(monkeypatch, other_weights):
    # Of another training no constants are close, and each operator has to give way by itself.
    looked_at = []
    between = Resemblance.between
    monkeypatch.setattr(Resemblance, "between", lambda *pair: looked_at.append(1) or between(*pair))
    length = 60
    floats, quantized = (
        Writer([conv(number - 1, 8, 8, seed + number) for number in range(length)], quantized=is_quantized).write(
            channels=8
        )
        for seed, is_quantized in ((other_weights, False), (0, True))
    )
    assert _matched(quantized, floats) == tuple(range(length))
    assert len(looked_at) < length**2 / 2


def test_matching_ends_where_a_check_says_so():
    class OverError(Exception):
        pass

    def over():
        raise OverError

    floats, quantized = Writer(_twins()).write(), Writer(_twins(), quantized=True).write()
    with pytest.raises(OverError):
        match_graphs(quantized.graph, floats.graph, over)
