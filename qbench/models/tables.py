"""TOML tables into typed records, with errors that name the dotted key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from qbench.errors import ConfigError

_T = TypeVar("_T")
_S = TypeVar("_S", bound=msgspec.Struct)

#: Names become test ids, folders and files.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

#: What msgspec says, taken apart: a sentence, and the path of the value it is about.
_MESSAGE = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?", re.DOTALL)


def convert_table(raw: object, record: type[_S], key: str, *, also_known: Sequence[str] = ()) -> _S:
    """Turn the TOML table `raw`, which stands at `key`, into a `record`.

    Raises
    ------
    ConfigError
        For a key that `record` does not have, a missing key, or a value of another type.
    """
    if not isinstance(raw, Mapping):
        raise ConfigError(key, found=describe(raw), expected="a table")
    known = [*record.__struct_fields__, *also_known]
    for name in raw:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise ConfigError(f"{key}.{name}", found="an unknown key", expected=f"one of {', '.join(known)}{hint}")
    return convert_value(dict(raw), record, key)


def convert_value(raw: object, kind: type[_T], key: str) -> _T:
    """Turn the TOML value `raw`, which stands at `key`, into a `kind`.

    Raises
    ------
    ConfigError
        If the value, or one inside it, has another type.
    """
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        parts = _MESSAGE.fullmatch(str(error))
        what, path = (parts["what"], parts["path"] or "") if parts else (str(error), "")
        expected = what.removeprefix("Expected ").split(", got ")[0].replace("`", "")
        raise ConfigError(f"{key}{path}", found=describe(_value_at(raw, path)), expected=expected) from error


def check_name(name: str, key: str) -> None:
    """Refuse a name that cannot be a test id and a file name.

    Raises
    ------
    ConfigError
        If it holds anything but letters, digits, '.', '_' and '-', or starts with one of the last three.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(key, found=f"the name {name!r}", expected="letters, digits, '.', '_' and '-'")


def describe(value: object) -> str:
    """A value as an error shows it: its TOML type and, if it is short, itself."""
    kind = {bool: "the boolean", int: "the integer", float: "the number", str: "the string", list: "an array"}
    for python_type, name in kind.items():
        if isinstance(value, python_type):
            return f"{name} {value!r}" if len(repr(value)) < 60 else name  # noqa: PLR2004 - a line's worth
    return "a table" if isinstance(value, Mapping) else f"{value!r}"


def _value_at(raw: Any, path: str) -> object:
    """The value that a msgspec path such as ``.models[0].name`` points at."""
    for name, index in re.findall(r"\.([^.\[\]]+)|\[(\d*|\.\.\.)\]", path):
        try:
            raw = raw[name] if name else raw[int(index)]
        except (KeyError, IndexError, TypeError, ValueError):
            return raw
    return raw
