"""TRANSPOSE_CONV on integers, to the bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qbench.errors import UnspecifiedError
from qbench.quant.kernels.accumulate import accumulator_dtype, add_bias, blocks, centred, exact_float
from qbench.quant.kernels.arguments import check_bias_dtype, check_image, check_pairs, check_weighted
from qbench.quant.kernels.requantize import convolution_rounding, requantizer
from qbench.quant.kernels.spatial import sliding, taps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qbench.quant.affine import QuantizationParameters
    from qbench.quant.family import Family

Array = npt.NDArray[Any]

#: What the oracle gives to the bit, by dtype of the activations. ``int16`` is with a 64-bit bias or none.
EXACT: Mapping[str, Mapping[str, frozenset[Family]]] = {
    "TRANSPOSE_CONV": {
        "int8": frozenset({"reference", "xnnpack"}),
        "int16": frozenset({"reference", "builtin"}),
        "int16 with an int32 bias": frozenset({"reference"}),
    },
}


def transpose_conv(  # noqa: PLR0913 - what the operator is given
    inputs: Array,
    weights: Array,
    bias: Array | None,
    *,
    output_shape: tuple[int, ...],
    input_params: QuantizationParameters,
    weight_params: QuantizationParameters,
    output_params: QuantizationParameters,
    stride: tuple[int, int] = (1, 1),
    padding: str = "SAME",
    activation: str = "NONE",
    bias_dtype: str | None = None,
    family: Family = "reference",
) -> Array:
    """Each input is multiplied by the whole kernel, and the products are added up where they fall in the output.

    Parameters
    ----------
    inputs
        int8 or int16 of shape (batch, height, width, channels).
    weights
        int8 of shape (filters, kernel height, kernel width, channels).
    bias
        int32 of shape (filters,), for int16 also int64, or None.
    output_shape
        (batch, output height, output width, filters): the operator's first input.
    input_params, weight_params, output_params, activation
        As for `qbench.quant.kernels.convolution.conv_2d`.
    stride, padding
        Those of the convolution that would make `inputs` of an output of this shape.
    bias_dtype
        ``int32`` or ``int64``: the option `quantized_bias_type` of the operator, for int16 inputs without a bias.
    family
        ``reference`` scales with rounding ``double``, ``xnnpack`` with ``float32`` and ``builtin`` with ``vector`` if
        it was compiled for SSE4.1 or NEON. For int16, ``int64`` unless the bias has 32 bits. See `requantize`.

    Returns
    -------
    Array
        Of the dtype of `output_params` and shape `output_shape`.

    Raises
    ------
    UnspecifiedError
        If padding or activation are unknown, or the kernel does not fit in the output.

    Notes
    -----
    ``tflite/kernels/transpose_conv.cc``, ``tflite/kernels/internal/reference/integer_ops/transpose_conv.h``,
    ``tflite/kernels/internal/optimized/integer_ops/transpose_conv.h``; XNNPACK's
    ``src/operators/deconvolution-nhwc.c``.
    """
    params = (input_params, weight_params, output_params)
    check_weighted(inputs, weights, bias, params, weights_rank=4, units_axis=0, family=family)
    check_image(inputs)
    check_pairs(stride=stride, output_size=tuple(output_shape[1:3]))
    check_bias_dtype(bias_dtype)
    filters, tall, wide, channels = weights.shape
    if inputs.shape[3] != channels or tuple(output_shape[3:]) != (filters,):
        raise UnspecifiedError(
            f"found {inputs.shape[3]} channels and an output of shape {tuple(output_shape)}, expected {channels} and "
            f"{filters} filters for weights of shape {weights.shape}"
        )
    rows = sliding(output_shape[1], tall, stride=stride[0], dilation=1, padding=padding)
    columns = sliding(output_shape[2], wide, stride=stride[1], dilation=1, padding=padding)
    # The operator may have fewer or more inputs than that convolution would give; what falls outside is dropped.
    rows, columns = rows._replace(outputs=inputs.shape[1]), columns._replace(outputs=inputs.shape[2])
    dtype = exact_float(tall * wide * channels, inputs, input_params)
    kernel = weights.astype(dtype)
    accumulator = accumulator_dtype(inputs, bias, bias_dtype)
    finish = requantizer(
        params,
        convolution_rounding(family, accumulator, builtin="vector"),
        activation,
    )
    output = np.empty((len(inputs), rows.size, columns.size, filters), output_params.dtype)
    for block in blocks(len(inputs), rows.padded * columns.padded * filters * np.dtype(dtype).itemsize):
        values = centred(inputs[block], input_params, dtype)
        framed = np.zeros((len(values), rows.padded, columns.padded, filters), dtype)
        for row, column, met in taps(framed, rows, columns):
            np.add(met, values @ kernel[:, row, column].T, out=met)
        sums = framed[:, rows.before : rows.before + rows.size, columns.before : columns.before + columns.size]
        output[block] = finish(add_bias(sums, bias, accumulator))
    return output
