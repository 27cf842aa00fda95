"""Which shape an array gets: the one asked for, if it has the channels of its parameters, or one that has them."""

from __future__ import annotations

from typing import TypeAlias

from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from qbench.quant.affine import QuantizationParameters
from qbench.quant.strategies.checks import as_strategy, check

Shape: TypeAlias = "tuple[int, ...] | st.SearchStrategy[tuple[int, ...]] | None"
Params: TypeAlias = "QuantizationParameters | st.SearchStrategy[QuantizationParameters]"

_SHAPES = array_shapes(max_dims=4, max_side=8)


def checked_params(params: Params) -> Params:
    """`params` as they are; refuse what is neither parameters nor a strategy for them."""
    known = isinstance(params, (QuantizationParameters, st.SearchStrategy))
    check(known, f"params={params!r} must be QuantizationParameters or a strategy for them")
    return params


def drawn_shape(draw: st.DrawFn, shape: Shape, params: QuantizationParameters) -> tuple[int, ...]:
    """`shape`, or any if it is None, with as many indices of the quantized dimension as `params` have scales."""
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
