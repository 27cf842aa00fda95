"""Strategies for the stored values of tensors, among them weights with a scale for each channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from qbench.quant.strategies.checks import as_strategy, check, check_dtype, check_integer, check_scales, check_shape
from qbench.quant.strategies.fills import fill_array, fill_weights
from qbench.quant.strategies.parameters import quantization_parameters, scales
from qbench.quant.strategies.shapes import Params, Shape, checked_params, drawn_shape

if TYPE_CHECKING:
    from qbench.quant.affine import Array, QuantizationParameters


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
    sources = as_strategy(quantization_parameters() if params is None else checked_params(params))
    check_shape(shape)

    @st.composite
    def build(draw: st.DrawFn) -> tuple[Array, QuantizationParameters]:
        chosen = draw(sources)
        sizes = drawn_shape(draw, shape, chosen)
        stored = fill_array(draw, sizes, chosen.qmin, chosen.qmax, int(chosen.zero_point.flat[0]))
        return stored.astype(chosen.storage_dtype), chosen

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


def _check_dimension(shape: tuple[int, ...], quantized_dimension: int) -> None:
    known = quantized_dimension < len(shape) and shape[quantized_dimension] > 0
    check(known, f"shape={shape!r} has no channels in quantized_dimension={quantized_dimension}")
