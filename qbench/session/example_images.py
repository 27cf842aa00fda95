"""Examples of a dataset as pictures, where they are images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.report.png import encode_png

if TYPE_CHECKING:
    import numpy.typing as npt

    from qbench.models.datasets import Dataset

    Array = npt.NDArray[Any]

#: Sides of what counts as an image, and how much longer one may be than the other: less is a table of numbers.
_LEAST_SIDE, _MOST_RATIO = 8, 4
#: Pixels that a picture is at most high and wide.
_SIDE = 96
#: Examples that the range of shades is taken from.
_SAMPLE = 256
_SHADES = 255


@dataclass(frozen=True, kw_only=True, eq=False)
class ExampleImages:
    """Turns examples into pictures, all with the same range from black to white.

    Stored values of an input with a scale need not be turned into real ones: their order and distances are the same.

    Parameters
    ----------
    stored
        Of shape (examples, height, width), (examples, height, width, channels) or (examples, channels, height, width),
        with one channel or three.
    low, high
        What becomes black and what white.
    """

    stored: Array
    low: float
    high: float

    def pixels(self, example: int) -> npt.NDArray[np.uint8]:
        """One example, of shape (height, width) or (height, width, 3), neither side longer than 96 pixels.

        What is larger is shrunk by a whole number: a pixel is the mean of those that it stands for.
        """
        image = _channels_last(np.asarray(self.stored[example], np.float64))
        image = np.nan_to_num(image, nan=self.low, posinf=self.high, neginf=self.low)
        factor = math.ceil(max(image.shape[:2]) / _SIDE)
        for axis in (0, 1):
            starts = np.arange(0, image.shape[axis], factor)
            lengths = np.diff(np.append(starts, image.shape[axis]))
            shape = [-1 if each == axis else 1 for each in range(image.ndim)]
            image = np.add.reduceat(image, starts, axis=axis) / lengths.reshape(shape)
        shades = np.clip((image - self.low) / (self.high - self.low), 0, 1) * _SHADES
        return np.rint(shades).astype(np.uint8)

    def png(self, example: int) -> tuple[bytes, int, int]:
        """One example as a PNG, with its width and height in pixels."""
        pixels = self.pixels(example)
        return encode_png(pixels), pixels.shape[1], pixels.shape[0]


def example_images(dataset: Dataset) -> ExampleImages | None:
    """The input of a dataset that holds images, the first if several do; None if none does.

    Black and white are the ends of the range over a sample of the examples, not of each one: an example that is darker
    than others looks so.
    """
    for stored in dataset.input_arrays.values():
        if not _is_image(stored, scaled=dataset.input_scale is not None):
            continue
        step = math.ceil(len(stored) / _SAMPLE)
        sample = np.asarray(stored[::step], np.float64)
        finite = sample[np.isfinite(sample)]
        if finite.size and math.isfinite(span := float(finite.max()) - float(finite.min())) and span > 0:
            return ExampleImages(stored=stored, low=float(finite.min()), high=float(finite.max()))
    return None


def _is_image(stored: Array, *, scaled: bool) -> bool:
    """Whether examples have the shape and the values of an image; whole numbers of more than 8 bits are ids."""
    values = stored.dtype == np.uint8 or np.issubdtype(stored.dtype, np.floating)
    if not values and not (scaled and np.issubdtype(stored.dtype, np.integer)):
        return False
    shape = _sides(stored.shape[1:])
    return shape is not None and min(shape) >= _LEAST_SIDE and max(shape) <= _MOST_RATIO * min(shape)


def _sides(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Height and width of an example of this shape; None if it is no image."""
    match shape:
        case (height, width) | (height, width, 1 | 3) | (1 | 3, height, width):
            return height, width
    return None


def _channels_last(image: Array) -> Array:
    """An image of shape (height, width) or (height, width, 3)."""
    match image.shape:
        case (_, _) | (_, _, 3):
            return image
        case (_, _, 1):
            return image[..., 0]
    return _channels_last(np.moveaxis(image, 0, 2))
