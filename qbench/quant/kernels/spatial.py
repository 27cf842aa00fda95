"""How a kernel slides over the height and the width of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qbench.errors import UnspecifiedError

if TYPE_CHECKING:
    from collections.abc import Iterator

Array = npt.NDArray[Any]


class Sliding(NamedTuple):
    """Along one axis, tap t of output o meets input ``o * stride - before + t * dilation``; see `sliding`."""

    size: int
    outputs: int
    taps: int
    stride: int
    dilation: int
    before: int

    @property
    def padded(self) -> int:
        """Inputs with the padding, and with those behind that no tap meets."""
        last = (self.outputs - 1) * self.stride + (self.taps - 1) * self.dilation
        return max(self.before + self.size, last + 1)

    def met(self, tap: int) -> slice:
        """Padded inputs that `tap` meets, one for each output."""
        start = tap * self.dilation
        return slice(start, start + (self.outputs - 1) * self.stride + 1, self.stride)


def sliding(size: int, taps: int, *, stride: int, dilation: int, padding: str) -> Sliding:
    """How a kernel of `taps` slides over `size` inputs.

    Parameters
    ----------
    size, taps
        Inputs and kernel along this axis.
    stride, dilation
        Inputs from one output to the next, and from one tap to the next.
    padding
        ``SAME``: as many outputs as strides, with the odd input of padding behind. ``VALID``: no padding.

    Raises
    ------
    UnspecifiedError
        If the padding is another, or the kernel does not fit in the inputs without padding.

    Notes
    -----
    ``ComputeOutSize`` and ``ComputePaddingWithOffset`` in ``tflite/kernels/padding.h``.
    """
    reach = (taps - 1) * dilation + 1
    if padding == "SAME":
        outputs = -(-size // stride)
        return Sliding(size, outputs, taps, stride, dilation, max((outputs - 1) * stride + reach - size, 0) // 2)
    if padding != "VALID":
        raise UnspecifiedError(f"padding must be SAME or VALID, got {padding}")
    outputs = -(-(size - reach + 1) // stride)
    if outputs <= 0:
        raise UnspecifiedError(f"a kernel that reaches over {reach} inputs does not fit in {size}")
    return Sliding(size, outputs, taps, stride, dilation, 0)


def padded(values: Array, rows: Sliding, columns: Sliding) -> Array:
    """(batch, height, width, channels) with zeros around, which stand for the zero point of centred values."""
    batch, height, width, channels = values.shape
    framed = np.zeros((batch, rows.padded, columns.padded, channels), values.dtype)
    framed[:, rows.before : rows.before + height, columns.before : columns.before + width] = values
    return framed


def taps(framed: Array, rows: Sliding, columns: Sliding) -> Iterator[tuple[int, int, Array]]:
    """Row and column of each tap of the kernel, and the view of `framed` that it meets, one value for each output."""
    for row in range(rows.taps):
        for column in range(columns.taps):
            yield row, column, framed[:, rows.met(row), columns.met(column)]
