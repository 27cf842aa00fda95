"""Which examples are images, and what is drawn of them."""

from __future__ import annotations

import numpy as np
import pytest

from qbench.models.datasets import Dataset
from qbench.session.example_images import example_images


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def pixels(inputs, example: int = 0, **fields) -> np.ndarray:
    images = example_images(Dataset(inputs=inputs, **fields))
    assert images is not None
    return images.pixels(example)


@pytest.mark.parametrize("shape", [(8, 32), (28, 28, 1), (9, 8, 3), (1, 20, 30), (3, 8, 8)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float16, np.float64])
def test_arrays_with_two_sides_and_one_channel_or_three_are_images(shape: tuple[int, ...], dtype: type):
    assert example_images(Dataset(inputs=(noise(4, *shape) * 40 + 100).astype(dtype))) is not None


@pytest.mark.parametrize(
    "inputs",
    [
        noise(5, 784),
        noise(5, 7, 20),
        noise(5, 128, 9),
        noise(5, 8, 33),
        noise(5, 16, 16, 2),
        noise(5, 4, 16, 16),
        noise(5, 2, 16, 16, 3),
        np.arange(5 * 64).reshape(5, 8, 8),
        noise(5, 8, 8) > 0,
        np.array(["text"] * 5),
        np.full((5, 8, 8), 3.0),
        np.full((5, 8, 8), np.nan),
        np.array([-1.7e308, 1.7e308] * 64).reshape(2, 8, 8),
    ],
    ids=[
        *("row", "short side", "stripe", "longer", "channels", "four", "video"),
        *("ids", "bits", "text", "one shade", "not a number", "too far apart"),
    ],
)
def test_nothing_else_is(inputs: np.ndarray):
    assert example_images(Dataset(inputs=inputs)) is None


def test_bytes_are_drawn_as_they_are():
    stored = np.random.default_rng(0).integers(0, 256, (300, 12, 10, 3), np.uint8)
    np.testing.assert_array_equal(pixels(stored, 7), stored[7])
    np.testing.assert_array_equal(pixels(np.moveaxis(stored, 3, 1), 7), stored[7])
    np.testing.assert_array_equal(pixels(stored[..., :1], 7), stored[7, ..., 0])


def test_stored_values_are_drawn_as_the_real_ones_that_they_stand_for():
    stored = np.random.default_rng(0).integers(-128, 128, (50, 8, 8), np.int8)
    stored[0, 0, :2] = -128, 127
    np.testing.assert_array_equal(
        pixels(stored, 3, input_scale=0.02, input_zero_point=5), (stored[3].astype(int) + 128).astype(np.uint8)
    )


def test_shades_are_those_of_the_dataset_and_not_of_the_example():
    inputs = np.zeros((3, 8, 8), np.float32)
    inputs[0], inputs[1], inputs[2, 0, 0] = -1.0, 1.0, 0.5
    images = example_images(Dataset(inputs=inputs))
    assert [images.pixels(example).max() for example in range(3)] == [0, 255, 191]
    assert images.pixels(2).min() == 128


def test_what_lies_beyond_the_sample_and_what_is_no_number_is_black_or_white():
    inputs = np.zeros((512, 8, 8), np.float32)
    inputs[0, 0, 0] = 1.0
    inputs[1, 0, :5] = np.nan, np.inf, -np.inf, 7.0, -7.0
    assert list(pixels(inputs, 1)[0, :5]) == [0, 255, 0, 255, 0]


def test_what_is_too_large_is_shrunk_by_the_mean_of_whole_squares():
    inputs = np.zeros((2, 200, 100), np.float32)
    inputs[1] = 1.0
    inputs[0, :3, :3] = np.arange(9).reshape(3, 3) / 8
    shrunk = pixels(inputs)
    assert shrunk.shape == (67, 34)
    assert shrunk[0, 0] == 128
    assert not shrunk[1:].any()
    # The last square of a side is smaller, and no darker for that.
    assert (pixels(inputs, 1) == 255).all()


def test_of_several_inputs_the_image_is_drawn():
    images = noise(4, 8, 8)
    named = {"weights": noise(4, 3), "image": images, "other": noise(4, 8, 8, seed=1)}
    np.testing.assert_array_equal(pixels(named), pixels(images))
