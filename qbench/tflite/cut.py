"""Cuts a part out of a `.tflite`: what lies between some of its tensors, as a file of its own."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from qbench.tflite.graph import Model, Operator, Subgraph


class Cutter:
    """Cuts parts out of the main subgraph of one file.

    Tensors, their quantization of whatever kind, constants and options go over as they stand in the file, also those
    that the records of `qbench.tflite.graph` do not hold.

    Parameters
    ----------
    content
        The file.
    model
        The same, as `read_model` gave it: a file that it refused must not come here.
    """

    def __init__(self, content: bytes, model: Model) -> None:
        self.graph = model.subgraphs[0]
        self._content = content
        self._file = schema.ModelT.InitFromPackedBuf(content)

    def part(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """The file that computes the tensors `outputs` from the tensors `inputs`.

        Parameters
        ----------
        inputs, outputs
            Tensor indices, which become the inputs and the outputs of the new file in this order.

        Raises
        ------
        ValueError
            If something else that is no constant is needed, an output is an input or a constant, or an operator does
            not stand for itself: it is a custom one, runs other subgraphs, or keeps a state.
        """
        numbers = operators_between(self.graph, inputs, outputs)
        for number in numbers:
            _check_alone(self.graph, self.graph.operators[number])
        operators = [self._file.subgraphs[0].operators[number] for number in numbers]
        tensors, buffers = self._tensors(_touched(operators, inputs))
        places = {old: new for new, old in enumerate(tensors)} | {-1: -1}
        codes = list(dict.fromkeys(operator.opcodeIndex for operator in operators))
        moved = []
        for operator in operators:
            operator = copy(operator)  # noqa: PLW2901 - the file's own must stay as it is
            operator.opcodeIndex = codes.index(operator.opcodeIndex)
            operator.inputs = [places[int(index)] for index in operator.inputs]
            operator.outputs = [places[int(index)] for index in operator.outputs]
            moved.append(operator)
        subgraph = schema.SubGraphT(
            tensors=[_relocated(tensor, places) for tensor in tensors.values()],
            operators=moved,
            inputs=[places[index] for index in inputs],
            outputs=[places[index] for index in outputs],
            name="part",
        )
        part = schema.ModelT(
            version=3,
            description="qbench",
            operatorCodes=[self._file.operatorCodes[code] for code in codes],
            subgraphs=[subgraph],
            buffers=buffers,
        )
        builder = flatbuffers.Builder(1024)
        builder.Finish(part.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def _tensors(self, wanted: Collection[int]) -> tuple[dict[int, Any], list[Any]]:
        """Copies of tensors by their old indices, and the buffers that they refer to by new ones."""
        buffers = [schema.BufferT()]
        places: dict[int, int] = {0: 0}
        tensors: dict[int, Any] = {}
        for index in _with_scales(self._file.subgraphs[0].tensors, wanted):
            tensor = copy(self._file.subgraphs[0].tensors[index])
            if tensor.buffer not in places:
                stored = self._file.buffers[tensor.buffer]
                places[tensor.buffer] = len(buffers)
                buffers.append(self._whole(stored))
            tensor.buffer = places[tensor.buffer]
            tensors[index] = tensor
        return tensors, buffers

    def _whole(self, buffer: Any) -> Any:
        """A buffer with its data in it, which writers of large files leave behind the tables."""
        if (buffer.offset or 0) <= 1:  # 1 is the mark of "to be filled in".
            return buffer
        return schema.BufferT(data=np.frombuffer(self._content, np.uint8, count=buffer.size, offset=buffer.offset))


def operators_between(graph: Subgraph, inputs: Collection[int], outputs: Collection[int]) -> tuple[int, ...]:
    """Numbers of the operators that compute `outputs` from `inputs` and constants, in order of execution.

    Raises
    ------
    ValueError
        If something is needed that is neither, or an output is one.
    """
    producers = {index: number for number, operator in enumerate(graph.operators) for index in operator.outputs}
    known = set(inputs)
    needed: set[int] = set()
    waiting = list(outputs)
    if given := [index for index in outputs if index in known or index not in producers]:
        raise ValueError(f"{graph.tensors[given[0]].name!r} is computed by no operator of the part")
    while waiting:
        index = waiting.pop()
        if index in known or index < 0 or graph.tensors[index].data is not None:
            continue
        if index not in producers:
            if 0 in graph.tensors[index].shape:
                continue  # Of nothing, a file holds nothing.
            raise ValueError(f"{graph.tensors[index].name!r} is needed, and is neither among the inputs nor a constant")
        number = producers[index]
        known.update(graph.operators[number].outputs)
        needed.add(number)
        waiting.extend(graph.operators[number].inputs)
    return tuple(sorted(needed))


def operators_behind(graph: Subgraph, tensors: Collection[int]) -> tuple[int, ...]:
    """Numbers of the operators whose results depend on `tensors`, in order of execution."""
    changed, behind = set(tensors), []
    for number, operator in enumerate(graph.operators):
        if changed.intersection(operator.inputs):
            changed.update(operator.outputs)
            behind.append(number)
    return tuple(behind)


def _check_alone(graph: Subgraph, operator: Operator) -> None:
    tensors = [graph.tensors[index] for index in operator.inputs + operator.outputs if index >= 0]
    if operator.name.startswith("custom:") or any(field.endswith("subgraph_index") for field in operator.options):
        raise ValueError(f"{operator.name} cannot be cut out: it does not stand for itself")
    if states := [tensor.name for tensor in tensors if tensor.is_variable]:
        raise ValueError(f"{operator.name} cannot be cut out: {states[0]!r} keeps a state from one invoke to the next")


def _touched(operators: Sequence[Any], inputs: Sequence[int]) -> list[int]:
    touched = dict.fromkeys(inputs)
    for operator in operators:
        touched.update(dict.fromkeys(int(index) for index in (*operator.inputs, *operator.outputs) if index >= 0))
    return list(touched)


def _with_scales(tensors: Sequence[Any], wanted: Collection[int]) -> Iterator[int]:
    """`wanted`, and the tensors that hold scales of weights quantized in blocks."""
    seen: set[int] = set()
    for index in wanted:
        for needed in (index, *_blockwise(tensors[index])):
            if needed not in seen:
                seen.add(needed)
                yield needed


def _blockwise(tensor: Any) -> tuple[int, ...]:
    """Indices of the tensors with the scales and the zero points of weights quantized in blocks; none for others."""
    details = getattr(tensor.quantization, "details", None)
    if not isinstance(details, schema.BlockwiseQuantizationT):
        return ()
    # A tensor that is left out is -1 by the schema; converters write 0 too, which is another tensor.
    return tuple(index for index in (details.scales, details.zeroPoints) if index > 0)


def _relocated(tensor: Any, places: dict[int, int]) -> Any:
    """`tensor`, whose tensors of scales are found at new `places`."""
    if _blockwise(tensor):
        tensor.quantization = copy(tensor.quantization)
        details = tensor.quantization.details = copy(tensor.quantization.details)
        details.scales = places.get(details.scales, details.scales)
        details.zeroPoints = places.get(details.zeroPoints, details.zeroPoints)
    return tensor
