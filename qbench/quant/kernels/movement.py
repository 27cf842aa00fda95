"""Operators that move all stored values to another place, or keep one of two, and compute nothing.

The one exception is CONCATENATION of ``uint8``, which can requantize. Operators that pick some of the values are in
``picking.py``, and those that move them between space and depth or batch in ``spatial_blocks.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qbench.errors import UnspecifiedError
from qbench.quant.family import FAMILIES, Family
from qbench.quant.fixedpoint import round_half_away
from qbench.quant.kernels.arguments import (
    check_axes,
    check_broadcast,
    check_params,
    check_storage,
    check_tensor,
)
from qbench.quant.kernels.layouts import (
    check_alike,
    check_permutation,
    check_reshape,
    check_squeezed,
    check_widths,
)

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
    _check_concatenated(inputs, input_params, output_params, axis)
    everyone = [*input_params, output_params]
    if output_params.dtype == "int8" and not all(_same(params, output_params) for params in everyone):
        raise UnspecifiedError("CONCATENATION of int8 wants the scale and zero point of its output in all inputs")
    if output_params.dtype == "int16" and any(params.zero_point.any() for params in everyone):
        raise UnspecifiedError("CONCATENATION of int16 wants 0 as the zero point")
    if output_params.dtype == "uint8":
        inputs = [_rescaled(stored, params, output_params) for stored, params in zip(inputs, input_params, strict=True)]
    return np.concatenate(inputs, axis=axis)


def _check_concatenated(
    inputs: Sequence[Array],
    input_params: Sequence[QuantizationParameters],
    output_params: QuantizationParameters,
    axis: int,
) -> None:
    if len(inputs) != len(input_params):
        raise UnspecifiedError(f"found parameters of {len(input_params)} inputs, expected {len(inputs)}")
    check_params("outputs", output_params)
    for stored, params in zip(inputs, input_params, strict=True):
        check_tensor("inputs", stored, params, (output_params.dtype,))
        check_axes([axis], stored.ndim)
    check_alike(inputs, but_for=axis)


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
    check_reshape(inputs.shape, shape)
    return inputs.reshape(shape)


def squeeze(inputs: Array, *, squeeze_dims: Sequence[int] = ()) -> Array:
    """SQUEEZE of the axes `squeeze_dims`, of all of size 1 if there are none. ``tflite/kernels/squeeze.cc``."""
    check_axes(squeeze_dims, inputs.ndim)
    check_squeezed(inputs.shape, squeeze_dims)
    return np.squeeze(inputs, tuple(squeeze_dims) or None)


def expand_dims(inputs: Array, *, axis: int) -> Array:
    """EXPAND_DIMS: a new axis of size 1 at `axis`. ``tflite/kernels/expand_dims.cc``."""
    check_axes([axis], inputs.ndim + 1)
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
    check_params("outputs", output_params)
    check_storage("inputs", inputs, output_params)
    return pad_v2(inputs, paddings, output_params.zero_point)


def pad_v2(inputs: Array, paddings: npt.ArrayLike, constant_values: npt.ArrayLike) -> Array:
    """PADV2: as `pad`, with the one stored value `constant_values`. ``tflite/kernels/pad.cc``."""
    check_widths("paddings", paddings, inputs.ndim)
    if np.size(constant_values) != 1:
        raise UnspecifiedError(f"found {np.size(constant_values)} constant values, expected one")
    return np.pad(inputs, np.asarray(paddings), constant_values=np.asarray(constant_values).item())


def mirror_pad(inputs: Array, paddings: npt.ArrayLike, *, mode: str = "REFLECT") -> Array:
    """MIRROR_PAD; `mode` ``SYMMETRIC`` repeats the edge, ``REFLECT`` does not. ``tflite/kernels/mirror_pad.cc``.

    Raises
    ------
    UnspecifiedError
        If an axis is padded with more than it holds (``REFLECT``: its edge not counted), which the runtime refuses.
    """
    check_widths("paddings", paddings, inputs.ndim)
    if mode not in {"REFLECT", "SYMMETRIC"}:
        raise UnspecifiedError(f"found the mode {mode!r}, expected REFLECT or SYMMETRIC")
    widths = np.asarray(paddings)
    if (widths.max(axis=1) > np.array(inputs.shape) - (mode == "REFLECT")).any():
        raise UnspecifiedError(f"MIRROR_PAD in mode {mode} cannot pad the shape {inputs.shape} with {widths.tolist()}")
    return np.pad(inputs, widths, "reflect" if mode == "REFLECT" else "symmetric")


def transpose(inputs: Array, perm: Sequence[int]) -> Array:
    """TRANSPOSE: axis i of the output is axis ``perm[i]`` of the input. ``tflite/kernels/transpose.cc``."""
    check_permutation(perm, inputs.ndim)
    return np.transpose(inputs, perm)


def _check_compared(first: Array, second: Array) -> None:
    if first.dtype != second.dtype:
        raise UnspecifiedError(f"found inputs of {first.dtype} and {second.dtype}, expected one dtype")
    check_broadcast(first, second)


def maximum(first: Array, second: Array) -> Array:
    """MAXIMUM of stored values, broadcast. The kernel compares integers, so all parameters must be the same.

    Notes
    -----
    ``tflite/kernels/maximum_minimum.cc``, which does not check that they are.
    """
    _check_compared(first, second)
    return np.maximum(first, second)


def minimum(first: Array, second: Array) -> Array:
    """MINIMUM of stored values; see `maximum`."""
    _check_compared(first, second)
    return np.minimum(first, second)


_WITHOUT_XNNPACK: frozenset[Family] = frozenset({"reference", "builtin"})
_ALL: frozenset[Family] = frozenset(FAMILIES)
#: The delegate takes no ``int16``.
_DELEGATED: Mapping[str, frozenset[Family]] = {"int8": _ALL, "uint8": _ALL, "int16": _WITHOUT_XNNPACK}
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
    "MAXIMUM": _UNDELEGATED,
    "MINIMUM": _UNDELEGATED,
}
