"""Strategies for the values of tensors: stored, real, weights, calibration sets."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

from qbench.quant.affine import QuantizationParameters
from qbench.quant.strategies.checks import LIMITS
from qbench.quant.strategies.parameters import integers, scales

if TYPE_CHECKING:
    from qbench.quant.affine import Array

#: So few elements are drawn one by one; more come from a fill, a seed and a few elements set on top.
_FEW = 4
_SEEDS = st.integers(0, 2**16 - 1)
_STYLES = st.sampled_from(("normal", "uniform", "ends"))


@cache
def _elements(low: int, high: int, origin: int) -> st.SearchStrategy[int]:
    """An integer from `low` to `high`: often an end; shrinks to `origin`."""
    distances = st.one_of(st.integers(low - origin, high - origin), st.sampled_from((0, low - origin, high - origin)))
    return distances.map(lambda distance: origin + distance)


@cache
def _edits(size: int, low: int, high: int, origin: int) -> st.SearchStrategy[list[tuple[int, int]]]:
    return st.lists(st.tuples(st.integers(0, size - 1), _elements(low, high, origin)), max_size=3)


def fill_array(draw: st.DrawFn, shape: tuple[int, ...], low: int, high: int, origin: int) -> Array:
    """int64 array of `shape` with values from `low` to `high` that shrinks to `origin` everywhere.

    A few draws whatever the size: a fill, a seed for values around it (0 for none), and up to three elements set.
    """
    size = math.prod(shape)
    elements = _elements(low, high, origin)
    if size <= _FEW:
        return np.array([draw(elements) for _ in range(size)], np.int64).reshape(shape)
    seed = draw(_SEEDS)
    flat = _seeded(seed, draw(_STYLES), size, low, high, origin) if seed else np.full(size, draw(elements), np.int64)
    for place, value in draw(_edits(size, low, high, origin)):
        flat[place] = value
    return flat.reshape(shape)


def _seeded(seed: int, style: str, size: int, low: int, high: int, origin: int) -> Array:
    generator = np.random.default_rng(seed)
    if style == "uniform":
        return generator.integers(low, high, size, endpoint=True)
    if style == "ends":
        return np.asarray(generator.choice([low, origin, high], size))
    # What activations look like: a bell around the origin that just reaches the ends.
    values = np.rint(generator.normal(origin, (high - low) / 6, size))
    return np.clip(values, low, high).astype(np.int64)


def fill_reals(draw: st.DrawFn, shape: tuple[int, ...], magnitude: float) -> Array:
    """float32 array of `shape` with values of about `magnitude`; shrinks to 0 everywhere."""
    steps = fill_array(draw, shape, -1200, 1200, 0)
    # Some 400 steps for the magnitude: fine enough to lie between the integers, coarse enough for exact halves.
    return (steps * np.float32(magnitude / 400)).astype(np.float32)


_FAULTS = st.sampled_from(("none", "none", "none", "zero", "outlier", "zero and outlier"))


def fill_weights(
    draw: st.DrawFn, shape: tuple[int, ...], quantized_dimension: int | None, *, dtype: str = "int8"
) -> tuple[Array, QuantizationParameters]:
    """Stored weights, never the lowest value, and their parameters; with None as the dimension per tensor.

    Shrinks to zeros with scale 1.0. A channel of nothing but zeros and one with a scale 64 times the others' are what
    batch normalization leaves when it is folded into weights.
    """
    high = LIMITS[dtype][1]
    stored = fill_array(draw, shape, -high, high, 0).astype(np.int8)
    scale: Any = draw(scales(2.0**-12, 1.0))
    if quantized_dimension is None:
        return stored, QuantizationParameters(scale, 0, dtype=dtype, narrow_range=True)
    channels = shape[quantized_dimension]
    seed = draw(_SEEDS)
    spread = np.exp2(np.random.default_rng(seed).uniform(-2, 2, channels)) if seed else np.ones(channels)
    fault = draw(_FAULTS)
    if "zero" in fault:
        stored[(slice(None),) * quantized_dimension + (draw(integers(0, channels - 1)),)] = 0
    if "outlier" in fault:
        spread[draw(integers(0, channels - 1))] *= 64
    scale = (scale * spread).astype(np.float32)
    return stored, QuantizationParameters(
        scale, 0, quantized_dimension=quantized_dimension, dtype=dtype, narrow_range=True
    )
