"""Random quantization parameters with values around and beyond their range, and a slow reference."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from qbench.quant.affine import QuantizationParameters

DTYPES = ["int4", "int8", "uint8", "int16"]
LIMITS = {"int4": (-8, 7), "int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}
ROUNDINGS = ["half_even", "half_away", "reciprocal"]


class Case(NamedTuple):
    """Values and the parameters to quantize them with; `scales` and `points` are those of each value."""

    real: np.ndarray[Any, Any]
    params: QuantizationParameters
    scales: np.ndarray[Any, Any]
    points: np.ndarray[Any, Any]


@st.composite
def cases(draw, *, per_channel: bool | None = None, lowest: float = 2.0**-126, highest: float = 2.0**100) -> Case:
    dtype = draw(st.sampled_from(DTYPES))
    low, high = LIMITS[dtype]
    narrow = low < 0 and draw(st.booleans())
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    axis = None
    if draw(st.booleans()) if per_channel is None else per_channel:
        axis = draw(st.integers(0, len(shape) - 1))
    count = 1 if axis is None else shape[axis]
    powers = st.integers(int(np.log2(lowest)), int(np.log2(highest))).map(lambda power: 2.0**power)
    scale_of = st.floats(lowest, highest, width=32) | powers | st.floats(2.0**-12, 1, width=32)
    scales = np.array(draw(st.lists(scale_of, min_size=count, max_size=count)), np.float32)
    point_of = st.integers(low + narrow, high) | st.sampled_from([low + narrow, high])
    points = np.array(draw(st.lists(point_of, min_size=count, max_size=count)), np.int32)
    along = [1] * len(shape)
    if axis is None:
        params = QuantizationParameters(scales[0], points[0], dtype=dtype, narrow_range=narrow)
    else:
        along[axis] = count
        params = QuantizationParameters(scales, points, quantized_dimension=axis, dtype=dtype, narrow_range=narrow)
    scales, points = (np.broadcast_to(one.reshape(along), shape) for one in (scales, points))
    # In steps: ties, whatever lies inside, and whatever lies outside on both sides.
    size = int(np.prod(shape))
    span = high - low + 1
    steps = (
        st.integers(-2 * span, 2 * span).map(lambda doubled: doubled / 2)
        | st.floats(-span, span, width=32)
        | st.floats(-(2.0**17), 2.0**17, width=32)
    )
    values = np.array(draw(st.lists(steps, min_size=size, max_size=size)), np.float64).reshape(shape)
    return Case((values * scales).astype(np.float32), params, scales, points)


def slow_quotient(value: float, scale: float, rounding: str) -> Fraction:
    """The float32 number that is rounded to an integer."""
    x, s = np.float32(value), np.float32(scale)
    return Fraction(float(x * (np.float32(1) / s) if rounding == "reciprocal" else x / s))


def slow_round(quotient: Fraction, rounding: str) -> int:
    nearest = round(quotient)  # Python rounds a Fraction half to even.
    if rounding == "half_away" and abs(quotient - nearest) == Fraction(1, 2):
        return int(quotient + (Fraction(1, 2) if quotient > 0 else -Fraction(1, 2)))
    return nearest


def slow_quantize(case: Case, rounding: str) -> list[int]:
    """One value after the other, with exact arithmetic where the kernels do not prescribe float32."""
    return [
        min(
            max(slow_round(slow_quotient(value, scale, rounding), rounding) + point, case.params.qmin), case.params.qmax
        )
        for value, scale, point in zip(
            case.real.ravel().tolist(), case.scales.ravel().tolist(), case.points.ravel().tolist(), strict=True
        )
    ]
