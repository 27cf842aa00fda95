"""From an operator as a file has it to the oracle that knows it, and to what that oracle claims."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.quant.bindings import computed, moved, weighted
from qbench.quant.kernels import (
    addition,
    conversion,
    convolution,
    linear,
    lookup,
    movement,
    multiplication,
    picking,
    pooling,
    rectifiers,
    reduction,
    softmax,
    spatial_blocks,
    transpose_convolution,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qbench.quant.call import Oracle
    from qbench.quant.family import Family
    from qbench.tflite.graph import Operator, Subgraph

_ORACLES: Mapping[str, Oracle] = {**weighted.ORACLES, **computed.ORACLES, **moved.ORACLES}

_EXACT: Mapping[str, Mapping[str, frozenset[Family]]] = {
    name: claims
    for module in (
        *(addition, conversion, convolution, linear, lookup, movement, multiplication, picking),
        *(pooling, rectifiers, reduction, softmax, spatial_blocks, transpose_convolution),
    )
    for name, claims in module.EXACT.items()
}

#: Places of the activations and the bias among the inputs, where they are not 0 and 2.
_ACTIVATIONS, _BIAS = {"TRANSPOSE_CONV": 2, "SPLIT": 1}, {"TRANSPOSE_CONV": 3}


def oracle_of(graph: Subgraph, operator: Operator) -> Oracle | None:
    """What computes `operator` from a `Call`; None if no oracle knows it, or not in this dtype.

    It returns the output, or a tuple of all outputs.
    """
    oracle = _ORACLES.get(operator.name)
    if oracle is None or operator.name in moved.ORACLES:
        return oracle
    return oracle if dtype_of(graph, operator) in _EXACT[operator.name] else None


def claims_exact(graph: Subgraph, operator: Operator, family: Family) -> bool:
    """Whether the oracle of `operator` claims to be what the kernels of `family` give, to the bit."""
    claims = _EXACT.get(operator.name, {})
    dtype = dtype_of(graph, operator)
    if operator.name in moved.ORACLES and dtype not in claims:
        return True  # Control values of other types: nothing is computed with them.
    if operator.name in weighted.ORACLES:
        with_bias = f"{dtype} with an {_bias_dtype(graph, operator)} bias"
        return family in claims.get(with_bias, claims.get(dtype, frozenset()))
    return family in claims.get(dtype, frozenset())


def _bias_dtype(graph: Subgraph, operator: Operator) -> str:
    """The dtype of the bias, or of the accumulator where it is left out: 32 bits if no option says otherwise."""
    place = _BIAS.get(operator.name, 2)
    if len(operator.inputs) > place and operator.inputs[place] >= 0:
        return graph.tensors[operator.inputs[place]].dtype
    return weighted.bias_dtype(operator) or "int32"


def computes(name: str) -> bool:
    """Whether the operator called `name` computes with values, instead of only moving or picking them."""
    return name not in moved.ORACLES


def dtype_of(graph: Subgraph, operator: Operator) -> str:
    """The dtype that an oracle is chosen by: of the activations that the operator reads."""
    if not operator.inputs:
        return ""
    return graph.tensors[operator.inputs[_ACTIVATIONS.get(operator.name, 0)]].dtype
