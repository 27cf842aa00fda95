"""Command lines of pages against the parsers that would read them, without running anything."""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import shlex
from typing import TYPE_CHECKING
from unittest.mock import patch

from qbench.cli import main

if TYPE_CHECKING:
    import pytest

#: Where one command of a shell ends and the next begins.
_NEXT = {"&&", "||", "|", ";"}

#: What may stand before the name of a program.
_VARIABLE = re.compile(r"[A-Za-z_]\w*=.*")

#: A place where a reader puts something of their own.
_OPEN = re.compile(r"\.\.\.|[{}]")


def program() -> argparse.ArgumentParser:
    """The parser of the program `qbench`, with all its commands."""
    caught: list[argparse.ArgumentParser] = []

    def catch(self: argparse.ArgumentParser, *_: object) -> None:
        caught.append(self)
        raise _CaughtError

    with patch.object(argparse.ArgumentParser, "parse_args", catch), contextlib.suppress(_CaughtError):
        main([])
    return caught[0]


class _CaughtError(Exception):
    pass


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parser of each command."""
    (found,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return dict(found.choices)


def pytest_options(config: pytest.Config) -> dict[str, str]:
    """Every option of pytest and of the plugins that are loaded, with its help."""
    parser = config._parser
    groups = [*parser._groups, parser._anonymous]
    return {
        name: str(option.attrs().get("help", ""))
        for group in groups
        for option in group.options
        for name in option.names()
    }


def wrong_in(line: str, config: pytest.Config) -> str:
    """What the parsers of pytest and qbench do not take of a command line, empty if they take all of it."""
    words = shlex.split(line.replace("\\\n", " "), comments=True)
    command: list[str] = []
    for word in [*words, ";"]:
        if word not in _NEXT:
            command.append(word)
            continue
        while command and _VARIABLE.fullmatch(command[0]):
            command.pop(0)
        if command and (wrong := _wrong(command, config)):
            return wrong
        command = []
    return ""


def _wrong(command: list[str], config: pytest.Config) -> str:
    name = command[0].rpartition("/")[2]
    if name == "pytest":
        known = pytest_options(config)
        options = [word.partition("=")[0] for word in command if word.startswith("--")]
        return " ".join(f"pytest has no option {option}." for option in options if option not in known)
    if name == "qbench":
        arguments = [word for word in command[1:] if not _OPEN.search(word)]
        printed = io.StringIO()
        try:
            with contextlib.redirect_stderr(printed), contextlib.redirect_stdout(io.StringIO()):
                program().parse_args(arguments)
        except SystemExit as ended:
            return printed.getvalue() if ended.code else ""
    return ""
