"""Pictures as PNG files.

Written here because a report needs one kind of PNG alone, which zlib and a header make, and a library for images would
be a dependency of everybody's benchmarks.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Colour types of PNG by the number of axes of what is given: shades of grey, and red, green and blue.
_COLOUR_TYPES = {2: 0, 3: 2}
_BITS = 8


def encode_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A PNG file of `pixels`, uint8 of shape (height, width) in shades of grey or (height, width, 3) in colour.

    Follows https://www.w3.org/TR/png-3/: a header, the rows with filter 0 in front of each, and an end.
    """
    height, width = pixels.shape[:2]
    rows = np.zeros((height, 1 + pixels[0].size), np.uint8)
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, _BITS, _COLOUR_TYPES[pixels.ndim], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
