"""TOML tables into typed records, with errors that name the dotted key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from qbench.errors import ConfigError

_S = TypeVar("_S", bound=msgspec.Struct)

#: Names become test ids, folders and files.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

_FUNCTION = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")

#: Types in the words of somebody who writes TOML.
_WORDS: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}


def convert_table(raw: object, record: type[_S], key: str, *, also_known: Sequence[str] = ()) -> _S:
    """Turn the TOML table `raw`, which stands at `key`, into a `record`.

    Raises
    ------
    ConfigError
        For a key that `record` does not have, a missing key, or a value that it does not take.
    """
    if not isinstance(raw, Mapping):
        raise ConfigError(key, found=describe(raw), expected="a table")
    known = [*record.__struct_fields__, *also_known]
    for name in raw:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise ConfigError(f"{key}.{name}", found="an unknown key", expected=f"one of {', '.join(known)}{hint}")
    kinds = get_type_hints(record)
    for field in msgspec.structs.fields(record):
        if field.required and field.name not in raw:
            raise ConfigError(f"{key}.{field.name}", found=describe(None), expected=_wording(kinds[field.name]))
    values = {name: convert_value(value, kinds[name], f"{key}.{name}") for name, value in raw.items()}
    try:
        return record(**values)
    except ValueError as error:
        expected, _, found = str(error).partition(", found ")
        raise ConfigError(key, found=found or describe(raw), expected=expected) from error


def convert_value(raw: object, kind: Any, key: str) -> Any:
    """Turn the TOML value `raw`, which stands at `key`, into a `kind`.

    Tables and arrays are converted value by value, so that an error names the one that it is about. Where a record is
    one of several kinds, a table is that record.

    Raises
    ------
    ConfigError
        If the value, or one inside it, has another type.
    """
    origin = get_origin(kind)
    if isinstance(raw, Mapping):
        if origin is dict:
            return {name: convert_value(value, get_args(kind)[1], f"{key}.{name}") for name, value in raw.items()}
        if records := [part for part in get_args(kind) if _is_record(part)]:
            return convert_table(raw, records[0], key)
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        if isinstance(raw, list) and origin in {list, tuple}:
            for index, value in enumerate(raw):
                convert_value(value, get_args(kind)[0], f"{key}[{index}]")
        raise ConfigError(key, found=describe(raw), expected=_wording(kind)) from error


def _record(kind: Any) -> type[msgspec.Struct] | None:
    """The record that `kind` is, or may be besides None; None for anything else."""
    parts = [part for part in get_args(kind) or (kind,) if part is not NoneType]
    record = parts[0] if len(parts) == 1 and get_origin(kind) in {None, Union, UnionType} else None
    return record if isinstance(record, type) and issubclass(record, msgspec.Struct) else None


def check_name(name: str, key: str) -> None:
    """Refuse a name that cannot be a test id and a file name.

    Raises
    ------
    ConfigError
        If it holds anything but letters, digits, '.', '_' and '-', or starts with one of the last three.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(key, found=f"the name {name!r}", expected="letters, digits, '.', '_' and '-'")


def check_function(name: str, key: str, *, expected: str = "'module:function'") -> None:
    """Refuse a name that is not ``module:function``.

    Raises
    ------
    ConfigError
        If it is not, whether or not there is such a module.
    """
    if not _FUNCTION.fullmatch(name):
        raise ConfigError(key, found=repr(name), expected=expected)


def describe(value: object) -> str:
    """A value as an error shows it: its TOML type and, if it is short, itself; None is a key that is not there."""
    kind = {bool: "the boolean", int: "the integer", float: "the number", str: "the string", list: "an array"}
    for python_type, name in kind.items():
        if isinstance(value, python_type):
            return f"{name} {value!r}" if len(repr(value)) < 60 else name  # noqa: PLR2004 - a line's worth
    if value is None:
        return "nothing"
    return "a table" if isinstance(value, Mapping) else f"{value!r}"


def _is_record(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _wording(kind: Any) -> str:
    """A type as an error says it; None stands for a key that may be left out, which TOML cannot say."""
    origin = get_origin(kind)
    if origin is Literal:
        return f"one of {', '.join(map(repr, get_args(kind)))}"
    if origin in {Union, UnionType}:
        return " or ".join(_wording(part) for part in get_args(kind) if part is not NoneType)
    if origin in {list, tuple}:
        return f"an array, each item {_wording(get_args(kind)[0])}"
    return "a table" if origin is dict or _is_record(kind) else _WORDS.get(kind, "a value")
