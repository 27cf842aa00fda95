"""From the accumulator of a linear operator to its output: scale, round, add the zero point, clamp.

The kernels agree on the accumulator and on what it should become, ``accumulator * input_scale * weight_scale /
output_scale + zero_point``. They differ in how that factor is held and where the product is rounded:

============  ====================================================  ===========================================
rounding      what is done                                          kernels
============  ====================================================  ===========================================
``double``    31-bit multiplier; rounded at the high half of the    reference convolutions
              product (half up) and at the shift (half away from
              0)
``upward``    the same, half up both times                          ruy on x86 with AVX, AVX2 or AVX512: builtin
                                                                    convolutions and fully connected
``vector``    ``upward`` in as many channels as fill vectors of 8,  builtin depthwise and transpose convolutions
              ``double`` in the rest
``int64``     15-bit multiplier, 64-bit accumulator, once, half up  16x8 convolutions with a 64-bit bias
``float64``   multiplied in float64, once, half away from 0         reference fully connected
``float32``   multiplied in float32, once, half to even             XNNPACK
============  ====================================================  ===========================================
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from qbench.quant.fixedpoint import (
    multiply_by_quantized_multiplier,
    multiply_int64_by_quantized_multiplier,
    quantize_multiplier,
    round_half_away,
    saturating_rounding_doubling_high_mul,
)
from qbench.quant.kernels.activation_range import activation_range

if TYPE_CHECKING:
    from collections.abc import Callable

    from qbench.quant.affine import QuantizationParameters
    from qbench.quant.family import Family

Array = npt.NDArray[Any]
Rounding = Literal["double", "upward", "vector", "int64", "float64", "float32"]

#: Channels that the kernels' vector instructions requantize at once.
_LANES = 8
_INT32 = np.iinfo(np.int32)


def real_factor(
    input_params: QuantizationParameters, weight_params: QuantizationParameters, output_params: QuantizationParameters
) -> Array:
    """``input_scale * weight_scale / output_scale`` in float64, of the shape of the weights' scale.

    ``PopulateConvolutionQuantizationParams`` in ``tflite/kernels/kernel_util.cc``.
    """
    product = input_params.scale.astype(np.float64) * weight_params.scale.astype(np.float64)
    return np.asarray(product / output_params.scale.astype(np.float64))


def legacy_factor(
    input_params: QuantizationParameters, weight_params: QuantizationParameters, output_params: QuantizationParameters
) -> Array:
    """The same with the product of input and weight scale rounded to float32.

    What fully connected takes for its multiplier if the weights have one scale:
    ``GetQuantizedConvolutionMultipler`` in ``tflite/kernels/kernel_util.cc``.
    """
    product = np.multiply(input_params.scale, weight_params.scale, dtype=np.float32)
    return np.asarray(product.astype(np.float64) / output_params.scale.astype(np.float64))


def xnnpack_factor(
    input_params: QuantizationParameters, weight_params: QuantizationParameters, output_params: QuantizationParameters
) -> Array:
    """The same in float32, multiplied first and then divided, rounded each time.

    ``init_requantization_scale_qx8_qc8w`` in XNNPACK's ``src/operators/convolution-nhwc.c``.
    """
    product = np.multiply(input_params.scale, weight_params.scale, dtype=np.float32)
    return np.asarray(np.divide(product, output_params.scale, dtype=np.float32))


def convolution_rounding(family: Family, accumulator: str, *, builtin: Rounding) -> Rounding:
    """How a convolution of `family` rounds, of which the optimized kernel rounds `builtin`; see the module's table."""
    if family == "xnnpack":
        return "float32"
    if accumulator == "int64":
        return "int64"
    return builtin if family == "builtin" else "double"


def requantizer(
    params: tuple[QuantizationParameters, QuantizationParameters, QuantizationParameters],
    rounding: Rounding,
    activation: str,
) -> Callable[[Array], Array]:
    """`requantize` of a convolution, as a function of the accumulators only.

    Parameters
    ----------
    params
        Of inputs, weights and outputs.
    rounding, activation
        As for `requantize`.
    """
    factor = xnnpack_factor(*params) if rounding == "float32" else real_factor(*params)
    return partial(requantize, factor=factor, rounding=rounding, output_params=params[2], activation=activation)


def requantize(
    accumulators: Array,
    factor: Array,
    *,
    rounding: Rounding,
    output_params: QuantizationParameters,
    activation: str = "NONE",
) -> Array:
    """Stored values of the output that `accumulators` stand for.

    Parameters
    ----------
    accumulators
        int32, for ``int64`` and ``float64`` also int64; the last axis is that of the channels.
    factor
        What one step of the accumulator is worth in steps of the output: shape () or (channels,); float32 for
        ``float32``, otherwise float64.
    rounding
        See the module's table.
    output_params
        Scale, zero point and dtype of the output.
    activation
        Fused activation; see `activation_range`.

    Returns
    -------
    Array
        Of the dtype of `output_params` and the shape of `accumulators`.

    Raises
    ------
    UnspecifiedError
        If the factor needs a shift that the kernel's arithmetic does not have.

    Notes
    -----
    Where a scaled accumulator does not fit in int32, ``float64`` and ``float32`` saturate here. The kernels convert it
    to int32 without looking, which C leaves undefined and processors answer differently.
    """
    scaled = _scale(accumulators, factor, rounding)
    low, high = activation_range(activation, output_params, family="xnnpack" if rounding == "float32" else "reference")
    if rounding == "float32":
        # The clamp comes before the rounding there; its bounds are whole numbers, so that only overflow would show it.
        scaled = np.rint(np.clip(scaled, low - int(output_params.zero_point), high - int(output_params.zero_point)))
    moved = scaled.astype(np.int32) + np.int32(output_params.zero_point)
    return np.asarray(np.clip(moved, low, high), output_params.dtype)


def _scale(accumulators: Array, factor: Array, rounding: Rounding) -> Array:
    if rounding == "float32":
        return np.asarray(np.multiply(accumulators.astype(np.float32), factor, dtype=np.float32))
    if rounding == "float64":
        return np.asarray(np.clip(round_half_away(accumulators * factor), _INT32.min, _INT32.max))
    if rounding == "vector":
        channels = accumulators.shape[-1]
        factors = np.broadcast_to(factor, channels)
        whole = channels - channels % _LANES
        in_vectors = _scale(accumulators[..., :whole], factors[:whole], "upward")
        return np.concatenate([in_vectors, _scale(accumulators[..., whole:], factors[whole:], "double")], axis=-1)
    multiplier, shift = quantize_multiplier(factor)
    if rounding == "double":
        return np.asarray(multiply_by_quantized_multiplier(accumulators, multiplier, shift))
    if rounding == "int64":
        return multiply_int64_by_quantized_multiplier(accumulators, multiplier, shift)
    shifted = (accumulators.astype(np.int64) << np.maximum(shift, 0)).astype(np.int32)
    return _rounding_shift(saturating_rounding_doubling_high_mul(shifted, multiplier), np.maximum(-shift, 0))


def _rounding_shift(x: Array, right: Array) -> Array:
    """``x / 2**right``, halves up: what vector instructions do, `rounding_divide_by_pot` is what the plain loops do."""
    return np.asarray((x.astype(np.int64) + ((np.int64(1) << right) >> 1)) >> right)
