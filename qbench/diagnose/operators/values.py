"""Between the values that a tensor stores and the real ones that they stand for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.quant.affine import dequantize, quantize
from qbench.quant.call import parameters_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from qbench.tflite.graph import Tensor

    Array = npt.NDArray[Any]

_INTEGERS = frozenset({"int8", "uint8", "int16"})


def is_quantized(tensor: Tensor) -> bool:
    """Whether the tensor stores integers that stand for real values; not so for a bias in 32 bits."""
    return tensor.dtype in _INTEGERS and tensor.scales.size > 0


def is_real(tensor: Tensor) -> bool:
    """Whether the tensor stands for real values: it is quantized or of a floating point dtype."""
    return is_quantized(tensor) or tensor.dtype in {"float16", "float32", "float64"}


def stored_values(values: Array, tensor: Tensor) -> Array:
    """What `tensor` stores for `values`: quantized as the inputs of an artifact are, or of its dtype.

    Raises
    ------
    UnspecifiedError
        If a value is NaN and the tensor quantized, or its parameters cannot be.
    """
    values = _in_shape(values, tensor.shape)
    return quantize(values, parameters_of(tensor)) if is_quantized(tensor) else values.astype(tensor.dtype)


def real_values(stored: Array, tensor: Tensor) -> Array:
    """float32 (or float64) real values of what `tensor` stores.

    Raises
    ------
    UnspecifiedError
        If the tensor's parameters cannot be.
    """
    if is_quantized(tensor):
        return dequantize(stored, parameters_of(tensor))
    return stored.astype(np.float32) if stored.dtype == np.float16 else stored


def kept(values: Mapping[int, Array], index: int) -> Array:
    """The value of a tensor that was observed.

    Raises
    ------
    ValueError
        If the runtime gave none.
    """
    if index not in values:
        raise ValueError("the runtime keeps no value of the tensor: a delegate has swallowed it")
    return values[index]


def _in_shape(values: Array, shape: tuple[int, ...]) -> Array:
    """`values` in the shape that a file gives a tensor, but for as many examples as there are.

    Examples are along the first axis, or along one that the file says to be 1 long.
    """
    sizes = tuple(zip(values.shape, shape, strict=False))[1:]
    if values.ndim == len(shape) and all(size in {found, 1} for found, size in sizes):
        return values
    times, rest = divmod(values.size, max(math.prod(shape), 1))
    if rest or (not shape and times != 1):
        return values
    return values.reshape(shape[0] * times, *shape[1:]) if shape else values.reshape(())
