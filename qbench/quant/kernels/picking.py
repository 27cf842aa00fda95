"""Operators that pick some of the stored values, and compute nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.errors import UnspecifiedError
from qbench.quant.family import FAMILIES, Family
from qbench.quant.fixedpoint import round_half_away
from qbench.quant.kernels.arguments import check_axes, check_family, check_image, check_pairs
from qbench.quant.kernels.layouts import check_alike, check_divided, check_gathered, check_sizes, check_slice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from qbench.quant.affine import Array


def slice_(inputs: Array, begin: Sequence[int], size: Sequence[int]) -> Array:
    """SLICE: `size` values from `begin` on along each axis, -1 for all that follow. ``tflite/kernels/slice.cc``."""
    check_slice(inputs.shape, begin, size)
    index = tuple(slice(at, None if n == -1 else at + n) for at, n in zip(begin, size, strict=True))
    return inputs[index]


def strided_slice(  # noqa: PLR0913 - the operator has as many
    inputs: Array,
    begin: Sequence[int],
    end: Sequence[int],
    strides: Sequence[int],
    *,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
    offset: bool = False,
) -> Array:
    """STRIDED_SLICE: Python's slicing, spelt in arrays and in bit masks over their positions.

    Parameters
    ----------
    inputs
        Stored values.
    begin, end, strides
        One for each position; what is out of range is clamped as in a Python slice.
    begin_mask, end_mask
        Positions whose `begin` or `end` is ignored.
    ellipsis_mask, new_axis_mask
        Positions that are ``...`` and ``newaxis``.
    shrink_axis_mask
        Positions that pick one index and lose the axis.
    offset
        Whether `end` counts from `begin`.

    Raises
    ------
    UnspecifiedError
        If a stride is 0, there are more positions than axes, or the index on an axis that is lost is out of range.

    Notes
    -----
    ``tflite/kernels/strided_slice.cc``, ``internal/reference/strided_slice.h``. Two kernels deviate. That of
    ``reference`` and ``builtin`` takes an ellipsis for one axis at least, and so the wrong axes where none is left
    for it. ``xnnpack``, which takes strides of 1 and no mask but `begin_mask` and `end_mask`, reads an `end` of 0
    as the end of the axis: ``x[-2:0]`` is ``x[-2:]`` then, and ``x[0:0]`` all of x.
    """
    if not len(begin) == len(end) == len(strides):
        raise UnspecifiedError(
            f"found {len(begin)} begins, {len(end)} ends and {len(strides)} strides, expected as many"
        )
    index: list[Any] = []
    for position, (start, stop, stride) in enumerate(zip(begin, end, strides, strict=True)):
        bit = 1 << position
        if ellipsis_mask & bit:
            index.append(Ellipsis)
        elif new_axis_mask & bit:
            index.append(np.newaxis)
        elif shrink_axis_mask & bit:
            index.append(0 if begin_mask & bit else start)
        else:
            first = 0 if begin_mask & bit and offset else None if begin_mask & bit else start
            last = None if end_mask & bit else stop
            if offset and first is not None and last is not None:
                # From a place counted from the end, 0 is past the end and not the first.
                last = None if first < 0 <= first + last else first + last
            index.append(slice(first, last, stride))
    try:
        picked: Array = inputs[tuple(index)]
    except (IndexError, ValueError) as error:
        raise UnspecifiedError(
            f"found begin {tuple(begin)}, end {tuple(end)} and strides {tuple(strides)}, expected a part of "
            f"{inputs.shape}: {error}"
        ) from error
    return picked


def split(inputs: Array, *, axis: int, num_splits: int) -> list[Array]:
    """SPLIT into `num_splits` parts of the same size along `axis`. ``tflite/kernels/split.cc``."""
    check_axes([axis], inputs.ndim)
    check_divided("splits", [inputs.shape[axis]], [num_splits])
    return np.split(inputs, num_splits, axis)


def split_v(inputs: Array, size_splits: Sequence[int], *, axis: int) -> list[Array]:
    """SPLIT_V into parts of the sizes `size_splits`, one of which may be -1 for what is left.

    Notes
    -----
    ``tflite/kernels/split_v.cc``.
    """
    check_axes([axis], inputs.ndim)
    check_sizes(inputs.shape[axis], size_splits)
    sizes = np.array(size_splits)
    sizes[sizes == -1] = inputs.shape[axis] - sizes[sizes != -1].sum()
    return np.split(inputs, np.cumsum(sizes)[:-1], axis)


def pack(inputs: Sequence[Array], *, axis: int = 0) -> Array:
    """PACK: arrays of one shape next to each other along a new `axis`. ``tflite/kernels/pack.cc``."""
    check_alike(inputs)
    check_axes([axis], inputs[0].ndim + 1)
    return np.stack(inputs, axis)


def unpack(inputs: Array, *, axis: int = 0) -> list[Array]:
    """UNPACK: one array for each index of `axis`, without it. ``tflite/kernels/unpack.cc``."""
    check_axes([axis], inputs.ndim)
    return list(np.moveaxis(inputs, axis, 0))


def gather(inputs: Array, indices: npt.ArrayLike, *, axis: int = 0, batch_dims: int = 0) -> Array:
    """GATHER: the values at `indices` of `axis`, in place of that axis.

    Parameters
    ----------
    inputs
        Stored values.
    indices
        Integers from 0 on; the runtime refuses negative ones.
    axis
        Axis that `indices` count along; negative from the end.
    batch_dims
        How many leading axes `inputs` and `indices` have in common; negative from the end of `indices`.

    Notes
    -----
    ``tflite/kernels/gather.cc``, ``internal/reference/gather.h``.
    """
    picked = np.asarray(indices)
    check_axes([axis], inputs.ndim)
    axis, batch_dims = axis % inputs.ndim, batch_dims % max(picked.ndim, 1) if batch_dims < 0 else batch_dims
    check_gathered(inputs, picked, axis, batch_dims)
    shared = inputs.shape[:batch_dims]
    batches = [np.take(inputs[at], picked[at], axis - batch_dims) for at in np.ndindex(shared)]
    return np.stack(batches).reshape(*shared, *batches[0].shape)


def resize_nearest_neighbor(
    inputs: Array,
    size: Sequence[int],
    *,
    align_corners: bool = False,
    half_pixel_centers: bool = False,
    family: Family = "reference",
) -> Array:
    """RESIZE_NEAREST_NEIGHBOR of (n, h, w, c) to the height and width `size`.

    ``reference`` computes places as ``floor(place * (input_size / output_size))`` in float32, which rounds some below
    the integer that they are: of 62 rows to 14, row 7 is 30 and not 31. ``builtin`` computes those of 8-bit values
    in 16.16 fixed point, unless one of the options is set. So the families pick different pixels.

    Notes
    -----
    ``tflite/kernels/internal/reference/resize_nearest_neighbor.h``, ``internal/optimized/optimized_ops.h``.
    """
    check_family(family)
    check_image(inputs)
    check_pairs(size=tuple(size))
    if family == "builtin" and inputs.itemsize == 1 and not (align_corners or half_pixel_centers):
        rows, columns = (_nearest_fixed_point(*sizes) for sizes in zip(inputs.shape[1:3], size, strict=True))
    else:
        rows, columns = (
            _nearest(*sizes, align_corners=align_corners, half_pixel_centers=half_pixel_centers)
            for sizes in zip(inputs.shape[1:3], size, strict=True)
        )
    resized: Array = inputs[:, rows[:, np.newaxis], columns]
    return resized


def _nearest(input_size: int, output_size: int, *, align_corners: bool, half_pixel_centers: bool) -> Array:
    if align_corners and output_size > 1:
        scale = np.float32(input_size - 1) / np.float32(output_size - 1)
    else:
        scale = np.float32(input_size) / np.float32(output_size)
    places = (np.arange(output_size, dtype=np.float32) + np.float32(0.5 * half_pixel_centers)) * scale
    rounded = round_half_away(places) if align_corners else np.floor(places)
    return np.minimum(rounded, input_size - 1).astype(np.int64)


def _nearest_fixed_point(input_size: int, output_size: int) -> Array:
    scale = np.int64((input_size << 16) // output_size + 1)
    places: Array = (np.arange(output_size, dtype=np.int64) * scale) >> 16
    return np.minimum(places, input_size - 1)


_WITHOUT_XNNPACK: frozenset[Family] = frozenset({"reference", "builtin"})
_ALL: frozenset[Family] = frozenset(FAMILIES)
#: The delegate takes no ``int16``.
_DELEGATED: Mapping[str, frozenset[Family]] = {"int8": _ALL, "uint8": _ALL, "int16": _WITHOUT_XNNPACK}
_UNDELEGATED: Mapping[str, frozenset[Family]] = dict.fromkeys(_DELEGATED, _WITHOUT_XNNPACK)

#: Operator -> dtype -> families whose kernels give what the oracle gives, to the bit.
EXACT: Mapping[str, Mapping[str, frozenset[Family]]] = {
    "SLICE": _DELEGATED,
    "STRIDED_SLICE": _DELEGATED,
    "SPLIT": _DELEGATED,
    "SPLIT_V": _UNDELEGATED,
    "PACK": _UNDELEGATED,
    "UNPACK": _UNDELEGATED,
    "GATHER": _UNDELEGATED,
    "RESIZE_NEAREST_NEIGHBOR": _UNDELEGATED,
}
