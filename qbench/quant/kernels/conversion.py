"""QUANTIZE of real numbers and of stored ones, DEQUANTIZE."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qbench.errors import UnspecifiedError
from qbench.quant import affine
from qbench.quant.fixedpoint import (
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    round_half_away,
    saturating_rounding_doubling_high_mul,
)
from qbench.quant.kernels.arguments import (
    ACTIVATIONS,
    check_channels,
    check_family,
    check_params,
    check_storage,
    check_symmetric,
    check_tensor,
)
from qbench.quant.parameters import QuantizationParameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from qbench.quant.affine import Array
    from qbench.quant.family import Family

_RUNTIME: frozenset[Family] = frozenset({"reference", "builtin"})
_ALL: frozenset[Family] = frozenset({"reference", "builtin", "xnnpack"})

#: By the dtype of the input. ``builtin`` is left out for DEQUANTIZE because it is a fused multiply-add where the
#: instruction set has one.
EXACT: Mapping[str, Mapping[str, frozenset[Family]]] = {
    "QUANTIZE": {"float32": _ALL, "int8": _ALL, "uint8": _ALL, "int16": _RUNTIME},
    "DEQUANTIZE": {
        "int8": frozenset({"reference", "xnnpack"}),
        "uint8": frozenset({"reference", "xnnpack"}),
        "int16": frozenset({"reference"}),
    },
}

#: Elements that a vector instruction of ``builtin`` takes; what is left over at the end goes another way.
_FLOAT_BLOCK, _BYTE_BLOCK = 8, 16
_BYTES = frozenset({"int8", "uint8"})


def quantize(real: Array, *, output_params: QuantizationParameters, family: Family = "reference") -> Array:
    """QUANTIZE of float32.

    Parameters
    ----------
    real
        float32 of any shape.
    output_params
        ``int8``, ``uint8`` or ``int16``, per tensor or per channel.
    family
        ``reference``
            ``round_half_away(x / scale) + zero_point``; per channel in every family.
        ``builtin``
            ``round_half_even(x * (1 / scale)) + zero_point``, but the last ``size % 8`` values of the array in
            float64 as ``round_half_away(x / scale) + zero_point``.
        ``xnnpack``
            ``round_half_even(x * (1 / scale)) + zero_point``; the delegate leaves ``int16`` to the runtime.

    Returns
    -------
    Array
        Of the shape of `real` and the dtype of `output_params`.

    Raises
    ------
    UnspecifiedError
        If `real` holds NaN, is not float32, or does not have the channels of the output.

    Notes
    -----
    ``tflite/kernels/quantize.cc``, ``AffineQuantize`` in ``tflite/kernels/internal/reference/quantize.h`` and
    ``tflite/kernels/internal/optimized/optimized_ops.h``; XNNPACK's ``src/f32-qs8-vcvt``. Values of ``2**31`` steps
    and more are clamped here; in C their conversion is undefined, and on x86-64 the runtime's own kernels
    give the lowest value for them, of either sign.
    """
    check_family(family)
    _check_real(real, output_params)
    params = _full_range(output_params)
    if family == "reference" or params.is_per_channel:
        return affine.quantize(real, params, rounding="half_away")
    stored = affine.quantize(real, params, rounding="reciprocal")
    if family == "xnnpack" and params.dtype != "int16":
        return stored
    return _with_remainder(stored, _quantize_remainder(real, params), _FLOAT_BLOCK)


def requantize(
    inputs: Array,
    *,
    input_params: QuantizationParameters,
    output_params: QuantizationParameters,
    family: Family = "reference",
) -> Array:
    """QUANTIZE of stored values: the same numbers under another scale, zero point or dtype.

    Parameters
    ----------
    inputs
        ``int8``, ``uint8`` or ``int16`` of any shape.
    input_params
        Of the dtype of the inputs.
    output_params
        ``int8``, ``uint8`` (not from ``int16``) or ``int16``.
    family
        ``reference``
            ``(x - zero_point) * ratio``, rounded in fixed point with 31 bits.
        ``builtin``
            The same, but among ``int8`` and ``uint8`` a right shift rounds halves up, in all but the last
            ``size % 16`` values of the array.
        ``xnnpack``
            ``((x - zero_point) * round_half_even(256 * ratio) + 128) >> 8``, between equal dtypes of 8 bits and for
            ratios in [1/256, 128]; other operators are the runtime's.

    Returns
    -------
    Array
        Of the shape of `inputs` and the dtype of `output_params`.

    Notes
    -----
    ``tflite/kernels/quantize.cc``, ``Requantize`` in ``tflite/kernels/internal/reference/requantize.h`` and
    ``tflite/kernels/internal/optimized/optimized_ops.h``; XNNPACK's ``src/qs8-vcvt``, and ``VisitUnaryNode`` of
    ``tflite/delegates/xnnpack/xnnpack_delegate.cc``.
    """
    check_family(family)
    check_tensor("inputs", inputs, input_params)
    check_params("outputs", output_params, ("int8", "int16") if input_params.dtype == "int16" else ACTIVATIONS)
    if input_params.dtype == output_params.dtype:
        check_symmetric(input_params, output_params)
    distance = inputs.astype(np.int32) - np.int32(input_params.zero_point)
    is_same_dtype = inputs.dtype == output_params.dtype
    with np.errstate(over="ignore"):
        ratio = np.float32(input_params.scale) / np.float32(output_params.scale)
    if family == "xnnpack" and is_same_dtype and inputs.dtype != np.int16 and 1 / 256 <= ratio <= 128:  # noqa: PLR2004
        return _moved((distance * int(np.rint(np.float32(256) * ratio)) + 128) >> 8, output_params)
    multiplier, shift = quantize_multiplier(float(input_params.scale) / float(output_params.scale))
    stored = _moved(multiply_by_quantized_multiplier(distance, multiplier, shift), output_params)
    is_vectorized = inputs.dtype.name in _BYTES and output_params.dtype in _BYTES
    if family == "reference" or not is_vectorized:
        return stored
    left, right = max(int(shift), 0), max(-int(shift), 0)
    product = saturating_rounding_doubling_high_mul((distance.astype(np.int64) << left).astype(np.int32), multiplier)
    half_up = (product.astype(np.int64) + (1 << right >> 1)) >> right
    return _with_remainder(_moved(half_up, output_params), stored, _BYTE_BLOCK)


def dequantize(stored: Array, *, input_params: QuantizationParameters, family: Family = "reference") -> Array:
    """DEQUANTIZE to float32.

    Parameters
    ----------
    stored
        ``int8``, ``uint8`` or ``int16`` of any shape.
    input_params
        Of the dtype of `stored`; per tensor, or per channel for 8 bits.
    family
        ``reference`` and ``xnnpack`` give ``(x - zero_point) * scale``, rounded once to float32. So does ``builtin``
        per channel and for the last ``size % 8`` values of the array; the others are ``x * scale`` plus
        ``-zero_point * scale``, each and the sum rounded (on ARM without the first rounding).

    Returns
    -------
    Array
        float32, of the shape of `stored`.

    Notes
    -----
    ``tflite/kernels/dequantize.h``, ``Dequantize`` in ``tflite/kernels/internal/reference/dequantize.h`` and
    ``tflite/kernels/internal/optimized/optimized_ops.h``; XNNPACK's ``src/qs8-f32-vcvt``. The delegate leaves
    ``int16`` to the runtime.
    """
    check_family(family)
    check_storage("inputs", stored, input_params)
    check_symmetric(input_params)
    exact = affine.dequantize(stored, input_params)
    is_delegated = family == "xnnpack" and stored.dtype != np.int16
    if family == "reference" or is_delegated or input_params.is_per_channel:
        return exact
    return _with_remainder(affine.dequantize(stored, input_params, arithmetic="folded"), exact, _FLOAT_BLOCK)


def _check_real(real: Array, params: QuantizationParameters) -> None:
    if real.dtype != np.float32:
        raise UnspecifiedError(f"found inputs of {real.dtype}, expected float32")
    check_channels("inputs", real.shape, params)
    if np.isnan(real).any():
        raise UnspecifiedError("found NaN, expected numbers: NaN has no quantized value")


def _quantize_remainder(real: Array, params: QuantizationParameters) -> Array:
    limits = np.iinfo(params.dtype)
    steps = round_half_away(real.astype(np.float64) / float(params.scale)) + int(params.zero_point)
    return np.clip(steps, limits.min, limits.max).astype(limits.dtype)


def _full_range(params: QuantizationParameters) -> QuantizationParameters:
    """The same without a narrow range, of which a kernel knows nothing."""
    return QuantizationParameters(
        params.scale, params.zero_point, quantized_dimension=params.quantized_dimension, dtype=params.dtype
    )


def _moved(steps: npt.NDArray[np.signedinteger], params: QuantizationParameters) -> Array:
    limits = np.iinfo(params.dtype)
    return np.clip(steps.astype(np.int64) + int(params.zero_point), limits.min, limits.max).astype(limits.dtype)


def _with_remainder(blocks: Array, remainder: Array, block: int) -> Array:
    """`blocks`, but the last ``size % block`` values from `remainder`."""
    result = blocks.reshape(-1).copy()
    start = blocks.size - blocks.size % block
    result[start:] = remainder.reshape(-1)[start:]
    return result.reshape(blocks.shape)
