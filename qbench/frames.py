"""Messages between a process and its child: a JSON header and binary blobs, nothing else.

Only the standard library is used, so that a worker can load this file by its path in a Python
environment that has no qbench.

A frame is 4 bytes of header length (big endian), the header as JSON, then the blobs one after the
other; the header's key ``blobs`` holds their lengths in bytes.
"""

from __future__ import annotations

import json
import struct
from typing import IO, Any, Protocol

_LENGTH = struct.Struct(">I")

#: A header is a few hundred bytes; more than this means that something else wrote to the pipe.
_HEADER_LIMIT_BYTES = 1 << 24


class FrameError(Exception):
    """What came through the pipe is not a frame."""


class Sink(Protocol):
    """What frames are written to; `write` takes all that it is given."""

    def write(self, content: bytes, /) -> object:
        """Write all of `content`."""

    def flush(self) -> None:
        """Hand on what was written."""


def write_frame(stream: Sink, header: dict[str, Any], blobs: tuple[bytes, ...] = ()) -> None:
    """Write one frame and flush it.

    Raises
    ------
    OSError
        If the other side is gone.
    """
    text = json.dumps({**header, "blobs": [len(blob) for blob in blobs]}).encode()
    stream.write(_LENGTH.pack(len(text)) + text)
    for blob in blobs:
        stream.write(blob)
    stream.flush()


def read_frame(stream: IO[bytes]) -> tuple[dict[str, Any], tuple[bytes, ...]] | None:
    """Read one frame; None when the other side has closed the pipe between two frames.

    Raises
    ------
    FrameError
        If the pipe ended inside a frame, or holds something else than frames.
    """
    start = stream.read(_LENGTH.size)
    if not start:
        return None
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size, start))
    if length > _HEADER_LIMIT_BYTES:
        raise FrameError(f"a header of {length} bytes")
    try:
        header = json.loads(_exactly(stream, length))
        lengths = header.pop("blobs")
        ours = isinstance(header, dict) and all(type(size) is int and size >= 0 for size in lengths)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FrameError("a header that is not one of ours") from error
    if not ours:
        raise FrameError("a header that is not one of ours")
    return header, tuple(_exactly(stream, size) for size in lengths)


def _exactly(stream: IO[bytes], size: int, start: bytes = b"") -> bytes:
    parts = [start]
    missing = size - len(start)
    while missing:
        part = stream.read(missing)
        if not part:
            raise FrameError(f"the pipe ended {missing} bytes before the end of a frame")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
