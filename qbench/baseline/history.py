"""What was accepted of a subject over time, as the commits of the repository tell it.

The line that is followed is that of first parents: what the branch itself held, one value after the other. A merge is
one change, and is told as the commit that brought these very bytes to it, whose author is who accepted them. A baseline
that was called otherwise before is followed to its old name, if it kept its recipe or its artifact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qbench.baseline.git_log import FileChange, GitLog
from qbench.baseline.schema import AcceptedLatency, Baseline, decode_baseline
from qbench.errors import BaselineError, BaselineFormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from qbench.records import Subject

_SUFFIX = ".json"
_HEAD = "HEAD"
_DIGITS = 12


class AcceptedChange(msgspec.Struct, frozen=True, kw_only=True):
    """One commit that changed the baseline of a subject.

    Attributes
    ----------
    commit
        Its full name; empty for what lies in the working tree and is not committed yet.
    author, committed_on
        Who made it, as they call themselves; the day as YYYY-MM-DD. The author is empty where nobody knows: of what is
        not committed, and of the first commit of a shallow clone.
    reason
        What was said to `--qbench-accept`.
    metrics
        Accepted values by name; latency is in none of them.
    dataset
        SHA-256 of the evaluation examples; empty without a dataset.
    latency
        By fingerprint, as it was accepted there; for people.
    """

    commit: str
    author: str
    committed_on: str
    reason: str
    artifact_sha256: str
    metrics: dict[str, float]
    dataset: str = ""
    latency: dict[str, AcceptedLatency] = {}

    @property
    def label(self) -> str:
        """The commit as a sentence names it."""
        return self.commit[:_DIGITS] or "not committed yet"


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What was accepted of one subject, the oldest first.

    Attributes
    ----------
    notes
        What a reader has to know of it: commits that were left out, names that it had before.
    gap
        Why older changes cannot be seen although there may be some; empty if these are all.
    """

    changes: tuple[AcceptedChange, ...] = ()
    notes: tuple[str, ...] = ()
    gap: str = ""


def read_history(folder: Path, subject: Subject, reference: str = _HEAD) -> tuple[AcceptedChange, ...]:
    """The commits that changed the baseline of a subject, the oldest first.

    Parameters
    ----------
    folder
        Of the baselines, in the working tree.
    reference
        A commit, branch or tag. With HEAD, what is not committed yet is the last.

    Raises
    ------
    BaselineError
        If git knows no such commit. Outside git there is only what lies in the folder.
    """
    return read_histories(folder, [subject], reference)[subject].changes


def read_histories(folder: Path, subjects: Iterable[Subject], reference: str = _HEAD) -> dict[Subject, History]:
    """The history of each subject, as `read_history`, with what is to be said of it."""
    asked = list(dict.fromkeys(subjects))
    try:
        log = GitLog(folder)
    except BaselineError as error:
        if reference != _HEAD:
            raise
        return {
            subject: _with_tree(folder, subject, History(gap=f"there is no git here ({error})")) for subject in asked
        }
    try:
        commit = log.resolve(reference)
    except BaselineError as error:
        if reference != _HEAD:
            raise BaselineError(
                f"git knows no commit {reference!r} here; fetch it first (a shallow clone in CI often has one commit "
                "only), or name another"
            ) from error
        return {subject: _with_tree(folder, subject, History()) for subject in asked}  # Nothing was ever committed.
    found = _Histories(log, commit, asked).read()
    if reference == _HEAD:
        return {subject: _with_tree(folder, subject, history) for subject, history in found.items()}
    return found


class _Histories:
    """The histories of several subjects up to a commit; git is asked once for all of them."""

    def __init__(self, log: GitLog, commit: str, subjects: Sequence[Subject]) -> None:
        self._log = log
        self._commit = commit
        self._subjects = subjects
        self._notes: dict[Subject, list[str]] = {subject: [] for subject in subjects}
        self._gaps: dict[Subject, str] = {}

    def read(self) -> dict[Subject, History]:
        path = {subject: _path(self._log, subject) for subject in self._subjects}
        changes = _by_path(self._log.line(self._commit, [self._log.path]))
        lines = {subject: changes.get(path[subject], []) for subject in self._subjects}
        self._follow_renames(lines)
        origins = self._origins(lines)
        blobs = (change.blob for line in lines.values() for change in line if change.blob)
        read: dict[str, Baseline | str] = {}
        for blob, content in self._log.contents(blobs):
            read[blob] = _decoded(content)
        roots = self._log.shallow_roots()
        return {subject: self._history(subject, line, origins, read, roots) for subject, line in lines.items()}

    def _follow_renames(self, lines: dict[Subject, list[FileChange]]) -> None:
        """Go on where a file that a commit added is what that commit renamed, as long as it is."""
        pending = [subject for subject, line in lines.items() if line and line[-1].added]
        while pending:
            by_commit: dict[str, list[Subject]] = {}
            for subject in pending:
                by_commit.setdefault(lines[subject][-1].commit, []).append(subject)
            pending = []
            for commit, subjects in by_commit.items():
                try:
                    renamed = self._log.renamed(commit, suffix=_SUFFIX)
                except BaselineError:
                    continue  # The first commit of all, or of a shallow clone.
                before = {subject: old for subject in subjects if (old := self._called_before(lines[subject], renamed))}
                if not before:
                    continue
                changes = _by_path(self._log.line(f"{commit}^", list(before.values())))
                for subject, old in before.items():
                    self._notes[subject].append(f"it was {old} before {commit[:_DIGITS]}")
                    lines[subject] += changes.get(old, [])
                    pending += [subject] if changes.get(old) and lines[subject][-1].added else []

    def _called_before(self, line: list[FileChange], renamed: dict[str, str]) -> str:
        """The old name of a file, if what had it was the same model under the same recipe, or the same artifact."""
        new = line[-1]
        old = renamed.get(new.path, "")
        if not old or old.rpartition("/")[2] == new.path.rpartition("/")[2]:
            return old
        earlier = self._log.line(f"{new.commit}^", [old])
        if not earlier:
            return ""
        read = [_decoded(content) for _, content in self._log.contents([new.blob, earlier[0].blob])]
        artifacts = {baseline.artifact.sha256 for baseline in read if isinstance(baseline, Baseline)}
        return old if len(artifacts) == 1 else ""

    def _origins(self, lines: dict[Subject, list[FileChange]]) -> dict[tuple[str, str, str], FileChange]:
        """The commit that brought a file's content to a merge, by merge, path and blob."""
        merged = [change for line in lines.values() for change in line if change.merge and change.blob]
        if not merged:
            return {}
        own = {change.commit for line in lines.values() for change in line}
        candidates: dict[tuple[str, str], list[FileChange]] = {}
        for change in self._log.elsewhere(self._commit, list(dict.fromkeys(change.path for change in merged))):
            if change.commit not in own:
                candidates.setdefault((change.path, change.blob), []).append(change)
        origins = {}
        for change in merged:
            brought = candidates.get((change.path, change.blob), [])
            if len(brought) > 1:
                reached = self._log.reached_by(change.commit)
                brought = [candidate for candidate in brought if candidate.commit in reached]
            if brought:
                origins[change.commit, change.path, change.blob] = brought[0]
        return origins

    def _history(
        self,
        subject: Subject,
        line: list[FileChange],
        origins: dict[tuple[str, str, str], FileChange],
        read: dict[str, Baseline | str],
        roots: frozenset[str],
    ) -> History:
        notes = list(self._notes[subject])
        changes = []
        gap = ""
        for change in reversed(line):
            if not change.blob:
                notes.append(f"its baseline was removed in {change.commit[:_DIGITS]} of {change.committed_on}")
                continue
            told = origins.get((change.commit, change.path, change.blob), change)
            baseline = read.get(change.blob, "git does not have its content")
            if isinstance(baseline, str):
                notes.append(f"{change.commit[:_DIGITS]} of {change.committed_on} is left out: {baseline}")
                continue
            unknown = change.commit in roots
            if unknown:
                gap = (
                    f"history begins at {change.commit[:_DIGITS]} of {change.committed_on}: the clone is shallow "
                    "(`git fetch --unshallow` gets the rest; in GitHub Actions, checkout with `fetch-depth: 0`)"
                )
            changes.append(
                _change(baseline, commit=told.commit, author="" if unknown else told.author, day=told.committed_on)
            )
        return History(changes=tuple(changes), notes=tuple(notes), gap=gap)


def _with_tree(folder: Path, subject: Subject, history: History) -> History:
    """The history with what lies in the folder, if that differs from its last change."""
    try:
        content = (folder / subject.model / f"{subject.recipe}{_SUFFIX}").read_bytes()
    except OSError:
        return history
    baseline = _decoded(content)
    if isinstance(baseline, str):
        note = f"what lies in the working tree is left out: {baseline}"
        return msgspec.structs.replace(history, notes=(*history.notes, note))
    change = _change(baseline, commit="", author="", day=baseline.provenance.accepted_on)
    if history.changes and _said(history.changes[-1]) == _said(change):
        return history
    return msgspec.structs.replace(history, changes=(*history.changes, change))


def _said(change: AcceptedChange) -> AcceptedChange:
    """What a change says, whoever made it."""
    return msgspec.structs.replace(change, commit="", author="", committed_on="")


def _change(baseline: Baseline, *, commit: str, author: str, day: str) -> AcceptedChange:
    return AcceptedChange(
        commit=commit,
        author=author,
        committed_on=day,
        reason=baseline.provenance.reason,
        artifact_sha256=baseline.artifact.sha256,
        metrics=baseline.metrics,
        dataset=baseline.provenance.dataset,
        latency=baseline.latency,
    )


def _decoded(content: bytes | None) -> Baseline | str:
    """A baseline, or why there is none in `content`."""
    if content is None:
        return "git does not have its content"
    try:
        return decode_baseline(content, name="what it holds")
    except BaselineFormatError as error:
        return str(error).partition("; ")[0]


def _path(log: GitLog, subject: Subject) -> str:
    return f"{log.path}/{subject.model}/{subject.recipe}{_SUFFIX}"


def _by_path(changes: Iterable[FileChange]) -> dict[str, list[FileChange]]:
    found: dict[str, list[FileChange]] = {}
    for change in changes:
        found.setdefault(change.path, []).append(change)
    return found
