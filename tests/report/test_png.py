"""PNG files, read back by a library that knows the whole format."""

from __future__ import annotations

import io

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import matplotlib.image
import numpy as np
from hypothesis import given

from qbench.report.png import encode_png

_SIDES = st.integers(1, 20)
_SHAPES = st.one_of(st.tuples(_SIDES, _SIDES), st.tuples(_SIDES, _SIDES, st.just(3)))


def read(png: bytes) -> np.ndarray:
    return np.rint(matplotlib.image.imread(io.BytesIO(png), format="png") * 255).astype(np.uint8)


@given(arrays.arrays(np.uint8, _SHAPES))
def test_pixels_come_back(pixels: np.ndarray):
    np.testing.assert_array_equal(read(encode_png(pixels)), pixels)


def test_pixels_need_not_lie_together():
    pixels = np.arange(60, dtype=np.uint8).reshape(5, 12)
    for view in (pixels[::2, ::3], pixels.T):
        np.testing.assert_array_equal(read(encode_png(view)), view)
