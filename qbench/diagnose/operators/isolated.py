"""Operators of a quantized artifact, each alone: fed the float model's values, on the kernels it is deployed with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qbench.diagnose.operators.values import is_quantized, is_real, kept, real_values, stored_values
from qbench.models.operators import computations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt

    from qbench.diagnose.matching.match import Matching
    from qbench.diagnose.operators.observe import Laboratory
    from qbench.tflite.cut import Cutter

    Array = npt.NDArray[Any]

#: Stands for the place of what no operator computes: an input of the graph.
INPUT = -1


@dataclass(frozen=True, kw_only=True)
class Unit:
    """An operator of the quantized artifact that can be held against the float model's, or an input.

    Attributes
    ----------
    number, operator
        Its place, `INPUT` for an input; such as ``CONV_2D int8``.
    inputs, outputs
        Tensors of the quantized graph, each with the float graph's that it stands for.
    content
        The operator as a file of its own, which takes `inputs`; empty for an input, and where `note` says why.
    together
        Other operators in that file: those whose results have no counterpart.
    """

    number: int
    operator: str
    inputs: tuple[tuple[int, int], ...]
    outputs: tuple[tuple[int, int], ...]
    content: bytes = b""
    together: tuple[int, ...] = ()
    note: str = ""

    @property
    def runs(self) -> bool:
        """Whether it can be run alone."""
        return self.number == INPUT or bool(self.content)


def units(matching: Matching, cutter: Cutter) -> Iterator[Unit]:
    """Quantized inputs, and operators whose results are real values with a counterpart in the float model, in order."""
    graph = matching.quantized.graph
    for index in graph.inputs:
        pairs = _paired(matching, (index,))
        if pairs and is_quantized(graph.tensors[index]):
            yield Unit(number=INPUT, operator=f"INPUT {graph.tensors[index].dtype}", inputs=pairs, outputs=pairs)
    for number, (operator, work) in enumerate(zip(graph.operators, computations(graph), strict=True)):
        outputs = _paired(matching, operator.outputs)
        if outputs:
            yield _unit(matching, cutter, number, f"{operator.name} {work.label}", outputs)


def run_alone(unit: Unit, matching: Matching, floats: Mapping[int, Array], laboratory: Laboratory) -> dict[int, Array]:
    """Real values of the outputs of `unit`, by tensor, if it is fed the float model's.

    Parameters
    ----------
    floats
        Values of the float graph's tensors.

    Raises
    ------
    UnspecifiedError
        If one of them is NaN, which has no quantized value.
    ValueError
        If the runtime kept no value of one.
    ArtifactError, WorkerError
        If the operator does not run alone.
    """
    tensors = matching.quantized.graph.tensors
    stored = [stored_values(kept(floats, other), tensors[index]) for index, other in unit.inputs]
    if unit.number != INPUT:
        stored = list(laboratory.run(unit.content, stored, name=f"{unit.number} {unit.operator}"))
    return {index: real_values(array, tensors[index]) for (index, _), array in zip(unit.outputs, stored, strict=True)}


def _unit(matching: Matching, cutter: Cutter, number: int, name: str, outputs: tuple[tuple[int, int], ...]) -> Unit:
    try:
        inputs, numbers = _inputs(matching, number)
        content = cutter.part([index for index, _ in inputs], [index for index, _ in outputs])
    except ValueError as error:
        return Unit(number=number, operator=name, inputs=(), outputs=outputs, note=f"not run alone: {error}")
    operators = matching.quantized.graph.operators
    others = tuple(other for other in numbers if other != number)
    note = f"together with {', '.join(f'{other} {operators[other].name}' for other in others)}" if others else ""
    return Unit(
        number=number, operator=name, inputs=inputs, outputs=outputs, content=content, together=others, note=note
    )


def _inputs(matching: Matching, number: int) -> tuple[tuple[tuple[int, int], ...], tuple[int, ...]]:
    """What an operator is computed from that has a counterpart, and the operators on the way from there.

    Raises
    ------
    ValueError
        If the way leads back to an input of the graph that has none.
    """
    signals, graph = matching.quantized, matching.quantized.graph
    producers = {index: place for place, operator in enumerate(graph.operators) for index in operator.outputs}
    inputs: dict[int, int] = {}
    numbers = {number}
    waiting = list(graph.operators[number].inputs)
    while waiting:
        index = waiting.pop(0)
        if index < 0 or index in inputs or signals.is_constant(index):
            continue
        other = matching.float_tensor(index)
        if other is not None:
            inputs[index] = other
        elif index in producers:
            if producers[index] not in numbers:
                numbers.add(producers[index])
                waiting.extend(graph.operators[producers[index]].inputs)
        else:
            raise ValueError(f"its input {graph.tensors[index].name!r} has no counterpart in the float model")
    return tuple(inputs.items()), tuple(sorted(numbers))


def _paired(matching: Matching, indices: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Those of the tensors that are real values on both sides, each with its counterpart."""
    signals, floats = matching.quantized, matching.floats
    pairs = []
    for index in indices:
        if index < 0 or signals.is_constant(index) or not is_real(signals.graph.tensors[index]):
            continue
        other = matching.float_tensor(index)
        if other is not None and is_real(floats.graph.tensors[other]):
            pairs.append((index, other))
    return tuple(pairs)
