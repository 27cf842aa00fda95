"""MEAN and SUM over axes of a quantized tensor, brought to the scale of the output.

Each family does that in a way of its own, and the optimized MEAN of images in a third one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qbench.errors import UnspecifiedError
from qbench.quant.fixedpoint import (
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    round_half_away,
    saturating_rounding_doubling_high_mul,
)
from qbench.quant.kernels.arguments import check_axes, check_family, check_params, check_tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qbench.quant.affine import QuantizationParameters
    from qbench.quant.family import Family

Array = npt.NDArray[Any]

_BUILTIN: frozenset[Family] = frozenset({"reference", "builtin"})
_ALL: frozenset[Family] = _BUILTIN | {"xnnpack"}
#: For which families each oracle is claimed to be exact to the bit, by dtype of the activations; the builtin MEAN of
#: int8 images with one thread. What the reference SUM makes of int8 and int16 is an error of its own, see `sum_`.
EXACT: Mapping[str, Mapping[str, frozenset[Family]]] = {
    "MEAN": {"int8": _ALL, "uint8": _ALL, "int16": _BUILTIN},
    "SUM": {"int8": _ALL - {"reference"}, "uint8": _ALL, "int16": _BUILTIN - {"reference"}},
}

#: The axes that the optimized MEAN has code of its own for, in tensors of four axes of which none is dropped.
_IMAGE_AXES, _IMAGE_RANK = (1, 2), 4
#: So many channels at a time go through that code's vector instructions.
_VECTOR = 16
#: The significand is divided by the count after a shift to the left of at most this.
_HIGHEST_SHIFT = 32


def mean(
    inputs: Array,
    *,
    axes: Sequence[int],
    keep_dims: bool,
    input_params: QuantizationParameters,
    output_params: QuantizationParameters,
    family: Family = "reference",
) -> Array:
    """Mean over axes: ``(sum - count * input_zero) * input_scale / (count * output_scale) + output_zero``.

    ``reference`` scales by ``input_scale / output_scale`` as significand and shift, the significand divided by
    the count: ``(significand << s) // count`` with ``s = floor(log2(count))``, the shift lowered by ``s``.
    ``builtin`` does the same, but for 8 bits, four axes, the axes 1 and 2 and `keep_dims`, it scales the sum by a
    factor computed in float32 and adds the rounded rest. Of int8 it takes vectors of 16 channels, whose halves it
    rounds up; more than one thread divide the channels, and with them the vectors, differently. ``xnnpack``
    multiplies by a reciprocal in float32 and rounds halves to even; it leaves int16, and a mean over no axes, to
    ``builtin``.

    Parameters
    ----------
    inputs
        Stored values, int8, uint8 or int16, of any shape.
    axes
        Axes to reduce; negative ones count from the end, and repeated ones count once.
    keep_dims
        Whether reduced axes stay, with size 1.
    input_params, output_params
        One scale and zero point each, and the same dtype; int16 has zero points of 0.
    family
        Kernels to follow.

    Returns
    -------
    Array
        Stored values of the output.

    Raises
    ------
    UnspecifiedError
        If dtypes differ, an int16 zero point is not 0, there is nothing to average, or an axis is none of the input's.

    Notes
    -----
    ``tflite/kernels/reduce.cc``, ``tflite/kernels/internal/reference/reduce.h`` and
    ``tflite/kernels/internal/optimized/integer_ops/mean.h``; XNNPACK's ``src/operators/reduce-nd.c``.
    """
    check_family(family)
    total, count, reduced = _total(inputs, axes, keep_dims, input_params, output_params)
    if family == "xnnpack" and output_params.dtype != "int16" and reduced:
        return _in_float(total, count, input_params, output_params, np.float32(1) / np.float32(count))
    is_image = keep_dims and inputs.ndim == _IMAGE_RANK and reduced == _IMAGE_AXES
    if family != "reference" and output_params.dtype != "int16" and is_image:
        return _image_mean(total, count, input_params, output_params)
    return _in_fixed_point(total, count, input_params, output_params, divisor=count)


def sum_(
    inputs: Array,
    *,
    axes: Sequence[int],
    keep_dims: bool,
    input_params: QuantizationParameters,
    output_params: QuantizationParameters,
    family: Family = "reference",
) -> Array:
    """Sum over axes: ``(sum - count * input_zero) * input_scale / output_scale + output_zero``.

    ``reference`` scales in fixed point, ``builtin`` in float32 with halves away from zero, ``xnnpack`` in
    float32 with halves to even. Two kernels do not compute what this oracle gives, which is what they mean: the
    reference kernel reads every tensor as uint8, int8 and int16 too; and what leaves 32 bits in the optimized one,
    of inputs with a scale of more than ``2**31 / |sum|`` times the output's, becomes the lowest value.

    Parameters
    ----------
    inputs, axes, keep_dims, input_params, output_params, family
        As for `mean`.

    Returns
    -------
    Array
        Stored values of the output.

    Raises
    ------
    UnspecifiedError
        As for `mean`.

    Notes
    -----
    ``tflite/kernels/reduce.cc``, ``tflite/kernels/internal/optimized/reduce.h``.
    """
    check_family(family)
    total, count, reduced = _total(inputs, axes, keep_dims, input_params, output_params)
    if family == "xnnpack" and output_params.dtype != "int16" and reduced:
        return _in_float(total, count, input_params, output_params, np.float32(1))
    if family == "reference":
        return _in_fixed_point(total, count, input_params, output_params, divisor=1)
    scale = np.float32(input_params.scale / output_params.scale)
    rest = np.float32(-int(input_params.zero_point)) * scale * np.float32(count)
    return _clipped(
        round_half_away(total.astype(np.float32) * scale + rest) + int(output_params.zero_point), output_params
    )


def _total(
    inputs: Array,
    axes: Sequence[int],
    keep_dims: bool,  # noqa: FBT001 - passed on
    input_params: QuantizationParameters,
    output_params: QuantizationParameters,
) -> tuple[Array, int, tuple[int, ...]]:
    """The sum in 32 bits, which wraps; of how many elements; and the axes in order."""
    if input_params.dtype != output_params.dtype:
        raise UnspecifiedError(f"both tensors must have one dtype, got {input_params.dtype} and {output_params.dtype}")
    if input_params.dtype == "int16" and (input_params.zero_point.any() or output_params.zero_point.any()):
        raise UnspecifiedError("int16 tensors must have zero points of 0")
    check_tensor("inputs", inputs, input_params)
    check_params("outputs", output_params)
    check_axes(axes, inputs.ndim)
    reduced = tuple(sorted({range(inputs.ndim)[axis] for axis in axes}))
    count = int(np.prod([inputs.shape[axis] for axis in reduced], dtype=np.int64))
    if count == 0:
        raise UnspecifiedError(f"nothing to reduce: the input has shape {inputs.shape}")
    total = np.asarray(inputs.sum(axis=reduced, keepdims=keep_dims, dtype=np.int64))
    return total.astype(np.int32), count, reduced


def _in_fixed_point(
    total: Array,
    count: int,
    input_params: QuantizationParameters,
    output_params: QuantizationParameters,
    *,
    divisor: int,
) -> Array:
    significand, shift = (
        int(part) for part in quantize_multiplier(float(input_params.scale) / float(output_params.scale))
    )
    # The shift of the multiplication must not fall below -31.
    raised = min(divisor.bit_length() - 1, _HIGHEST_SHIFT, 31 + shift)
    centred = (total.astype(np.int64) - int(input_params.zero_point) * count).astype(np.int32)
    scaled = multiply_by_quantized_multiplier(centred, (significand << raised) // divisor, shift - raised)
    return _clipped(scaled + int(output_params.zero_point), output_params)


def _image_mean(
    total: Array, count: int, input_params: QuantizationParameters, output_params: QuantizationParameters
) -> Array:
    zero = np.float32(input_params.zero_point) * input_params.scale / output_params.scale
    bias = int(output_params.zero_point) - int(zero + np.copysign(np.float32(0.5), zero))
    significand, shift = quantize_multiplier(input_params.scale / (np.float32(count) * output_params.scale))
    mean_of_stored = multiply_by_quantized_multiplier(total, significand, shift)
    vectors = total[..., : total.shape[-1] // _VECTOR * _VECTOR]
    if shift < 0:
        # The vector instruction that shifts to the right rounds halves up, not away from zero.
        high = saturating_rounding_doubling_high_mul(vectors, significand).astype(np.int64)
        mean_of_stored[..., : vectors.shape[-1]] = (high + (1 << (-int(shift) - 1))) >> -int(shift)
    return _clipped(mean_of_stored + bias, output_params)


def _in_float(
    total: Array,
    count: int,
    input_params: QuantizationParameters,
    output_params: QuantizationParameters,
    reciprocal: np.float32,
) -> Array:
    scale = np.float32(input_params.scale / output_params.scale) * reciprocal
    zero = np.float32(output_params.zero_point) - np.float32(count) * np.float32(input_params.zero_point) * scale
    return _clipped(np.rint(total.astype(np.float32) * scale + zero), output_params)


def _clipped(values: Array, params: QuantizationParameters) -> Array:
    limits = np.iinfo(params.dtype)
    return np.asarray(np.clip(values, limits.min, limits.max)).astype(params.dtype)
