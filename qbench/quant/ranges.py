"""From a range of real values to the scale and the zero point whose integers span it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.errors import UnspecifiedError
from qbench.quant.parameter_checks import SMALLEST_NORMAL, limits

if TYPE_CHECKING:
    import numpy.typing as npt


def scale_and_zero_point(
    minimum: npt.ArrayLike, maximum: npt.ArrayLike, *, dtype: str, symmetric: bool, narrow_range: bool
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Scale and zero point of each range, for integers of `dtype`; see `QuantizationParameters.from_range`.

    Raises
    ------
    UnspecifiedError
        If `dtype` cannot be symmetric or narrow as asked for, or there is no such range. A scale that is too large for
        float32 is infinite: it is refused with all others that are none.
    """
    if symmetric and dtype == "uint8":
        raise UnspecifiedError("symmetric quantization needs a signed dtype, found 'uint8'; use int4, int8 or int16")
    qmin, qmax = limits(dtype, narrow_range=narrow_range)
    low, high = _checked_range(minimum, maximum)
    with np.errstate(over="ignore"):
        span = np.maximum(-low, high) / qmax if symmetric else high / (qmax - qmin) - low / (qmax - qmin)
        # Not the span decides: of the smallest float64 numbers it is 0 too.
        is_nothing = (low == 0) & (high == 0)
        scale = np.where(is_nothing, 1.0, np.maximum(span, SMALLEST_NORMAL)).astype(np.float32)
        zero_point = np.zeros(scale.shape) if symmetric else np.rint(qmin - low / scale)
    return scale, np.clip(zero_point, qmin, qmax).astype(np.int32)


def range_of(values: npt.NDArray[Any], axis: int | None) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Smallest and largest of the values, or of those at each index of `axis`.

    Raises
    ------
    UnspecifiedError
        If there are no values.
    """
    if values.size == 0:
        raise UnspecifiedError(f"an array of shape {values.shape} has no range; give at least one value")
    others = None if axis is None else tuple(number for number in range(values.ndim) if number != axis)
    return values.min(axis=others), values.max(axis=others)


def _checked_range(minimum: npt.ArrayLike, maximum: npt.ArrayLike) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Both bounds in float64, widened so that 0 is between them."""
    low, high = np.asarray(minimum, np.float64), np.asarray(maximum, np.float64)
    if low.shape != high.shape:
        raise UnspecifiedError(
            f"found minima of shape {low.shape} and maxima of shape {high.shape}, expected the same shape"
        )
    for name, bound in (("minimum", low), ("maximum", high)):
        if not np.isfinite(bound).all():
            raise UnspecifiedError(f"a range must be finite, got the {name} {bound[~np.isfinite(bound)].flat[0]}")
    if (low > high).any():
        first = np.flatnonzero(low > high)[0]
        raise UnspecifiedError(f"a minimum must not exceed its maximum, got {low.flat[first]} and {high.flat[first]}")
    return np.minimum(low, 0.0), np.maximum(high, 0.0)
