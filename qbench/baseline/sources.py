"""Where baselines are read from: a folder, or a commit that a pull request cannot edit."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from qbench.errors import BaselineError

if TYPE_CHECKING:
    from collections.abc import Iterable

_GIT_LIMIT_S = 60

#: A commit is what its name says: no other takes its place, and files checked in are no repository that could hold one.
_PLAIN = ("--no-replace-objects", "-c", "safe.bareRepository=explicit")

#: As many digits name a commit to people.
_DIGITS = 12


class BaselineFiles(Protocol):
    """Files below `baselines/`, by their path relative to it."""

    def describe(self) -> str:
        """Where they are, for a sentence."""

    def names(self) -> tuple[str, ...]:
        """All files, sorted."""

    def read(self, name: str) -> bytes | None:
        """The content of a file, None if there is none of that name."""


class FolderFiles:
    """Baselines as they lie in the working tree."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def describe(self) -> str:
        """Where they are, for a sentence."""
        return f"{self._folder.name}/"

    def names(self) -> tuple[str, ...]:
        """All files, sorted."""
        files = (path for path in self._folder.rglob("*") if path.is_file())
        return tuple(sorted(path.relative_to(self._folder).as_posix() for path in files))

    def read(self, name: str) -> bytes | None:
        """The content of a file, None if there is none of that name.

        Raises
        ------
        BaselineError
            If it is there and cannot be read.
        """
        try:
            return (self._folder / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise BaselineError(f"the baseline {self._folder / name} cannot be read: {error}") from error


class GitFiles:
    """Baselines as a commit has them.

    Parameters
    ----------
    folder
        Where they lie in the working tree; it need not exist there.
    reference
        A commit, branch or tag.
    root
        A folder above it that no change of the working tree moves; without one, the nearest that there is, which may
        have become a link to another.

    Raises
    ------
    BaselineError
        If the folder is not in a git repository, or there is no such commit.
    """

    def __init__(self, folder: Path, reference: str, *, root: Path | None = None) -> None:
        # The commit may know folders that are gone.
        self._parent = root or next(parent for parent in folder.parents if parent.is_dir())
        self._name, self._reference = Path(os.path.relpath(folder, self._parent)).as_posix(), reference
        self._commit = commit_of(self._parent, reference)
        listed = self._git("ls-tree", "-r", "-z", "--name-only", self._commit, f"./{self._name}/")
        self._names = tuple(sorted(name.removeprefix(f"{self._name}/") for name in _names(listed)))

    def describe(self) -> str:
        """Where they are, for a sentence."""
        return f"{self._name}/ at {named_commit(self._reference, self._commit)}"

    def names(self) -> tuple[str, ...]:
        """All files, sorted."""
        return self._names

    def read(self, name: str) -> bytes | None:
        """The content of a file, None if there is none of that name.

        Raises
        ------
        BaselineError
            If it is there and cannot be read: taken for absent, it would be replaced by the working tree's.
        """
        if name not in self._names:
            return None
        return self._git("cat-file", "blob", f"{self._commit}:./{self._name}/{name}")

    def _git(self, *arguments: str) -> bytes:
        return _git(self._parent, *arguments)


class BaseCommit:
    """Files of a project as a commit has them.

    Parameters
    ----------
    root
        The folder of pyproject.toml.
    reference
        A commit, branch or tag.

    Raises
    ------
    BaselineError
        As `GitFiles`.
    """

    def __init__(self, root: Path, reference: str) -> None:
        self._root = root
        self.commit = commit_of(root, reference)
        #: What a sentence calls it.
        self.name = named_commit(reference, self.commit)

    def read(self, name: str) -> bytes | None:
        """The content of a file, by its path relative to the project; None if there is none of that name.

        Raises
        ------
        BaselineError
            If it is there and cannot be read.
        """
        if not _git(self._root, "ls-tree", "-z", self.commit, f"./{name}"):
            return None
        return _git(self._root, "cat-file", "blob", f"{self.commit}:./{name}")

    def projects(self) -> tuple[str, ...]:
        """Folders of the repository that hold a pyproject.toml, relative to this one, such as ``..`` or ``sub``.

        Raises
        ------
        BaselineError
            If git cannot tell.
        """
        listed = _git(self._root, "ls-tree", "-r", "-z", "--name-only", "--full-tree", self.commit)
        paths = [Path(name) for name in _names(listed)]
        return self._relative(path.parent.as_posix() for path in paths if path.name == "pyproject.toml")

    def changed(self) -> tuple[str, ...]:
        """Paths relative to the project of files of the repository that git knows and that differ now.

        Raises
        ------
        BaselineError
            If git cannot tell.
        """
        # Submodules too, whatever .gitmodules says of them.
        shown = ("--name-only", "--no-renames", "--no-relative", "--ignore-submodules=none", "-z")
        listed = _git(self._root, "diff", *shown, self.commit, "--", ":/")
        return self._relative(_names(listed))

    def _relative(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Paths from the top of the repository as they are called from the project."""
        prefix = _git(self._root, "rev-parse", "--show-prefix").decode(errors="surrogateescape").rstrip("\n")
        return tuple(Path(os.path.relpath(f"/{path}", f"/{prefix}")).as_posix() for path in paths)


def _names(listed: bytes) -> list[str]:
    """What git lists with ``-z``."""
    return [name for name in listed.decode(errors="surrogateescape").split("\0") if name]


def named_commit(reference: str, commit: str) -> str:
    """A commit for a sentence: as it was called, and its first digits where it was not called by them."""
    digits = commit[:_DIGITS]
    return digits if commit.startswith(reference) else f"{reference} ({digits})"


def commit_of(folder: Path, reference: str) -> str:
    """The full name of the commit that `reference` is in the repository around `folder`.

    Raises
    ------
    BaselineError
        If there is no such commit, or no repository.
    """
    try:
        return _git(folder, "rev-parse", "--verify", "--end-of-options", f"{reference}^{{commit}}").decode().strip()
    except BaselineError as error:
        raise BaselineError(
            f"--qbench-base-ref: git knows no commit {reference!r} here ({error}); fetch it first "
            "(a shallow clone in CI often has one commit only), or name another"
        ) from error


def _git(folder: Path, *arguments: str) -> bytes:
    """What git prints."""
    try:
        done = subprocess.run(  # noqa: S603 - a list of arguments, no shell
            ["git", *_PLAIN, "-C", str(folder), *arguments],  # noqa: S607 - the user's own git
            capture_output=True,
            check=False,
            timeout=_GIT_LIMIT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BaselineError(f"git cannot be run: {error}") from error
    if done.returncode != 0:
        raise BaselineError(f"git {arguments[0]} failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def current_commit(folder: Path) -> str:
    """The commit checked out around `folder`, with ``+`` behind it if files differ; empty outside git."""
    try:
        done = subprocess.run(  # noqa: S603 - a list of arguments, no shell
            ["git", "-C", str(folder), "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"],  # noqa: S607
            capture_output=True,
            check=False,
            timeout=_GIT_LIMIT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode().strip() if done.returncode == 0 else ""
