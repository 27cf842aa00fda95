"""How a reader repeats what the page says, as commands for a shell."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qbench.verdicts import Verdict

if TYPE_CHECKING:
    from qbench.run_record import RunRecord

_RED = {Verdict.FAIL, Verdict.ERROR}
_MOST = 5
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
#: Names that a shell and a reader take for what they are; others are left to the reader.
_LONGEST = 200


@dataclass(frozen=True, kw_only=True)
class Command:
    """A line for a shell, and what it does."""

    says: str
    line: str


def commands(record: RunRecord) -> tuple[Command, ...]:
    """The whole run again, then each failing test alone, then why a subject failed."""
    gate = " --benchmark-compare" if record.gated else ""
    found = [Command(says="The whole run, in the project's folder", line=f"pytest benchmarks/{gate}")]
    commit = record.commit.removesuffix("+")
    if _COMMIT.fullmatch(commit):
        found.insert(0, Command(says="What was checked out", line=f"git checkout {commit}"))
    red = [verdict for verdict in record.verdicts if verdict.verdict in _RED]
    tests = {subject.id: subject.tests for subject in record.subjects}
    lines: dict[str, str] = {}
    for verdict in red:
        test = tests.get(verdict.subject.id, {}).get(verdict.kind)
        if test and _plain(test.id):
            lines[f"pytest {shlex.quote(test.id)}{gate}"] = f"{verdict.kind} of {verdict.subject.id} alone"
    for subject in dict.fromkeys(verdict.subject.id for verdict in red if verdict.kind in {"accuracy", "latency"}):
        if _plain(subject):
            lines[f"qbench explain {shlex.quote(subject)}"] = f"Why {subject} is worse, operator by operator"
    shown = [Command(says=says, line=line) for line, says in lines.items()]
    return (*found, *shown[: 2 * _MOST])


def _plain(name: str) -> bool:
    """Whether a name may stand in a line that readers copy."""
    return name.isprintable() and len(name) <= _LONGEST
