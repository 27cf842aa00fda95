"""Cases of a user's own artifact: each of its operators alone, and all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from qbench.conform.case import WHOLE, Case
from qbench.errors import NoOracleError
from qbench.quant.graph import run_operator, unknown_operators
from qbench.tflite.builder import operator_model
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbench.conform.case import Array
    from qbench.tflite.graph import Model, Operator, Subgraph, Tensor


class Skipped(NamedTuple):
    """An operator that is not tried, and why."""

    operator: str
    reason: str


def artifact_cases(content: bytes, *, cases: int, seed: int) -> Iterator[Case | Skipped]:
    """Cases of every operator of an artifact, then of all of it.

    Random stored inputs go through the graph, operator by operator through the oracles of the reference kernels, so
    that each operator is tried on what it meets in its place. Behind an operator that has no oracle, or
    that does not stand for itself, inputs are random again.

    Raises
    ------
    InvalidArtifactError
        If `content` is no `.tflite`.
    """
    model = read_model(content)
    graph = model.subgraphs[0]
    generator = np.random.default_rng(seed)
    skipped = set()
    for _ in range(cases):
        values = {index: _random(graph.tensors[index], generator) for index in graph.inputs}
        for number in range(len(graph.operators)):
            found = _operator_case(model, number, values, generator)
            if isinstance(found, Case) or found not in skipped:
                yield found
            if isinstance(found, Skipped):
                skipped.add(found)
        inputs = tuple(values[index] for index in graph.inputs)
        if not unknown_operators(graph):
            yield Case(operator=WHOLE, dtype="", content=content, inputs=inputs)


def _operator_case(
    model: Model, number: int, values: dict[int, Array], generator: np.random.Generator
) -> Case | Skipped:
    """The case of one operator on `values`, to which its outputs are added."""
    graph = model.subgraphs[0]
    operator = graph.operators[number]
    name = f"{number} {operator.name}"
    try:
        arrays = tuple(_value(graph, values, index, generator) for index in operator.inputs)
        outputs = run_operator(graph, operator, arrays)
        content = operator_model(model, number)
    except (NoOracleError, ValueError) as error:
        values.update({index: _random(graph.tensors[index], generator) for index in operator.outputs})
        return Skipped(name, str(error))
    values.update(zip(operator.outputs, outputs, strict=True))
    return Case(operator=name, dtype=_dtype(graph, operator), content=content, inputs=_inputs(graph, operator, values))


def _inputs(graph: Subgraph, operator: Operator, values: dict[int, Array]) -> tuple[Array, ...]:
    """What a model of the operator alone takes: its inputs that are no constants, each once."""
    variable = [index for index in dict.fromkeys(operator.inputs) if index >= 0 and graph.tensors[index].data is None]
    return tuple(values[index] for index in variable)


def _value(graph: Subgraph, values: dict[int, Array], index: int, generator: np.random.Generator) -> Array | None:
    if index < 0:
        return None
    if index not in values:
        constant = graph.tensors[index].constant()
        if constant is not None:
            return constant
        values[index] = _random(graph.tensors[index], generator)
    return values[index]


def _random(tensor: Tensor, generator: np.random.Generator) -> Array:
    """Stored values all over the range of an integer type; a few standard deviations of a float one."""
    dtype = np.dtype(tensor.dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return generator.integers(limits.min, limits.max, size=tensor.shape, dtype=dtype, endpoint=True)
    return generator.normal(scale=3.0, size=tensor.shape).astype(dtype)


def _dtype(graph: Subgraph, operator: Operator) -> str:
    return next((graph.tensors[index].dtype for index in operator.inputs if index >= 0), "")
