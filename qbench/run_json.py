"""The record of a run as JSON, written and read."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, TypeVar, get_args

import msgspec

from qbench.errors import RunRecordError
from qbench.run_record import FORMAT, FORMAT_VERSION, RunRecord

_T = TypeVar("_T")


class _Head(msgspec.Struct):
    """What says what a file is, whatever its other keys are."""

    format: Any = None
    format_version: Any = None


def encode_record(record: RunRecord) -> bytes:
    """The JSON text of a run's record, indented, ending with a newline.

    JSON has no NaN and no infinity: such a value is null where the record allows that, and else is left out together
    with the smallest part of the record that need not be there.

    Raises
    ------
    ValueError
        If there is no such part: `seconds` is not finite.
    """
    clean, whole = _finite(record)
    if not whole:
        raise ValueError(f"seconds is {record.seconds}, expected a finite number")
    return msgspec.json.format(msgspec.json.encode(clean), indent=2) + b"\n"


def decode_record(content: bytes, *, name: str) -> RunRecord:
    """Read the JSON text of a run's record; `name` is the file that errors speak of.

    Raises
    ------
    RunRecordError
        If it is damaged, something else, or of a newer version.
    """
    head = _decoded(content, _Head, name)
    if head.format != FORMAT:
        raise RunRecordError(
            f"{name}: found the format {head.format!r}, expected {FORMAT!r}; give it a file that --qbench-json wrote"
        )
    if head.format_version != FORMAT_VERSION:
        newer = isinstance(head.format_version, int) and head.format_version > FORMAT_VERSION
        advice = "install the qbench that wrote it, or a newer one" if newer else _WRITE_AGAIN
        raise RunRecordError(
            f"{name}: found format_version {head.format_version!r}, this qbench reads {FORMAT_VERSION}; {advice}"
        )
    record = _decoded(content, RunRecord, name)
    named = {metric for subject in record.subjects for metric in subject.metrics}
    if unknown := sorted(named - set(record.metrics)):
        raise RunRecordError(
            f"{name}: found values of {unknown[0]!r}, which its `metrics` do not describe; {_WRITE_AGAIN}"
        )
    return record


_WRITE_AGAIN = "write it again with --qbench-json"


def _decoded(content: bytes, kind: type[_T], name: str) -> _T:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RunRecordError(f"{name} is not the record of a run ({error}); {_WRITE_AGAIN}") from error


def _finite(value: Any) -> tuple[Any, bool]:
    """`value` without NaN and infinities, and whether there is anything left that its type allows."""
    if isinstance(value, float):
        return value, math.isfinite(value)
    if isinstance(value, dict):
        parts = {key: _finite(part) for key, part in value.items()}
        return {key: part for key, (part, whole) in parts.items() if whole}, True
    if isinstance(value, tuple):
        items = [_finite(part) for part in value]
        # An item alone would move those behind it.
        return tuple(part for part, _ in items), all(whole for _, whole in items)
    if not isinstance(value, msgspec.Struct):
        return value, True
    changed = {}
    for field in _fields(type(value)):
        old = getattr(value, field.name)
        new, whole = _finite(old)
        if not whole and type(None) in get_args(field.type):
            new, whole = None, True
        if not whole and isinstance(old, tuple) and not field.required:
            new, whole = (), True
        if not whole:
            return None, False
        if new is not old:
            changed[field.name] = new
    return (msgspec.structs.replace(value, **changed) if changed else value), True


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)
