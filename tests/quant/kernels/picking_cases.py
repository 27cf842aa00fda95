"""Random examples of the operators that pick stored values, with what their oracles say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ai_edge_litert import schema_py_generated as schema

from qbench.errors import UnspecifiedError
from qbench.quant.kernels import picking
from quant.kernels.moved import Case, Draw, constant

if TYPE_CHECKING:
    from collections.abc import Callable


def slice_(draw: Draw) -> Case:
    x = draw.stored(draw.shape())
    begin = [draw.int(0, size - 1) for size in x.stored.shape]
    size = [draw.int(1, size - at) for size, at in zip(x.stored.shape, begin, strict=True)]
    return draw.case(
        [x, constant(begin), constant(size)], schema.SliceOptionsT(), picking.slice_(x.stored, begin, size)
    )


def strided_slice(draw: Draw) -> Case:
    """A slice that is not empty; for XNNPACK, with strides of 1 and none but the begin and end masks."""
    is_plain = draw.family == "xnnpack"
    while True:
        x = draw.stored(draw.shape())
        rank = x.stored.ndim
        count = rank if is_plain else draw.int(1, rank)
        ends = [draw.int(-8, 8) or 1 for _ in range(count)]
        strides = [1 if is_plain else draw.rng.choice([1, 2, 3, -1, -2]).item() for _ in range(count)]
        begins = [draw.int(-8, 8) for _ in range(count)]
        masks = {name: draw.int(0, 31) for name in ("begin_mask", "end_mask")}
        if not is_plain:
            masks["new_axis_mask"] = draw.int(0, 31) & draw.int(0, 31) % 2**count
            masks["shrink_axis_mask"] = draw.int(0, 31) & draw.int(0, 31) % 2**count
            masks["ellipsis_mask"] = draw.rng.choice([0, 0, 1, 2, 4]).item() % 2**count
            for position in range(count):
                if masks["shrink_axis_mask"] >> position & 1:
                    strides[position] = 1
            taken = count - masks["ellipsis_mask"].bit_count()
            if masks["ellipsis_mask"] and taken >= rank:
                continue
        try:
            expected = picking.strided_slice(x.stored, begins, ends, strides, **masks)
        except UnspecifiedError:
            continue
        if expected.size and expected.ndim <= 5:
            break
    names = {re.sub("_.", lambda found: found[0][1].upper(), name): mask for name, mask in masks.items()}
    operands = [x, constant(begins), constant(ends), constant(strides)]
    return draw.case(operands, schema.StridedSliceOptionsT(**names), expected)


def split(draw: Draw) -> Case:
    parts = draw.int(2, 4)
    shape = list(draw.shape())
    axis = draw.int(-len(shape), len(shape) - 1)
    shape[axis] *= parts
    x = draw.stored(tuple(shape))
    expected = picking.split(x.stored, axis=axis, num_splits=parts)
    return draw.case([constant(axis), x], schema.SplitOptionsT(numSplits=parts), *expected)


def split_v(draw: Draw) -> Case:
    sizes = draw.rng.integers(1, 4, draw.int(1, 4))
    shape = list(draw.shape())
    axis = draw.int(-len(shape), len(shape) - 1)
    shape[axis] = int(sizes.sum())
    x = draw.stored(tuple(shape))
    if draw.bool():
        sizes[draw.int(0, len(sizes) - 1)] = -1
    expected = picking.split_v(x.stored, sizes, axis=axis)
    operands = [x, constant(sizes), constant(axis)]
    return draw.case(operands, schema.SplitVOptionsT(numSplits=len(sizes)), *expected)


def pack(draw: Draw) -> Case:
    shape, count = draw.shape(3), draw.int(1, 4)
    inputs = [draw.stored(shape) for _ in range(count)]
    axis = draw.int(-4, 3)
    expected = picking.pack([x.stored for x in inputs], axis=axis)
    return draw.case(inputs, schema.PackOptionsT(valuesCount=count, axis=axis), expected)


def unpack(draw: Draw) -> Case:
    x = draw.stored(draw.shape(3))
    axis = draw.int(-3, 2)
    options = schema.UnpackOptionsT(num=x.stored.shape[axis], axis=axis)
    return draw.case([x], options, *picking.unpack(x.stored, axis=axis))


def gather(draw: Draw) -> Case:
    x = draw.stored(draw.shape())
    batch_dims = draw.int(0, x.stored.ndim - 1)
    axis = draw.int(batch_dims, x.stored.ndim - 1)
    rest = draw.shape(draw.int(0 if batch_dims else 1, 2))
    indices = draw.rng.integers(0, x.stored.shape[axis], (*x.stored.shape[:batch_dims], *rest))
    axis -= x.stored.ndim * draw.bool()
    expected = picking.gather(x.stored, indices, axis=axis, batch_dims=batch_dims)
    options = schema.GatherOptionsT(axis=axis, batchDims=batch_dims)
    return draw.case([x, constant(indices)], options, expected)


def resize_nearest_neighbor(draw: Draw) -> Case:
    x = draw.stored((1, draw.int(1, 99), draw.int(1, 99), draw.int(1, 3)))
    size = [draw.int(1, 60), draw.int(1, 60)]
    align, half = [(False, False), (True, False), (False, True), (True, True)][draw.int(0, 3)]
    expected = picking.resize_nearest_neighbor(
        x.stored, size, align_corners=align, half_pixel_centers=half, family=draw.family
    )
    options = schema.ResizeNearestNeighborOptionsT(alignCorners=align, halfPixelCenters=half)
    return draw.case([x, constant(size)], options, expected)


CASES: dict[str, Callable[[Draw], Case]] = {
    "SLICE": slice_,
    "STRIDED_SLICE": strided_slice,
    "SPLIT": split,
    "SPLIT_V": split_v,
    "PACK": pack,
    "UNPACK": unpack,
    "GATHER": gather,
    "RESIZE_NEAREST_NEIGHBOR": resize_nearest_neighbor,
}
