"""TensorFlow's quantization ops agree with ours where they should. All run in one child: TensorFlow takes seconds.

What the ops compute, as found here. For a scale that is a power of two, where nothing but ties can differ:

* ``tf.quantization.quantize``, mode ``SCALED``: multiplies by the inverse of the scale, no zero point.
  ``round_mode="HALF_AWAY_FROM_ZERO"`` is our ``half_away``. ``HALF_TO_EVEN`` is ``half_even`` with
  ``narrow_range=True`` only: without, it divides half the range by 127.5, which is no scale of this specification.
* mode ``MIN_FIRST``: rounds value and minimum apart. ``qint8`` rounds halves away from zero, as ``half_away``.
  ``quint8`` is another kernel: it adds the zero point first and rounds halves to the even stored integer.
* mode ``MIN_COMBINED``: adds the zero point first and rounds halves of the stored integer away from zero.
* ``quantize_and_dequantize_v2``: ``HALF_TO_EVEN`` is `fake_quantize`; ``HALF_UP`` differs from it at ties.
* ``fake_quant_with_min_max_args``: halves up.

For other scales the ops divide the range, each in its own way, and are off by a rounding of float32 near ties.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qbench.quant.affine import QuantizationParameters, dequantize, fake_quantize, quantize

pytestmark = pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="needs TensorFlow")

SCALES = {"power": np.float32(2.0**-4), "other": np.float32(0.0371)}
#: Above the lowest value; even and odd ones, and both ends of the range.
POINTS = np.array([0, 100, 101, 255])
LOWEST = {"int8": -128, "uint8": 0}
#: How far from a tie, in steps, float32 may take one side or the other.
NEAR = 1e-4


def real_values(name: str) -> np.ndarray:
    rng = np.random.default_rng(3)
    return (np.concatenate([np.arange(-700, 700) / 2, rng.uniform(-300, 300, 4000)]) * SCALES[name]).astype(np.float32)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tensorflow")
    given = {
        f"{name}/{key}": value
        for name in SCALES
        for key, value in (("real", real_values(name)), ("scale", SCALES[name]), ("points", POINTS))
    }
    np.savez(folder / "given.npz", **given)
    child = Path(__file__).with_name("tensorflow_child.py")
    done = subprocess.run(
        [sys.executable, str(child), str(folder / "given.npz"), str(folder / "results.npz")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with np.load(folder / "results.npz") as made:
        return dict(made)


def steps(name: str) -> np.ndarray:
    """Values in steps of the scale, exact enough to tell a tie."""
    return real_values(name).astype(np.float64) / SCALES[name]


def is_near_tie(name: str) -> np.ndarray:
    return np.abs(np.abs(steps(name) - np.floor(steps(name))) - 0.5) < NEAR


def assert_within_one_near_ties(found: np.ndarray, ours: np.ndarray, name: str) -> None:
    difference = np.abs(found.astype(np.float64) - ours)
    assert difference.max() <= 1
    assert not difference[~is_near_tie(name)].any()


def halves_up(name: str, params: QuantizationParameters) -> np.ndarray:
    return np.clip(np.floor(steps(name) + 0.5) + params.zero_point, params.qmin, params.qmax)


def stored_halves_away(stored: np.ndarray) -> np.ndarray:
    return np.copysign(np.floor(np.abs(stored) + 0.5), stored)


def test_scaled(results):
    wide, narrow = (QuantizationParameters(SCALES["power"], narrow_range=narrow) for narrow in (False, True))
    real = real_values("power")
    found = results["power/scaled/HALF_AWAY_FROM_ZERO"]
    np.testing.assert_array_equal(found, quantize(real, wide, rounding="half_away"))
    for rounding in ("half_even", "reciprocal"):
        expected = quantize(real, narrow, rounding=rounding)
        np.testing.assert_array_equal(results["power/scaled/HALF_TO_EVEN"], expected)


def test_scaled_by_any_scale(results):
    real, scale = real_values("other"), SCALES["other"]
    for mode, narrow in (("HALF_AWAY_FROM_ZERO", False), ("HALF_TO_EVEN", True)):
        ours = quantize(real, QuantizationParameters(scale, narrow_range=narrow), rounding="reciprocal")
        assert_within_one_near_ties(results[f"other/scaled/{mode}"], ours, "other")


@pytest.mark.parametrize("name", SCALES)
@pytest.mark.parametrize("point", POINTS.tolist())
@pytest.mark.parametrize("dtype", LOWEST)
@pytest.mark.parametrize("mode", ["MIN_FIRST", "MIN_COMBINED"])
def test_modes_with_a_zero_point(results, name: str, point: int, dtype: str, mode: str):
    params = QuantizationParameters(SCALES[name], LOWEST[dtype] + point, dtype=dtype)
    found = results[f"{name}/{dtype}/{params.zero_point}/{mode}"]
    half_away = quantize(real_values(name), params, rounding="half_away")
    assert_within_one_near_ties(found, half_away, name)
    if name == "other":
        return
    if mode == "MIN_COMBINED":
        expected = np.clip(stored_halves_away(steps(name) + params.zero_point), params.qmin, params.qmax)
        np.testing.assert_array_equal(found, expected)
    elif dtype == "int8":
        np.testing.assert_array_equal(found, half_away)
    else:
        np.testing.assert_array_equal(found, np.clip(np.rint(steps(name) + point), 0, 255))
        if point % 2 == 0:
            np.testing.assert_array_equal(found, quantize(real_values(name), params))


@pytest.mark.parametrize("name", SCALES)
def test_quantize_and_dequantize(results, name: str):
    params = QuantizationParameters(SCALES[name])
    even, up = (
        results[f"{name}/twice/{mode}"] / SCALES[name].astype(np.float64) for mode in ("HALF_TO_EVEN", "HALF_UP")
    )
    ours = quantize(real_values(name), params)
    if name == "power":
        np.testing.assert_array_equal(results["power/twice/HALF_TO_EVEN"], fake_quantize(real_values(name), params))
        np.testing.assert_array_equal(up, halves_up(name, params))
    for found in (even, up):
        assert np.abs(found - np.rint(found)).max() < NEAR
        assert_within_one_near_ties(np.rint(found), ours, name)


@pytest.mark.parametrize("name", SCALES)
@pytest.mark.parametrize("point", POINTS.tolist())
def test_fake_quant(results, name: str, point: int):
    # The range is nudged so that 0 is one of its steps: to the same zero point that we choose.
    ends = (np.float32([0, 255]) - np.float32(point)) * SCALES[name]
    params = QuantizationParameters.from_range(*ends, dtype="uint8")
    assert params.zero_point == point
    found = results[f"{name}/uint8/{point}/fake"]
    ours = fake_quantize(real_values(name), params)
    away = ~is_near_tie(name)
    np.testing.assert_allclose(found[away], ours[away], rtol=0, atol=NEAR * SCALES[name])
    if name == "power":
        np.testing.assert_array_equal(found / SCALES[name] + point, halves_up(name, params))


@pytest.mark.parametrize("name", SCALES)
def test_fake_quant_of_symmetric_weights(results, name: str):
    high = SCALES[name] * np.float32(127)
    params = QuantizationParameters.from_range(-high, high, symmetric=True)
    away = ~is_near_tie(name)
    ours = fake_quantize(real_values(name), params)
    np.testing.assert_allclose(results[f"{name}/fake_narrow"][away], ours[away], rtol=0, atol=NEAR * SCALES[name])


@pytest.mark.parametrize("name", SCALES)
def test_dequantize(results, name: str):
    stored = results[f"{name}/scaled/HALF_AWAY_FROM_ZERO"]
    ours = dequantize(stored, QuantizationParameters(SCALES[name]))
    np.testing.assert_allclose(results[f"{name}/dequantized"], ours, rtol=2.0**-22 if name == "other" else 0)
    for dtype, low in LOWEST.items():
        for point in (POINTS + low).tolist():
            for mode in ("MIN_FIRST", "MIN_COMBINED"):
                params = QuantizationParameters(SCALES[name], point, dtype=dtype)
                ours = dequantize(results[f"{name}/{dtype}/{point}/{mode}"], params)
                found = results[f"{name}/{dtype}/{point}/dequantized/{mode}"]
                atol = 0 if name == "power" else NEAR * SCALES[name]
                np.testing.assert_allclose(found, ours, rtol=0, atol=atol, err_msg=f"{mode} {params}")
