"""Functions of two quantized tensors, element by element: what they take, and how they broadcast, as numpy's do.

The result of 8-bit tensors is a function of 65,536 pairs of stored values. For tensors with more elements than that,
the function is tabulated and looked up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qbench.errors import UnspecifiedError
from qbench.quant.kernels.arguments import ACTIVATIONS, check_broadcast, check_family, check_params, check_tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from qbench.quant.affine import QuantizationParameters
    from qbench.quant.family import Family

    #: From two int32 arrays of stored values that broadcast to int32 stored values.
    Combine = Callable[["Array", "Array"], "Array"]

Array = npt.NDArray[Any]


def combine_elements(combine: Combine, a: Array, b: Array, dtype: str) -> Array:
    """`combine` of both tensors, which have `dtype` and shapes that broadcast."""
    shape = np.broadcast_shapes(a.shape, b.shape)
    limits = np.iinfo(dtype)
    pairs = 1 << (2 * limits.bits)
    if limits.bits > 8 or np.prod(shape, dtype=np.int64) <= pairs:  # noqa: PLR2004 - 8 bits
        return np.asarray(combine(a.astype(np.int32), b.astype(np.int32))).astype(dtype)
    stored = np.arange(limits.min, limits.max + 1, dtype=np.int32)
    table = combine(stored[:, None], stored).astype(dtype).reshape(-1)
    high = (a.astype(np.int32) - limits.min).astype(np.uint16) << np.uint16(8)
    return np.asarray(table[high + (b.astype(np.int32) - limits.min).astype(np.uint16)])


def checked_dtype(
    a: Array,
    b: Array,
    params: tuple[QuantizationParameters, QuantizationParameters, QuantizationParameters],
    family: Family,
) -> str:
    """The one dtype of two inputs and an output, after all that they and the kernels of `family` may not be.

    Raises
    ------
    UnspecifiedError
        If dtypes differ, an int16 zero point is not 0, or a tensor does not fit its parameters or the other one.
    """
    check_family(family)
    dtype = _common_dtype(*params)
    check_tensor("the first input", a, params[0])
    check_tensor("the second input", b, params[1])
    check_params("outputs", params[2])
    check_broadcast(a, b)
    return dtype


def is_delegated(dtype: str, interval: tuple[float, float], *ratios: np.float32) -> bool:
    """Whether XNNPACK takes tensors of `dtype` with these ratios of scales: all in the half-open `interval`."""
    return dtype != "int16" and all(interval[0] <= ratio < interval[1] for ratio in ratios)


def _common_dtype(*params: QuantizationParameters) -> str:
    dtypes = {each.dtype for each in params}
    if len(dtypes) > 1 or not dtypes <= set(ACTIVATIONS):
        raise UnspecifiedError(
            f"both inputs and the output must have one dtype of {', '.join(ACTIVATIONS)}, got {dtypes}"
        )
    if dtypes == {"int16"} and any(each.zero_point.any() for each in params):
        raise UnspecifiedError("int16 tensors must have zero points of 0")
    return dtypes.pop()
