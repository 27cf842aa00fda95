"""Operators that move all stored values to another place, or keep one of two, and compute nothing.

The one exception is CONCATENATION of ``uint8``, which can requantize. Operators that pick some of the values are in
``picking.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qbench.errors import UnspecifiedError
from qbench.quant.family import FAMILIES, Family
from qbench.quant.fixedpoint import round_half_away

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from qbench.quant.affine import Array, QuantizationParameters


def concatenation(
    inputs: Sequence[Array],
    *,
    input_params: Sequence[QuantizationParameters],
    output_params: QuantizationParameters,
    axis: int = 0,
) -> Array:
    """CONCATENATION along `axis`.

    ``uint8`` inputs with other parameters than the output's are requantized in float32:
    ``round(stored * m - zero_point * m) + output_zero_point``, ``m = scale * (1 / output_scale)``, halves away
    from zero, clamped. ``int16`` is copied whatever the scales are: the kernel never looks at them.

    Parameters
    ----------
    inputs
        Stored values, alike in shape but for `axis`.
    input_params, output_params
        Parameters of each input, and of the output, per tensor.
    axis
        Axis along which they are put together; may be negative.

    Raises
    ------
    UnspecifiedError
        If ``int8`` parameters differ, or an ``int16`` zero point is not 0: the runtime refuses to prepare those.

    Notes
    -----
    ``tflite/kernels/concatenation.cc``, ``internal/reference/concatenation.h``.
    """
    everyone = [*input_params, output_params]
    if output_params.dtype == "int8" and not all(_same(params, output_params) for params in everyone):
        raise UnspecifiedError("CONCATENATION of int8 wants the scale and zero point of its output in all inputs")
    if output_params.dtype == "int16" and any(params.zero_point.any() for params in everyone):
        raise UnspecifiedError("CONCATENATION of int16 wants 0 as the zero point")
    if output_params.dtype == "uint8":
        inputs = [_rescaled(stored, params, output_params) for stored, params in zip(inputs, input_params, strict=True)]
    return np.concatenate(inputs, axis=axis)


def _same(a: QuantizationParameters, b: QuantizationParameters) -> bool:
    return bool(a.scale == b.scale and a.zero_point == b.zero_point)


def _rescaled(stored: Array, params: QuantizationParameters, output_params: QuantizationParameters) -> Array:
    if _same(params, output_params):
        return stored
    multiplier = params.scale * (np.float32(1) / output_params.scale)
    real = stored.astype(np.float32) * multiplier - params.zero_point.astype(np.float32) * multiplier
    return np.clip(round_half_away(real) + output_params.zero_point, 0, 255).astype(np.uint8)


def reshape(inputs: Array, *, shape: Sequence[int]) -> Array:
    """RESHAPE to `shape`, where one -1 stands for what is left. ``tflite/kernels/reshape.cc``."""
    return inputs.reshape(shape)


def squeeze(inputs: Array, *, squeeze_dims: Sequence[int] = ()) -> Array:
    """SQUEEZE of the axes `squeeze_dims`, of all of size 1 if there are none. ``tflite/kernels/squeeze.cc``."""
    return np.squeeze(inputs, tuple(squeeze_dims) or None)


def expand_dims(inputs: Array, *, axis: int) -> Array:
    """EXPAND_DIMS: a new axis of size 1 at `axis`. ``tflite/kernels/expand_dims.cc``."""
    return np.expand_dims(inputs, axis)


def pad(inputs: Array, paddings: npt.ArrayLike, *, output_params: QuantizationParameters) -> Array:
    """PAD with what stands for 0 in the output, its zero point.

    Parameters
    ----------
    inputs
        Stored values.
    paddings
        Shape (rank, 2): how many to put before and after, for each axis.
    output_params
        Parameters of the output; the kernel copies stored values as they are, whatever the input's are.

    Notes
    -----
    ``tflite/kernels/pad.cc``.
    """
    return pad_v2(inputs, paddings, output_params.zero_point)


def pad_v2(inputs: Array, paddings: npt.ArrayLike, constant_values: npt.ArrayLike) -> Array:
    """PADV2: as `pad`, with the one stored value `constant_values`. ``tflite/kernels/pad.cc``."""
    return np.pad(inputs, np.asarray(paddings), constant_values=np.asarray(constant_values).item())


def mirror_pad(inputs: Array, paddings: npt.ArrayLike, *, mode: str = "REFLECT") -> Array:
    """MIRROR_PAD; `mode` ``SYMMETRIC`` repeats the edge, ``REFLECT`` does not. ``tflite/kernels/mirror_pad.cc``.

    Raises
    ------
    UnspecifiedError
        If an axis is padded with more than it holds (``REFLECT``: its edge not counted), which the runtime refuses.
    """
    widths = np.asarray(paddings)
    if (widths.max(axis=1) > np.array(inputs.shape) - (mode == "REFLECT")).any():
        raise UnspecifiedError(f"MIRROR_PAD in mode {mode} cannot pad the shape {inputs.shape} with {widths.tolist()}")
    return np.pad(inputs, widths, "reflect" if mode == "REFLECT" else "symmetric")


def transpose(inputs: Array, perm: Sequence[int]) -> Array:
    """TRANSPOSE: axis i of the output is axis ``perm[i]`` of the input. ``tflite/kernels/transpose.cc``."""
    return np.transpose(inputs, perm)


def space_to_depth(inputs: Array, *, block_size: int) -> Array:
    """SPACE_TO_DEPTH: (n, h*b, w*b, c) to (n, h, w, b*b*c). ``tflite/kernels/space_to_depth.cc``."""
    batch, height, width, channels = inputs.shape
    rows, columns = height // block_size, width // block_size
    blocks = inputs.reshape(batch, rows, block_size, columns, block_size, channels)
    return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(batch, rows, columns, block_size**2 * channels)


def depth_to_space(inputs: Array, *, block_size: int) -> Array:
    """DEPTH_TO_SPACE: (n, h, w, b*b*c) to (n, h*b, w*b, c). ``tflite/kernels/depth_to_space.cc``."""
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
    padded = pad(inputs, [(0, 0), *np.asarray(paddings).tolist(), (0, 0)], output_params=output_params)
    batch, *spatial, channels = padded.shape
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
    batch, *counts, channels = inputs.shape
    apart = inputs.reshape(*block_shape, -1, *counts, channels)
    order = [axes, *(axis for i in range(axes) for axis in (axes + 1 + i, i)), 2 * axes + 1]
    sizes = [count * block for count, block in zip(counts, block_shape, strict=True)]
    whole = apart.transpose(order).reshape(batch // int(np.prod(block_shape)), *sizes, channels)
    ends = [(before, size - after) for (before, after), size in zip(np.asarray(crops).tolist(), sizes, strict=True)]
    kept = (slice(None), *(slice(*pair) for pair in ends))
    return whole[kept]


def maximum(first: Array, second: Array) -> Array:
    """MAXIMUM of stored values, broadcast. The kernel compares integers, so all parameters must be the same.

    Notes
    -----
    ``tflite/kernels/maximum_minimum.cc``, which does not check that they are.
    """
    return np.maximum(first, second)


def minimum(first: Array, second: Array) -> Array:
    """MINIMUM of stored values; see `maximum`."""
    return np.minimum(first, second)


_WITHOUT_XNNPACK: frozenset[Family] = frozenset({"reference", "builtin"})
_ALL: frozenset[Family] = frozenset(FAMILIES)
#: The delegate takes no ``int16``, and no family space_to_depth or depth_to_space of it.
_EIGHT_BITS: Mapping[str, frozenset[Family]] = {"int8": _ALL, "uint8": _ALL}
_DELEGATED: Mapping[str, frozenset[Family]] = {**_EIGHT_BITS, "int16": _WITHOUT_XNNPACK}
_UNDELEGATED: Mapping[str, frozenset[Family]] = dict.fromkeys(_DELEGATED, _WITHOUT_XNNPACK)

#: Operator -> dtype -> families whose kernels give what the oracle gives, to the bit.
EXACT: Mapping[str, Mapping[str, frozenset[Family]]] = {
    "CONCATENATION": _DELEGATED,
    "RESHAPE": _DELEGATED,
    "SQUEEZE": _UNDELEGATED,
    "EXPAND_DIMS": _UNDELEGATED,
    "PAD": _DELEGATED,
    "PADV2": _UNDELEGATED,
    "MIRROR_PAD": _UNDELEGATED,
    "TRANSPOSE": _DELEGATED,
    "SPACE_TO_DEPTH": _EIGHT_BITS,
    "DEPTH_TO_SPACE": _EIGHT_BITS,
    "SPACE_TO_BATCH_ND": _UNDELEGATED,
    "BATCH_TO_SPACE_ND": _UNDELEGATED,
    "MAXIMUM": _UNDELEGATED,
    "MINIMUM": _UNDELEGATED,
}
