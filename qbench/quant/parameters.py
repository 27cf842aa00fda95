"""How the integers of a tensor stand for real values: scale, zero point and the range of the integers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from qbench.errors import UnspecifiedError
from qbench.quant.parameter_checks import checked_axis, checked_scale, checked_zero_point, limits
from qbench.quant.ranges import range_of, scale_and_zero_point

#: A representation of a tensor of more channels than this shows the first and the last scale.
_CHANNELS_SHOWN = 4


@dataclass(frozen=True, init=False, eq=False, repr=False)
class QuantizationParameters:
    """How the integers of one tensor stand for real values: ``real = (stored - zero_point) * scale``.

    Immutable, and equal by value.

    Parameters
    ----------
    scale
        One positive float32 (per tensor), or one for each index of `quantized_dimension` (per channel). It must be
        a normal number: XNNPACK refuses smaller ones or, in version 2.3.0 of the runtime, brings the process down,
        and the runtime's own kernels multiply by its inverse, which is then infinite.
    zero_point
        The integer that stands for 0; one for all channels or one for each.
    quantized_dimension
        Axis along which scale and zero point differ; None for per tensor.
    dtype
        ``int4``, ``int8``, ``uint8`` or ``int16``.
    narrow_range
        Whether the lowest value of the dtype is left unused, so that the range is symmetric around 0.

    Attributes
    ----------
    scale
        float32, shape () per tensor or (channels,) per channel; read-only.
    zero_point
        int32, of the same shape; read-only.
    qmin, qmax
        Smallest and largest value that is stored.

    Raises
    ------
    UnspecifiedError
        If one of these cannot be, with what was found and what is expected.
    """

    __slots__ = ("dtype", "narrow_range", "qmax", "qmin", "quantized_dimension", "scale", "zero_point")

    scale: npt.NDArray[np.float32]
    zero_point: npt.NDArray[np.int32]
    quantized_dimension: int | None
    dtype: str
    narrow_range: bool
    qmin: int
    qmax: int

    def __init__(
        self,
        scale: npt.ArrayLike,
        zero_point: npt.ArrayLike = 0,
        *,
        quantized_dimension: int | None = None,
        dtype: str = "int8",
        narrow_range: bool = False,
    ) -> None:
        low, high = limits(dtype, narrow_range=narrow_range)
        scales = checked_scale(scale, quantized_dimension)
        fields = {
            "scale": scales,
            "zero_point": checked_zero_point(zero_point, scales.shape, low, high),
            "quantized_dimension": quantized_dimension if quantized_dimension is None else int(quantized_dimension),
            "dtype": dtype,
            "narrow_range": bool(narrow_range),
            "qmin": low,
            "qmax": high,
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_range(
        cls,
        minimum: npt.ArrayLike,
        maximum: npt.ArrayLike,
        *,
        dtype: str = "int8",
        symmetric: bool = False,
        narrow_range: bool | None = None,
        quantized_dimension: int | None = None,
    ) -> QuantizationParameters:
        """Parameters whose integers span the real values from `minimum` to `maximum`, and 0.

        Asymmetric: ``scale = (max - min) / (qmax - qmin)``, ``zero_point = rint(qmin - min / scale)``, so that both
        ends are off by no more than half a step. Symmetric: ``scale = max(|min|, |max|) / qmax``, zero point 0.
        Computed in float64; the scale is rounded to float32 once and the zero point chosen for the rounded one.

        Parameters
        ----------
        minimum, maximum
            Finite numbers, or arrays of shape (channels,) together with `quantized_dimension`.
        symmetric
            Whether the zero point is 0; of a signed dtype only.
        narrow_range
            By default what `symmetric` is, as for weights in the LiteRT specification.

        Raises
        ------
        ValueError
            If a bound is NaN or infinite, `minimum` is above `maximum`, or they are too far apart for a float32 scale.

        Notes
        -----
        A range of nothing but 0 gets the scale 1, as TensorFlow's converter gives it: any scale stands for 0, and
        a tiny one (litert-quantizer's is 1e-9 / 255) makes multipliers and biases overflow that are made of it.
        A range too small for a normal scale gets the smallest one.
        """
        narrow = symmetric if narrow_range is None else narrow_range
        scale, zero_point = scale_and_zero_point(
            minimum, maximum, dtype=dtype, symmetric=symmetric, narrow_range=narrow
        )
        return cls(scale, zero_point, quantized_dimension=quantized_dimension, dtype=dtype, narrow_range=narrow)

    @classmethod
    def from_values(
        cls,
        values: npt.ArrayLike,
        *,
        quantized_dimension: int | None = None,
        dtype: str = "int8",
        symmetric: bool = False,
        narrow_range: bool | None = None,
    ) -> QuantizationParameters:
        """Parameters that span `values`, or each of their channels; see `from_range`.

        Raises
        ------
        ValueError
            If there are no values, or one is NaN or infinite.
        """
        array = np.asarray(values)
        axis = None if quantized_dimension is None else checked_axis(quantized_dimension, array.ndim)
        minimum, maximum = range_of(array, axis)
        return cls.from_range(
            minimum,
            maximum,
            dtype=dtype,
            symmetric=symmetric,
            narrow_range=narrow_range,
            quantized_dimension=axis,
        )

    @property
    def is_per_channel(self) -> bool:
        """Whether there is one scale for each index of `quantized_dimension`."""
        return self.quantized_dimension is not None

    @property
    def storage_dtype(self) -> np.dtype[Any]:
        """Type of numpy arrays of stored values: `dtype`, and int8 for ``int4``."""
        return np.dtype("int8" if self.dtype == "int4" else self.dtype)

    def layout(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """An array's shape as (outer, channels, inner); (1, 1, elements) for per tensor.

        Raises
        ------
        ValueError
            If `shape` does not have `quantized_dimension`, or not as many indices there as there are scales.
        """
        if self.quantized_dimension is None:
            return 1, 1, int(np.prod(shape, dtype=np.int64))
        axis, channels = checked_axis(self.quantized_dimension, len(shape)), self.scale.size
        if shape[axis] != channels:
            raise UnspecifiedError(
                f"found an array of shape {shape}, expected {channels} channels along dimension {axis}: "
                "one for each scale"
            )
        return int(np.prod(shape[:axis], dtype=np.int64)), channels, int(np.prod(shape[axis + 1 :], dtype=np.int64))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QuantizationParameters):
            return NotImplemented
        return self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    def __reduce__(self) -> tuple[Any, ...]:
        # By way of the constructor, so that a copy's arrays are read-only as well.
        make = partial(
            type(self),
            quantized_dimension=self.quantized_dimension,
            dtype=self.dtype,
            narrow_range=self.narrow_range,
        )
        return make, (self.scale, self.zero_point)

    def __repr__(self) -> str:
        points = np.unique(self.zero_point)
        parts = [_shown(self.scale), f"zero_point={points[0] if points.size == 1 else _shown(self.zero_point)}"]
        if self.is_per_channel:
            parts.append(f"quantized_dimension={self.quantized_dimension}")
        parts.append(f"dtype={self.dtype!r}")
        if self.narrow_range:
            parts.append("narrow_range=True")
        return f"QuantizationParameters({', '.join(parts)})"

    @property
    def _identity(self) -> tuple[object, ...]:
        scales, points = self.scale.tobytes(), self.zero_point.tobytes()
        return scales, points, self.quantized_dimension, self.dtype, self.narrow_range


def _shown(numbers: npt.NDArray[Any]) -> str:
    if numbers.ndim == 0:
        return str(numbers)
    if numbers.size <= _CHANNELS_SHOWN:
        return f"[{', '.join(map(str, numbers))}]"
    return f"[{numbers[0]}, ..., {numbers[-1]}] of {numbers.size} channels"
