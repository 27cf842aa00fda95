"""Strategies for what a quantized tensor is described by: scales, zero points, ranges, multipliers."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

from qbench.quant.affine import QuantizationParameters
from qbench.quant.strategies.checks import (
    LIMITS,
    as_strategy,
    check,
    check_dtype,
    check_finite,
    check_integer,
    check_order,
    check_scales,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Fractions of scales that are met in practice: tenths, hundredths and thousandths, and ranges of
#: nice numbers over 255, 127 and 32767 steps. The first, a power of two, is what examples shrink to.
_NICE = (1.0, 1.25, 1.5, 1.6, 1.28, 1.024, 256 / 255, 384 / 255, 128 / 127, 32768 / 32767)
_STEPS = 2**23  # float32 holds so many fractions between one power of two and the next

integers = cache(st.integers)  # to make a strategy costs more than to draw from it


@cache
def scales(min_scale: float = 2.0**-20, max_scale: float = 2.0**20) -> st.SearchStrategy[np.float32]:
    """Positive float32: powers of two, nice numbers, and any, uniform in the logarithm; shrinks to 1.0.

    Where 1.0 lies outside ``[min_scale, max_scale]`` it shrinks to the bound that is nearer.
    """
    low, high = np.float32(min_scale), np.float32(max_scale)
    exponents = st.integers(math.frexp(low)[1] - 1, math.frexp(high)[1] - 1)
    fractions = st.one_of(st.sampled_from(_NICE), st.integers(0, _STEPS - 1).map(lambda step: 1 + step / _STEPS))

    def scale(parts: tuple[int, float]) -> np.float32:
        return np.float32(np.clip(np.float32(math.ldexp(parts[1], parts[0])), low, high))

    return st.tuples(exponents, fractions).map(scale)


def quantization_parameters(  # noqa: PLR0913 - one keyword for each bound
    *,
    dtype: str | st.SearchStrategy[str] | None = None,
    min_scale: float = 2.0**-20,
    max_scale: float = 2.0**20,
    min_zero_point: int | None = None,
    max_zero_point: int | None = None,
    symmetric: bool = False,
    channels: int | st.SearchStrategy[int] | None = None,
    quantized_dimension: int = 0,
    narrow_range: bool | st.SearchStrategy[bool] = False,
) -> st.SearchStrategy[QuantizationParameters]:
    """Return a strategy for the parameters of one tensor.

    Scales are a mix of powers of two, of nice numbers such as 0.1 and 6/255, and of any float32, uniform in the
    logarithm. Examples shrink to scale 1.0 and zero point 0, as far as the bounds hold them.

    Parameters
    ----------
    dtype
        ``int4``, ``int8``, ``uint8``, ``int16``, or a strategy for one of them; None is any of the last three.
    min_scale, max_scale
        Bounds of the scale, both normal float32.
    min_zero_point, max_zero_point
        Bounds of the zero point; None is what the dtype and `narrow_range` store. For ``int16``, whose zero point is 0
        by the specification, None is 0.
    symmetric
        Whether the zero point is 0 (128 for ``uint8``).
    channels
        How many channels have parameters of their own; None is per tensor.
    quantized_dimension
        The axis of the channels, if there are any.
    narrow_range
        Whether the lowest value is left unused, or a strategy for that. ``uint8`` never leaves it.

    Raises
    ------
    hypothesis.errors.InvalidArgument
        If a bound is none, or no value lies between two.

    Examples
    --------
    >>> quantization_parameters(dtype="int8", max_scale=1.0).example()  # doctest: +SKIP
    QuantizationParameters(scale=0.0078740157, zero_point=-3, dtype='int8')
    """
    check_scales(min_scale, max_scale)
    if isinstance(dtype, str):
        check_dtype(dtype)
    else:
        check(dtype is None or isinstance(dtype, st.SearchStrategy), f"dtype={dtype!r} must be a name or a strategy")
    check(isinstance(narrow_range, (bool, st.SearchStrategy)), f"narrow_range={narrow_range!r} must be a bool")
    if isinstance(channels, int):
        check_integer(channels, "channels", minimum=1)
    check_integer(quantized_dimension, "quantized_dimension", minimum=0)
    bounded = min_zero_point is not None or max_zero_point is not None
    check(not (symmetric and bounded), "symmetric=True sets the zero point: give no bounds of it")
    for name, point in (("min_zero_point", min_zero_point), ("max_zero_point", max_zero_point)):
        low, high = LIMITS[dtype] if isinstance(dtype, str) else (-32768, 32767)
        check(point is None or low <= point <= high, f"{name}={point!r} must be between {low} and {high}")
    if min_zero_point is not None and max_zero_point is not None:
        check_order(min_zero_point, max_zero_point, "min_zero_point", "max_zero_point")
    scale = scales(float(min_scale), float(max_scale))
    dtypes = st.sampled_from(("int8", "uint8", "int16")) if dtype is None else as_strategy(dtype)

    @st.composite
    def build(draw: st.DrawFn) -> QuantizationParameters:
        name, narrow, count = draw(dtypes), draw(as_strategy(narrow_range)), draw(as_strategy(channels))
        check_dtype(name)
        narrow = narrow and name != "uint8"
        points = _zero_points(name, symmetric=symmetric, bounds=(min_zero_point, max_zero_point), narrow=narrow)
        if count is None:
            return QuantizationParameters(draw(scale), draw(points), dtype=name, narrow_range=narrow)
        return QuantizationParameters(
            np.array(draw(st.lists(scale, min_size=count, max_size=count)), np.float32),
            np.array(draw(st.lists(points, min_size=count, max_size=count)), np.int32),
            quantized_dimension=quantized_dimension,
            dtype=name,
            narrow_range=narrow,
        )

    return build()


def _zero_points(dtype: str, *, symmetric: bool, bounds: Sequence[int | None], narrow: bool) -> st.SearchStrategy[int]:
    low, high = LIMITS[dtype]
    low += narrow
    if symmetric or (dtype == "int16" and all(bound is None for bound in bounds)):
        return st.just(128 if dtype == "uint8" else 0)
    low = low if bounds[0] is None else max(low, min(bounds[0], high))
    high = high if bounds[1] is None else max(low, min(bounds[1], high))
    return integers(low, high)


def ranges(
    *,
    min_value: float = -1e6,
    max_value: float = 1e6,
    min_width: float = 0.0,
    max_width: float | None = None,
) -> st.SearchStrategy[tuple[np.float32, np.float32]]:
    """Return a strategy for pairs of float32, ``low <= high``: the range of the values of one tensor.

    Neither bound need be on either side of 0: what makes parameters of a range has to cope. Shrinks to the
    narrowest range nearest to 0.

    Parameters
    ----------
    min_value, max_value
        Bounds of both values.
    min_width, max_width
        Bounds of ``high - low``; None is what the values allow. Kept up to the rounding of float32.

    Raises
    ------
    hypothesis.errors.InvalidArgument
        If a bound is no finite number, or no range lies within them.
    """
    names = {"min_value": min_value, "max_value": max_value, "min_width": min_width}
    if max_width is not None:
        names["max_width"] = max_width
    for name, value in names.items():
        check_finite(value, name)
    check_order(min_value, max_value, "min_value", "max_value")
    widest = max_value - min_value
    check(min_width >= 0, f"min_width={min_width!r} must not be negative")
    check(min_width <= widest, f"min_width={min_width!r} is wider than max_value - min_value = {widest!r}")
    if max_width is not None:
        check_order(min_width, max_width, "min_width", "max_width")
        widest = min(widest, max_width)

    @st.composite
    def build(draw: st.DrawFn) -> tuple[np.float32, np.float32]:
        width = draw(st.floats(min_width, widest))
        low = draw(st.floats(min_value, max(min_value, max_value - width)))
        pair = np.clip(np.array([low, low + width]).astype(np.float32), np.float32(min_value), np.float32(max_value))
        return pair[0], pair[1]

    return build()


def multipliers(*, min_value: float = 2.0**-31, max_value: float = 2.0**7) -> st.SearchStrategy[float]:
    """Return a strategy for the positive factors that kernels rescale accumulators by, as Python floats.

    Powers of two and their neighbours on either side, products and quotients of float32 scales as the runtime
    computes them, and any fraction. Shrinks to 1.0.

    Raises
    ------
    hypothesis.errors.InvalidArgument
        If a bound is not positive and finite, or no value lies between them.
    """
    check_finite(min_value, "min_value", positive=True)
    check_finite(max_value, "max_value", positive=True)
    check_order(min_value, max_value, "min_value", "max_value")
    exponents = st.integers(math.frexp(min_value)[1] - 1, math.frexp(max_value)[1] - 1)
    # Within 2**-31 of a power of two, the significand of 31 bits rounds up to the next power.
    near = st.sampled_from((1.0, 1 + 2.0**-31, 1 - 2.0**-32, 1 - 2.0**-33, 1 + 2.0**-52, 1 - 2.0**-53))
    scale = scales(2.0**-4, 2.0**4)
    quotients = st.tuples(scale, scale, scale).map(
        lambda three: _fraction(float(three[0]) * float(three[1]) / float(three[2]))
    )
    fractions = st.one_of(near, quotients, st.integers(0, 2**52 - 1).map(lambda step: 1 + step * 2.0**-52))
    return st.tuples(exponents, fractions).map(
        lambda parts: float(min(max(math.ldexp(parts[1], parts[0]), min_value), max_value))
    )


def _fraction(value: float) -> float:
    return 2 * math.frexp(value)[0]
