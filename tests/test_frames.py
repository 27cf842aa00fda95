from __future__ import annotations

import io
import json
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbench.frames import FrameError, read_frame, write_frame

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_HEADERS = st.dictionaries(st.text().filter(lambda key: key != "blobs"), _VALUES, max_size=4)
_FRAMES = st.tuples(_HEADERS, st.lists(st.binary(max_size=40), max_size=3).map(tuple))

_FRAME = ({"do": "preflight", "threads": 1}, (b"\0first", b"", b"second"))


class _OneByOne(io.BytesIO):
    """A pipe that gives one byte at each read, as a pipe may."""

    def read(self, size=-1):
        return super().read(min(size, 1))


def _written(*frames):
    stream = io.BytesIO()
    for header, blobs in frames:
        write_frame(stream, header, blobs)
    return stream.getvalue()


def _raw(header):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack(">I", len(text)) + text


@given(st.lists(_FRAMES, max_size=4), st.sampled_from([io.BytesIO, _OneByOne]))
def test_what_is_written_is_read(frames, stream_of):
    stream = stream_of(_written(*frames))
    assert [read_frame(stream) for _ in frames] == frames
    assert read_frame(stream) is None


def test_a_frame_cut_at_any_byte_is_an_error():
    whole = _written(_FRAME)
    assert read_frame(io.BytesIO(whole)) == _FRAME
    for length in range(1, len(whole)):
        with pytest.raises(FrameError, match="the pipe ended"):
            read_frame(io.BytesIO(whole[:length]))


def test_a_pipe_closed_between_frames_is_an_end():
    stream = io.BytesIO(_written(_FRAME))
    read_frame(stream)
    assert read_frame(stream) is None


@given(st.binary(min_size=1, max_size=64))
def test_garbage_is_an_error_and_nothing_else(content):
    with pytest.raises(FrameError):
        # Chance does not write a JSON object with the key "blobs".
        read_frame(io.BytesIO(content))


@pytest.mark.parametrize(
    "content",
    [
        _raw(b"\xff\xfe"),
        _raw(b"{"),
        _raw(b""),
        _raw([1, 2]),
        _raw("text"),
        _raw(None),
        _raw({"do": "x"}),
        _raw({"blobs": None}),
        _raw({"blobs": "ab"}) + b"content",
        _raw({"blobs": ["3"]}) + b"abc",
        _raw({"blobs": [-1]}) + b"content",
        _raw({"blobs": [1.0]}) + b"content",
        _raw({"blobs": [True]}) + b"content",
        _raw({"blobs": [10**15]}) + b"content",
        b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n",
    ],
)
def test_what_is_no_frame_is_an_error(content):
    with pytest.raises(FrameError):
        read_frame(io.BytesIO(content))


def test_a_header_as_long_as_a_file_is_refused_before_it_is_read():
    stream = io.BytesIO(struct.pack(">I", (1 << 24) + 1) + b"x" * 100)
    with pytest.raises(FrameError, match="16777217 bytes"):
        read_frame(stream)
    assert stream.tell() == 4


def test_a_frame_is_handed_on_at_once():
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb", buffering=0) as reader, os.fdopen(write_end, "wb") as writer:
        write_frame(writer, *_FRAME)
        assert len(reader.read(1000)) == len(_written(_FRAME))
