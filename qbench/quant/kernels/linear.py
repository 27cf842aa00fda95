"""FULLY_CONNECTED on integers, to the bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qbench.errors import UnspecifiedError
from qbench.quant.kernels.accumulate import accumulator_dtype, add_bias, centred, exact_float
from qbench.quant.kernels.arguments import check_bias_dtype, check_weighted
from qbench.quant.kernels.requantize import Rounding, legacy_factor, real_factor, requantize, xnnpack_factor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qbench.quant.affine import QuantizationParameters
    from qbench.quant.family import Family

Array = npt.NDArray[Any]

#: What the oracle gives to the bit, by dtype of the activations. ``int16`` is with a 64-bit bias, which is what
#: converters write, or with `quantized_bias_type` INT64 and none. ``builtin`` is exact for more on x86 with AVX.
EXACT: Mapping[str, Mapping[str, frozenset[Family]]] = {
    "FULLY_CONNECTED": {
        "int8": frozenset({"reference", "xnnpack"}),
        "int16": frozenset({"reference", "builtin"}),
        "int16 with an int32 bias": frozenset({"reference"}),
    },
}

#: What int8 inputs can become.
_OUTPUTS = ("int8", "uint8", "int16")


def fully_connected(  # noqa: PLR0913 - what the operator is given
    inputs: Array,
    weights: Array,
    bias: Array | None,
    *,
    input_params: QuantizationParameters,
    weight_params: QuantizationParameters,
    output_params: QuantizationParameters,
    activation: str = "NONE",
    keep_num_dims: bool = False,
    bias_dtype: str | None = None,
    family: Family = "reference",
) -> Array:
    """``clamp(zero_point + round(factor * (bias + sum((input - zero_point) * weight))))``.

    Parameters
    ----------
    inputs
        int8 or int16 of any rank whose size is a multiple of `depth`.
    weights
        int8 of shape (units, depth); those stored as int4 unpacked, one in a byte.
    bias
        int32 of shape (units,), for int16 also int64, or None.
    input_params, weight_params, output_params
        Weights have one scale, or one for each unit. Only one zero point for all of them counts.
    activation
        Fused activation; see `activation_range`.
    keep_num_dims
        Whether the output keeps the leading axes of the inputs, instead of being a matrix.
    bias_dtype
        ``int32`` or ``int64``: the option `quantized_bias_type` of the operator, for int16 inputs without a bias.
    family
        ``reference`` scales in float64, ``xnnpack`` in float32. ``builtin`` is ruy, whose rounding depends on the
        processor: this is what it does on x86 with AVX and later, elsewhere it differs by one in some values.
        For int16, ``builtin`` is ``reference`` unless the accumulator has 32 bits.

    Returns
    -------
    Array
        Of the dtype of `output_params`; shape (size of the inputs / depth, units), or that of the inputs with units in
        place of depth.

    Raises
    ------
    UnspecifiedError
        If dtypes, scales or the bias do not fit, the inputs are no multiple of `depth`, or their last axis is not
        `depth` with `keep_num_dims`.

    Notes
    -----
    ``tflite/kernels/fully_connected.cc``, ``tflite/kernels/internal/reference/integer_ops/fully_connected.h``,
    ``tflite/kernels/internal/optimized/integer_ops/fully_connected.h``; XNNPACK's
    ``src/operators/fully-connected-nc.c``. 32-bit accumulators wrap around as the kernels' do. An int16 operator with
    an int32 bias must say so in `quantized_bias_type`: the runtime reads 64-bit numbers otherwise, beyond its end.
    """
    params = (input_params, weight_params, output_params)
    check_weighted(inputs, weights, bias, params, weights_rank=2, units_axis=0, family=family, outputs=_OUTPUTS)
    if weight_params.quantized_dimension == 1:
        raise UnspecifiedError("found scales along dimension 1 of weights, expected them along dimension 0")
    check_bias_dtype(bias_dtype)
    units, depth = weights.shape
    if inputs.size % depth or (keep_num_dims and inputs.shape[-1:] != (depth,)):
        raise UnspecifiedError(f"inputs of shape {inputs.shape} do not fit weights of depth {depth}")
    dtype = exact_float(depth, inputs, input_params)
    rows = centred(inputs.reshape(-1, depth), input_params, dtype)
    columns = weights.astype(dtype)
    is_per_tensor = weight_params.scale.size == 1
    if is_per_tensor:
        columns -= weight_params.zero_point.astype(dtype)
    accumulator = accumulator_dtype(inputs, bias, bias_dtype or ("int32" if family == "builtin" else "int64"))
    if inputs.dtype == np.int16 and (accumulator == "int64" or weight_params.zero_point.any()):
        family = "reference"  # There is no other kernel.
    rounding, factor = _scaling(params, family)
    output = requantize(
        add_bias(rows @ columns.T, bias, accumulator),
        factor,
        rounding=rounding,
        output_params=output_params,
        activation=activation,
    )
    return output.reshape(*inputs.shape[:-1], units) if keep_num_dims else output


def _scaling(
    params: tuple[QuantizationParameters, QuantizationParameters, QuantizationParameters], family: Family
) -> tuple[Rounding, Array]:
    if family == "xnnpack":
        return "float32", xnnpack_factor(*params)
    if family == "reference":
        return "float64", real_factor(*params)
    return "upward", legacy_factor(*params) if params[1].scale.size == 1 else real_factor(*params)
