"""Operators that another converter would have folded into one: scales, shifts and activations behind a linear operator.

Whether a batch normalization stands behind a convolution or in its weights, and whether a RELU is an operator or an
option, is a converter's choice. Folded, both are the same operation with the same constants.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.diagnose.matching.signals import Operand, Operation, Signals

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy.typing as npt

    Array = npt.NDArray[Any]

#: Of linear operators, the places of weights and bias among the inputs, and the weights' axis of output channels.
_LINEAR = {
    "CONV_2D": (1, 2, 0),
    "DEPTHWISE_CONV_2D": (1, 2, 3),
    "FULLY_CONNECTED": (1, 2, 0),
    "TRANSPOSE_CONV": (1, 3, 0),
}
_ACTIVATIONS = {"RELU": "RELU", "RELU6": "RELU6", "RELU_N1_TO_1": "RELU_N1_TO_1"}
_ACTIVATION = "fused_activation_function"


def folded(signals: Signals, numbers: Collection[int]) -> Signals:
    """The same graph with operators folded into the linear ones before them, where both are among `numbers`.

    A folded operation has the number and the outputs of the last operator in it.
    """
    ends = {signals.signal(index) for index in signals.graph.outputs}
    result = signals.copy()
    gone: set[int] = set()
    operations = []
    for operation in signals.operations:
        if operation.number in gone:
            continue
        while operation.number in numbers and not ends.intersection(operation.outputs):
            following = signals.readers.get(operation.outputs[0], ())
            if len(following) != 1 or following[0].number not in numbers:
                break
            joined = _joined(operation, following[0], result)
            if joined is None:
                break
            gone.add(following[0].number)
            operation = joined  # noqa: PLW2901 - grows as long as something follows that folds
        operations.append(operation)
    result.operations = operations
    return result


def _joined(first: Operation, second: Operation, signals: Signals) -> Operation | None:
    """Both as one operation that replaces the second; None if the second does not fold into the first."""
    if first.name not in _LINEAR or _ACTIVATION in first.options or first.shapes != second.shapes:
        return None
    if second.name in _ACTIVATIONS:
        options = {**first.options, _ACTIVATION: _ACTIVATIONS[second.name]}
        return replace(first, number=second.number, options=options, outputs=second.outputs)
    operands = _rescaled(first, second, signals)
    if operands is None:
        return None
    activation = {_ACTIVATION: second.options[_ACTIVATION]} if _ACTIVATION in second.options else {}
    return replace(
        first,
        number=second.number,
        operands=operands,
        options={**first.options, **activation},
        outputs=second.outputs,
    )


def _rescaled(first: Operation, second: Operation, signals: Signals) -> tuple[Operand, ...] | None:
    """Operands of the first operation with what the second does to each channel in weights and bias."""
    channels = first.shapes[0][-1]
    factors = _factor_and_shift(second, signals, channels)
    weights_place, bias_place, axis = _LINEAR[first.name]
    padded = first.operands + (Operand(),) * (bias_place + 1 - len(first.operands))
    weights = _constant(padded[weights_place], signals)
    bias = _constant(padded[bias_place], signals) if padded[bias_place] != Operand() else np.zeros(channels)
    if factors is None or weights is None or bias is None or weights.shape[axis] != channels:
        return None
    factor, shift = factors
    along = [1] * weights.ndim
    along[axis] = channels
    changed = list(padded)
    changed[weights_place] = signals.add_constant(weights * factor.reshape(along))
    changed[bias_place] = signals.add_constant(bias.reshape(-1) * factor + shift)
    return tuple(changed)


def _factor_and_shift(operation: Operation, signals: Signals, channels: int) -> tuple[Array, Array] | None:
    """What MUL, DIV, ADD or SUB with a constant does to each channel: a factor, and what is added then."""
    if operation.name not in {"MUL", "DIV", "ADD", "SUB"}:
        return None
    constants = [operand for operand in operation.operands if operand.constant is not None]
    is_first = operation.operands[0].constant is not None
    if len(constants) != 1 or (is_first and operation.name in {"DIV", "SUB"}):
        return None
    values = _constant(constants[0], signals)
    if values is None or values.dtype.kind != "f" or values.size not in {1, channels}:
        return None
    if values.size == channels and constants[0].shape[-1:] != (channels,):
        return None
    each = np.broadcast_to(values.reshape(-1), (channels,))
    ones, zeros = np.ones(channels), np.zeros(channels)
    with np.errstate(divide="ignore"):
        inverse = 1 / each if operation.name == "DIV" else each
    return {"MUL": (each, zeros), "DIV": (inverse, zeros), "ADD": (ones, each), "SUB": (ones, -each)}[operation.name]


def _constant(operand: Operand, signals: Signals) -> Array | None:
    return None if operand.constant is None else signals.constant(operand.constant)
