"""What differs between two graphs beside their numbers: options of operators, weighted operators, sizes of outputs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from qbench.diagnose.evidence.records import OptionsReport
from qbench.models.operators import mac_operands
from qbench.quant.graph import label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbench.diagnose.matching.match import Matching
    from qbench.diagnose.matching.signals import Operation, Signals

#: What an option is that a file does not write: the reader leaves out the schema's defaults.
_DEFAULTS = {"fused_activation_function": "NONE"}


def options_reports(matching: Matching) -> tuple[OptionsReport, ...]:
    """Operators that give a signal which the float model's operator of the same name gives with other options.

    Those that were matched as operators have the same options; others are known by what they give alone.
    """
    return tuple(_reports(matching))


def _reports(matching: Matching) -> Iterator[OptionsReport]:
    graph = matching.quantized.graph
    for operation in matching.quantized.operations:
        for index in operation.outputs:
            other = matching.floats.producers.get(matching.signals.get(index, -1))
            if operation.number in matching.operators or other is None or other.name != operation.name:
                continue
            if differences := tuple(_differences(operation, other)):
                yield OptionsReport(
                    number=operation.number,
                    operator=label(graph, graph.operators[operation.number]),
                    output=graph.tensors[graph.operators[operation.number].outputs[0]].name,
                    differences=differences,
                )
                break


def _differences(operation: Operation, other: Operation) -> Iterator[str]:
    for name in sorted({*operation.options, *other.options}):
        ours, theirs = (side.options.get(name, _DEFAULTS.get(name, 0)) for side in (operation, other))
        if ours != theirs:
            yield f"its {name} is {ours}, the float model's {theirs}"


def weighted_operators(matching: Matching) -> tuple[int, int]:
    """How many operators multiply by weights, and how many of these have no counterpart.

    One that gives what nothing in the float model gives, such as values of another shape, has a counterpart all the
    same if the float model has weights of its size.
    """
    sizes = {_weights_size(matching.floats, operation) for operation in matching.floats.operations}
    ours = [(operation, _weights_size(matching.quantized, operation)) for operation in matching.quantized.operations]
    weighted = [(operation, size) for operation, size in ours if size]
    lost = [size for operation, size in weighted if not matching.signals.keys() & set(operation.outputs)]
    return len(weighted), sum(size not in sizes for size in lost)


def _weights_size(signals: Signals, operation: Operation) -> int:
    """How many weights an operation has; 0 if it has none."""
    operands = mac_operands(signals.graph.operators[operation.number])
    if operands is None or operands[1] < 0 or not signals.is_constant(operands[1]):
        return 0
    return math.prod(signals.graph.tensors[operands[1]].shape)


def other_outputs(matching: Matching) -> str:
    """How the sizes of the outputs differ from the float model's, but for the batch; empty if they do not."""
    ours, theirs = (
        sorted(math.prod(side.graph.tensors[index].shape[1:]) for index in side.graph.outputs)
        for side in (matching.quantized, matching.floats)
    )
    if ours == theirs:
        return ""
    return f"its outputs have {_shown(ours)} values for an example, the float model's {_shown(theirs)}"


def _shown(sizes: list[int]) -> str:
    return ", ".join(str(size) for size in sizes)
