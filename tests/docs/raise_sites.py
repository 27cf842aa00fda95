"""Every place in the package that ends in a message to a user, and the message with ``...`` for its parts."""

from __future__ import annotations

import ast
import inspect
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import qbench.errors
from qbench.errors import QbenchError

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(qbench.errors.__file__).parent

OPEN = "..."

#: What else a user reads as an error: of pytest's command line, of a test, of a command's options.
_OTHERS = {"UsageError", "ArgumentTypeError", "failure"}

#: Messages that are put together in the class, from what it is given.
_CLASSES = {
    "ConfigError": "{0}: found {found}, expected {expected}",
    "WorkerCrashedError": "the worker process ended ... while {0}...",
    "WorkerTimeoutError": "the worker process gave no answer within {limit_s} s while {0}",
}


class RaiseSite(NamedTuple):
    """Where an error is raised, which, and what it says."""

    file: str
    line: int
    error: str
    message: str

    def __str__(self) -> str:
        """As editors understand it, with what is to be looked for in the table."""
        return f"{self.file}:{self.line} {self.error}: {self.message}"


@cache
def error_classes() -> frozenset[str]:
    """Names of the errors of `qbench.errors` and of those that are derived from them anywhere in the package."""
    found = {
        name for name, kind in vars(qbench.errors).items() if inspect.isclass(kind) and issubclass(kind, QbenchError)
    }
    for tree in map(_tree, PACKAGE.rglob("*.py")):
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and any(_name(base) in found for base in node.bases):
                found.add(node.name)
    return frozenset(found)


def raise_sites() -> Iterator[RaiseSite]:
    """Every site in the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        file = path.relative_to(PACKAGE.parent).as_posix()
        for node in ast.walk(_tree(path)):
            if (
                isinstance(node, ast.Call)
                and _name(node.func) in error_classes() | _OTHERS
                and node.args + node.keywords
            ):
                name = _name(node.func)
                yield RaiseSite(file, node.lineno, name, _message(name, node))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _message(name: str, call: ast.Call) -> str:
    given = {str(number): _text(argument) for number, argument in enumerate(call.args)}
    given |= {keyword.arg: _text(keyword.value) for keyword in call.keywords if keyword.arg}
    template = _CLASSES.get(name, "{0}")
    message = re.sub(r"\{(\w+)\}", lambda part: given.get(part.group(1), OPEN), template)
    # One gap next to another, or next to a full stop, is one gap.
    message = re.sub(r"(?:\.\.\. ?){2,}", f"{OPEN} ", re.sub(r"\.{4,}", OPEN, message))
    return " ".join(message.split())


def _text(node: ast.expr) -> str:
    """What an expression says, with ``...`` for what is not known before it is evaluated."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(value) for value in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left) + _text(node.right)
    return OPEN


if __name__ == "__main__":
    for site in raise_sites():
        print(site)  # noqa: T201 - for whoever writes the table
