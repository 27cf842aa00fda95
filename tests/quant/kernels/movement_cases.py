"""Random examples of the operators that move or pick stored values, with what their oracles say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from qbench.errors import UnspecifiedError
from qbench.quant.affine import QuantizationParameters
from qbench.quant.kernels import movement, picking
from quant.kernel_lab import Operand

if TYPE_CHECKING:
    from collections.abc import Callable

    from qbench.quant.family import Family
    from qbench.tflite.graph import Array


class Case(NamedTuple):
    """An operator with operands, and what its oracle says."""

    operands: list[Operand]
    options: Any
    expected: list[Array]
    params: QuantizationParameters


class Draw:
    """Random operands of one dtype for the kernels of one family."""

    def __init__(self, seed: int, dtype: str, family: Family = "reference") -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype = dtype
        self.family = family
        self.params = self.new_params()

    def new_params(self) -> QuantizationParameters:
        limits = np.iinfo(self.dtype)
        points = [0] if self.dtype == "int16" else [limits.min, limits.max, self.int(limits.min, limits.max)]
        return QuantizationParameters(2.0 ** self.rng.uniform(-20, 10), self.rng.choice(points), dtype=self.dtype)

    def int(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def bool(self) -> bool:
        return bool(self.rng.integers(2))

    def shape(self, rank: int | None = None, largest: int = 6) -> tuple[int, ...]:
        return tuple(self.rng.integers(1, largest + 1, self.int(1, 4) if rank is None else rank).tolist())

    def stored(self, shape: tuple[int, ...], params: QuantizationParameters | None = None) -> Operand:
        limits = np.iinfo(self.dtype)
        values = self.rng.integers(limits.min, limits.max + 1, shape).astype(self.dtype)
        return Operand(values, params or self.params)

    def case(self, operands: list[Operand], options: Any, *expected: Array) -> Case:
        return Case(operands, options, list(expected), self.params)


def constant(values: Any) -> Operand:
    return Operand(np.array(values, np.int32), is_constant=True)


def concatenation(draw: Draw) -> Case:
    shape = draw.shape()
    axis = draw.int(0, len(shape) - 1)
    inputs = []
    for _ in range(draw.int(2, 5)):
        grown = (*shape[:axis], draw.int(1, 40), *shape[axis + 1 :])
        inputs.append(draw.stored(grown))
    axis -= len(shape) * draw.bool()
    expected = movement.concatenation(
        [x.stored for x in inputs], input_params=[x.params for x in inputs], output_params=draw.params, axis=axis
    )
    return draw.case(inputs, schema.ConcatenationOptionsT(axis=axis), expected)


def reshape(draw: Draw) -> Case:
    shape = draw.shape(4)
    x = draw.stored(shape)
    new = [shape[0] * shape[1], -1, shape[3]] if draw.bool() else [shape[3], shape[0], 1, shape[1] * shape[2]]
    return draw.case([x, constant(new)], schema.ReshapeOptionsT(newShape=new), movement.reshape(x.stored, shape=new))


def squeeze(draw: Draw) -> Case:
    x = draw.stored((1, draw.int(2, 5), 1, draw.int(2, 5)))
    dims = [[], [0], [2], [-2], [0, 2]][draw.int(0, 4)]
    return draw.case([x], schema.SqueezeOptionsT(squeezeDims=dims), movement.squeeze(x.stored, squeeze_dims=dims))


def expand_dims(draw: Draw) -> Case:
    x = draw.stored(draw.shape(3))
    axis = draw.int(-4, 3)
    return draw.case([x, constant(axis)], schema.ExpandDimsOptionsT(), movement.expand_dims(x.stored, axis=axis))


def pad(draw: Draw) -> Case:
    x = draw.stored(draw.shape())
    paddings = draw.rng.integers(0, 4, (x.stored.ndim, 2))
    expected = movement.pad(x.stored, paddings, output_params=draw.params)
    return draw.case([x, constant(paddings)], schema.PadOptionsT(), expected)


def pad_v2(draw: Draw) -> Case:
    x, value = draw.stored(draw.shape()), draw.stored(())
    paddings = draw.rng.integers(0, 4, (x.stored.ndim, 2))
    operands = [x, constant(paddings), value._replace(is_constant=True)]
    return draw.case(operands, schema.PadV2OptionsT(), movement.pad_v2(x.stored, paddings, value.stored))


def mirror_pad(draw: Draw) -> Case:
    x = draw.stored(draw.shape())
    mode = draw.int(0, 1)  # REFLECT, SYMMETRIC
    paddings = draw.rng.integers(0, np.array(x.stored.shape)[:, np.newaxis] + mode, (x.stored.ndim, 2))
    expected = movement.mirror_pad(x.stored, paddings, mode=["REFLECT", "SYMMETRIC"][mode])
    return draw.case([x, constant(paddings)], schema.MirrorPadOptionsT(mode=mode), expected)


def transpose(draw: Draw) -> Case:
    x = draw.stored(draw.shape(largest=20))
    perm = draw.rng.permutation(x.stored.ndim)
    return draw.case([x, constant(perm)], schema.TransposeOptionsT(), movement.transpose(x.stored, perm))


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


def space_to_depth(draw: Draw) -> Case:
    block = draw.int(2, 4)
    n, h, w, c = draw.shape(4, 3)
    x = draw.stored((n, h * block, w * block, c))
    expected = movement.space_to_depth(x.stored, block_size=block)
    return draw.case([x], schema.SpaceToDepthOptionsT(blockSize=block), expected)


def depth_to_space(draw: Draw) -> Case:
    block = draw.int(2, 4)
    n, h, w, c = draw.shape(4, 3)
    x = draw.stored((n, h, w, c * block**2))
    expected = movement.depth_to_space(x.stored, block_size=block)
    return draw.case([x], schema.DepthToSpaceOptionsT(blockSize=block), expected)


def space_to_batch_nd(draw: Draw) -> Case:
    rank = draw.int(1, 2)
    blocks = np.array(draw.shape(rank, 3))
    x = draw.stored((draw.int(1, 3), *draw.shape(rank), draw.int(1, 5)))
    paddings = draw.rng.integers(0, 4, (rank, 2))
    paddings[:, 1] += -(np.array(x.stored.shape[1:-1]) + paddings.sum(axis=1)) % blocks
    expected = movement.space_to_batch_nd(x.stored, blocks, paddings, output_params=draw.params)
    return draw.case([x, constant(blocks), constant(paddings)], schema.SpaceToBatchNDOptionsT(), expected)


def batch_to_space_nd(draw: Draw) -> Case:
    rank = draw.int(1, 2)
    blocks = draw.shape(rank, 3)
    x = draw.stored((draw.int(1, 3) * int(np.prod(blocks)), *draw.shape(rank), draw.int(1, 5)))
    crops = []
    for size, block in zip(x.stored.shape[1:-1], blocks, strict=True):
        before = draw.int(0, min(2, size * block - 1))
        crops.append((before, draw.int(0, min(2, size * block - 1 - before))))
    expected = movement.batch_to_space_nd(x.stored, blocks, crops)
    return draw.case([x, constant(blocks), constant(crops)], schema.BatchToSpaceNDOptionsT(), expected)


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


def maximum(draw: Draw) -> Case:
    first, second = _broadcast(draw)
    return draw.case([first, second], schema.MaximumMinimumOptionsT(), movement.maximum(first.stored, second.stored))


def minimum(draw: Draw) -> Case:
    first, second = _broadcast(draw)
    return draw.case([first, second], schema.MaximumMinimumOptionsT(), movement.minimum(first.stored, second.stored))


def _broadcast(draw: Draw) -> tuple[Operand, Operand]:
    shape = draw.shape(largest=20)
    thin = tuple(1 if draw.bool() else size for size in shape)[draw.int(0, len(shape) - 1) :]
    pair = draw.stored(shape), draw.stored(thin if draw.bool() else shape)
    return pair if draw.bool() else pair[::-1]


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
    "CONCATENATION": concatenation,
    "RESHAPE": reshape,
    "SQUEEZE": squeeze,
    "EXPAND_DIMS": expand_dims,
    "PAD": pad,
    "PADV2": pad_v2,
    "MIRROR_PAD": mirror_pad,
    "TRANSPOSE": transpose,
    "SLICE": slice_,
    "STRIDED_SLICE": strided_slice,
    "SPLIT": split,
    "SPLIT_V": split_v,
    "PACK": pack,
    "UNPACK": unpack,
    "SPACE_TO_DEPTH": space_to_depth,
    "DEPTH_TO_SPACE": depth_to_space,
    "SPACE_TO_BATCH_ND": space_to_batch_nd,
    "BATCH_TO_SPACE_ND": batch_to_space_nd,
    "GATHER": gather,
    "MAXIMUM": maximum,
    "MINIMUM": minimum,
    "RESIZE_NEAREST_NEIGHBOR": resize_nearest_neighbor,
}
