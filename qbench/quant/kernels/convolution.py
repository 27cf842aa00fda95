"""CONV_2D and DEPTHWISE_CONV_2D on integers, to the bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qbench.errors import UnspecifiedError
from qbench.quant.kernels.accumulate import accumulator_dtype, add_bias, blocks, centred, exact_float
from qbench.quant.kernels.arguments import check_image, check_pairs, check_weighted
from qbench.quant.kernels.requantize import convolution_rounding, requantizer
from qbench.quant.kernels.spatial import padded, sliding, taps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qbench.quant.affine import QuantizationParameters
    from qbench.quant.family import Family

Array = npt.NDArray[Any]

#: What the oracles of this module give to the bit, by operator and dtype of the activations. ``int16`` is with a
#: 64-bit bias, which is what converters write. ``builtin`` is exact for more on x86 with AVX, but not everywhere.
EXACT: Mapping[str, Mapping[str, frozenset[Family]]] = {
    "CONV_2D": {
        "int8": frozenset({"reference", "xnnpack"}),
        "int16": frozenset({"reference", "builtin"}),
        "int16 with an int32 bias": frozenset({"reference"}),
    },
    "DEPTHWISE_CONV_2D": {
        "int8": frozenset({"reference", "xnnpack"}),
        "int16": frozenset({"reference", "builtin"}),
    },
}


def conv_2d(  # noqa: PLR0913 - what the operator is given
    inputs: Array,
    weights: Array,
    bias: Array | None,
    *,
    input_params: QuantizationParameters,
    weight_params: QuantizationParameters,
    output_params: QuantizationParameters,
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    padding: str = "SAME",
    activation: str = "NONE",
    family: Family = "reference",
) -> Array:
    """``clamp(zero_point + round(factor[c] * (bias[c] + sum((input - zero_point) * weight[c]))))``.

    Parameters
    ----------
    inputs
        int8 or int16 of shape (batch, height, width, channels).
    weights
        int8 of shape (filters, kernel height, kernel width, channels / groups); those stored as int4 unpacked, one
        in a byte. Filters are dealt out to the groups in order.
    bias
        int32 of shape (filters,), for int16 also int64, or None for zeros.
    input_params, weight_params, output_params
        Weights have a zero point of 0, and one scale or one for each filter.
    stride, dilation
        Of height and width.
    padding
        ``SAME`` or ``VALID``. Padding has the real value 0.
    activation
        Fused activation; see `activation_range`.
    family
        ``reference`` scales with rounding ``double``, ``xnnpack`` with ``float32``. ``builtin`` is ruy, whose rounding
        depends on the processor: this is ``upward``, as on x86 with AVX and later; elsewhere it differs by one in some
        values. With groups or a 64-bit bias, ``builtin`` is ``reference``. See `requantize`.

    Returns
    -------
    Array
        Of the dtype of `output_params`, shape (batch, output height, output width, filters).

    Raises
    ------
    UnspecifiedError
        If padding or activation are unknown, the kernel does not fit in the inputs, or channels do not fit the groups.

    Notes
    -----
    ``tflite/kernels/conv.cc``, ``tflite/kernels/internal/reference/integer_ops/conv.h``,
    ``tflite/kernels/internal/optimized/integer_ops/conv.h``; XNNPACK's ``src/operators/convolution-nhwc.c``. 32-bit
    accumulators wrap around as the kernels' do. An int16 operator with an int32 bias must say so in
    `quantized_bias_type`: the runtime reads 64-bit numbers otherwise, beyond the bias's end.
    """
    params = (input_params, weight_params, output_params)
    check_weighted(inputs, weights, bias, params, weights_rank=4, units_axis=0, family=family)
    check_image(inputs)
    check_pairs(stride=stride, dilation=dilation)
    if weight_params.zero_point.any():
        raise UnspecifiedError("found weights with a zero point, expected 0: the runtime refuses any other")
    filters, tall, wide, depth = weights.shape
    channels = inputs.shape[3]
    groups = channels // depth
    if groups * depth != channels or groups == 0 or filters % groups:
        raise UnspecifiedError(f"{filters} filters of {depth} channels do not divide {channels} channels into groups")
    rows = sliding(inputs.shape[1], tall, stride=stride[0], dilation=dilation[0], padding=padding)
    columns = sliding(inputs.shape[2], wide, stride=stride[1], dilation=dilation[1], padding=padding)
    dtype = exact_float(tall * wide * depth, inputs, input_params)
    matrices = weights.astype(dtype).reshape(groups, filters // groups, tall * wide * depth)
    accumulator = accumulator_dtype(inputs, bias)
    finish = requantizer(
        params,
        convolution_rounding(family, accumulator, builtin="upward" if groups == 1 else "double"),
        activation,
    )
    output = np.empty((len(inputs), rows.outputs, columns.outputs, filters), output_params.dtype)
    each = rows.outputs * columns.outputs * max(tall * wide * channels, filters)
    for block in blocks(len(inputs), each * np.dtype(dtype).itemsize):
        framed = padded(centred(inputs[block], input_params, dtype), rows, columns)
        # im2col, (batch, height, width, taps, groups, depth): all sums of a group are one matrix product.
        patches = np.stack([values for _, _, values in taps(framed, rows, columns)], axis=3)
        patches = patches.reshape(*patches.shape[:4], groups, depth)
        sums = [patches[..., g, :].reshape(-1, tall * wide * depth) @ matrices[g].T for g in range(groups)]
        accumulators = add_bias(np.concatenate(sums, axis=1), bias, accumulator)
        output[block] = finish(accumulators).reshape(output[block].shape)
    return output


def depthwise_conv_2d(  # noqa: PLR0913 - what the operator is given
    inputs: Array,
    weights: Array,
    bias: Array | None,
    *,
    input_params: QuantizationParameters,
    weight_params: QuantizationParameters,
    output_params: QuantizationParameters,
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    padding: str = "SAME",
    activation: str = "NONE",
    family: Family = "reference",
) -> Array:
    """The same as `conv_2d` with each channel convolved by itself, with as many filters as the depth multiplier says.

    Parameters
    ----------
    inputs
        int8 or int16 of shape (batch, height, width, channels).
    weights
        int8 of shape (1, kernel height, kernel width, channels * depth multiplier); output channel
        ``c * multiplier + m`` reads input channel c.
    bias
        int32 of shape (channels * multiplier,), int64 for int16, or None.
    input_params, weight_params, output_params, stride, dilation, padding, activation
        As for `conv_2d`; scales of the weights are along axis 3.
    family
        ``reference`` scales with rounding ``double``, ``xnnpack`` with ``float32``, and ``builtin`` with ``vector`` if
        it was compiled for SSE4.1 or NEON; otherwise some values differ by one. For int16 there is one kernel, which
        rounds ``int64``. See `requantize`.

    Returns
    -------
    Array
        Of the dtype of `output_params`, shape (batch, output height, output width, channels * multiplier).

    Raises
    ------
    UnspecifiedError
        As `conv_2d`.

    Notes
    -----
    ``tflite/kernels/depthwise_conv.cc``, ``tflite/kernels/internal/reference/integer_ops/depthwise_conv.h``,
    ``tflite/kernels/internal/optimized/integer_ops/depthwise_conv.h`` with ``Quantize`` in
    ``tflite/kernels/internal/optimized/optimized_ops.h``. The runtime fails at two combinations that
    are defined here: it reads int4 weights of an int16 operator without unpacking them, and crashes in ``builtin`` for
    int8 without a bias.
    """
    params = (input_params, weight_params, output_params)
    check_weighted(inputs, weights, bias, params, weights_rank=4, units_axis=3, family=family)
    check_image(inputs)
    check_pairs(stride=stride, dilation=dilation)
    if weights.shape[0] != 1:
        raise UnspecifiedError(f"found weights of shape {weights.shape}, expected 1 along the first dimension")
    if bias is not None and inputs.dtype == np.int16 and bias.dtype != np.int64:
        raise UnspecifiedError(f"found a bias of {bias.dtype}, expected int64 for inputs of int16")
    _, tall, wide, filters = weights.shape
    channels = inputs.shape[3]
    if filters % channels:
        raise UnspecifiedError(f"{filters} filters are no multiple of {channels} channels")
    rows = sliding(inputs.shape[1], tall, stride=stride[0], dilation=dilation[0], padding=padding)
    columns = sliding(inputs.shape[2], wide, stride=stride[1], dilation=dilation[1], padding=padding)
    dtype = exact_float(tall * wide, inputs, input_params)
    kernel = weights[0].astype(dtype)
    accumulator = "int64" if inputs.dtype == np.int16 else "int32"
    finish = requantizer(
        params,
        convolution_rounding(family, accumulator, builtin="vector"),
        activation,
    )
    output = np.empty((len(inputs), rows.outputs, columns.outputs, filters), output_params.dtype)
    for block in blocks(len(inputs), rows.padded * columns.padded * filters * np.dtype(dtype).itemsize):
        framed = padded(centred(inputs[block], input_params, dtype), rows, columns)
        framed = np.repeat(framed, filters // channels, axis=3)
        sums = np.zeros(output[block].shape, dtype)
        for row, column, values in taps(framed, rows, columns):
            sums += values * kernel[row, column]
        output[block] = finish(add_bias(sums, bias, accumulator))
    return output
