"""`[tool.qbench]` as another commit has it, as far as a run needs it: nothing of it is resolved or looked for."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Tables of pyproject.toml that say what is measured and how it is judged: qbench's and pytest's.
_TABLES = ("qbench", "pytest")

#: A value longer than this is cut.
_LONGEST_VALUE = 200


def declaration(pyproject: bytes | None) -> dict[str, Any]:
    """The tables of `[tool]` that decide about a run; empty where there is no file.

    Raises
    ------
    ValueError
        If the file is not TOML.
    """
    document = tomllib.loads((pyproject or b"").decode("utf-8"))  # Errors of both are errors of value.
    tool = document.get("tool")
    return {name: tool[name] for name in _TABLES if name in tool} if isinstance(tool, dict) else {}


def baselines_folder(declared: Mapping[str, Any]) -> str | None:
    """Where a declaration keeps accepted results; None if it declares no models, and so has none."""
    table = declared.get("qbench")
    if not isinstance(table, dict):
        return None
    folder = table.get("baselines", "baselines")
    return folder if isinstance(folder, str) else None


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is declared otherwise now, each key as a sentence, in the order of the file."""
    return [_sentence(key, old, new) for key, old, new in _differing(before, now, "tool")]


_ABSENT = object()


def _differing(before: Mapping[str, Any], now: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any, Any]]:
    for name in dict.fromkeys([*before, *now]):
        old, new, key = before.get(name, _ABSENT), now.get(name, _ABSENT), f"{above}.{name}"
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differing(old, new, key)
        elif isinstance(new, dict) and len(_json(new)) > _LONGEST_VALUE:
            # Cut, it could hide what matters behind what does not.
            yield from _differing({}, new, key)
        elif old != new:
            yield key, old, new


def _sentence(key: str, old: object, new: object) -> str:
    if new is _ABSENT:
        return f"{key} is gone; it was {_value(old)}"
    return f"{key} is {_value(new)}; it was {'not there' if old is _ABSENT else _value(old)}"


def _value(value: object) -> str:
    said = _json(value)
    said = said if len(said) <= _LONGEST_VALUE else f"{said[:_LONGEST_VALUE]} ..."
    return f"`{said}`" if isinstance(value, (dict, list)) else said


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
