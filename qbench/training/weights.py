"""Weights in training: masked where they are pruned, clipped and rounded as the recipe will store them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.training.fake_quantization import fake_quantize, least_error_bound, straight_through, symmetric_scale

if TYPE_CHECKING:
    from qbench.models.datasets import Array
    from qbench.models.quantization import Quantization
    from qbench.training.graph import TrainingGraph, Weights

_MOST = {"int4": 7, "int8": 127}


@dataclass(frozen=True, kw_only=True)
class TrainedWeights:
    """The weights of one operator.

    Parameters
    ----------
    variable
        What is trained: also of pruned weights there is a value, so that they can come back.
    mask
        1 where a weight stays, 0 where it is pruned.
    bound
        Magnitude above which weights are clipped, of a shape to broadcast.
    most
        The largest integer that a weight is stored as; 0 if weights are not rounded.
    axis
        Dimension of the channels that have a scale each; None for one scale.
    levels
        As `Training.weight_levels`.
    """

    parameter: Weights
    variable: Any
    mask: Any
    bound: Any
    most: int
    axis: int | None
    levels: int

    def values(self) -> Array:
        """What is trained, as an array."""
        return np.asarray(self.variable.numpy())

    def choose_bound(self) -> None:
        """Clip where that makes the least error, given the values as they are now."""
        if self.most:
            most = self.levels // 2 if self.levels else self.most
            self.bound.assign(least_error_bound(self.values() * self.mask.numpy(), most, self.axis))

    def value(self, *, growing: bool = False, rounding: bool = True) -> Any:
        """What the network computes with: what the artifact will, or floats as long as it is not `rounding` yet.

        Parameters
        ----------
        growing
            Whether pruned weights get a gradient as well: what they would change if they came back.
        """
        masked = self.variable * self.mask
        if growing:
            masked = straight_through(self.variable, masked)
        if not (rounding and self.most):
            return masked
        written = self.written()
        stored = fake_quantize(written, symmetric_scale(written, self.most, self.axis), -self.most, self.most)
        return straight_through(masked, stored)

    def written(self) -> Any:
        """The float values that the file gets: exactly 0 where a weight is pruned, and nothing beyond the bound."""
        import tensorflow as tf  # noqa: PLC0415 - only in the conversion child

        masked = self.variable * self.mask
        if not self.most:
            return masked
        clipped = tf.clip_by_value(masked, -self.bound, self.bound)
        if not self.levels:
            return clipped
        steps = self.levels // 2
        return fake_quantize(clipped, symmetric_scale(clipped, steps, self.axis), -steps, steps)


def quantized_weights(
    graph: TrainingGraph, choices: Quantization | None, levels: int = 0
) -> tuple[list[TrainedWeights], dict[int, Any]]:
    """Weights and biases of the model as variables; `choices` None for weights that are not rounded."""
    import tensorflow as tf  # noqa: PLC0415 - only in the conversion child

    weights, biases = [], {}
    for parameter in graph.parameters:
        initial = graph.initial(parameter)
        if parameter.is_bias:
            biases[parameter.tensor] = tf.Variable(initial)
            continue
        axis = parameter.axis if choices is None or choices.granularity == "channel" else None
        operator = graph.subgraph.operators[parameter.operator]
        # litert-quantizer has int4 kernels' weights for these two; others get int8.
        is_narrow = choices is not None and operator.name in {"FULLY_CONNECTED", "CONV_2D"}
        width = choices.weights if choices and is_narrow else "int8"
        shape = [size if number == axis else 1 for number, size in enumerate(initial.shape)]
        weights.append(
            TrainedWeights(
                parameter=parameter,
                variable=tf.Variable(initial),
                mask=tf.Variable(tf.ones(initial.shape)),
                bound=tf.Variable(tf.fill(shape, np.float32(np.abs(initial).max()))),
                most=0 if choices is None else _MOST[width],
                axis=axis,
                levels=levels,
            )
        )
    return weights, biases
