"""What a stored bias stands for: kernels read it in steps of input scale times weight scale, whatever is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qbench.models.operators import mac_operands

if TYPE_CHECKING:
    from qbench.tflite.graph import Array, Subgraph

#: Dtypes of biases that are added to an accumulator.
BIAS_DTYPES = frozenset({"int32", "int64"})
#: Where the bias stands among the inputs, if it is not behind activation and weights.
_PLACE = {"TRANSPOSE_CONV": 3}
_BEHIND = 2
#: A bias is a quotient of float32 numbers: what each operation on it leaves, of its size, twice over.
_FLOAT32 = 2.0**-22
#: Scales that are products of the same numbers differ by a rounding of float32 or two.
_SAME_SCALE = 1e-5


@dataclass(frozen=True, kw_only=True, eq=False)
class Bias:
    """How a bias is stored.

    Attributes
    ----------
    scales
        Input scale times weight scale, one or one for each channel: what kernels take for the unit of the accumulator.
    scale_factor
        The recorded scale divided by that, of the channel where these are furthest apart; 1 where nothing is recorded.
    """

    scales: Array
    scale_factor: float

    def apart(self, stored: Array, real: Array) -> tuple[Array, Array]:
        """How far it is from the float one, as real values and in steps; 0 for channels at the limit of its dtype.

        Steps are those of its scale, or what float32 tells apart of a bias of that size, if that is more.
        """
        difference = stored * self.scales - real
        difference[self.at_limit(stored, real)] = 0.0
        return difference, difference / np.maximum(self.scales, np.abs(real) * _FLOAT32)

    def at_limit(self, stored: Array, real: Array) -> Array:
        """Which channels are stored as a limit of the dtype because the float value lies beyond it."""
        limits = np.iinfo(stored.dtype)
        low, high = limits.min * self.scales, limits.max * self.scales
        # A converter in float32 may miss the limit itself by its rounding.
        near = np.abs(stored.astype(np.float64)) >= limits.max * (1 - _FLOAT32)
        beyond: Array = near & ((real < low) | (real > high))
        return beyond


def bias_of(graph: Subgraph, number: int, index: int) -> Bias | None:
    """How the constant at `index` is stored if it is the bias of an operator with quantized input and weights.

    Parameters
    ----------
    number
        The operator's place in the graph.
    """
    operator = graph.operators[number]
    operands, place = mac_operands(operator), _PLACE.get(operator.name, _BEHIND)
    if operands is None or min(operands) < 0 or operator.inputs[place : place + 1] != (index,):
        return None
    source, weights, bias = (graph.tensors[each] for each in (*operands, index))
    if source.scales.size != 1 or not weights.scales.size:
        return None
    scales = source.scales.astype(np.float64) * weights.scales.astype(np.float64)
    if scales.size not in {1, int(np.prod(bias.shape))} or not (scales > 0).all() or not np.isfinite(scales).all():
        return None
    return Bias(scales=scales, scale_factor=_factor(bias.scales.astype(np.float64), scales))


def _factor(recorded: Array, scales: Array) -> float:
    if recorded.size not in {1, scales.size} or not (np.isfinite(recorded) & (recorded > 0)).all():
        return 1.0
    quotients = np.atleast_1d(recorded / scales)
    worst = float(quotients[np.abs(np.log(quotients)).argmax()])
    return worst if abs(worst - 1) > _SAME_SCALE else 1.0
