"""AVERAGE_POOL_2D and MAX_POOL_2D: one stored value for each window of an image.

Pooling keeps scale and zero point: it computes with stored values, and what the parameters of the input
say besides the dtype is ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qbench.errors import UnspecifiedError
from qbench.quant.kernels.activation_range import activation_range
from qbench.quant.kernels.arguments import check_family, check_pairs, check_params, check_tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from qbench.quant.affine import QuantizationParameters
    from qbench.quant.family import Family

Array = npt.NDArray[Any]

_BUILTIN: frozenset[Family] = frozenset({"reference", "builtin"})
_ALL: frozenset[Family] = _BUILTIN | {"xnnpack"}
#: For which families each oracle is claimed to be exact to the bit, by dtype of the activations.
EXACT: Mapping[str, Mapping[str, frozenset[Family]]] = {
    "AVERAGE_POOL_2D": {"int8": _BUILTIN, "uint8": _BUILTIN, "int16": _BUILTIN},
    "MAX_POOL_2D": {"int8": _ALL, "uint8": _ALL, "int16": _BUILTIN},
}


class _Windows(NamedTuple):
    """The windows along one axis: their number, and how many elements of padding are before the first."""

    size: int
    filter_size: int
    stride: int
    number: int
    before: int

    @classmethod
    def along(cls, size: int, filter_size: int, stride: int, padding: str) -> _Windows:
        if padding == "SAME":
            number = -(-size // stride)
            before = max((number - 1) * stride + filter_size - size, 0) // 2
        elif padding == "VALID":
            number, before = (size - filter_size) // stride + 1, 0
        else:
            raise UnspecifiedError(f"padding must be SAME or VALID, got {padding}")
        if number < 1:
            raise UnspecifiedError(f"no window of {filter_size} fits into {size} elements")
        return cls(size, filter_size, stride, number, before)

    def taps(self) -> Iterator[tuple[slice, slice]]:
        """For each element of the filter: the windows in which it is no padding, and the inputs that it meets."""
        for offset in range(self.filter_size):
            first = max(-(-(self.before - offset) // self.stride), 0)
            last = min((self.size - 1 + self.before - offset) // self.stride, self.number - 1)
            if first <= last:
                start = first * self.stride - self.before + offset
                yield slice(first, last + 1), slice(start, start + (last - first) * self.stride + 1, self.stride)

    def real_elements(self) -> Array:
        """How many elements of each window are no padding."""
        starts = np.arange(self.number, dtype=np.int32) * self.stride - self.before
        return np.asarray(np.minimum(starts + self.filter_size, self.size) - np.maximum(starts, 0))


def average_pool_2d(
    inputs: Array,
    *,
    input_params: QuantizationParameters,
    output_params: QuantizationParameters,
    filter_size: tuple[int, int],
    stride: tuple[int, int],
    padding: str,
    activation: str = "NONE",
    family: Family = "reference",
) -> Array:
    """Mean of each window, rounded with halves away from zero: ``(|sum| + count // 2) // count`` with its sign.

    Padding does not count. All families agree; the delegate takes no quantized AVERAGE_POOL_2D.

    Parameters
    ----------
    inputs
        Stored values, int8, uint8 or int16, of shape (batch, height, width, channels).
    input_params, output_params
        One scale and zero point each. The dtype must be the same. The specification wants the rest to be the
        same too; the kernels neither ask nor rescale.
    filter_size, stride
        Of the window: (vertical, horizontal).
    padding
        ``SAME`` or ``VALID``.
    activation
        ``NONE``, ``RELU``, ``RELU_N1_TO_1`` or ``RELU6``.
    family
        Kernels to follow.

    Returns
    -------
    Array
        Stored values of shape (batch, windows down, windows across, channels).

    Raises
    ------
    UnspecifiedError
        If the dtypes differ, no window fits, or the padding or activation is another.

    Notes
    -----
    ``tflite/kernels/pooling.cc``, ``tflite/kernels/internal/reference/pooling.h`` and ``integer_ops/pooling.h``.
    """
    check_family(family)
    rows, columns = _windows(inputs, (input_params, output_params), filter_size, stride, padding)
    total = np.zeros((inputs.shape[0], rows.number, columns.number, inputs.shape[3]), np.int32)
    for down, read_down in rows.taps():
        for across, read_across in columns.taps():
            total[:, down, across] += inputs[:, read_down, read_across]
    elements = (rows.real_elements()[:, None] * columns.real_elements())[:, :, None]
    average = np.sign(total) * ((np.abs(total) + elements // 2) // elements)
    return np.asarray(np.clip(average, *activation_range(activation, output_params))).astype(inputs.dtype)


def max_pool_2d(
    inputs: Array,
    *,
    input_params: QuantizationParameters,
    output_params: QuantizationParameters,
    filter_size: tuple[int, int],
    stride: tuple[int, int],
    padding: str,
    activation: str = "NONE",
    family: Family = "reference",
) -> Array:
    """Largest stored value of each window, padding left out.

    Families differ only in where they see the bounds of the activation, see `activation_range`. The delegate
    leaves int16 to the runtime, strides longer than the filter, and filters of one element with a stride.

    Parameters
    ----------
    inputs, input_params, output_params, filter_size, stride, padding, activation, family
        As for `average_pool_2d`.

    Returns
    -------
    Array
        Stored values of shape (batch, windows down, windows across, channels).

    Raises
    ------
    UnspecifiedError
        As for `average_pool_2d`.

    Notes
    -----
    The same files; XNNPACK's ``src/subgraph/max-pooling-2d.c``.
    """
    check_family(family)
    rows, columns = _windows(inputs, (input_params, output_params), filter_size, stride, padding)
    limits = np.iinfo(output_params.dtype)
    largest = np.full((inputs.shape[0], rows.number, columns.number, inputs.shape[3]), limits.min, inputs.dtype)
    for down, read_down in rows.taps():
        for across, read_across in columns.taps():
            part = largest[:, down, across]
            np.maximum(part, inputs[:, read_down, read_across], out=part)
    too_long = any(step > size for step, size in zip(stride, filter_size, strict=True))
    if output_params.dtype == "int16" or too_long:
        family = "builtin"
    low, high = activation_range(activation, output_params, family=family)
    return np.asarray(np.clip(largest, low, high)).astype(inputs.dtype)


def _windows(
    inputs: Array,
    params: tuple[QuantizationParameters, QuantizationParameters],
    filter_size: tuple[int, int],
    stride: tuple[int, int],
    padding: str,
) -> tuple[_Windows, _Windows]:
    if params[0].dtype != params[1].dtype:
        raise UnspecifiedError(
            f"input and output must have the same dtype, got {params[0].dtype} and {params[1].dtype}"
        )
    check_tensor("inputs", inputs, params[0], rank=4)
    check_params("outputs", params[1])
    check_pairs(filter_size=filter_size, stride=stride)
    height, width = inputs.shape[1:3]
    return (
        _Windows.along(height, filter_size[0], stride[0], padding),
        _Windows.along(width, filter_size[1], stride[1], padding),
    )
