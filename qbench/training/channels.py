"""Removes whole output channels from a float `.tflite`: those that count least, with everything that reads them.

What is left is an ordinary smaller network, which needs no sparse kernel to be faster.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from qbench.tflite.reader import read_model
from qbench.tflite.rewrite import resized
from qbench.training.pruning import adaptive_scores

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qbench.models.datasets import Array
    from qbench.tflite.graph import Operator, Subgraph

#: Operators that do with a channel the same whether others are there or not.
_CHANNELWISE = frozenset({"RELU", "RELU6", "MAX_POOL_2D", "AVERAGE_POOL_2D", "DEPTHWISE_CONV_2D"})
_RESHAPING = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS"})

#: Operators whose weights have a dimension of output channels first and one of input channels last.
_LAYERS = frozenset({"CONV_2D", "FULLY_CONNECTED"})


def without_channels(content: bytes, share: float) -> bytes:
    """The float `.tflite` without so many output channels that at most `share` of all weights go with them.

    Channels of one layer are compared by the norm of their weights, those of different layers by what they count
    for each weight that goes with them, until the next would be too much. Only channels go that nothing reads but
    other layers, straight or through activations, pools, depthwise convolutions and a flattening. Each layer keeps a
    channel.

    Raises
    ------
    ValueError
        If no channel can go.
    """
    graph = read_model(content).subgraphs[0]
    alive = {number: np.ones(_weights(graph, number).shape[0], bool) for number in _prunable(graph)}
    allowed = share * sum(_constant(graph, index).size for index in _sizes(graph, alive))
    order = _order(graph, alive)
    for number, channel in order:
        alive[number][channel] = False
        if not alive[number].any() or _removed(graph, alive) > allowed:
            alive[number][channel] = True
            break
    if all(each.all() for each in alive.values()):
        least = f"; the first of them takes {_share_of_first(graph, alive, order):.1%}" if order else ""
        raise ValueError(
            f"found channel_sparsity = {share:g} and no channel that can go for it; expected a convolution or dense "
            f"layer that others read through activations, pools and the like{least}"
        )
    return resized(content, _kept(graph, alive))


def _share_of_first(graph: Subgraph, alive: Mapping[int, Array], order: list[tuple[int, int]]) -> float:
    number, channel = order[0]
    one_less = {**alive, number: np.arange(len(alive[number])) != channel}
    return _removed(graph, one_less) / sum(_constant(graph, index).size for index in _sizes(graph, alive))


def _order(graph: Subgraph, alive: Mapping[int, Array]) -> list[tuple[int, int]]:
    """Layers and channels, those first that count least for each weight that goes with them."""
    scored = []
    for number, all_alive in alive.items():
        rows = _weights(graph, number).reshape(len(all_alive), -1)
        norms = np.sqrt(np.square(rows, dtype=np.float64).sum(axis=1))
        cost = _removed(graph, {**alive, number: np.arange(len(all_alive)) > 0})
        scored += [(score / cost, number, channel) for channel, score in enumerate(adaptive_scores(norms))]
    return [(number, channel) for _, number, channel in sorted(scored)]


def _removed(graph: Subgraph, alive: Mapping[int, Array]) -> int:
    """How many weights go with the channels that are not `alive`."""
    sizes = _sizes(graph, alive)
    return sum(_constant(graph, index).size - size for index, size in sizes.items())


def _sizes(graph: Subgraph, alive: Mapping[int, Array]) -> dict[int, int]:
    """Number of weights that are left, by tensor."""
    kept = _kept(graph, alive)
    sizes = {}
    for operator in graph.operators:
        if operator.name in _LAYERS | {"DEPTHWISE_CONV_2D"}:
            index = operator.inputs[1]
            shape = _constant(graph, index).shape
            chosen = kept.get(index, {})
            sizes[index] = math.prod(len(chosen[axis]) if axis in chosen else size for axis, size in enumerate(shape))
    return sizes


def _kept(graph: Subgraph, alive: Mapping[int, Array]) -> dict[int, dict[int, Array]]:
    """Which indices stay of which dimension of which tensor; those that are not named stay as they are."""
    channels: dict[int, Array] = {}
    kept: dict[int, dict[int, Array]] = {}
    for number, operator in enumerate(graph.operators):
        read, output = channels.get(operator.inputs[0]), operator.outputs[0]
        if graph.tensors[output].dtype != "float32":
            continue
        if operator.name in _LAYERS:
            weights = kept.setdefault(operator.inputs[1], {})
            if read is not None:
                weights[len(graph.tensors[operator.inputs[1]].shape) - 1] = np.flatnonzero(read)
            if number in alive:
                weights[0] = np.flatnonzero(alive[number])
                channels[output] = alive[number]
        elif read is not None and operator.name == "DEPTHWISE_CONV_2D":
            channels[output] = np.repeat(read, graph.tensors[output].shape[-1] // len(read))
            kept[operator.inputs[1]] = {3: np.flatnonzero(channels[output])}
        elif read is not None:
            # A flattening puts the channels of one position after those of another.
            channels[output] = np.tile(read, graph.tensors[output].shape[-1] // len(read))
        if output in channels:
            kept[output] = {len(graph.tensors[output].shape) - 1: np.flatnonzero(channels[output])}
            if operator.name in _LAYERS | {"DEPTHWISE_CONV_2D"} and _has_bias(operator):
                kept[operator.inputs[2]] = {0: np.flatnonzero(channels[output])}
    return {index: axes for index, axes in kept.items() if axes}


def _prunable(graph: Subgraph) -> list[int]:
    """Numbers of the layers whose channels nothing but layers read, through operators that let go of a channel."""
    return [
        number
        for number, operator in enumerate(graph.operators)
        if operator.name in _LAYERS and _owns(graph, operator) and _ends_in_layers(graph, operator.outputs[0])
    ]


def _ends_in_layers(graph: Subgraph, tensor: int) -> bool:
    readers = [operator for operator in graph.operators if tensor in operator.inputs]
    if tensor in graph.outputs or not readers:
        return False
    return all(
        (operator.name in _LAYERS and operator.inputs[0] == tensor and _owns(graph, operator))
        or (_lets_go(graph, operator, tensor) and _ends_in_layers(graph, operator.outputs[0]))
        for operator in readers
        if graph.tensors[operator.outputs[0]].dtype == "float32"  # not the computation of a shape
    )


def _lets_go(graph: Subgraph, operator: Operator, tensor: int) -> bool:
    """Whether an operator does with each channel of `tensor` (its last dimension) something of its own."""
    before, after = graph.tensors[tensor].shape, graph.tensors[operator.outputs[0]].shape
    if operator.name == "DEPTHWISE_CONV_2D":
        return _owns(graph, operator)
    if operator.name == "MEAN":
        axes = [int(axis) % len(before) for axis in np.ravel(_constant(graph, operator.inputs[1]))]
        return len(before) - 1 not in axes
    if operator.name in _RESHAPING:
        return after[0] == before[0] and (after[-1] == before[-1] or len(after) == 2)  # noqa: PLR2004 - flattened
    return operator.name in _CHANNELWISE


def _owns(graph: Subgraph, operator: Operator) -> bool:
    """Whether weights and bias are constants that no other operator reads."""
    own = [index for index in operator.inputs[1:3] if index >= 0]
    readers = [index for other in graph.operators for index in other.inputs]
    return all(graph.tensors[index].data is not None and readers.count(index) == 1 for index in own)


def _has_bias(operator: Operator) -> bool:
    return len(operator.inputs) > 2 and operator.inputs[2] >= 0  # noqa: PLR2004 - input, weights, bias


def _weights(graph: Subgraph, number: int) -> Array:
    return _constant(graph, graph.operators[number].inputs[1])


def _constant(graph: Subgraph, index: int) -> Array:
    constant = graph.tensors[index].constant()
    if constant is None:
        raise ValueError(f"{graph.tensors[index].name!r} is not constant")
    return constant
