"""Operators that move stored values or pick some, from the file to their oracles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.quant.kernels import movement, picking, spatial_blocks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qbench.quant.call import Call, Oracle


def _reshape(call: Call) -> Any:
    """The new shape stands in a tensor, or in files of old converters in the options, where (0,) is a scalar's."""
    if call.optional(1) is not None:
        shape = call.integers(1)
    else:
        shape = tuple(call.option("new_shape"))
        shape = () if shape == (0,) else shape
    return movement.reshape(call.array(0), shape=shape)


def _concatenation(call: Call) -> Any:
    count = len(call.inputs)
    if not call.output_tensors[0].scales.size:
        return np.concatenate([call.array(index) for index in range(count)], axis=call.option("axis"))
    return movement.concatenation(
        [call.array(index) for index in range(count)],
        input_params=[call.params(index) for index in range(count)],
        output_params=call.output_params(),
        axis=call.option("axis"),
    )


def _strided_slice(call: Call) -> Any:
    masks = {name: call.option(name) for name in _MASKS}
    return picking.strided_slice(
        call.array(0), call.integers(1), call.integers(2), call.integers(3), offset=bool(call.option("offset")), **masks
    )


_MASKS = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")


def _resize_nearest_neighbor(call: Call) -> Any:
    return picking.resize_nearest_neighbor(
        call.array(0),
        call.integers(1),
        align_corners=bool(call.option("align_corners")),
        half_pixel_centers=bool(call.option("half_pixel_centers")),
        family=call.family,
    )


ORACLES: Mapping[str, Oracle] = {
    "SHAPE": lambda call: np.array(call.array(0).shape, np.dtype(call.output_tensors[0].dtype)),
    "CONCATENATION": _concatenation,
    "RESHAPE": _reshape,
    "SQUEEZE": lambda call: movement.squeeze(call.array(0), squeeze_dims=call.option("squeeze_dims")),
    "EXPAND_DIMS": lambda call: movement.expand_dims(call.array(0), axis=call.integers(1)[0]),
    "PAD": lambda call: movement.pad(call.array(0), call.array(1), output_params=call.output_params()),
    "PADV2": lambda call: movement.pad_v2(call.array(0), call.array(1), call.array(2)),
    "MIRROR_PAD": lambda call: movement.mirror_pad(call.array(0), call.array(1), mode=call.option("mode")),
    "TRANSPOSE": lambda call: movement.transpose(call.array(0), call.integers(1)),
    "SPACE_TO_DEPTH": lambda call: spatial_blocks.space_to_depth(call.array(0), block_size=call.option("block_size")),
    "DEPTH_TO_SPACE": lambda call: spatial_blocks.depth_to_space(call.array(0), block_size=call.option("block_size")),
    "SPACE_TO_BATCH_ND": lambda call: spatial_blocks.space_to_batch_nd(
        call.array(0), call.integers(1), call.array(2), output_params=call.output_params()
    ),
    "BATCH_TO_SPACE_ND": lambda call: spatial_blocks.batch_to_space_nd(call.array(0), call.integers(1), call.array(2)),
    "MAXIMUM": lambda call: movement.maximum(call.array(0), call.array(1)),
    "MINIMUM": lambda call: movement.minimum(call.array(0), call.array(1)),
    "SLICE": lambda call: picking.slice_(call.array(0), call.integers(1), call.integers(2)),
    "STRIDED_SLICE": _strided_slice,
    "SPLIT": lambda call: tuple(
        picking.split(call.array(1), axis=call.integers(0)[0], num_splits=call.option("num_splits"))
    ),
    "SPLIT_V": lambda call: tuple(picking.split_v(call.array(0), call.integers(1), axis=call.integers(2)[0])),
    "PACK": lambda call: picking.pack(
        [call.array(index) for index in range(len(call.inputs))], axis=call.option("axis")
    ),
    "UNPACK": lambda call: tuple(picking.unpack(call.array(0), axis=call.option("axis"))),
    "GATHER": lambda call: picking.gather(
        call.array(0), call.array(1), axis=call.option("axis"), batch_dims=call.option("batch_dims")
    ),
    "RESIZE_NEAREST_NEIGHBOR": _resize_nearest_neighbor,
}
