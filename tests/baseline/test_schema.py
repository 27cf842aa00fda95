"""The record of what was accepted, as JSON."""

from __future__ import annotations

import json
import math

import msgspec
import numpy as np
import pytest

from baseline.examples import baseline, fingerprint
from qbench.baseline.schema import (
    SCHEMA_VERSION,
    AcceptedPredictions,
    Baseline,
    decode_baseline,
    decode_predictions,
    encode_baseline,
    encode_predictions,
    load_predictions,
)
from qbench.errors import BaselineFormatError
from qbench.files import digest_bytes

NAME = "tiny/int8.json"


def changed_json(**changes: object) -> bytes:
    return json.dumps({**json.loads(encode_baseline(baseline())), **changes}).encode()


# --- there and back ---------------------------------------------------------------------------------------


def test_round_trip():
    accepted = baseline(predictions=AcceptedPredictions(file="int8.predictions-0.npy", sha256="0" * 64, examples=50))
    again = decode_baseline(encode_baseline(accepted), name=NAME)
    assert again == accepted
    assert again.latency["here"].fingerprint == fingerprint()


def test_the_bytes_are_canonical():
    encoded = encode_baseline(baseline())
    assert encoded.endswith(b"}\n")
    assert encoded.isascii()
    document = json.loads(encoded)
    assert encoded.decode() == json.dumps(document, sort_keys=True, indent=2) + "\n"
    assert document["schema_version"] == SCHEMA_VERSION


def test_the_same_baseline_always_has_the_same_bytes():
    metrics = {"size_bytes": 1001, "accuracy": 0.901}
    ordered = baseline(metrics=dict(sorted(metrics.items())))
    reversed_order = baseline(metrics=dict(sorted(metrics.items(), reverse=True)))
    assert encode_baseline(ordered) == encode_baseline(reversed_order)
    again = decode_baseline(encode_baseline(ordered), name=NAME)
    assert encode_baseline(again) == encode_baseline(ordered)
    assert encode_baseline(baseline(metrics={"size_bytes": 1001.0, "accuracy": 0.901})) == encode_baseline(ordered)


def test_digits_that_mean_nothing_are_not_written():
    assert encode_baseline(baseline(metrics={"a": 0.1 + 0.2})) == encode_baseline(baseline(metrics={"a": 0.3}))
    assert encode_baseline(baseline(metrics={"a": 0.3})) != encode_baseline(baseline(metrics={"a": 0.300000001}))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_not_written(value: float):
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_baseline(baseline(metrics={"accuracy": value}))


def test_the_first_version_is_read_as_one_without_names():
    old = json.loads(encode_baseline(baseline(counted={"float_islands": ("EXP float32 'y'",)})))
    del old["counted"]
    read = decode_baseline(json.dumps({**old, "schema_version": 1}).encode(), name=NAME)
    assert (read.schema_version, read.counted) == (1, {})
    assert baseline().schema_version == SCHEMA_VERSION


# --- refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [0, 3, 99, -1, None, "1", 1.5])
def test_another_version_is_refused_by_its_number(version: object):
    with pytest.raises(BaselineFormatError) as caught:
        decode_baseline(changed_json(schema_version=version), name=NAME)
    assert f"{NAME}: found schema_version {version!r}, this qbench reads 1 to {SCHEMA_VERSION}" in str(caught.value)


def test_a_future_version_asks_for_a_newer_qbench_and_any_other_for_a_restored_file():
    for version, advice in ((99, "install the qbench that wrote it"), (0, "restore it with `git checkout`")):
        with pytest.raises(BaselineFormatError, match=advice):
            decode_baseline(changed_json(schema_version=version), name=NAME)


def test_a_version_is_refused_before_its_content_is_looked_at():
    with pytest.raises(BaselineFormatError, match="found schema_version 3"):
        decode_baseline(b'{"schema_version": 3, "everything": "else is different"}', name=NAME)


WHOLE = encode_baseline(baseline())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        WHOLE[:-3],
        WHOLE[: len(WHOLE) // 2],
        WHOLE + b"x",
        b"<<<<<<< HEAD\n" + WHOLE,
        b"null",
        b"[]",
        b"3",
        b"\xff\xfe",
        b"\x00" * 100,
        WHOLE.replace(b"FULLY", b"\xff\xfe"),
        b'{"schema_version": 1, "model": "\xff"}',
        b"[" * 100_000,
        b'{"schema_version": 1}',
    ],
)
def test_damaged_text_is_refused_by_name_and_with_advice(content: bytes):
    with pytest.raises(BaselineFormatError) as caught:
        decode_baseline(content, name=NAME)
    assert NAME in str(caught.value)
    assert "restore it with `git checkout`" in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"metrics": {"accuracy": "0.9"}},
        {"metrics": {"accuracy": None}},
        {"metrics": 3},
        {"artifact": {"sha256": "0"}},
        {"unknown_key": 1},
        {"options": {"runtime": "other"}},
        {"model": None},
    ],
)
def test_a_field_that_does_not_fit_is_refused(change: dict[str, object]):
    with pytest.raises(BaselineFormatError, match=r"tiny/int8.json is not a baseline \("):
        decode_baseline(changed_json(**change), name=NAME)


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"1e999", b"nan"])
def test_a_metric_that_is_no_number_is_not_read(value: bytes):
    content = encode_baseline(baseline(metrics={"accuracy": 0.123456}))
    assert content.count(b"0.123456") == 1
    with pytest.raises(BaselineFormatError):
        decode_baseline(content.replace(b"0.123456", value), name=NAME)


def test_every_field_is_in_the_file():
    assert set(json.loads(WHOLE)) == {field.name for field in msgspec.structs.fields(Baseline)}


# --- predictions ------------------------------------------------------------------------------------------


def accepted_of(content: bytes, examples: int) -> AcceptedPredictions:
    return AcceptedPredictions(file="p.npy", sha256=digest_bytes(content), examples=examples)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", ">u2", "uint32"])
def test_predictions_round_trip(dtype: str):
    given = np.array([0, 3, 200], dtype)
    encoded = encode_predictions(given)
    again = decode_predictions(encoded, accepted_of(encoded, 3))
    np.testing.assert_array_equal(again, given)
    # The same values have the same bytes on a machine of the other byte order.
    assert encoded == encode_predictions(given.astype(given.dtype.newbyteorder("<")))


def test_predictions_that_were_changed_are_refused():
    encoded = encode_predictions(np.arange(9, dtype=np.uint8))
    changed = encoded[:-1] + bytes([encoded[-1] ^ 1])
    with pytest.raises(BaselineFormatError, match=r"p\.npy is not the file that was accepted .* `git checkout`"):
        decode_predictions(changed, accepted_of(encoded, 9))


def test_predictions_of_another_number_of_examples_are_refused():
    encoded = encode_predictions(np.arange(9, dtype=np.uint8))
    with pytest.raises(BaselineFormatError, match=r"p\.npy: found shape \(9,\), expected \(8,\)"):
        decode_predictions(encoded, accepted_of(encoded, 8))


def pickled() -> bytes:
    """An `.npy` file whose loading would run code."""
    import io  # noqa: PLC0415 - of this alone

    buffer = io.BytesIO()
    np.save(buffer, np.array([{"any": "object"}], dtype=object), allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize("content", [b"", b"text", b"\x93NUMPY", encode_predictions(np.arange(99))[:200], pickled()])
def test_what_is_no_npy_file_is_refused_even_with_the_right_digest(content: bytes):
    with pytest.raises(BaselineFormatError, match=r"p\.npy is not an \.npy file of predictions"):
        decode_predictions(content, accepted_of(content, 9))
    with pytest.raises(BaselineFormatError):
        load_predictions(content, name="tiny-int8")
