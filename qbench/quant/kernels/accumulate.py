"""Exact integer sums of products with the speed of a floating point matrix product."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qbench.errors import UnspecifiedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbench.quant.affine import QuantizationParameters

Array = npt.NDArray[Any]

#: A block of intermediate values of about this size stays in the processor's cache.
_BLOCK_BYTES = 1 << 20


def centred(stored: Array, params: QuantizationParameters, dtype: npt.DTypeLike) -> Array:
    """``stored - zero_point`` as floating point numbers of `dtype`, for a zero point of the whole tensor."""
    return np.subtract(stored, params.zero_point, dtype=dtype)


def exact_float(depth: int, inputs: Array, input_params: QuantizationParameters) -> npt.DTypeLike:
    """The smaller floating point type in which a sum of `depth` products with 8-bit weights is exact.

    Every partial sum is an integer, and integers up to 2**24 are exact in float32, up to 2**53 in float64. Hence
    no order of additions changes the sum, and a BLAS may take any.

    Parameters
    ----------
    depth
        How many products are summed up.
    inputs, input_params
        The activations; their dtype and zero point bound a product.

    Raises
    ------
    UnspecifiedError
        If float64 is too small as well, or the activations are neither int8 nor int16: the kernels of uint8 take
        weights with zero points and multiply scales in another way.
    """
    if inputs.dtype not in (np.int8, np.int16):
        raise UnspecifiedError(f"activations must be int8 or int16, got {inputs.dtype}")
    limits = np.iinfo(inputs.dtype)
    zero_point = int(input_params.zero_point)
    # Weights may have a zero point of their own in fully connected: 255 steps from it at most.
    largest = max(limits.max - zero_point, zero_point - limits.min) * 255
    if depth * largest < 1 << 24:
        return np.float32
    if depth * largest < 1 << 53:
        return np.float64
    raise UnspecifiedError(f"sums of {depth} products of {inputs.dtype} and 8-bit weights may not be exact in float64")


def accumulator_dtype(inputs: Array, bias: Array | None, bias_dtype: str | None = None) -> str:
    """``int32`` or ``int64``: how many bits a kernel sums up in.

    64 for int16 inputs, unless there is a bias of 32 bits, or the operator says so (`bias_dtype`) where there is none.
    """
    if inputs.dtype != np.int16:
        return "int32"
    return (bias_dtype or "int64") if bias is None else bias.dtype.name


def add_bias(sums: Array, bias: Array | None, dtype: npt.DTypeLike) -> Array:
    """Accumulators as the kernel holds them: `sums` plus `bias`, wrapped around to `dtype` (int32 or int64)."""
    accumulators = sums.astype(np.int64)
    if bias is not None:
        accumulators += bias.reshape(-1)
    return accumulators.astype(dtype)


def blocks(count: int, bytes_each: int) -> Iterator[slice]:
    """Slices that cut `count` examples into blocks, so that what is made of a block at once fits the cache."""
    step = max(1, _BLOCK_BYTES // max(1, bytes_each))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))
