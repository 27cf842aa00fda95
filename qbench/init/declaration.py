"""`[tool.qbench]` added to a pyproject.toml: everything that stands in it stays, byte for byte."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from qbench.errors import ConfigError
from qbench.models.config import Config, parse_config
from qbench.models.toml_text import toml_key, toml_value

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from pathlib import Path

    from qbench.init.answers import Answers

_NAME = "pyproject.toml"
_GENERAL = (
    "[tool.qbench]\n# How much worse a model may get; these are the defaults.\n"
    "tolerance = {accuracy_drop = 0.005, accuracy_regression = 0.002, latency = 0.05, size = 0.01}\n"
)


def with_model(before: bytes | None, answers: Answers, *, add: bool) -> bytes:
    """The content of pyproject.toml with the model declared in it.

    Parameters
    ----------
    before
        Its content; None if there is no such file.
    add
        Whether a model may be added to a `[tool.qbench]` that is there.

    Raises
    ------
    ConfigError
        If it is no TOML, has a `[tool.qbench]` and nothing may be added, or declares another model of that name.
    """
    text, document = _read(before)
    table = _table(answers)
    present = _inner(document, "tool", "qbench")
    models = _inner(document, "tool", "qbench", "models") or {}
    if models.get(answers.name) == table:
        return before or b""
    if answers.name in models:
        raise ConfigError(
            f"{_NAME}: tool.qbench.models.{answers.name}",
            found="another declaration of it",
            expected="another --name, or change that one yourself: nothing is overwritten",
        )
    if present is not None and not add:
        raise ConfigError(
            f"{_NAME}: tool.qbench",
            found=f"one with {', '.join(models) or 'no model'}",
            expected="--add, to add a model to it",
        )
    key = f"tool.qbench.models.{toml_key(answers.name)}"
    lines = "".join(f"{name} = {toml_value(value)}\n" for name, value in table.items())
    added = ("" if present is not None else f"{_GENERAL}\n") + f"[{key}]\n{lines}"
    newline = "\r\n" if "\r\n" in text else "\n"
    joint = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    content = (before or b"") + f"{joint}{added}".replace("\n", newline).encode()
    _check(content, document, answers, table, added)
    return content


def declared(content: bytes, root: Path) -> Config:
    """What a pyproject.toml in the folder `root` declares.

    Raises
    ------
    ConfigError
        If it cannot be used.
    """
    return parse_config(_read(content)[1]["tool"]["qbench"], root=root)


def _table(answers: Answers) -> dict[str, Any]:
    table: dict[str, Any] = {"source": answers.source.declared}
    if answers.dataset is not None:
        table["dataset"] = answers.dataset
    if answers.recipes:
        table["recipes"] = list(answers.recipes)
    return table


def _read(content: bytes | None) -> tuple[str, dict[str, Any]]:
    try:
        text = (content or b"").decode("utf-8")
        return text, tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(_NAME, found=f"text that is not TOML ({error})", expected="a TOML file; repair it") from error


def _check(content: bytes, before: dict[str, Any], answers: Answers, table: dict[str, Any], added: str) -> None:
    """Refuse what does not read as it was meant, such as where `tool` is written in braces, which ends it."""
    try:
        after = tomllib.loads(content.decode())
        same = after["tool"]["qbench"]["models"].pop(answers.name) == table
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise ConfigError(
            _NAME,
            found=f"tables that nothing can be added to behind them ({error})",
            expected=f"these lines, put in by hand:\n{added}",
        ) from error
    others = {key: value for key, value in before.items() if key != "tool"}
    if not same or {key: value for key, value in after.items() if key != "tool"} != others:
        raise ConfigError(_NAME, found="a file that changes by it", expected=f"these lines, put in by hand:\n{added}")


def _inner(document: dict[str, Any], *keys: str) -> dict[str, Any] | None:
    found: Any = document
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None
