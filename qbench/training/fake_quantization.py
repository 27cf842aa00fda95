"""Quantization in training: the arithmetic of `qbench.quant` as TensorFlow operations, with a gradient.

``real -> integer -> real`` is flat between two steps, so its derivative is of no use; the straight-through
estimator takes it to be 1 inside the range and 0 outside (Bengio et al. 2013, arXiv:1308.3432). The values are those
of `qbench.quant.affine.fake_quantize` to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.quant.affine import QuantizationParameters
from qbench.quant.parameter_checks import SMALLEST_NORMAL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qbench.models.datasets import Array


def fake_quantize(real: Any, scale: Any, low: Any, high: Any) -> Any:
    """What `real` becomes by being stored.

    Parameters
    ----------
    real, scale
        float32; `scale` is broadcast.
    low, high
        Smallest and largest stored value, less the zero point. With ``stored - zero_point`` between them the zero
        point itself is not needed: ``(stored - zero_point) * scale`` is what comes back.
    """
    import tensorflow as tf  # noqa: PLC0415 - only in the conversion child

    steps = tf.clip_by_value(real / scale, low, high)
    # Halves to even, as numpy and litert-quantizer round. Adding 0 makes a negative zero positive: the integer 0 is.
    rounded = steps + tf.stop_gradient(tf.round(steps) + 0.0 - steps)
    return rounded * scale


def straight_through(real: Any, stored: Any) -> Any:
    """The values `stored`, with the gradient going to `real` as if they were the same.

    For weights: one that is clipped has to hear that it should be smaller, or it never comes back.
    """
    import tensorflow as tf  # noqa: PLC0415 - only in the conversion child

    def pass_on(_: Any) -> tuple[Any, Callable[[Any], Any]]:
        return tf.identity(stored), lambda gradient: gradient

    return tf.custom_gradient(pass_on)(real)


def symmetric_scale(values: Any, most: int, axis: int | None) -> Any:
    """Scale of symmetric weights whose integers reach from ``-most`` to `most`, of a shape to broadcast to `values`.

    ``max |values| / most``, divided in float64 and rounded to float32, as `QuantizationParameters.from_range` does.
    In float32 TensorFlow would multiply by the inverse of a constant divisor, and be one unit in the last place off;
    in float64 even that rounds to the right float32: a quotient is further from the middle of two (a share of 2**-32
    for 8 bits) than float64 is inexact.
    """
    import tensorflow as tf  # noqa: PLC0415 - only in the conversion child

    others = [each for each in range(len(values.shape)) if each != axis]
    reach = tf.reduce_max(tf.abs(values), axis=others, keepdims=True)
    quotient = tf.cast(tf.cast(reach, tf.float64) / most, tf.float32)
    scale = tf.where(reach == 0.0, 1.0, tf.maximum(quotient, SMALLEST_NORMAL))
    return tf.stop_gradient(scale)


def least_error_bound(values: Array, most: int, axis: int | None, *, candidates: int = 40) -> Array:
    """Where to clip `values` before they are spread over ``-most .. most``: least squared error, by trial.

    Returns
    -------
    Array
        float32, of a shape to broadcast to `values`; with all of 8 bits it is near the largest magnitude.
    """
    others = tuple(each for each in range(values.ndim) if each != axis)
    reach = np.abs(values).max(axis=others, keepdims=True)
    best, least = reach, np.full(reach.shape, np.inf)
    for share in np.linspace(1.0, 1 / candidates, candidates, dtype=np.float32):
        bound = reach * share
        scale = np.where(bound == 0, 1, bound / most)
        error = values - np.clip(np.rint(values / scale), -most, most) * scale
        squared = np.square(error, dtype=np.float64).sum(axis=others, keepdims=True)
        best, least = np.where(squared < least, bound, best), np.minimum(squared, least)
    return np.asarray(best, np.float32)


@dataclass(frozen=True)
class ActivationRange:
    """Range of one activation in training: a moving average of extremes, and the parameters made of it."""

    low: Any
    high: Any
    scale: Any
    reach: Any
    dtype: str
    symmetric: bool

    @classmethod
    def of(cls, low: float, high: float, *, dtype: str, symmetric: bool) -> ActivationRange:
        """A range that starts at `low` and `high`."""
        import tensorflow as tf  # noqa: PLC0415 - only in the conversion child

        made = cls(
            low=tf.Variable(np.float32(low)),
            high=tf.Variable(np.float32(high)),
            scale=tf.Variable(np.float32(1)),
            reach=tf.Variable(np.zeros(2, np.float32)),
            dtype=dtype,
            symmetric=symmetric,
        )
        made.settle()
        return made

    def parameters(self) -> QuantizationParameters:
        """Scale and zero point of the range as it is now, by our own specification."""
        return QuantizationParameters.from_range(
            self.low.numpy(), self.high.numpy(), dtype=self.dtype, symmetric=self.symmetric
        )

    def settle(self) -> None:
        """Round with the parameters of the range as it is now, until the next call."""
        params = self.parameters()
        self.scale.assign(params.scale)
        self.reach.assign(np.array([params.qmin, params.qmax], np.float32) - np.float32(params.zero_point))

    def follow(self, value: Any, memory: Any) -> None:
        """Move towards the extremes of `value`; `memory` 1 stays where it is."""
        import tensorflow as tf  # noqa: PLC0415 - only in the conversion child

        self.low.assign(self.low * memory + tf.minimum(tf.reduce_min(value), 0.0) * (1 - memory))
        self.high.assign(self.high * memory + tf.maximum(tf.reduce_max(value), 0.0) * (1 - memory))

    def round(self, value: Any) -> Any:
        """`value` as it is stored."""
        return fake_quantize(value, self.scale, self.reach[0], self.reach[1])


def ranges_to_hand_over(parameters: Mapping[str, QuantizationParameters], ranks: Mapping[str, int]) -> dict[str, Any]:
    """Ranges by tensor, in litert-quantizer's form, from which it computes just these scales and zero points.

    Products of a float32 scale and a small integer are exact in float64, and so are their difference and its quotient
    by the number of steps: the scale and the zero point come out as they went in.
    """
    ranges = {}
    for name, params in parameters.items():
        scale, zero_point = float(params.scale), int(params.zero_point)
        ends = ((params.qmin - zero_point) * scale, (params.qmax - zero_point) * scale)
        low, high = (np.full((1,) * ranks[name], end, np.float64) for end in ends)
        ranges[name] = {"min": low, "max": high}
    return ranges
