"""Large arrays are worked on in blocks, and by several threads; small limits stand for large arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbench.quant import affine, blocks
from qbench.quant.affine import QuantizationParameters, dequantize, quantize
from qbench.quant.blocks import blocks_of
from quant.affine_cases import ROUNDINGS

small = st.integers(0, 9)
layouts = st.tuples(small, small, st.integers(0, 300)).flatmap(st.permutations).map(tuple)


@settings(deadline=None)
@given(layouts, st.integers(1, 500))
def test_blocks_cover_every_element_once_and_are_no_larger_than_asked(layout: tuple[int, int, int], limit: int):
    seen = np.zeros(layout, np.uint8)
    found = blocks_of(layout, limit)
    for block in found:
        seen[block] += 1
        assert 0 < seen[block].size <= limit
        assert seen[block].size <= seen[found[0]].size
    assert (seen == 1).all()
    # Few blocks: none but the last along an axis is less than half of what it may be.
    assert len(found) <= 8 * seen.size / limit + sum(layout) + 1


@pytest.fixture
def tiny_blocks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(affine, "_BLOCK", 50)
    monkeypatch.setattr(blocks, "_WORTH_THREADS", 100)
    monkeypatch.setattr(blocks, "_available_cores", lambda: 4)
    monkeypatch.setattr(blocks, "_SHORT_CHANNEL", 8)


LAYOUTS = [
    ((1000,), None),
    ((7, 200), 0),
    ((200, 7), 1),
    ((40, 3, 11), 1),
    ((3, 70, 5), 1),
    ((60, 3, 5), 2),
    ((3, 5), 1),
]


@pytest.mark.usefixtures("tiny_blocks")
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize(("shape", "axis"), LAYOUTS)
@pytest.mark.parametrize("same_point", [True, False])
def test_blocks_and_threads_change_no_result(shape, axis, rounding, same_point, monkeypatch):
    rng = np.random.default_rng(len(shape))
    channels = () if axis is None else (shape[axis],)
    scale, point = rng.uniform(0.01, 0.02, channels), rng.integers(-99, 99, () if same_point else channels)
    params = QuantizationParameters(scale, point, quantized_dimension=axis)
    real = rng.uniform(-3, 3, shape).astype(np.float32)
    stored = quantize(real, params, rounding=rounding)
    exact, folded = dequantize(stored, params), dequantize(stored, params, arithmetic="folded")
    monkeypatch.setattr(affine, "_BLOCK", 1 << 20)
    np.testing.assert_array_equal(stored, quantize(real, params, rounding=rounding))
    np.testing.assert_array_equal(exact, dequantize(stored, params))
    np.testing.assert_array_equal(folded, dequantize(stored, params, arithmetic="folded"))


@pytest.mark.usefixtures("tiny_blocks")
@pytest.mark.parametrize("place", [0, 49, 50, 777, 999])
def test_nan_is_refused_whichever_thread_meets_it(place: int):
    real = np.zeros(1000, np.float32)
    real[place] = np.nan
    with pytest.raises(ValueError, match="NaN has no quantized value"):
        quantize(real, QuantizationParameters(0.1))


def test_an_array_worth_threads():
    real = np.random.default_rng(0).normal(size=blocks._WORTH_THREADS + 12345).astype(np.float32)
    params = QuantizationParameters(0.02, 3)
    plain = np.clip(np.rint(real / np.float32(0.02)) + 3, -128, 127).astype(np.int8)
    np.testing.assert_array_equal(quantize(real, params), plain)
    np.testing.assert_array_equal(dequantize(plain, params), (plain - np.float32(3)) * np.float32(0.02))


@pytest.mark.usefixtures("tiny_blocks")
def test_out_within_the_values_does_not_overwrite_what_is_still_to_be_read():
    real = np.random.default_rng(0).uniform(-3, 3, 1000).astype(np.float32)
    params = QuantizationParameters(0.02, 3)
    expected = quantize(real.copy(), params)
    assert np.array_equal(quantize(real, params, out=real.view(np.int8)[2000:3000]), expected)
