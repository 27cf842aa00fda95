"""Strategies for the real values of tensors: what is quantized, and sets of examples to calibrate with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

from qbench.quant.strategies.checks import (
    as_strategy,
    check,
    check_finite,
    check_integer,
    check_order,
    check_shape,
)
from qbench.quant.strategies.fills import fill_array
from qbench.quant.strategies.parameters import scales
from qbench.quant.strategies.shapes import Params, Shape, checked_params, drawn_shape

if TYPE_CHECKING:
    from qbench.quant.affine import Array, QuantizationParameters

#: From a tie, the next float32 below, or above; and what keeps clear of ties.
_FRACTIONS = ("any", "ties", "below ties", "above ties")


def real_arrays(
    params: Params, *, shape: Shape = None, ties: bool = True, outside: bool = True
) -> st.SearchStrategy[Array]:
    """Return a strategy for float32 arrays with values around the range that `params` can represent.

    Parameters
    ----------
    params, shape
        As for `qbench.quant.strategies.stored_arrays`.
    ties
        Whether some arrays have values halfway between two integers, as near as float32 gets to them, or right
        beside them. Without, values keep away from there, so that all ways of rounding agree.
    outside
        Whether some values lie outside the range: just so that they round to its end or the next, up to its width
        beyond, and very far.

    Raises
    ------
    hypothesis.errors.InvalidArgument
        If an argument is none, or a shape does not fit the channels.
    """
    sources = as_strategy(checked_params(params))
    check_shape(shape)

    @st.composite
    def build(draw: st.DrawFn) -> Array:
        chosen = draw(sources)
        sizes = drawn_shape(draw, shape, chosen)
        scale, zero_point = (_along(value, chosen, sizes) for value in (chosen.scale, chosen.zero_point))
        width = chosen.qmax - chosen.qmin if outside else 0
        origin = int(chosen.zero_point.flat[0])
        steps = fill_array(draw, sizes, chosen.qmin - width, chosen.qmax + width, origin) - zero_point
        parts = fill_array(draw, sizes, -120, 120, 0) / 256
        kind = draw(st.sampled_from(_FRACTIONS if ties else _FRACTIONS[:1]))
        if kind != "any":
            parts = np.sign(parts) / 2
        steps = steps + parts
        if not outside:
            steps = np.clip(steps, chosen.qmin - zero_point, chosen.qmax - zero_point)
        with np.errstate(over="ignore"):
            real = (steps * scale.astype(np.float64)).astype(np.float32)
            if "ties" in kind and kind != "ties":
                real = np.where(
                    parts == 0, real, np.nextafter(real, np.float32(np.inf if "above" in kind else -np.inf))
                )
        far = draw(st.sampled_from((1, 1, 1, 1, 1e6))) if outside else 1
        return np.clip(real.astype(np.float64) * far, -3e38, 3e38).astype(np.float32)

    return build()


def calibration_sets(
    *,
    shape: tuple[int, ...],
    min_examples: int = 1,
    max_examples: int = 16,
    min_value: float = -1e4,
    max_value: float = 1e4,
) -> st.SearchStrategy[list[Array]]:
    """Return a strategy for lists of float32 arrays of one shape, as a model is calibrated with.

    Some sets have no negative values, as after RELU, one value far from all others, or examples that grow from the
    first to the last, so that their order matters to a moving average. Shrinks to one example of zeros.

    Parameters
    ----------
    shape
        Sizes of an example.
    min_examples, max_examples
        Bounds of how many.
    min_value, max_value
        Bounds of the values.

    Raises
    ------
    hypothesis.errors.InvalidArgument
        If a bound is none, or nothing lies between two.
    """
    check_shape(shape)
    check(isinstance(shape, tuple), f"shape={shape!r} must be a tuple: all examples have the same")
    check_integer(min_examples, "min_examples", minimum=0)
    check_integer(max_examples, "max_examples", minimum=0)
    check_order(min_examples, max_examples, "min_examples", "max_examples")
    check_finite(min_value, "min_value")
    check_finite(max_value, "max_value")
    check_order(min_value, max_value, "min_value", "max_value")

    @st.composite
    def build(draw: st.DrawFn) -> list[Array]:
        count = draw(st.integers(min_examples, max_examples))
        values = fill_array(draw, (count, *shape), -1200, 1200, 0) * float(draw(scales(2.0**-20, 8.0)))
        kind = draw(st.sampled_from(("plain", "no negatives", "one far", "growing")))
        if kind == "no negatives":
            values = np.maximum(values, 0)
        elif kind == "one far" and values.size:
            values.flat[draw(st.integers(0, values.size - 1))] *= 1000
        elif kind == "growing":
            values *= np.linspace(0.01, 1, count).reshape(-1, *[1] * len(shape))
        return list(np.clip(values, min_value, max_value).astype(np.float32))

    return build()


def _along(values: Any, params: QuantizationParameters, shape: tuple[int, ...]) -> Array:
    """The scales or zero points, to be broadcast with an array of `shape`."""
    if params.quantized_dimension is None:
        return np.asarray(values)
    return np.reshape(values, [-1 if axis == params.quantized_dimension else 1 for axis in range(len(shape))])
