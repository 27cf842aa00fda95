"""Changes a `.tflite` as a whole: other values for its constants, or without what only people read."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from qbench.tflite.graph import pack_int4
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qbench.tflite.graph import Array

#: What the runtime itself looks for in a file's metadata.
_NEEDED_METADATA = frozenset({b"min_runtime_version"})


def with_constants(
    content: bytes,
    values: Mapping[int, Array],
    *,
    scales: Mapping[int, Array] = MappingProxyType({}),
    subgraph: int = 0,
) -> bytes:
    """The file `content` with other values for constants of one subgraph, every other byte as it was.

    Parameters
    ----------
    values
        By tensor index, of the tensor's shape and dtype (int8 for int4).
    scales
        Other scales, by tensor index, as many as the tensor has, in float32.
    subgraph
        Which subgraph's tensors are meant.

    Raises
    ------
    ValueError
        If a tensor is no constant, or has another shape or dtype, or another number of scales.
    """
    tensors = read_model(content).subgraphs[subgraph].tensors
    changed = bytearray(content)
    # Views into the same memory, so that the place in the file is the difference of two addresses.
    start = np.frombuffer(content, np.uint8).ctypes.data
    for index, array in values.items():
        tensor = tensors[index]
        stored = np.ascontiguousarray(array)
        dtype = "int8" if tensor.dtype == "int4" else tensor.dtype
        if tensor.data is None or stored.shape != tensor.shape or stored.dtype.name != dtype:
            raise ValueError(
                f"found values of {stored.dtype}{stored.shape} for {tensor.name!r}, expected a constant of "
                f"{tensor.dtype}{tensor.shape}"
            )
        packed = pack_int4(stored) if tensor.dtype == "int4" else stored
        place = tensor.data.ctypes.data - start
        changed[place : place + packed.nbytes] = packed.tobytes()
    for index, array in scales.items():
        tensor = tensors[index]
        if array.shape != tensor.scales.shape or array.dtype != np.float32:
            raise ValueError(
                f"found scales of {array.dtype}{array.shape} for {tensor.name!r}, expected float32{tensor.scales.shape}"
            )
        place = tensor.scales.ctypes.data - start
        changed[place : place + array.nbytes] = array.tobytes()
    return bytes(changed)


def without_descriptions(content: bytes) -> bytes:
    """The file `content` without the names of inner tensors and without notes of the tools that made it.

    Operators, constants, quantization parameters, signatures and the names of inputs and outputs stay, and so
    does what the model computes.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    model.description = None
    kept = [item for item in model.metadata or [] if item.name in _NEEDED_METADATA]
    for item in model.metadata or []:
        if item not in kept:
            model.buffers[item.buffer].data = None
    model.metadata = kept or None
    for subgraph in model.subgraphs:
        ends = {*map(int, subgraph.inputs), *map(int, subgraph.outputs)}
        for index, tensor in enumerate(subgraph.tensors):
            if index not in ends:
                tensor.name = None
    return _packed(model, len(content))


def resized(content: bytes, kept: Mapping[int, Mapping[int, Array]]) -> bytes:
    """The file `content` with fewer indices along dimensions of some tensors of its main subgraph.

    Parameters
    ----------
    kept
        Indices that stay, by dimension, by tensor. Constants are cut accordingly; of others only the shape changes.

    Notes
    -----
    A RESHAPE to a tensor that changed gets its new shape as a constant, with the first dimension left open, and the
    operators that computed the old one go.
    """
    graph = read_model(content).subgraphs[0]
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    subgraph = model.subgraphs[0]
    for index, axes in kept.items():
        tensor, constant = subgraph.tensors[index], graph.tensors[index].constant()
        tensor.shape = np.array(tensor.shape)
        if tensor.shapeSignature is not None:
            tensor.shapeSignature = np.array(tensor.shapeSignature)
        for axis, chosen in axes.items():
            tensor.shape[axis] = len(chosen)
            if tensor.shapeSignature is not None:
                tensor.shapeSignature[axis] = len(chosen)
            constant = None if constant is None else np.take(constant, chosen, axis=axis)
        if constant is not None:
            model.buffers[tensor.buffer].data = np.frombuffer(np.ascontiguousarray(constant).tobytes(), np.uint8)
    for operator, known in zip(subgraph.operators, graph.operators, strict=True):
        if known.name == "RESHAPE" and known.outputs[0] in kept:
            _reshape_to_constant(model, operator, subgraph.tensors[known.outputs[0]].shape)
    _drop_unread(model)
    return _packed(model, len(content))


def _reshape_to_constant(model: Any, operator: Any, shape: Sequence[int]) -> None:
    target = np.array([-1, *shape[1:]], np.int32)
    model.buffers.append(schema.BufferT(data=np.frombuffer(target.tobytes(), np.uint8)))
    tensors = model.subgraphs[0].tensors
    name = b"%s/shape" % tensors[operator.outputs[0]].name
    tensors.append(
        schema.TensorT(
            name=name, shape=[len(target)], type=schema.TensorType.INT32, buffer=len(model.buffers) - 1, hasRank=True
        )
    )
    operator.inputs = [operator.inputs[0], len(tensors) - 1]
    operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.NONE, None


def _drop_unread(model: Any) -> None:
    """Leave out operators whose outputs nobody reads, and tensors, operator codes and buffers that are left alone."""
    subgraph = model.subgraphs[0]
    ends = {*map(int, subgraph.inputs), *map(int, subgraph.outputs)}
    count = -1
    while count != len(subgraph.operators):
        count = len(subgraph.operators)
        read = ends | {int(index) for operator in subgraph.operators for index in operator.inputs}
        subgraph.operators = [item for item in subgraph.operators if read.intersection(map(int, item.outputs))]
    made = {int(index) for operator in subgraph.operators for index in operator.outputs}
    subgraph.tensors, tensors = _only(subgraph.tensors, ends | made | read)
    for item in subgraph.operators:
        item.inputs = [tensors[int(index)] for index in item.inputs]
        item.outputs = [tensors[int(index)] for index in item.outputs]
    subgraph.inputs = [tensors[int(index)] for index in subgraph.inputs]
    subgraph.outputs = [tensors[int(index)] for index in subgraph.outputs]
    for signature in model.signatureDefs or []:
        for end in (*signature.inputs, *signature.outputs):
            end.tensorIndex = tensors[end.tensorIndex]
    model.operatorCodes, codes = _only(model.operatorCodes, {item.opcodeIndex for item in subgraph.operators})
    for item in subgraph.operators:
        item.opcodeIndex = codes[item.opcodeIndex]
    holders = [*subgraph.tensors, *(model.metadata or [])]
    model.buffers, buffers = _only(model.buffers, {0} | {holder.buffer for holder in holders})
    for holder in holders:
        holder.buffer = buffers[holder.buffer]


def _only(items: Sequence[Any], numbers: set[int]) -> tuple[list[Any], dict[int, int]]:
    """The items of these numbers, and the new number of each old one; -1 stands for none."""
    chosen = [number for number in range(len(items)) if number in numbers]
    return [items[number] for number in chosen], {old: new for new, old in enumerate(chosen)} | {-1: -1}


def _packed(model: Any, size: int) -> bytes:
    builder = flatbuffers.Builder(size)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
