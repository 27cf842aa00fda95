"""Strategies for operators that pick, move or pool values: pooling, MEAN, CONCATENATION, RESHAPE, PAD, TRANSPOSE."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from hypothesis import strategies as st

from qbench.quant.strategies.layers import activation, window

if TYPE_CHECKING:
    from qbench.quant.strategies.draft import Draft, Signal


def _alike(draft: Draft, x: Signal, shape: tuple[int, ...]) -> Signal:
    """An output with the input's parameters, as the specification wants it of operators that do not compute."""
    params = x.stored_as
    return draft.output(shape, params, magnitude=x.rms * float(params.scale))


def _pool(draft: Draft, x: Signal, name: str) -> Signal:
    batch, *sides, channels = x.shape
    over = window(draft, sides, max_kernel=max(sides), dilated=False)
    options = schema.Pool2DOptionsT(
        padding=over.padding,
        strideH=over.stride[0],
        strideW=over.stride[1],
        filterHeight=over.kernel[0],
        filterWidth=over.kernel[1],
        fusedActivationFunction=activation(draft).number,
    )
    output = _alike(draft, x, (batch, *over.moved_over(sides), channels))
    return draft.operator(name, [x.index], output, options, versions=(2, 3))


def average_pool_2d(draft: Draft, x: Signal) -> Signal:
    """AVERAGE_POOL_2D."""
    return _pool(draft, x, "AVERAGE_POOL_2D")


def max_pool_2d(draft: Draft, x: Signal) -> Signal:
    """MAX_POOL_2D."""
    return _pool(draft, x, "MAX_POOL_2D")


def mean(draft: Draft, x: Signal) -> Signal:
    """MEAN over some dimensions, kept as 1 or not; often over both sides of images."""
    rank = len(x.shape)
    axes = [axis for axis in range(rank) if draft.boolean()] or [rank - 1]
    keeps = draft.boolean() or len(axes) == rank
    if rank == 4 and draft.boolean():  # noqa: PLR2004 - images, whose mean has a kernel of its own if the axes stay
        axes, keeps = [1, 2], keeps or draft.boolean()
    shape = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape) if keeps or axis not in axes)
    scale = float(x.stored_as.scale)
    count = math.prod(x.shape[axis] for axis in axes)
    magnitude = math.hypot(x.mean, x.rms / math.sqrt(count)) * scale
    params = draft.params(scale) if draft.boolean() else draft.output_params(magnitude, at_least=scale / 64)
    indices = [x.index, draft.constant(np.array(axes, np.int32))]
    output = draft.output(shape, params, magnitude=magnitude)
    return draft.operator("MEAN", indices, output, schema.ReducerOptionsT(keepDims=keeps), versions=(2, 3))


def concatenation(draft: Draft, x: Signal) -> Signal:
    """CONCATENATION of two to four tensors along any dimension."""
    axis = draft.integer(-len(x.shape), len(x.shape) - 1)
    place = axis % len(x.shape)
    signals = [x]
    for _ in range(draft.integer(1, 3)):
        size = draft.integer(1, max(2, x.shape[place]))
        shape = (*x.shape[:place], size, *x.shape[place + 1 :])
        signals.append(draft.operand(shape, x.stored_as))
    total = sum(signal.shape[place] for signal in signals)
    output = _alike(draft, x, (*x.shape[:place], total, *x.shape[place + 1 :]))
    options = schema.ConcatenationOptionsT(axis=axis)
    return draft.operator("CONCATENATION", [signal.index for signal in signals], output, options, versions=(2, 3))


def reshape(draft: Draft, x: Signal) -> Signal:
    """RESHAPE to any factors of the number of elements, one of them written as -1 or not."""
    left, shape = math.prod(x.shape), []
    for _ in range(draft.integer(0, draft.sizes.rank - 1)):
        factor = draft.choice(*(size for size in range(1, left + 1) if left % size == 0))
        shape.append(factor)
        left //= factor
    shape.append(left)
    written = list(shape)
    if draft.boolean():
        written[draft.integer(0, len(shape) - 1)] = -1
    indices = [x.index, draft.constant(np.array(written, np.int32))]
    options = schema.ReshapeOptionsT(newShape=written)
    return draft.operator("RESHAPE", indices, _alike(draft, x, tuple(shape)), options, versions=(1, 1))


def pad(draft: Draft, x: Signal) -> Signal:
    """PAD by up to 3 on each side of each dimension."""
    paddings = [(draft.integer(0, 3), draft.integer(0, 3)) for _ in x.shape]
    shape = tuple(size + sum(around) for size, around in zip(x.shape, paddings, strict=True))
    indices = [x.index, draft.constant(np.array(paddings, np.int32))]
    return draft.operator("PAD", indices, _alike(draft, x, shape), schema.PadOptionsT(), versions=(2, 3))


def transpose(draft: Draft, x: Signal) -> Signal:
    """TRANSPOSE by any order of the dimensions."""
    order: Any = draft.draw(st.permutations(range(len(x.shape))))
    indices = [x.index, draft.constant(np.array(order, np.int32))]
    output = _alike(draft, x, tuple(x.shape[axis] for axis in order))
    return draft.operator("TRANSPOSE", indices, output, schema.TransposeOptionsT(), versions=(2, 5))
