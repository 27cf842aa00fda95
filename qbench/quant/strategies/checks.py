"""Arguments that make no sense are refused where a strategy is defined, not where it is drawn from."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

#: Smallest and largest value that each type stores.
LIMITS = {"int4": (-8, 7), "int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}


def check(condition: object, message: str) -> None:
    """Raise `InvalidArgument` with `message` unless `condition` holds."""
    if not condition:
        raise InvalidArgument(message)


def check_order(low: Any, high: Any, low_name: str, high_name: str) -> None:
    """Refuse a lower bound above the upper one."""
    check(low <= high, f"{low_name}={low!r} is larger than {high_name}={high!r}")


def check_integer(value: object, name: str, *, minimum: int) -> None:
    """Refuse what is no integer of at least `minimum`."""
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= minimum
    check(whole, f"{name}={value!r} must be an integer of at least {minimum}")


def check_finite(value: Any, name: str, *, positive: bool = False) -> None:
    """Refuse what is no finite number, or, if so asked, none above 0."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    check(number and (value > 0 or not positive), f"{name}={value!r} must be a {'positive ' * positive}finite number")


def check_scales(min_scale: float, max_scale: float) -> None:
    """Refuse bounds that hold no normal float32: kernels compute with the inverse of a scale, which must be finite."""
    for value, name in ((min_scale, "min_scale"), (max_scale, "max_scale")):
        check_finite(value, name, positive=True)
        held = np.finfo(np.float32).smallest_normal <= value <= np.finfo(np.float32).max
        check(held, f"{name}={value!r} must be a normal float32")
    check_order(min_scale, max_scale, "min_scale", "max_scale")


def check_dtype(dtype: object, known: tuple[str, ...] = tuple(LIMITS)) -> None:
    """Refuse a type that stores no quantized values, or is not among those `known` here."""
    check(dtype in known, f"dtype={dtype!r} must be one of {', '.join(known)}")


def check_shape(shape: object) -> None:
    """Refuse what is neither a tuple of sizes, nor a strategy for one, nor None."""
    if shape is None or isinstance(shape, st.SearchStrategy):
        return
    check(isinstance(shape, tuple), f"shape={shape!r} must be a tuple of integers or a strategy for one")
    assert isinstance(shape, tuple)  # noqa: S101 - for the type checker; it was refused above
    for size in shape:
        check_integer(size, f"a size in shape={shape!r}", minimum=0)


def as_strategy(value: Any) -> st.SearchStrategy[Any]:
    """A strategy as it is, and anything else as a strategy that gives nothing but it."""
    return value if isinstance(value, st.SearchStrategy) else st.just(value)
