from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbench import files
from qbench.files import (
    canonical_json,
    digest_arrays,
    digest_bytes,
    digest_file,
    digest_parts,
    digest_tree,
    rounded,
)

_SHA256_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

_ARRAY = np.arange(24, dtype=np.int16).reshape(2, 3, 4)


class TestDigests:
    def test_bytes_have_their_sha256(self):
        assert digest_bytes(b"abc") == _SHA256_OF_ABC

    @pytest.mark.parametrize("chunk", [1, 2, 3, 4, 1 << 20])
    def test_a_file_has_that_of_its_bytes_however_it_is_read(self, tmp_path, monkeypatch, chunk):
        monkeypatch.setattr(files, "_CHUNK_BYTES", chunk)
        (tmp_path / "abc").write_bytes(b"abc")
        assert digest_file(tmp_path / "abc") == _SHA256_OF_ABC

    def test_a_large_file_is_read_to_its_end(self, tmp_path):
        content = bytes(range(256)) * (3 * files._CHUNK_BYTES // 256) + b"end"
        (tmp_path / "large").write_bytes(content)
        assert digest_file(tmp_path / "large") == digest_bytes(content)

    def test_a_missing_file_is_an_error(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            digest_file(tmp_path / "missing")

    def test_parts_know_where_one_ends(self):
        assert digest_parts(["ab", "c"]) != digest_parts(["a", "bc"])
        assert digest_parts(["a", ""]) != digest_parts(["a"])
        assert digest_parts(["a", "b"]) != digest_parts(["b", "a"])
        assert digest_parts(["a", "é"]) == digest_parts(iter(["a", "é"]))


class TestTreeDigest:
    @pytest.fixture
    def make(self, tmp_path):
        def make(name, contents):
            for path, text in contents.items():
                (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name / path).write_text(text)
            return tmp_path / name

        return make

    def test_place_and_order_of_making_do_not_count(self, make):
        first = make("first", {"a": "1", "b/c": "2", "b/d": "3"})
        second = make("elsewhere/second", {"b/d": "3", "b/c": "2", "a": "1"})
        assert digest_tree(first) == digest_tree(second)

    def test_the_order_in_which_the_system_lists_files_does_not_count(self, make, monkeypatch):
        tree = make("first", {"a": "1", "b/c": "2", "b/d": "3"})
        before, listed = digest_tree(tree), Path.rglob
        monkeypatch.setattr(Path, "rglob", lambda *arguments: reversed(list(listed(*arguments))))
        assert digest_tree(tree) == before

    @pytest.mark.parametrize(
        "other",
        [
            {"a": "1", "b/c": "3"},
            {"a": "2", "b/c": "1"},
            {"a": "1", "c": "2"},
            {"a": "1"},
            {"a": "1", "b/c": "2", "b/d": ""},
        ],
    )
    def test_contents_and_names_count(self, make, other):
        assert digest_tree(make("first", {"a": "1", "b/c": "2"})) != digest_tree(make("second", other))


class TestArrayDigest:
    @pytest.mark.parametrize(
        "same",
        [
            np.asfortranarray(_ARRAY),
            _ARRAY.astype(">i2"),
            np.repeat(_ARRAY, 2, axis=2)[:, :, ::2],
            np.ascontiguousarray(_ARRAY.T).T,
        ],
        ids=["fortran", "big endian", "strided", "transposed"],
    )
    def test_layout_in_memory_does_not_count(self, same):
        assert np.array_equal(same, _ARRAY)
        assert digest_arrays({"x": same}) == digest_arrays({"x": _ARRAY})

    @pytest.mark.parametrize(
        "other",
        [
            {"y": _ARRAY},
            {"x": _ARRAY.astype(np.uint16)},
            {"x": _ARRAY.reshape(2, 4, 3)},
            {"x": _ARRAY[::-1]},
            {"x": np.where(_ARRAY == 23, 22, _ARRAY).astype(np.int16)},
            {"x": _ARRAY, "y": _ARRAY},
            {"x": _ARRAY[:1]},
            {"x": _ARRAY[:0]},
        ],
        ids=["name", "dtype", "shape", "order", "one value", "one more", "one less", "empty"],
    )
    def test_everything_else_counts(self, other):
        assert digest_arrays(other) != digest_arrays({"x": _ARRAY})

    def test_arrays_belong_to_their_names_in_any_order(self):
        left, right = _ARRAY, _ARRAY + 1
        assert digest_arrays({"a": left, "b": right}) == digest_arrays({"b": right, "a": left})
        assert digest_arrays({"a": left, "b": right}) != digest_arrays({"a": right, "b": left})

    @pytest.mark.parametrize("dtype", ["bool", "uint8", "float16", "float64", "S3", "U3", "datetime64[s]"])
    def test_every_dtype_without_objects_has_one(self, dtype):
        array = np.array([1, 0, 1]).astype(dtype)
        assert digest_arrays({"x": array}) == digest_arrays({"x": array.copy()})
        assert digest_arrays({"x": array}) != digest_arrays({"x": array[::-1][1:]})

    def test_objects_have_none_because_their_bytes_are_addresses(self):
        with pytest.raises(TypeError):
            digest_arrays({"x": np.array([{}, []], dtype=object)})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e300, 1e300) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


class TestCanonicalJson:
    def test_is_sorted_indented_ascii_and_ends_with_a_newline(self):
        value = {"b": [1, 2.5], "a": {"y": None, "x": True}, "é": "ü"}
        assert canonical_json(value) == (
            b'{\n  "a": {\n    "x": true,\n    "y": null\n  },\n'
            b'  "b": [\n    1,\n    2.5\n  ],\n'
            b'  "\\u00e9": "\\u00fc"\n}\n'
        )

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (1 / 3, b"0.3333333333\n"),
            (2 / 3, b"0.6666666667\n"),
            (0.1 + 0.2, b"0.3\n"),
            (123456789012.0, b"123456789000.0\n"),
            (123456789012, b"123456789012\n"),
            (1.23456789012e-9, b"1.23456789e-09\n"),
            (np.float64(1 / 3), b"0.3333333333\n"),
            ((1 / 3, 2.0), b"[\n  0.3333333333,\n  2.0\n]\n"),
        ],
    )
    def test_floats_have_ten_digits_and_integers_all(self, value, text):
        assert canonical_json(value) == text

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    @pytest.mark.parametrize("nest", [lambda x: x, lambda x: [x], lambda x: {"a": {"b": (1, x)}}])
    def test_what_json_cannot_say_is_refused(self, value, nest):
        with pytest.raises(ValueError, match="JSON"):
            canonical_json(nest(value))

    @given(_JSON)
    def test_reading_and_writing_again_changes_nothing(self, value):
        text = canonical_json(value)
        assert canonical_json(json.loads(text)) == text

    @given(st.dictionaries(st.text(), st.integers()))
    def test_order_of_insertion_does_not_count(self, value):
        assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)

    @given(st.floats(-1e300, 1e300))
    def test_rounded_is_what_stands_there(self, value):
        assert json.loads(canonical_json(value)) == rounded(value)
        assert rounded(value) == pytest.approx(value, rel=1e-9)
