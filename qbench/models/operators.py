"""What the operators of a `.tflite` compute: in which dtypes, how many multiply-accumulates, where float is left."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.tflite.graph import Operator, Subgraph, Tensor

#: Width of one element, as stored.
DTYPE_BITS = {
    "int2": 2,
    **dict.fromkeys(("int4", "uint4"), 4),
    **dict.fromkeys(("int8", "uint8", "bool", "float8_e4m3fn", "float8_e5m2"), 8),
    **dict.fromkeys(("int16", "uint16", "float16", "bfloat16"), 16),
    **dict.fromkeys(("int32", "uint32", "float32"), 32),
    **dict.fromkeys(("int64", "uint64", "float64", "complex64"), 64),
    "complex128": 128,
}

# Operators between the integer and the float parts of a graph.
_BOUNDARIES = frozenset({"QUANTIZE", "DEQUANTIZE"})

# Operators that hand values on and compute none themselves: dtype, layout, choice of elements, control flow, variables.
_MOVING = frozenset(
    {"CAST", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "CONCATENATION", "PACK", "UNPACK", "SPLIT", "SPLIT_V"}
    | {"SLICE", "STRIDED_SLICE", "GATHER", "GATHER_ND", "SCATTER_ND", "TILE", "BROADCAST_TO", "REVERSE_V2", "FILL"}
    | {"PAD", "PADV2", "MIRROR_PAD", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND"}
    | {"SHAPE", "RANK", "ZEROS_LIKE", "DYNAMIC_UPDATE_SLICE", "EMBEDDING_LOOKUP", "DENSIFY", "BITCAST"}
    | {"IF", "WHILE", "CALL", "CALL_ONCE", "STABLEHLO_WHILE", "STABLEHLO_CASE", "STABLEHLO_COMPOSITE"}
    | {"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"}
)

_QUANTIZED_DTYPES = frozenset({"int2", "int4", "uint4", "int8", "uint8", "int16", "uint16"})

# Positions of the activation and of the weights among the inputs.
_ACTIVATION_AND_WEIGHTS = {
    "CONV_2D": (0, 1),
    "DEPTHWISE_CONV_2D": (0, 1),
    "FULLY_CONNECTED": (0, 1),
    "BATCH_MATMUL": (0, 1),
    "TRANSPOSE_CONV": (2, 1),
}
# Position of the bias, where it is not 2.
_BIAS = {"TRANSPOSE_CONV": 3}


@dataclass(frozen=True, kw_only=True, slots=True)
class Computation:
    """What one operator does.

    Parameters
    ----------
    operator
        Its name, as in the file.
    dtype
        The dtype of the values it computes on: of its activations; of its first input for QUANTIZE and
        DEQUANTIZE; ``none`` for an operator without tensors.
    weights_dtype
        The dtype of its constants where that is another one (a hybrid operator), else the same.
    macs
        Multiply-accumulates for the shapes that the file stores; 0 for operators that are not counted.
    output
        Name of its first output; of one that the converter made of several, the name of the last of them.
    """

    operator: str
    dtype: str
    weights_dtype: str
    macs: int
    output: str

    @property
    def label(self) -> str:
        """`dtype`, followed by that of the weights where it is another: ``int8``, ``float32xint8``."""
        return self.dtype if self.weights_dtype == self.dtype else f"{self.dtype}x{self.weights_dtype}"

    @property
    def name(self) -> str:
        """What a sentence calls it: ``CONV_2D int8 'block/conv'``."""
        return f"{self.operator} {self.label} {self.output!r}"

    @property
    def computes(self) -> bool:
        """Whether it makes new values, instead of handing on or converting those it gets."""
        return not is_moving(self.operator) and self.operator not in _BOUNDARIES

    @property
    def is_integer(self) -> bool:
        """Whether activations and weights are both quantized integers."""
        return is_quantized_dtype(self.dtype) and is_quantized_dtype(self.weights_dtype)

    @property
    def is_hybrid(self) -> bool:
        """Whether float activations meet integer weights."""
        return is_float_dtype(self.dtype) and is_quantized_dtype(self.weights_dtype)


def is_float_dtype(dtype: str) -> bool:
    """Whether `dtype` is a real or complex floating point one, of any width."""
    return dtype.startswith(("float", "bfloat", "complex"))


def is_quantized_dtype(dtype: str) -> bool:
    """Whether `dtype` is one of those that hold quantized weights or activations, not indices or biases."""
    return dtype in _QUANTIZED_DTYPES


def is_moving(operator: str) -> bool:
    """Whether the operator of this name hands values on without computing any, such as RESHAPE."""
    return operator in _MOVING


def mac_operands(operator: Operator) -> tuple[int, int] | None:
    """Tensor indices of activation and weights of an operator that multiplies and accumulates, else None.

    An index is -1 if that operand was left out.
    """
    if operator.name not in _ACTIVATION_AND_WEIGHTS:
        return None
    activation, weights = _ACTIVATION_AND_WEIGHTS[operator.name]
    # Padding, because a damaged operator may have too few inputs.
    padded = (*operator.inputs, -1, -1, -1)
    return padded[activation], padded[weights]


def bias_operand(operator: Operator) -> int:
    """Tensor index of the bias of an operator that multiplies and accumulates; -1 if it has none, or is another."""
    if operator.name not in _ACTIVATION_AND_WEIGHTS:
        return -1
    padded = (*operator.inputs, -1, -1, -1, -1)
    return padded[_BIAS.get(operator.name, 2)]


def computations(subgraph: Subgraph) -> list[Computation]:
    """What each operator of `subgraph` computes, in their order."""
    return [_computation(operator, subgraph.tensors) for operator in subgraph.operators]


def weight_dequantizes(subgraph: Subgraph) -> frozenset[int]:
    """Indices of tensors that DEQUANTIZE makes of constants: weights as good as constant."""
    constant = {index for index, tensor in enumerate(subgraph.tensors) if tensor.stored_bytes}
    dequantized: set[int] = set()
    for operator in subgraph.operators:
        # DENSIFY unpacks sparse weights, which are then dequantized like others.
        if operator.name in {"DEQUANTIZE", "DENSIFY"} and constant.issuperset(operator.inputs[:1] or [-1]):
            constant.update(operator.outputs[:1])
            if operator.name == "DEQUANTIZE":
                dequantized.update(operator.outputs[:1])
    return frozenset(dequantized)


def float_islands(subgraph: Subgraph, work: Sequence[Computation]) -> list[list[Computation]]:
    """The connected groups of operators that compute in float, without those in them that only move values.

    Operators belong together when they share a float tensor that is neither a constant nor made of one.

    Parameters
    ----------
    subgraph
        Where to look.
    work
        What each of its operators computes, as `computations` gives it.
    """
    weights = weight_dequantizes(subgraph)
    links = {
        index: index
        for index, tensor in enumerate(subgraph.tensors)
        if is_float_dtype(tensor.dtype) and not tensor.stored_bytes and index not in weights
    }

    def first(index: int) -> int:
        while links[index] != index:
            # Halving the way keeps long chains of operators from costing their length squared.
            links[index] = links[links[index]]
            index = links[index]
        return index

    computing: list[tuple[int, Computation]] = []
    for operator, item in zip(subgraph.operators, work, strict=True):
        if not is_float_dtype(item.dtype):
            continue
        touched = [index for index in operator.inputs + operator.outputs if index in links]
        for index in touched[1:]:
            links[first(index)] = first(touched[0])
        if item.computes:
            computing.extend((index, item) for index in touched[:1])
    islands: dict[int, list[Computation]] = {}
    for index, item in computing:
        islands.setdefault(first(index), []).append(item)
    return list(islands.values())


def _computation(operator: Operator, tensors: Sequence[Tensor]) -> Computation:
    dtype = _activation_dtype(operator, tensors)
    weights_dtype = _weights_dtype(operator, tensors, dtype)
    output = tensors[operator.outputs[0]].name if operator.outputs and operator.outputs[0] >= 0 else ""
    return Computation(
        operator=operator.name,
        dtype=dtype,
        weights_dtype=weights_dtype,
        macs=_macs(operator, tensors),
        # Operators that were merged into one leave all their names, from the last to the first.
        output=output.partition(";")[0],
    )


def _activation_dtype(operator: Operator, tensors: Sequence[Tensor]) -> str:
    inputs = [tensors[index].dtype for index in operator.inputs if index >= 0]
    outputs = [tensors[index].dtype for index in operator.outputs if index >= 0]
    if operator.name in _BOUNDARIES:
        return (inputs + outputs + ["none"])[0]
    activation, _ = mac_operands(operator) or (-1, -1)
    if activation >= 0:
        return tensors[activation].dtype
    if operator.name in {"SHAPE", "RANK"}:
        # They look at no value, so the dtype of what they measure says nothing.
        inputs = []
    # An index (ARG_MAX) or a truth value (LESS) is not what was computed on: then the inputs tell.
    values = [dtype for dtype in outputs[:1] + inputs if is_float_dtype(dtype) or is_quantized_dtype(dtype)]
    return (values + outputs + inputs + ["none"])[0]


def _weights_dtype(operator: Operator, tensors: Sequence[Tensor], dtype: str) -> str:
    operands = mac_operands(operator)
    if operands is not None:
        return tensors[operands[1]].dtype if operands[1] >= 0 else dtype
    if operator.name in _BOUNDARIES:
        return dtype
    constants = (tensors[index].dtype for index in operator.inputs if index >= 0 and tensors[index].stored_bytes)
    others = (other for other in constants if other != dtype and (is_float_dtype(other) or is_quantized_dtype(other)))
    return next(others, dtype)


def _macs(operator: Operator, tensors: Sequence[Tensor]) -> int:
    operands = mac_operands(operator)
    if operands is None or min((*operands, *operator.outputs[:1])) < 0 or not operator.outputs:
        return 0
    activation, weights = (tensors[index].shape for index in operands)
    output = tensors[operator.outputs[0]].shape
    if operator.name in {"CONV_2D", "FULLY_CONNECTED"}:
        # Weights are (out, ..., in): all but the first dimension meet in each element of the output.
        return math.prod(output) * math.prod(weights[1:])
    if operator.name == "DEPTHWISE_CONV_2D":
        return math.prod(output) * math.prod(weights[1:3])
    if operator.name == "TRANSPOSE_CONV":
        # Weights are (out, height, width, in): each element of the input is spread over all but the last.
        return math.prod(activation) * math.prod(weights[:3])
    # BATCH_MATMUL may transpose its operands, but rows x depth are the last two of the first one either way.
    rows = output[-2] if len(output) > 1 else 1
    return math.prod(output) * (math.prod(activation[-2:]) // max(rows, 1))
