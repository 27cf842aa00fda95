"""Where the activation that is fused into an operator clamps its output, in stored units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qbench.errors import UnspecifiedError

if TYPE_CHECKING:
    from qbench.quant.affine import QuantizationParameters
    from qbench.quant.family import Family

#: Real values that each fused activation of the schema clamps to; None leaves that side to the dtype.
_REAL_RANGES: dict[str, tuple[float | None, float | None]] = {
    "NONE": (None, None),
    "RELU": (0.0, None),
    "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU6": (0.0, 6.0),
}


def activation_range(
    activation: str, output_params: QuantizationParameters, *, family: Family = "reference"
) -> tuple[int, int]:
    """Lowest and highest stored value of an output behind `activation`.

    ``reference`` and ``builtin`` compute ``zero_point + round(bound / scale)`` in float32, halves away from
    zero, and intersect that with the range of the dtype. ``xnnpack`` adds the zero point before it rounds, halves
    to even: where ``bound / scale`` lies halfway between two integers, the two can differ by one.

    Parameters
    ----------
    activation
        ``NONE``, ``RELU``, ``RELU_N1_TO_1`` or ``RELU6``: the names of the schema.
    output_params
        One scale and zero point for the tensor. The range is that of the dtype, `narrow_range` or not:
        a kernel knows nothing of narrow ranges.
    family
        Kernels to follow.

    Returns
    -------
    tuple of int
        The two bounds, which are included.

    Raises
    ------
    UnspecifiedError
        If the activation is another (none of the kernels fuses TANH or SIGN_BIT), or if the scale is so small that a
        bound does not fit in int32; the runtime refuses that model too.

    Notes
    -----
    ``CalculateActivationRangeQuantized`` in ``tflite/kernels/kernel_util.cc``; ``xnn_qs8_quantize`` in
    XNNPACK's ``src/xnnpack/requantization.h``.
    """
    if activation not in _REAL_RANGES:
        raise UnspecifiedError(f"no kernel fuses the activation {activation}: known are {', '.join(_REAL_RANGES)}")
    limits = np.iinfo(output_params.dtype)
    low, high = _REAL_RANGES[activation]
    to_stored = _bound_of_xnnpack if family == "xnnpack" else _bound
    return (
        limits.min if low is None else max(limits.min, to_stored(low, output_params)),
        limits.max if high is None else min(limits.max, to_stored(high, output_params)),
    )


def _bound(real: float, params: QuantizationParameters) -> int:
    with np.errstate(over="ignore"):
        steps = float(np.float32(real) / np.float32(params.scale))
    if abs(steps) > 2**31:
        raise UnspecifiedError(f"with scale {params.scale}, the bound {real} of the activation does not fit in int32")
    magnitude = np.floor(abs(steps) + 0.5)  # exact: the sum is one of doubles, the quotient of float32
    return int(np.copysign(magnitude, steps)) + int(params.zero_point)


def _bound_of_xnnpack(real: float, params: QuantizationParameters) -> int:
    limits = np.iinfo(params.dtype)
    with np.errstate(over="ignore"):
        steps = np.float32(real) / np.float32(params.scale) + np.float32(params.zero_point)
    return int(np.rint(np.clip(steps, limits.min, limits.max)))
