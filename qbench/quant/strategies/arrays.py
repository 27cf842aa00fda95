"""Strategies for the values of tensors: stored, real, weights, calibration sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from qbench.quant.affine import QuantizationParameters
from qbench.quant.strategies.checks import (
    as_strategy,
    check,
    check_dtype,
    check_finite,
    check_integer,
    check_order,
    check_scales,
    check_shape,
)
from qbench.quant.strategies.fills import fill_array, fill_weights
from qbench.quant.strategies.parameters import quantization_parameters, scales

if TYPE_CHECKING:
    from qbench.quant.affine import Array

Shape: TypeAlias = "tuple[int, ...] | st.SearchStrategy[tuple[int, ...]] | None"
Params: TypeAlias = "QuantizationParameters | st.SearchStrategy[QuantizationParameters]"

_SHAPES = array_shapes(max_dims=4, max_side=8)
#: From a tie, the next float32 below, or above; and what keeps clear of ties.
_FRACTIONS = ("any", "ties", "below ties", "above ties")


def stored_arrays(params: Params, *, shape: Shape = None) -> st.SearchStrategy[Array]:
    """Return a strategy for arrays of integers that `params` can store; shrinks to the zero point everywhere.

    Parameters
    ----------
    params
        Parameters, or a strategy for them.
    shape
        Sizes, or a strategy for them; None is 1 to 4 dimensions of 1 to 8. With parameters per channel, the
        quantized dimension is as large as they say; None is made to fit.

    Raises
    ------
    hypothesis.errors.InvalidArgument
        If an argument is none, or a shape does not fit the channels.
    """
    return quantized_arrays(params, shape=shape).map(lambda pair: pair[0])


def quantized_arrays(
    params: Params | None = None, *, shape: Shape = None
) -> st.SearchStrategy[tuple[Array, QuantizationParameters]]:
    """Return a strategy for pairs of stored integers and their parameters.

    Parameters
    ----------
    params
        Parameters, or a strategy for them; None is any that `quantization_parameters` gives.
    shape
        As for `stored_arrays`.

    Raises
    ------
    hypothesis.errors.InvalidArgument
        If an argument is none, or a shape does not fit the channels.
    """
    sources = as_strategy(quantization_parameters() if params is None else _checked_params(params))
    check_shape(shape)

    @st.composite
    def build(draw: st.DrawFn) -> tuple[Array, QuantizationParameters]:
        chosen = draw(sources)
        sizes = _drawn_shape(draw, shape, chosen)
        stored = fill_array(draw, sizes, chosen.qmin, chosen.qmax, int(chosen.zero_point.flat[0]))
        return stored.astype(chosen.storage_dtype), chosen

    return build()


def real_arrays(
    params: Params, *, shape: Shape = None, ties: bool = True, outside: bool = True
) -> st.SearchStrategy[Array]:
    """Return a strategy for float32 arrays with values around the range that `params` can represent.

    Parameters
    ----------
    params, shape
        As for `stored_arrays`.
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
    sources = as_strategy(_checked_params(params))
    check_shape(shape)

    @st.composite
    def build(draw: st.DrawFn) -> Array:
        chosen = draw(sources)
        sizes = _drawn_shape(draw, shape, chosen)
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


def channel_weights(
    *,
    shape: tuple[int, ...] | st.SearchStrategy[tuple[int, ...]],
    quantized_dimension: int = 0,
    dtype: str = "int8",
    min_scale: float = 2.0**-12,
    max_scale: float = 1.0,
    zero_channels: bool = True,
    outlier_channels: bool = True,
) -> st.SearchStrategy[tuple[Array, QuantizationParameters]]:
    """Return a strategy for stored weights with a scale for each channel, and their parameters.

    Weights never have the type's lowest value, and zero points are 0, as the specification wants both. Shrinks to
    zeros with scale 1.0.

    Parameters
    ----------
    shape
        Sizes, or a strategy for them.
    quantized_dimension
        The axis of the channels: 0 for FULLY_CONNECTED and CONV_2D, 3 for DEPTHWISE_CONV_2D.
    dtype
        ``int4``, ``int8`` or ``int16``.
    min_scale, max_scale
        Bounds of a scale that all channels share; their own lie up to 4 times below or above it.
    zero_channels
        Whether some arrays have a channel of zeros.
    outlier_channels
        Whether some have a channel with a scale 64 times as large.

    Raises
    ------
    hypothesis.errors.InvalidArgument
        If a bound is none, or the shape has no such dimension.
    """
    check_shape(shape)
    check(shape is not None, "shape=None: weights need one")
    check_dtype(dtype, ("int4", "int8", "int16"))
    check_integer(quantized_dimension, "quantized_dimension", minimum=0)
    check_scales(min_scale, max_scale)
    if isinstance(shape, tuple):
        _check_dimension(shape, quantized_dimension)
    faults = ["none", "none"]
    faults += ["zero"] * zero_channels + ["outlier"] * outlier_channels
    faults += ["zero and outlier"] * (zero_channels and outlier_channels)

    @st.composite
    def build(draw: st.DrawFn) -> tuple[Array, QuantizationParameters]:
        sizes = draw(as_strategy(shape))
        _check_dimension(sizes, quantized_dimension)
        scale = scales(float(min_scale), float(max_scale))
        return fill_weights(draw, sizes, quantized_dimension, dtype=dtype, scale=scale, faults=tuple(faults))

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


def _checked_params(params: Params) -> Params:
    known = isinstance(params, (QuantizationParameters, st.SearchStrategy))
    check(known, f"params={params!r} must be QuantizationParameters or a strategy for them")
    return params


def _drawn_shape(draw: st.DrawFn, shape: Shape, params: QuantizationParameters) -> tuple[int, ...]:
    dimension = params.quantized_dimension
    sizes: tuple[int, ...] = draw(_SHAPES if shape is None else as_strategy(shape))
    if dimension is None:
        return sizes
    channels = params.scale.size
    if shape is None:
        sizes = (*sizes, *[1] * (dimension + 1 - len(sizes)))
        return (*sizes[:dimension], channels, *sizes[dimension + 1 :])
    fits = dimension < len(sizes) and sizes[dimension] == channels
    check(fits, f"shape={sizes!r} does not have {channels} channels in dimension {dimension}, as params={params!r}")
    return sizes


def _check_dimension(shape: tuple[int, ...], quantized_dimension: int) -> None:
    known = quantized_dimension < len(shape) and shape[quantized_dimension] > 0
    check(known, f"shape={shape!r} has no channels in quantized_dimension={quantized_dimension}")


def _along(values: Any, params: QuantizationParameters, shape: tuple[int, ...]) -> Array:
    """The scales or zero points, to be broadcast with an array of `shape`."""
    if params.quantized_dimension is None:
        return np.asarray(values)
    return np.reshape(values, [-1 if axis == params.quantized_dimension else 1 for axis in range(len(shape))])
