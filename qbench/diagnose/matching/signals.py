"""A graph as what it computes on real values: operators between signals, however the signals are stored.

A signal is what several tensors of a graph stand for: QUANTIZE and DEQUANTIZE change how values are stored,
RESHAPE and its like how they are indexed, and neither the values nor their order in memory. Two operators that do the
same with the same signals give the same signal.
"""

from __future__ import annotations

import hashlib
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qbench.tflite.graph import Operator, Subgraph, Tensor

    Array = npt.NDArray[Any]

#: Operators whose output is the signal that their first input is.
BRIDGES = frozenset({"QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS"})

#: Options that say how a kernel computes, not what.
_NOT_COMPARED = frozenset(
    {"quantized_bias_type", "asymmetric_quantize_inputs", "weights_format", "quant_spec", "approximate"}
)

#: Operators whose two inputs may be swapped.
COMMUTATIVE = frozenset(
    {"ADD", "MUL", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "EQUAL", "NOT_EQUAL", "LOGICAL_AND", "LOGICAL_OR"}
)

_STORED_REAL = frozenset({"int2", "int4", "int8", "uint8", "int16"})


@dataclass(frozen=True, kw_only=True)
class Operand:
    """What an operation reads: a signal, or a constant; neither for one left out.

    Parameters
    ----------
    signal, constant
        The tensor that stands for the signal; the tensor that holds the constant, or is made of one alone.
    shape
        How it is indexed here.
    """

    signal: int | None = None
    constant: int | None = None
    shape: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Operation:
    """An operator that is no bridge, as what it does with signals.

    Parameters
    ----------
    number
        Its place in the subgraph.
    options
        What tells it from others of its `name`; without values that are the schema's defaults.
    outputs, shapes
        The tensors that stand for its signals, and how these are indexed.
    """

    number: int
    name: str
    options: Mapping[str, Any]
    operands: tuple[Operand, ...]
    outputs: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]

    @property
    def kind(self) -> tuple[object, ...]:
        """What operations that may stand for each other have in common."""
        return self.name, tuple(sorted(self.options.items())), self.shapes


class Signals:
    """The signals of a subgraph, and the operations between them.

    Attributes
    ----------
    operations
        Those that are no bridges, in order of execution; of several that do the same the first.
    """

    def __init__(self, graph: Subgraph) -> None:
        self.graph = graph
        self._first = list(range(len(graph.tensors)))
        self._constants: dict[int, Array | None] = {}
        self._made_of_constant: dict[int, int] = {}
        self.operations: list[Operation] = []
        seen: dict[tuple[object, ...], Operation] = {}
        for number, operator in enumerate(graph.operators):
            if self._bridge(operator):
                continue
            operation = self._operation(number, operator)
            same = seen.setdefault(self._identity(operation), operation)
            if same is operation:
                self.operations.append(operation)
            for index, first in zip(operator.outputs, same.outputs, strict=True):
                if index >= 0:
                    self._first[index] = first

    def signal(self, index: int) -> int:
        """The tensor that stands for the signal of the tensor at `index`."""
        return self._first[index]

    @cached_property
    def members(self) -> dict[int, list[int]]:
        """All tensors of a signal, by the tensor that stands for it."""
        members: dict[int, list[int]] = {}
        for index, first in enumerate(self._first):
            members.setdefault(first, []).append(index)
        return members

    @cached_property
    def producers(self) -> dict[int, Operation]:
        """The operation that a signal comes from."""
        return {index: operation for operation in self.operations for index in operation.outputs}

    @cached_property
    def readers(self) -> dict[int, tuple[Operation, ...]]:
        """The operations that read a signal."""
        readers: dict[int, tuple[Operation, ...]] = {}
        for operation in self.operations:
            for signal in dict.fromkeys(operand.signal for operand in operation.operands):
                if signal is not None:
                    readers[signal] = (*readers.get(signal, ()), operation)
        return readers

    def is_constant(self, index: int) -> bool:
        """Whether the tensor is a constant, or made of constants alone by bridges."""
        return self.graph.tensors[index].data is not None or index in self._made_of_constant

    def constant(self, index: int) -> Array | None:
        """float64 real values, or integers, of a constant; None if the file's records do not tell them."""
        origin = self._made_of_constant.get(index, index)
        if origin not in self._constants:
            self._constants[origin] = real_constant(self.graph.tensors[origin])
        values = self._constants[origin]
        return values if values is None or self.is_added(index) else values.reshape(self.graph.tensors[index].shape)

    def is_added(self, index: int) -> bool:
        """Whether a constant stands in no tensor of the file."""
        return index >= len(self.graph.tensors)

    def add_constant(self, values: Array) -> Operand:
        """A constant that no tensor of the file holds."""
        index = len(self.graph.tensors) + len(self._constants)
        while index in self._constants:
            index += 1
        self._constants[index] = values
        return Operand(constant=index, shape=values.shape)

    def copy(self) -> Signals:
        """The same, to change operations and constants of."""
        other = copy(self)
        for computed in ("producers", "readers"):
            other.__dict__.pop(computed, None)
        other._constants, other.operations = dict(self._constants), list(self.operations)  # noqa: SLF001 - its own
        return other

    def _bridge(self, operator: Operator) -> bool:
        if operator.name not in BRIDGES:
            return False
        (index, *_), (output, *_) = operator.inputs, operator.outputs
        if self.is_constant(index):
            self._made_of_constant[output] = self._made_of_constant.get(index, index)
        else:
            self._first[output] = self._first[index]
        return True

    def _operation(self, number: int, operator: Operator) -> Operation:
        tensors = self.graph.tensors
        return Operation(
            number=number,
            name=operator.name,
            options={
                name: value
                for name, value in operator.options.items()
                if name not in _NOT_COMPARED and value not in (0, False, "NONE", ())
            },
            operands=tuple(self._operand(index) for index in operator.inputs),
            outputs=tuple(operator.outputs),
            shapes=tuple(tensors[index].shape if index >= 0 else () for index in operator.outputs),
        )

    def _operand(self, index: int) -> Operand:
        if index < 0:
            return Operand()
        shape = self.graph.tensors[index].shape
        if self.is_constant(index):
            return Operand(constant=index, shape=shape)
        return Operand(signal=self._first[index], shape=shape)

    def _identity(self, operation: Operation) -> tuple[object, ...]:
        operands = [(operand.signal, self._digest(operand.constant), operand.shape) for operand in operation.operands]
        if operation.name in COMMUTATIVE:
            operands.sort(key=repr)
        return operation.name, repr(sorted(operation.options.items())), tuple(operands), operation.shapes

    def _digest(self, index: int | None) -> object:
        if index is None:
            return None
        tensor = self.graph.tensors[self._made_of_constant.get(index, index)]
        content = b"".join(
            part.tobytes() for part in (tensor.data, tensor.scales, tensor.zero_points) if part is not None
        )
        return tensor.dtype, hashlib.sha256(content).hexdigest()


def real_constant(tensor: Tensor) -> Array | None:
    """What a constant stands for: float64 real values, or its integers if it is not quantized.

    Returns
    -------
    array or None
        Of the tensor's shape. None if it is no constant, numpy does not know its dtype, it is sparse, or its
        parameters do not fit it, such as scales of blocks, which the records of a file do not hold.
    """
    try:
        stored = tensor.constant()
    except ValueError:
        return None
    if stored is None:
        return None
    if stored.dtype.kind == "f":
        return stored.astype(np.float64)
    if not tensor.scales.size:
        return None if tensor.dtype in _STORED_REAL else stored
    layout = np.ones(max(stored.ndim, 1), np.int64)
    if tensor.scales.size > 1:
        axis = tensor.quantized_dimension
        if axis >= stored.ndim or stored.shape[axis] != tensor.scales.size:
            return None
        layout[axis] = tensor.scales.size
    points = tensor.zero_points if tensor.zero_points.size == tensor.scales.size else np.zeros(tensor.scales.size)
    scales = tensor.scales.astype(np.float64)
    real: Array = (stored.astype(np.float64) - points.reshape(layout)) * scales.reshape(layout)
    return real.reshape(stored.shape)
