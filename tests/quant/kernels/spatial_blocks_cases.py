"""Random examples of the operators that move blocks of stored values, with what their oracles say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from qbench.quant.kernels import spatial_blocks
from quant.kernels.moved import Case, Draw, constant

if TYPE_CHECKING:
    from collections.abc import Callable


def space_to_depth(draw: Draw) -> Case:
    block = draw.int(2, 4)
    n, h, w, c = draw.shape(4, 3)
    x = draw.stored((n, h * block, w * block, c))
    expected = spatial_blocks.space_to_depth(x.stored, block_size=block)
    return draw.case([x], schema.SpaceToDepthOptionsT(blockSize=block), expected)


def depth_to_space(draw: Draw) -> Case:
    block = draw.int(2, 4)
    n, h, w, c = draw.shape(4, 3)
    x = draw.stored((n, h, w, c * block**2))
    expected = spatial_blocks.depth_to_space(x.stored, block_size=block)
    return draw.case([x], schema.DepthToSpaceOptionsT(blockSize=block), expected)


def space_to_batch_nd(draw: Draw) -> Case:
    rank = draw.int(1, 2)
    blocks = np.array(draw.shape(rank, 3))
    x = draw.stored((draw.int(1, 3), *draw.shape(rank), draw.int(1, 5)))
    paddings = draw.rng.integers(0, 4, (rank, 2))
    paddings[:, 1] += -(np.array(x.stored.shape[1:-1]) + paddings.sum(axis=1)) % blocks
    expected = spatial_blocks.space_to_batch_nd(x.stored, blocks, paddings, output_params=draw.params)
    return draw.case([x, constant(blocks), constant(paddings)], schema.SpaceToBatchNDOptionsT(), expected)


def batch_to_space_nd(draw: Draw) -> Case:
    rank = draw.int(1, 2)
    blocks = draw.shape(rank, 3)
    x = draw.stored((draw.int(1, 3) * int(np.prod(blocks)), *draw.shape(rank), draw.int(1, 5)))
    crops = []
    for size, block in zip(x.stored.shape[1:-1], blocks, strict=True):
        before = draw.int(0, min(2, size * block - 1))
        crops.append((before, draw.int(0, min(2, size * block - 1 - before))))
    expected = spatial_blocks.batch_to_space_nd(x.stored, blocks, crops)
    return draw.case([x, constant(blocks), constant(crops)], schema.BatchToSpaceNDOptionsT(), expected)


CASES: dict[str, Callable[[Draw], Case]] = {
    "SPACE_TO_DEPTH": space_to_depth,
    "DEPTH_TO_SPACE": depth_to_space,
    "SPACE_TO_BATCH_ND": space_to_batch_nd,
    "BATCH_TO_SPACE_ND": batch_to_space_nd,
}
