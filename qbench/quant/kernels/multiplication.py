"""MUL of two quantized tensors, which broadcast as numpy's do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qbench.quant.fixedpoint import multiply_by_quantized_multiplier, quantize_multiplier
from qbench.quant.kernels.activation_range import activation_range
from qbench.quant.kernels.elementwise import checked_dtype, combine_elements, is_delegated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qbench.quant.affine import Array, QuantizationParameters
    from qbench.quant.family import Family

#: For which families the oracle is claimed to be exact to the bit, by dtype of the activations. XNNPACK's kernel is
#: meant on x86: on ARM it scales in fixed point.
EXACT: Mapping[str, Mapping[str, frozenset[Family]]] = {
    "MUL": {
        "int8": frozenset({"reference", "builtin", "xnnpack"}),
        "uint8": frozenset({"reference", "builtin", "xnnpack"}),
        "int16": frozenset({"reference", "builtin"}),
    }
}

#: Ratios of the product of the inputs' scales to the output's that the delegate takes: [low, high).
_DELEGATED = (2.0**-16, 2.0**8)


def mul(
    a: Array,
    b: Array,
    *,
    a_params: QuantizationParameters,
    b_params: QuantizationParameters,
    output_params: QuantizationParameters,
    activation: str = "NONE",
    family: Family = "reference",
) -> Array:
    """``activation(a * b)``: ``(a - a_zero) * (b - b_zero)`` scaled by ``a_scale * b_scale / output_scale``.

    The factor is computed in float32. The runtime scales by its significand and shift, rounding twice; XNNPACK
    multiplies in float32 and rounds halves to even. The optimized 8-bit kernel narrows to 16 bits before it clamps,
    and so wraps where a result is ``2**15`` or more of the output's steps; this oracle clamps.

    Parameters
    ----------
    a, b, a_params, b_params, output_params, activation
        As for `qbench.quant.kernels.addition.add`.
    family
        Kernels to follow; ``xnnpack`` means ``builtin`` for int16, and for a factor outside of ``[2**-16, 2**8)``.

    Returns
    -------
    Array
        Stored values of the output in the shape that both inputs broadcast to.

    Raises
    ------
    UnspecifiedError
        If the runtime refuses the parameters. (Its int16 inputs with 8-bit outputs are not covered.)

    Notes
    -----
    ``tflite/kernels/mul.cc``, ``tflite/kernels/internal/reference/mul.h`` and ``integer_ops/mul.h``; XNNPACK's
    ``src/qs8-vmul``.
    """
    dtype = checked_dtype(a, b, (a_params, b_params, output_params), family)
    zero_a, zero_b, zero = int(a_params.zero_point), int(b_params.zero_point), int(output_params.zero_point)
    factor = np.float32(a_params.scale * b_params.scale) / np.float32(output_params.scale)
    if family == "xnnpack" and is_delegated(dtype, _DELEGATED, factor):
        limits = np.iinfo(dtype)
        low, high = activation_range(activation, output_params, family="xnnpack")

        def combine(x: Array, y: Array) -> Array:
            real = ((x - zero_a) * (y - zero_b)).astype(np.float32) * factor
            stored = np.rint(np.clip(real, limits.min - zero, limits.max - zero)).astype(np.int32) + zero
            return np.asarray(np.clip(stored, low, high))

    else:
        low, high = activation_range(activation, output_params)
        significand, shift = quantize_multiplier(factor)

        def combine(x: Array, y: Array) -> Array:
            product = multiply_by_quantized_multiplier((x - zero_a) * (y - zero_b), significand, shift)
            return np.clip(product + zero, low, high)

    return combine_elements(combine, a, b, dtype)
