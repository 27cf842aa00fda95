"""How the values of tensors are drawn: in a few draws whatever the size, so that they are cheap and shrink."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from qbench.quant.affine import QuantizationParameters
from qbench.quant.strategies.checks import LIMITS
from qbench.quant.strategies.parameters import integers, scales

if TYPE_CHECKING:
    from qbench.quant.affine import Array

_SEEDS = st.integers(0, 2**16 - 1)
_STYLES = st.sampled_from(("as they are", "sparse", "one-sided", "spread"))


@cache
def _palettes(low: int, high: int, origin: int) -> st.SearchStrategy[list[int]]:
    """A few values from `low` to `high`, as distances from `origin`: often an end; shrinks to 0."""
    # What is drawn beyond an end is the end: a third of all, in one draw.
    beyond = (high - low + 3) // 4
    least = low - origin - beyond if low < origin else 0
    distances = st.integers(least, high - origin + beyond if high > origin else 0)
    return st.lists(distances, min_size=1, max_size=6)


def fill_array(draw: st.DrawFn, shape: tuple[int, ...], low: int, high: int, origin: int) -> Array:
    """int64 array of `shape` with values from `low` to `high` that shrinks to `origin` everywhere.

    A few draws whatever the size: a palette of values, a seed that picks from it and the origin for each element (0 is
    the first for all), and how. No value lies farther from the origin than the palette's do: what fails because a value
    is large fails with the palette alone, and so shrinks to one value without a seed. An array of a smaller size is
    the beginning of the larger one.
    """
    size = math.prod(shape)
    palette = np.clip(draw(_palettes(low, high, origin)), low - origin, high - origin)
    seed, style = draw(_SEEDS), draw(_STYLES)
    # Hypothesis likes zeros: the second condition keeps arrays of a single value from being a quarter of all.
    if not seed and style == "as they are":
        return np.full(shape, origin + palette[0], np.int64)
    # A row of random numbers for each element, so that a shorter array begins as a longer one does.
    picks, gains = np.random.default_rng(seed).random((size, 2)).T
    if style == "sparse":
        picks = np.maximum(0, 4 * picks - 3)
    distances = np.append(palette, 0)[(picks * (len(palette) + 1)).astype(np.int64)]
    if style in ("one-sided", "spread"):
        # Half of the elements are what the palette has: fewer are left to a seed that cannot shrink.
        parts = 2 * gains if style == "one-sided" else 4 * gains - 2
        distances = np.rint(distances * np.clip(parts, -1, 1)).astype(np.int64)
    stored: Array = np.clip(origin + distances, low, high)
    return stored.reshape(shape)


def fill_reals(draw: st.DrawFn, shape: tuple[int, ...], unit: float, steps: int) -> Array:
    """float32 array of `shape` with whole multiples of `unit`, of about `steps`; shrinks to 0 everywhere."""
    return (fill_array(draw, shape, -3 * steps, 3 * steps, 0) * unit).astype(np.float32)


_FAULTS = ("none", "zero", "outlier", "zero and outlier")


def fill_weights(
    draw: st.DrawFn,
    shape: tuple[int, ...],
    quantized_dimension: int | None,
    *,
    dtype: str = "int8",
    scale: st.SearchStrategy[np.float32] | None = None,
    faults: tuple[str, ...] = ("none", "none", *_FAULTS),
) -> tuple[Array, QuantizationParameters]:
    """Stored weights, never the lowest value, and their parameters; with None as the dimension per tensor.

    Shrinks to zeros with scale 1.0. A channel of nothing but zeros and one with a scale 64 times the others' are what
    batch normalization leaves when it is folded into weights.
    """
    high = LIMITS[dtype][1]
    stored = fill_array(draw, shape, -high, high, 0)
    base = draw(scales(2.0**-12, 1.0) if scale is None else scale)
    if quantized_dimension is None:
        params = QuantizationParameters(base, 0, dtype=dtype, narrow_range=True)
        return stored.astype(params.storage_dtype), params
    channels = shape[quantized_dimension]
    seed, fault = draw(_SEEDS), draw(st.sampled_from(faults))
    spread = np.exp2(np.random.default_rng(seed).uniform(-2, 2, channels)) if seed else np.ones(channels)
    if "zero" in fault:
        stored[(slice(None),) * quantized_dimension + (draw(integers(0, channels - 1)),)] = 0
    if "outlier" in fault:
        spread[draw(integers(0, channels - 1))] *= 64
    params = QuantizationParameters(
        (base * spread).astype(np.float32),
        0,
        quantized_dimension=quantized_dimension,
        dtype=dtype,
        narrow_range=True,
    )
    return stored.astype(params.storage_dtype), params
