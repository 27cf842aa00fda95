"""Writes a `.tflite` tensor by tensor through the runtime's own schema, without TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from qbench.tflite.graph import pack_int4
from qbench.tflite.options import options_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.tflite.graph import Array, Model


class Affine(NamedTuple):
    """Quantization parameters of a tensor: ``real = (stored - zero_point) * scale``.

    Parameters
    ----------
    scale, zero_point
        One number, or one for each index of `axis`.
    axis
        The quantized dimension.
    """

    scale: float | Array
    zero_point: int | Array = 0
    axis: int = 0


class Graph:
    """One subgraph under construction. Buffers and operator codes are shared with its root graph.

    Parameters
    ----------
    root
        The graph whose file this subgraph goes to; None makes a new file with this as subgraph 0.
    """

    def __init__(self, root: Graph | None = None) -> None:
        if root is None:
            # Buffer 0 is empty by the schema's convention: it marks tensors that hold no constant.
            self.model = schema.ModelT(
                version=3,
                description="qbench",
                operatorCodes=[],
                subgraphs=[],
                buffers=[schema.BufferT()],
                signatureDefs=[],
            )
        else:
            self.model = root.model
        self.index = len(self.model.subgraphs)
        self.subgraph = schema.SubGraphT(tensors=[], operators=[], inputs=[], outputs=[], name=f"graph{self.index}")
        self.model.subgraphs.append(self.subgraph)

    def tensor(
        self, name: str, shape: Sequence[int], dtype: str = "float32", affine: Affine | None = None, *, buffer: int = 0
    ) -> int:
        """Add a tensor and return its index; -1 in `shape` is a dynamic dimension."""
        tensor = schema.TensorT(
            name=name,
            shape=[1 if size == -1 else size for size in shape],
            shapeSignature=list(shape) if -1 in shape else None,
            type=getattr(schema.TensorType, dtype.upper()),
            buffer=buffer,
            hasRank=True,
        )
        if affine is not None:
            scales = np.atleast_1d(np.asarray(affine.scale, np.float32))
            tensor.quantization = schema.QuantizationParametersT(
                scale=scales.tolist(),
                zeroPoint=np.broadcast_to(affine.zero_point, scales.shape).tolist(),
                quantizedDimension=affine.axis,
            )
        self.subgraph.tensors.append(tensor)
        return len(self.subgraph.tensors) - 1

    def constant(self, name: str, values: Array, affine: Affine | None = None, *, dtype: str = "") -> int:
        """Add a constant tensor and return its index; `dtype` ``int4`` packs two `values` in a byte."""
        stored = np.ascontiguousarray(values)
        if dtype == "int4":
            stored = pack_int4(stored)
        return self.tensor(name, values.shape, dtype or values.dtype.name, affine, buffer=self.buffer(stored))

    def buffer(self, stored: Array | None) -> int:
        """Add a buffer with the bytes of `stored`, or none, and return its index."""
        content = None if stored is None else np.frombuffer(stored.tobytes(), np.uint8)
        self.model.buffers.append(schema.BufferT(data=content))
        return len(self.model.buffers) - 1

    def operator(
        self, name: str, inputs: Sequence[int], outputs: Sequence[int], options: Any = None, *, version: int = 1
    ) -> None:
        """Add an operator: `name` as in the schema, or ``custom:<code>``; `options` is one of its `...OptionsT`."""
        _, is_custom, code = name.partition("custom:")
        builtin = schema.BuiltinOperator.CUSTOM if is_custom else getattr(schema.BuiltinOperator, name)
        self.model.operatorCodes.append(
            schema.OperatorCodeT(
                # Old readers know only the first 127 operators, in the field of one byte.
                deprecatedBuiltinCode=min(builtin, 127),
                builtinCode=builtin,
                customCode=code if is_custom else None,
                version=version,
            )
        )
        operator = schema.OperatorT(
            opcodeIndex=len(self.model.operatorCodes) - 1, inputs=list(inputs), outputs=list(outputs)
        )
        if options is not None:
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self.subgraph.operators.append(operator)

    def signature(self, key: str, inputs: dict[str, int], outputs: dict[str, int]) -> None:
        """Name inputs and outputs of this subgraph for callers."""
        self.model.signatureDefs.append(
            schema.SignatureDefT(
                signatureKey=key,
                subgraphIndex=self.index,
                inputs=[schema.TensorMapT(name=name, tensorIndex=index) for name, index in inputs.items()],
                outputs=[schema.TensorMapT(name=name, tensorIndex=index) for name, index in outputs.items()],
            )
        )

    def ends(self, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        """Set the inputs and outputs of this subgraph."""
        self.subgraph.inputs, self.subgraph.outputs = list(inputs), list(outputs)

    def build(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """Set the inputs and outputs of this subgraph and return the whole file."""
        self.ends(inputs, outputs)
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())


def operator_model(model: Model, number: int, *, subgraph: int = 0) -> bytes:
    """The `.tflite` that holds one operator of `model` alone, with the constants that it reads.

    Parameters
    ----------
    number, subgraph
        Which operator: its place in the subgraph's order, and the subgraph's in the file.

    Returns
    -------
    bytes
        A file whose inputs are the operator's inputs that are no constants, each once and in the operator's order.

    Raises
    ------
    ValueError
        If the operator is a custom one, runs other subgraphs, or a constant cannot be copied.
    """
    tensors = model.subgraphs[subgraph].tensors
    operator = model.subgraphs[subgraph].operators[number]
    if operator.name.startswith("custom:") or any(field.endswith("subgraph_index") for field in operator.options):
        raise ValueError(f"{operator.name} cannot be cut out: it does not stand for itself")
    graph = Graph()
    indices: dict[int, int] = {-1: -1}
    for index in dict.fromkeys(operator.inputs + operator.outputs):
        if index < 0:
            continue
        tensor = tensors[index]
        if tensor.is_variable or tensor.is_sparse:
            raise ValueError(f"{operator.name} cannot be cut out: {tensor.name!r} is a variable or sparse")
        buffer = 0 if tensor.data is None else graph.buffer(tensor.data)
        affine = Affine(tensor.scales, tensor.zero_points, tensor.quantized_dimension) if tensor.scales.size else None
        indices[index] = graph.tensor(tensor.name, tensor.shape, tensor.dtype, affine, buffer=buffer)
    inputs = [indices[index] for index in operator.inputs]
    outputs = [indices[index] for index in operator.outputs]
    options = options_table(schema, operator.options_type, dict(operator.options)) if operator.options_type else None
    graph.operator(operator.name, inputs, outputs, options, version=operator.version)
    variable = [index for index in dict.fromkeys(operator.inputs) if index >= 0 and tensors[index].data is None]
    return graph.build([indices[index] for index in variable], [index for index in outputs if index >= 0])
