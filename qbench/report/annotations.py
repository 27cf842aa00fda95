"""Annotations of GitHub Actions: what got worse, at the test that failed and where pyproject.toml declares the model.

The commands and their escapes are those of github.com/actions/toolkit, packages/core/src/command.ts. A runner takes
each line that begins with ``::`` for a command, so nothing from outside may begin one.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Literal

import msgspec

from qbench.report.wording import alike, sentence_of_many, statement
from qbench.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from qbench.run_record import RunRecord, SubjectRecord, VerdictRecord

#: GitHub shows so many of each level for a step and drops the rest without a word.
MOST_SHOWN = 10

#: More sentences than this are read in the report, not in the margin of a file.
_MOST_SENTENCES = 3

_ERRORS = frozenset({Verdict.FAIL, Verdict.ERROR})

_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = {**_DATA, ":": "%3A", ",": "%2C"}


class _Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """One annotation: where, which verdicts or problems, and the title in front of them."""

    level: Literal["error", "warning"]
    title: str
    message: str
    file: str = ""
    line: int = 0

    def command(self) -> str:
        """The line that a runner understands."""
        where = {"file": self.file, "line": str(self.line)} if self.file and self.line else {}
        said = {**where, "title": self.title}
        properties = ",".join(f"{name}={_escaped(value, _PROPERTY)}" for name, value in said.items())
        return f"::{self.level} {properties}::{_escaped(self.message, _DATA)}"


def annotation_lines(record: RunRecord, *, folder: str = "") -> list[str]:
    """Commands to print, each a line: the worst first, and no more of a level than GitHub shows.

    Parameters
    ----------
    folder
        The project's folder, relative to the root of the repository, with ``/`` between its parts; empty if it is the
        root.
    """
    told = [verdict for verdict in record.verdicts if not verdict.verdict.green and not _accepted(record, verdict)]
    found = [*_of_verdicts(record, told, folder), *_of_problems(record, told, folder)]
    if not any(annotation.level == "error" for annotation in found) and record.verdict in {"fail", "interrupted"}:
        # A step that is red says why, also where no verdict does: a lost worker, an accept that was refused.
        why = [*record.problems, *record.notes] or [f"the run ended with exit status {record.exit_status}"]
        found.insert(0, _Annotation(level="error", title="qbench", message=_some(why)))
    lines: list[str] = []
    for level in ("error", "warning"):
        lines += _shown([annotation for annotation in found if annotation.level == level])
    return lines


def _accepted(record: RunRecord, verdict: VerdictRecord) -> bool:
    """Whether this is the change that the run was made to accept."""
    return bool(record.accepting) and verdict.verdict == Verdict.FAIL and verdict.against_accepted


def _of_verdicts(record: RunRecord, verdicts: Sequence[VerdictRecord], folder: str) -> list[_Annotation]:
    """One annotation for each failed test and each declaration, in the order of the worst verdict of each."""
    subjects = {(subject.model, subject.recipe): subject for subject in record.subjects}
    groups: dict[tuple[bool, str, int, str], list[VerdictRecord]] = {}
    for verdict in verdicts:
        failed = verdict.verdict in _ERRORS
        subject = subjects.get((verdict.subject.model, verdict.subject.recipe))
        if failed and subject and (test := subject.tests.get(verdict.kind)):
            groups.setdefault((failed, _in(folder, test.file), test.line, verdict.kind), []).append(verdict)
        groups.setdefault((failed, *_declared(subject, folder), verdict.subject.model), []).append(verdict)
    return [
        _Annotation(
            level="error" if failed else "warning",
            file=file,
            line=line,
            title=f"qbench: {about}: {_count(group)}",
            message="\n".join([_some([_brief(same) for same in alike(group)]), *_causes(group, subjects)]),
        )
        for (failed, file, line, about), group in groups.items()
    ]


def _of_problems(record: RunRecord, verdicts: Sequence[VerdictRecord], folder: str) -> list[_Annotation]:
    """What went wrong with subjects of which no verdict says so, as in a run that does not judge."""
    said = {verdict.subject.id for verdict in verdicts if verdict.verdict in _ERRORS}
    return [
        _Annotation(level="error", title=f"qbench: {subject.id}", message=_some(subject.problems), file=file, line=line)
        for subject in record.subjects
        if subject.problems and subject.id not in said
        for file, line in (_declared(subject, folder),)
    ]


def _brief(verdicts: Sequence[VerdictRecord]) -> str:
    """Verdicts that are alike as the margin of a file has room for them: how sure they are stands in the log."""
    if len(verdicts) > 1:
        return sentence_of_many(verdicts)
    (verdict,) = verdicts
    return f"{statement(verdict)} What to do: {verdict.advice}." if verdict.advice else statement(verdict)


def _causes(verdicts: Iterable[VerdictRecord], subjects: Mapping[tuple[str, str], SubjectRecord]) -> Iterable[str]:
    """Why they fail, as far as that is known: a line for each cause, of the first few."""
    failed = [verdict for verdict in verdicts if verdict.verdict == Verdict.FAIL]
    measured = ((subjects.get((verdict.subject.model, verdict.subject.recipe)), verdict.kind) for verdict in failed)
    causes = [subject.causes[kind] for subject, kind in measured if subject and kind in subject.causes]
    return list(dict.fromkeys(causes))[:_MOST_SENTENCES]


def _declared(subject: SubjectRecord | None, folder: str) -> tuple[str, int]:
    return _in(folder, "pyproject.toml"), subject.declared_at if subject else 0


def _count(verdicts: Iterable[VerdictRecord]) -> str:
    """How many of which verdict, such as ``2 fail, 1 error``."""
    words = [verdict.verdict for verdict in verdicts]
    return ", ".join(f"{words.count(word)} {word}" for word in Verdict if word in words)


def _some(sentences: Sequence[str]) -> str:
    """The first sentences, each once and on a line of its own."""
    each = list(dict.fromkeys(sentences))
    more = [f"And {len(each) - _MOST_SENTENCES} more in the log."] if len(each) > _MOST_SENTENCES else []
    return "\n".join([*each[:_MOST_SENTENCES], *more])


def _shown(annotations: Sequence[_Annotation]) -> list[str]:
    """Their commands; what is beyond GitHub's number becomes one that names the rest."""
    if len(annotations) <= MOST_SHOWN:
        return [annotation.command() for annotation in annotations]
    shown, rest = annotations[: MOST_SHOWN - 1], annotations[MOST_SHOWN - 1 :]
    names = "; ".join(annotation.title.removeprefix("qbench: ") for annotation in rest)
    last = _Annotation(level=rest[0].level, title=f"qbench: {len(rest)} more", message=names)
    return [annotation.command() for annotation in (*shown, last)]


def _in(folder: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(folder, path))


def _escaped(text: str, escapes: dict[str, str]) -> str:
    return "".join(escapes.get(character, character) for character in text)
