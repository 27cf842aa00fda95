"""Writes docs/commands.md from the parsers of the program: python tests/docs/command_tables.py."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from docs.command_lines import commands, program

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"

#: Where there is more to say of a command than its options.
_MORE = {
    "compare": "first-five-minutes.md",
    "conform": "conformance.md",
    "explain": "diagnosis.md",
    "history": "history.md",
    "init": "first-five-minutes.md",
    "publish": "publish.md",
    "report": "ci.md",
    "trial": "trial.md",
    "tune": "tuning.md",
}

_HEAD = """# Commands

The gate itself is pytest's command line: its options are in [usage.md](usage.md#options). Everything else is a
command of the program `qbench`. This page is what `qbench COMMAND --help` prints; a test holds it against the parsers.

Exit status of every command: 0 done, 1 failed, 2 for what cannot be used, 130 after Ctrl-C. What a command adds to that
stands on its page.
"""


def render() -> str:
    """The whole page."""
    parser = program()
    helps = {choice.dest: choice.help or "" for action in _subparsers(parser) for choice in action._choices_actions}
    return "\n".join([_HEAD, *(_command(name, helps[name], found) for name, found in sorted(commands(parser).items()))])


def _subparsers(parser: argparse.ArgumentParser) -> list[argparse._SubParsersAction]:
    return [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]


def _command(name: str, short: str, parser: argparse.ArgumentParser) -> str:
    more = _MORE.get(name)
    linked = f" More: [{more}]({more})." if more and (PAGE.parent / more).exists() else ""
    rows = [_row(action) for action in parser._actions if not isinstance(action, argparse._HelpAction)]
    table = "\n".join(["| argument | meaning |", "| --- | --- |", *rows])
    return f"## qbench {name}\n\n{_escaped(_sentence(parser.description or short))}{linked}\n\n{table}\n"


def _row(action: argparse.Action) -> str:
    name = ", ".join(action.option_strings) or str(action.metavar or action.dest).strip("()'")
    if action.option_strings and action.nargs != 0:
        value = action.metavar or (("|".join(map(str, action.choices))) if action.choices else action.dest.upper())
        name = f"{name} {value if isinstance(value, str) else ' '.join(value)}"
    help_text = (action.help or "") % {**vars(action), "prog": "qbench"} if action.help else ""
    return f"| `{name.replace('|', chr(92) + '|')}` | {_escaped(help_text)} |"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _escaped(text: str) -> str:
    """Text in which nothing is markup: names in brackets stay, a bar does not end a cell."""
    return text.replace("|", r"\|").replace("<", "&lt;").replace("*", r"\*").replace("[", r"\[")


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
