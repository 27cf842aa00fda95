"""What git remembers of the files below a folder: the commits that changed them, and what they held then."""

from __future__ import annotations

import re
import subprocess
import tempfile
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import msgspec

from qbench.errors import BaselineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_GIT_LIMIT_S = 120

#: Nothing of a user's settings changes what is printed; names of files are taken as they are, not as patterns.
_SETTINGS = ("log.showRoot=true", "log.mailmap=true", "log.diffMerges=separate")
_QUIET = (*(part for setting in _SETTINGS for part in ("-c", setting)), "--literal-pathspecs")

#: Each field ends with a NUL, which is in no name: whatever an author is called, fields are told apart.
_FORMAT = "--format=%H%x00%P%x00%ct%x00%aN"
_LOG = ("--raw", "-z", "--no-abbrev", "--no-renames", "--no-color", "--no-show-signature", "--no-ext-diff")
_FIELDS = 4

_NO_BLOB = re.compile("0+")


class FileChange(msgspec.Struct, frozen=True, kw_only=True):
    """A file as one commit left it.

    Attributes
    ----------
    path
        From the top of the repository.
    blob
        Names its content; empty where the commit removed it.
    added
        Whether the commit brought it.
    merge
        Whether the commit has several parents, of which it was compared with the first.
    """

    commit: str
    author: str
    committed_on: str
    path: str
    blob: str
    added: bool
    merge: bool


class GitLog:
    """The history of a folder, which need not exist in the working tree.

    Raises
    ------
    BaselineError
        If it is in no git repository, or git cannot be run.
    """

    def __init__(self, folder: Path) -> None:
        here = next(path for path in folder.absolute().parents if path.is_dir())
        found = _run(["git", "-C", str(here), "rev-parse", "--show-toplevel", "--show-prefix"])
        top, prefix = found.decode(errors="surrogateescape").split("\n")[:2]
        self._top = top
        #: The folder's path from the top of the repository.
        self.path = f"{prefix}{folder.absolute().relative_to(here).as_posix()}"

    def resolve(self, reference: str) -> str:
        """The full name of a commit, branch or tag.

        Raises
        ------
        BaselineError
            If git knows no such commit.
        """
        return self._git("rev-parse", "--verify", "--end-of-options", f"{reference}^{{commit}}").decode().strip()

    def line(self, commit: str, paths: Sequence[str]) -> list[FileChange]:
        """What changed in files at or below `paths`, from `commit` along first parents, the newest change first.

        A merge counts as one change: what it brought to the line.
        """
        return self._changes("--first-parent", "-m", commit, "--", *paths)

    def elsewhere(self, commit: str, paths: Sequence[str]) -> list[FileChange]:
        """What commits that are no merges changed, on whatever branch that reached `commit`, the newest first."""
        return self._changes("--no-merges", "--full-history", "--topo-order", commit, "--", *paths)

    def reached_by(self, commit: str) -> frozenset[str]:
        """Commits that a merge brought to the line."""
        return frozenset(self._git("rev-list", f"{commit}^1..{commit}").decode().split())

    def renamed(self, commit: str, *, suffix: str) -> dict[str, str]:
        """What files were called before `commit`, by the names that it gave them.

        Only files that end in `suffix` are looked at, so that git need not compare large ones.
        """
        arguments = ("-r", "-M", "-z", "--diff-filter=R", "--name-status", f"{commit}^", commit, "--", f"*{suffix}")
        listed = _run(["git", "-C", self._top, "diff-tree", *arguments])
        fields = listed.decode(errors="surrogateescape").split("\0")
        # A score, the old name and the new one each time.
        return dict(zip(fields[2::3], fields[1::3], strict=False))

    def shallow_roots(self) -> frozenset[str]:
        """Commits whose parents a shallow clone left out; none in a whole clone."""
        if self._git("rev-parse", "--is-shallow-repository").decode().strip() != "true":
            return frozenset()
        path = self._git("rev-parse", "--path-format=absolute", "--git-path", "shallow").decode().strip()
        with open(path, encoding="ascii") as stream:  # noqa: PTH123 - a path of git's, not of ours
            return frozenset(stream.read().split())

    def contents(self, blobs: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """The content of each blob; None of one that git lists and does not have, as a partial clone may."""
        with tempfile.TemporaryFile() as names:
            names.write("".join(f"{blob}\n" for blob in dict.fromkeys(blobs)).encode())
            names.seek(0)
            with subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
                ["git", "-C", self._top, "cat-file", "--batch"],  # noqa: S607 - the user's own git
                stdin=names,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            ) as process:
                assert process.stdout is not None  # noqa: S101 - it was asked for
                while header := process.stdout.readline().split():
                    blob = header[0].decode()
                    if header[-1] == b"missing":
                        yield blob, None
                        continue
                    content = process.stdout.read(int(header[-1]) + 1)
                    yield blob, content[:-1]

    def _changes(self, *arguments: str) -> list[FileChange]:
        fields = iter(self._git("log", *_LOG, "--encoding=UTF-8", _FORMAT, *arguments).split(b"\0"))
        changes: list[FileChange] = []
        commit = author = day = ""
        merge = False
        for field in fields:
            if not field.strip():
                continue
            if field.lstrip().startswith(b":"):
                _, _, _, blob, status = field.split()
                name = next(fields).decode(errors="surrogateescape")
                changes.append(
                    FileChange(
                        commit=commit,
                        author=author,
                        committed_on=day,
                        path=name,
                        blob="" if _NO_BLOB.fullmatch(blob.decode()) else blob.decode(),
                        added=status == b"A",
                        merge=merge,
                    )
                )
                continue
            commit = field.strip().decode()
            parents, seconds, name_bytes = (next(fields) for _ in range(_FIELDS - 1))
            merge = len(parents.split()) > 1
            day = datetime.fromtimestamp(int(seconds), timezone.utc).date().isoformat()
            author = name_bytes.decode(errors="replace")
        return changes

    def _git(self, *arguments: str) -> bytes:
        return _run(["git", "-C", self._top, *_QUIET, *arguments])


def _run(command: list[str]) -> bytes:
    """What a command of git prints."""
    try:
        done = subprocess.run(  # noqa: S603 - a list of arguments, no shell
            command, capture_output=True, check=False, timeout=_GIT_LIMIT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BaselineError(f"git cannot be run: {error}") from error
    if done.returncode != 0:
        raise BaselineError(f"git failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
