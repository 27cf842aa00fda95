"""Pairs of a float graph and a quantized one of the same network, written so that little but the structure agrees."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from qbench.tflite.builder import Affine, Graph
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from qbench.tflite.graph import Array, Subgraph

_SIDE = 4
ACTIVATION = Affine(0.05, -3)


@dataclass(frozen=True)
class Node:
    """An operator of a network: what it does with the nodes at `inputs` (-1 is the network's input)."""

    name: str
    inputs: tuple[int, ...]
    channels: int
    weights: Array | None = None
    fused: str = "NONE"

    @property
    def bias(self) -> Array:
        return np.linspace(-0.5, 0.5, self.channels, dtype=np.float32)


@dataclass(frozen=True)
class Written:
    """A graph, and which of its operators stands for each node."""

    content: bytes
    numbers: tuple[int, ...]

    @cached_property
    def graph(self) -> Subgraph:
        return read_model(self.content).subgraphs[0]


class Writer:
    """Writes a network as a graph, in an order and with names that a seed decides.

    Parameters
    ----------
    quantized
        Whether to write int8 instead of float32.
    seed
        None for the order of the nodes, and the nodes' own names.
    bridged
        Whether a QUANTIZE of other parameters stands behind some operators, as converters write it.
    """

    def __init__(
        self, nodes: list[Node], *, quantized: bool = False, seed: int | None = None, bridged: bool = False
    ) -> None:
        self.nodes, self.quantized, self.bridged = nodes, quantized, bridged
        self._generator = None if seed is None else np.random.default_rng(seed)
        self._graph = Graph()
        self._tensors: dict[int, int] = {}

    def write(self, *, channels: int = 2, names: dict[int, str] | None = None) -> Written:
        """The graph; outputs are all nodes that no other reads. `names` are those of nodes' outputs."""
        names = names or {}
        order = self._order()
        numbers = [0] * len(self.nodes)
        # Tensors in an order of their own: that of operators says nothing about it.
        for number in self._shuffled([-1, *range(len(self.nodes))]):
            node_channels = channels if number < 0 else self.nodes[number].channels
            name = names.get(number, "x" if number < 0 else f"node{number}")
            self._tensors[number] = self._activation(self._name(name), node_channels)
        first = self._tensors[-1]
        for number in order:
            numbers[number] = len(self._graph.subgraph.operators)
            self._operator(number)
        read = {index for node in self.nodes for index in node.inputs}
        ends = [self._tensors[number] for number in range(len(self.nodes)) if number not in read]
        return Written(self._graph.build([first], ends), tuple(numbers))

    def _operator(self, number: int) -> None:
        node = self.nodes[number]
        inputs = [self._tensors[index] for index in node.inputs]
        if node.name in {"ADD", "MUL"}:
            inputs = self._shuffled(inputs)
        if node.weights is not None:
            inputs += self._weights(number, node)
        output = self._tensors[number]
        self._graph.operator(node.name, inputs, [output], options_of(node), version=3 if self.quantized else 1)
        if self.bridged and self._generator is not None and self._generator.integers(2):
            again = self._activation(f"{number} again", node.channels, Affine(0.07, 5))
            self._graph.operator("QUANTIZE", [output], [again], schema.QuantizeOptionsT())
            self._tensors[number] = again

    def _weights(self, number: int, node: Node) -> list[int]:
        assert node.weights is not None
        axis = 3 if node.name == "DEPTHWISE_CONV_2D" else 0
        if not self.quantized:
            return [
                self._graph.constant(self._name(f"weights{number}"), node.weights),
                self._graph.constant(self._name(f"bias{number}"), node.bias),
            ]
        others = tuple(other for other in range(node.weights.ndim) if other != axis)
        scales = np.abs(node.weights).max(axis=others) / np.float32(127)
        along = [1] * node.weights.ndim
        along[axis] = -1
        stored = np.rint(node.weights / scales.reshape(along)).astype(np.int8)
        bias_scales = scales * np.float32(ACTIVATION.scale)
        bias = np.rint(node.bias / bias_scales).astype(np.int32)
        return [
            self._graph.constant(self._name(f"weights{number}"), stored, Affine(scales, axis=axis)),
            self._graph.constant(self._name(f"bias{number}"), bias, Affine(bias_scales)),
        ]

    def _activation(self, name: str, channels: int, affine: Affine = ACTIVATION) -> int:
        shape = [1, _SIDE, _SIDE, channels]
        return self._graph.tensor(name, shape, "int8", affine) if self.quantized else self._graph.tensor(name, shape)

    def _order(self) -> list[int]:
        """The nodes in an order in which each comes after what it reads."""
        waiting, order = list(range(len(self.nodes))), []
        while waiting:
            ready = [number for number in waiting if not set(self.nodes[number].inputs).intersection(waiting)]
            order.append(self._shuffled(ready)[0])
            waiting.remove(order[-1])
        return order

    def _shuffled(self, things: list[int]) -> list[int]:
        return things if self._generator is None else [int(thing) for thing in self._generator.permutation(things)]

    def _name(self, name: str) -> str:
        """`name`, or one that has nothing to do with it."""
        return name if self._generator is None else f"t{self._generator.integers(1 << 62)}"


def options_of(node: Node) -> Any:
    """The table of options of a node's operator."""
    fused = getattr(schema.ActivationFunctionType, node.fused)
    if node.name == "CONV_2D":
        return schema.Conv2DOptionsT(padding=schema.Padding.SAME, strideH=1, strideW=1, fusedActivationFunction=fused)
    if node.name == "DEPTHWISE_CONV_2D":
        return schema.DepthwiseConv2DOptionsT(
            padding=schema.Padding.SAME, strideH=1, strideW=1, depthMultiplier=1, fusedActivationFunction=fused
        )
    if node.name == "MAX_POOL_2D":
        return schema.Pool2DOptionsT(
            padding=schema.Padding.SAME,
            strideH=1,
            strideW=1,
            filterHeight=2,
            filterWidth=2,
            fusedActivationFunction=fused,
        )
    if node.name == "CONCATENATION":
        return schema.ConcatenationOptionsT(axis=3, fusedActivationFunction=fused)
    return {
        "ADD": lambda: schema.AddOptionsT(fusedActivationFunction=fused),
        "MUL": lambda: schema.MulOptionsT(fusedActivationFunction=fused),
        "LOGISTIC": lambda: None,
        "RELU": lambda: None,
        "RELU6": lambda: None,
    }[node.name]()


def conv(source: int, channels: int, out: int, seed: int, fused: str = "NONE") -> Node:
    """A CONV_2D 1x1 with random weights."""
    weights = np.random.default_rng(seed).normal(size=(out, 1, 1, channels)).astype(np.float32)
    return Node("CONV_2D", (source,), out, weights, fused)


def depthwise(source: int, channels: int, seed: int) -> Node:
    """A DEPTHWISE_CONV_2D 3x3 with random weights."""
    weights = np.random.default_rng(seed).normal(size=(1, 3, 3, channels)).astype(np.float32)
    return Node("DEPTHWISE_CONV_2D", (source,), channels, weights)
