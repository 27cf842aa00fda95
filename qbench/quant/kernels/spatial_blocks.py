"""Operators that move blocks of the spatial axes to the depth or to the batch, and back; they compute nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qbench.errors import UnspecifiedError
from qbench.quant.family import FAMILIES, Family
from qbench.quant.kernels.arguments import check_rank
from qbench.quant.kernels.layouts import check_divided, check_widths
from qbench.quant.kernels.movement import pad

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from qbench.quant.affine import Array, QuantizationParameters


def space_to_depth(inputs: Array, *, block_size: int) -> Array:
    """SPACE_TO_DEPTH: (n, h*b, w*b, c) to (n, h, w, b*b*c). ``tflite/kernels/space_to_depth.cc``."""
    check_rank("inputs", inputs, 4)
    check_divided("blocks", inputs.shape[1:3], (block_size, block_size))
    batch, height, width, channels = inputs.shape
    rows, columns = height // block_size, width // block_size
    blocks = inputs.reshape(batch, rows, block_size, columns, block_size, channels)
    return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(batch, rows, columns, block_size**2 * channels)


def depth_to_space(inputs: Array, *, block_size: int) -> Array:
    """DEPTH_TO_SPACE: (n, h, w, b*b*c) to (n, h*b, w*b, c). ``tflite/kernels/depth_to_space.cc``."""
    check_rank("inputs", inputs, 4)
    check_divided("squared blocks", inputs.shape[3:], (block_size**2,))
    batch, rows, columns, depth = inputs.shape
    channels = depth // block_size**2
    blocks = inputs.reshape(batch, rows, columns, block_size, block_size, channels)
    return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(batch, rows * block_size, columns * block_size, channels)


def space_to_batch_nd(
    inputs: Array, block_shape: Sequence[int], paddings: npt.ArrayLike, *, output_params: QuantizationParameters
) -> Array:
    """SPACE_TO_BATCH_ND: pads with the zero point, then puts each place within a block in a batch of its own.

    Parameters
    ----------
    inputs
        Stored values, (n, h, w, c) or (n, h, c).
    block_shape
        Size of a block along each spatial axis.
    paddings
        Shape (spatial axes, 2): how many to put before and after.
    output_params
        Parameters of the output, which the runtime wants to be the input's.

    Notes
    -----
    ``tflite/kernels/space_to_batch_nd.cc``. Batches are ordered by row in the block, column in it, input batch.
    """
    axes = len(block_shape)
    check_rank("inputs", inputs, axes + 2)
    check_widths("paddings", paddings, axes)
    padded = pad(inputs, [(0, 0), *np.asarray(paddings).tolist(), (0, 0)], output_params=output_params)
    batch, *spatial, channels = padded.shape
    check_divided("blocks", spatial, block_shape)
    counts = [size // block for size, block in zip(spatial, block_shape, strict=True)]
    split = [size for pair in zip(counts, block_shape, strict=True) for size in pair]
    order = [*range(2, 2 * axes + 1, 2), 0, *range(1, 2 * axes, 2), 2 * axes + 1]
    return padded.reshape(batch, *split, channels).transpose(order).reshape(-1, *counts, channels)


def batch_to_space_nd(inputs: Array, block_shape: Sequence[int], crops: npt.ArrayLike) -> Array:
    """BATCH_TO_SPACE_ND: the way back from `space_to_batch_nd`; `crops` is what is cut away in the end.

    Notes
    -----
    ``tflite/kernels/batch_to_space_nd.cc``.
    """
    axes = len(block_shape)
    check_rank("inputs", inputs, axes + 2)
    check_divided("blocks", [len(inputs)] * axes, block_shape)
    check_divided("blocks together", [len(inputs)], [int(np.prod(block_shape))])
    check_widths("crops", crops, axes)
    batch, *counts, channels = inputs.shape
    apart = inputs.reshape(*block_shape, -1, *counts, channels)
    order = [axes, *(axis for i in range(axes) for axis in (axes + 1 + i, i)), 2 * axes + 1]
    sizes = [count * block for count, block in zip(counts, block_shape, strict=True)]
    whole = apart.transpose(order).reshape(batch // int(np.prod(block_shape)), *sizes, channels)
    if (np.asarray(crops).sum(axis=1) > sizes).any():
        raise UnspecifiedError(f"found crops {np.asarray(crops).tolist()}, expected at most {sizes} along each axis")
    ends = [(before, size - after) for (before, after), size in zip(np.asarray(crops).tolist(), sizes, strict=True)]
    kept = (slice(None), *(slice(*pair) for pair in ends))
    return whole[kept]


_WITHOUT_XNNPACK: frozenset[Family] = frozenset({"reference", "builtin"})
#: No family takes ``int16`` here.
_OF_DEPTH: Mapping[str, frozenset[Family]] = dict.fromkeys(("int8", "uint8"), frozenset(FAMILIES))
_OF_BATCH: Mapping[str, frozenset[Family]] = dict.fromkeys(("int8", "uint8", "int16"), _WITHOUT_XNNPACK)

#: Operator -> dtype -> families whose kernels give what the oracle gives, to the bit.
EXACT: Mapping[str, Mapping[str, frozenset[Family]]] = {
    "SPACE_TO_DEPTH": _OF_DEPTH,
    "DEPTH_TO_SPACE": _OF_DEPTH,
    "SPACE_TO_BATCH_ND": _OF_BATCH,
    "BATCH_TO_SPACE_ND": _OF_BATCH,
}
