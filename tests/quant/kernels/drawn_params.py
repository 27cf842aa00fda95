"""Quantization parameters and inputs for oracles of one input."""

from __future__ import annotations

import platform

import numpy as np
from hypothesis import strategies as st

from qbench.quant.affine import QuantizationParameters

#: What is compiled with vector instructions of its own is compared to the bit where it was looked at.
IS_X86_64 = platform.machine().lower() in ("x86_64", "amd64")


def scales(low: float, high: float) -> st.SearchStrategy[float]:
    """float32 between two powers of two, spread over their logarithm; exact powers among them, which make ties."""
    anywhere = st.floats(low, high).map(lambda exponent: float(np.float32(2.0**exponent)))
    return st.integers(int(low), int(high)).map(lambda exponent: 2.0**exponent) | anywhere


@st.composite
def params(draw, dtype: str, low: float = -20, high: float = 10):
    limits = np.iinfo(dtype)
    zero_points = st.just(0) if dtype == "int16" else st.integers(limits.min, limits.max)
    return QuantizationParameters(draw(scales(low, high)), draw(zero_points), dtype=dtype)


def all_values(dtype: str) -> np.ndarray:
    limits = np.iinfo(dtype)
    return np.arange(limits.min, limits.max + 1).astype(dtype)
