"""Cases of a user's own artifact: each of its operators alone, and all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from qbench.conform.case import WHOLE, Case
from qbench.errors import NoOracleError
from qbench.quant.bindings import dtype_of
from qbench.quant.graph import check_state, run_operator
from qbench.tflite.builder import operator_model
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbench.conform.case import Array
    from qbench.tflite.graph import Model, Tensor


class Skipped(NamedTuple):
    """An operator that is not tried, and why."""

    operator: str
    reason: str


def artifact_cases(content: bytes, *, cases: int, seed: int) -> Iterator[Case | Skipped]:
    """Cases of every operator of an artifact, then of all of it.

    Random stored inputs go through the graph, operator by operator through the oracles of the reference kernels, so
    that each operator is tried on what it meets in its place. Behind an operator that has no oracle, inputs
    are random again.

    Raises
    ------
    InvalidArtifactError
        If `content` is no `.tflite`.
    """
    model = read_model(content)
    generator = np.random.default_rng(seed)
    for number in range(cases):
        walk = _Walk(model, generator)
        skipped = list(walk.skipped())
        if number == 0:
            yield from skipped
        yield from walk.cases
        if walk.inputs is not None:
            yield Case(operator=WHOLE, dtype="", content=content, inputs=walk.inputs)


class _Walk:
    """One set of random inputs on its way through the main subgraph."""

    def __init__(self, model: Model, generator: np.random.Generator) -> None:
        self._model, self._graph = model, model.subgraphs[0]
        self._generator = generator
        self._values: dict[int, Array] = {}
        self.cases: list[Case] = []
        self.inputs: tuple[Array, ...] | None = None

    def skipped(self) -> Iterator[Skipped]:
        """Go all the way, and name what is not tried."""
        for number, operator in enumerate(self._graph.operators):
            reason = self._step(number)
            if reason:
                yield Skipped(f"{number} {operator.name}", reason)
        try:
            check_state(self._graph)
            self.inputs = tuple(self._value(index) for index in self._graph.inputs)
        except (NoOracleError, ValueError, TypeError) as error:
            yield Skipped(WHOLE, str(error))

    def _step(self, number: int) -> str:
        """Add the case of one operator, and its outputs to the values; why there is none."""
        operator = self._graph.operators[number]
        try:
            arrays = tuple(self._value(index) if index >= 0 else None for index in operator.inputs)
            case = Case(
                operator=f"{number} {operator.name}",
                dtype=dtype_of(self._graph, operator),
                content=operator_model(self._model, number),
                inputs=tuple(self._value(index) for index in self._variable(number)),
            )
        except (NoOracleError, ValueError, TypeError) as error:
            return str(error)
        self.cases.append(case)
        try:
            outputs = run_operator(self._graph, operator, arrays)
        except Exception:  # noqa: BLE001 - the case itself tells what its oracle says; values go on at random
            outputs = ()
        self._values.update(zip(operator.outputs, outputs, strict=False))
        return ""

    def _variable(self, number: int) -> list[int]:
        """What a model of the operator alone takes: its inputs that are no constants, each once."""
        inputs = dict.fromkeys(self._graph.operators[number].inputs)
        return [index for index in inputs if index >= 0 and self._graph.tensors[index].data is None]

    def _value(self, index: int) -> Array:
        if index not in self._values:
            tensor = self._graph.tensors[index]
            constant = tensor.constant()
            self._values[index] = _random(tensor, self._generator) if constant is None else constant
        return self._values[index]


def _random(tensor: Tensor, generator: np.random.Generator) -> Array:
    """Stored values all over the range of a quantized type; a few standard deviations of a float one.

    Integers that are not quantized are indices, axes, sizes: 0 and 1 are most often some that exist.
    """
    dtype = np.dtype(tensor.dtype)
    if dtype.kind == "f":
        return generator.normal(scale=3.0, size=tensor.shape).astype(dtype)
    if dtype.kind == "b" or not tensor.scales.size:
        return generator.integers(0, 2, size=tensor.shape).astype(dtype)
    limits = np.iinfo(dtype)
    return generator.integers(limits.min, limits.max, size=tensor.shape, dtype=dtype, endpoint=True)
