"""The oracle of a whole graph: each operator of a `.tflite` through its own oracle, one after the other.

What the oracles do not know is named, never guessed: a graph with one such operator is refused as a whole
before anything is computed.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.errors import NoOracleError, UnspecifiedError
from qbench.quant.bindings import dtype_of, oracle_of
from qbench.quant.call import Call
from qbench.quant.family import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from qbench.quant.family import Family
    from qbench.tflite.graph import Model, Operator, Subgraph

    Array = npt.NDArray[Any]
    Observer = Callable[[int, tuple[Array | None, ...], tuple[Array, ...]], None]


#: Activations that XNNPACK has no kernels for: it leaves those operators to the runtime's own.
_UNDELEGATED = frozenset({"int16"})


def run_graph(
    model: Model, inputs: Sequence[Array], *, family: Family = "reference", observe: Observer | None = None
) -> tuple[Array, ...]:
    """What the main subgraph of `model` should give.

    Parameters
    ----------
    inputs
        One array for each input of the graph, of its dtype and of any batch size that the graph allows.
    family
        Whose kernels are asked for; what XNNPACK leaves to the runtime is computed as ``builtin``.
    observe
        Called after each operator with its place, its inputs and its outputs.

    Returns
    -------
    tuple of arrays
        The outputs, in the order of the file.

    Raises
    ------
    NoOracleError
        If operators of the graph have no oracle, and all of them are named; or if the specification says nothing of
        what one is given, such as parameters that the runtime refuses.
    ValueError
        If the inputs do not fit the graph.
    """
    graph = model.subgraphs[0]
    if family not in FAMILIES:
        raise ValueError(f"found the family {family!r}, expected one of {', '.join(FAMILIES)}")
    if unknown := unknown_operators(graph):
        raise NoOracleError(f"found {', '.join(unknown)}, of which the int8 specification here has no oracle")
    check_state(graph)
    values = _checked(graph, inputs)
    uses = Counter(index for operator in graph.operators for index in operator.inputs)
    uses.update(graph.outputs)
    for number, operator in enumerate(graph.operators):
        arrays = tuple(_value(graph, values, index) for index in operator.inputs)
        outputs = run_operator(graph, operator, arrays, family=family)
        if observe is not None:
            observe(number, arrays, outputs)
        values.update(zip(operator.outputs, outputs, strict=True))
        uses.subtract(operator.inputs)
        for index in operator.inputs:
            if not uses[index]:
                values.pop(index, None)
    return tuple(_required(graph, values, index) for index in graph.outputs)


def run_operator(
    graph: Subgraph, operator: Operator, arrays: tuple[Array | None, ...], *, family: Family = "reference"
) -> tuple[Array, ...]:
    """What one operator of `graph` should give of the stored values `arrays`; errors as in `run_graph`."""
    oracle = oracle_of(graph, operator)
    if oracle is None:
        raise NoOracleError(f"found {label(graph, operator)}, of which the int8 specification here has no oracle")
    call = Call(
        operator=operator,
        inputs=arrays,
        input_tensors=tuple(graph.tensors[index] if index >= 0 else None for index in operator.inputs),
        output_tensors=tuple(graph.tensors[index] for index in operator.outputs),
        family="builtin" if family == "xnnpack" and dtype_of(graph, operator) in _UNDELEGATED else family,
    )
    try:
        outputs = oracle(call)
    except UnspecifiedError as error:
        raise NoOracleError(f"{label(graph, operator)}: {error}") from error
    return outputs if isinstance(outputs, tuple) else (outputs,)


def unknown_operators(graph: Subgraph) -> tuple[str, ...]:
    """Operators of `graph` that have no oracle, with the dtype they compute in; each once, sorted."""
    unknown = {label(graph, operator) for operator in graph.operators if oracle_of(graph, operator) is None}
    return tuple(sorted(unknown))


def check_state(graph: Subgraph) -> None:
    """Refuse a graph that keeps a state from one invoke to the next.

    Raises
    ------
    NoOracleError
        If a tensor is a variable.
    """
    if variables := [tensor.name for tensor in graph.tensors if tensor.is_variable]:
        raise NoOracleError(f"the variable {variables[0]!r} keeps a state, of which the oracles know nothing")


def label(graph: Subgraph, operator: Operator) -> str:
    """Such as ``CONV_2D float32``: the operator, and the dtype that it computes in."""
    return f"{operator.name} {dtype_of(graph, operator)}".strip()


def _value(graph: Subgraph, values: dict[int, Array], index: int) -> Array | None:
    return None if index < 0 else _required(graph, values, index)


def _required(graph: Subgraph, values: dict[int, Array], index: int) -> Array:
    if index in values:
        return values[index]
    tensor = graph.tensors[index]
    try:
        constant = tensor.constant()
    except ValueError as error:
        raise NoOracleError(str(error)) from error
    if constant is not None:
        return constant
    if 0 in tensor.shape:  # Of nothing, a file holds nothing.
        return np.empty(tensor.shape, tensor.dtype)
    raise NoOracleError(f"nothing gives the tensor {tensor.name!r} a value")


def _checked(graph: Subgraph, inputs: Sequence[Array]) -> dict[int, Array]:
    """Values of the graph's inputs, by index."""
    if len(inputs) != len(graph.inputs):
        names = ", ".join(repr(graph.tensors[index].name) for index in graph.inputs)
        raise ValueError(f"found {len(inputs)} inputs, expected {len(graph.inputs)}: {names}")
    for index, stored in zip(graph.inputs, inputs, strict=True):
        tensor = graph.tensors[index]
        fits = stored.ndim == len(tensor.shape) and all(
            size in {-1, found} or axis == 0
            for axis, (size, found) in enumerate(zip(tensor.signature, stored.shape, strict=True))
        )
        if stored.dtype.name != tensor.dtype or not fits:
            raise ValueError(
                f"the input {tensor.name!r} takes {tensor.dtype} of shape {tensor.signature}, of which the first axis "
                f"may have any size, found {stored.dtype.name} of shape {stored.shape}"
            )
    return dict(zip(graph.inputs, inputs, strict=True))
