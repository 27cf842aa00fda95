"""Somebody's project: where it begins, and how files are called from there."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from qbench.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PYPROJECT = "pyproject.toml"

_GIT_LIMIT_S = 60
#: Folders that hold other people's files, or copies.
_FOREIGN = frozenset({"node_modules", "site-packages", "venv", "env", "build", "dist", "__pycache__"})
#: More files than this are no project of which all test files have to be known.
_MOST_FOLDERS = 5000


def find_root(start: Path) -> Path:
    """The nearest folder from `start` upwards that has a pyproject.toml or is a git repository's, else `start`."""
    start = start.absolute()
    above = (start, *start.parents)
    return next((folder for folder in above if (folder / PYPROJECT).exists() or (folder / ".git").exists()), start)


def from_root(path: Path, root: Path, option: str) -> str:
    """An existing path as `[tool.qbench]` says it: relative to the project.

    Raises
    ------
    ConfigError
        If it is outside, where nobody else who has the project would find it.
    """
    try:
        return path.absolute().resolve().relative_to(root.resolve()).as_posix()
    except ValueError as error:
        raise ConfigError(
            option,
            found=f"{path}, which is outside the project {root}",
            expected=f"a path in it: whoever has the project needs the file. Copy it, such as to models/{path.name}",
        ) from error


def names_of_tests(root: Path) -> frozenset[str]:
    """Names of all test files of the project: pytest may refuse two of one name."""
    found: set[str] = set()
    for number, (_, folders, files) in enumerate(os.walk(root)):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _FOREIGN]
        found.update(name for name in files if name.startswith("test_") and name.endswith(".py"))
        if number > _MOST_FOLDERS:
            break
    return frozenset(found)


def ignored_by_git(root: Path, paths: Iterable[str]) -> tuple[str, ...]:
    """Which of `paths`, relative to `root`, git would leave out of a commit; none where there is no git."""
    try:
        done = subprocess.run(  # noqa: S603 - a list of arguments, no shell
            ["git", "-C", str(root), "check-ignore", "-z", "--stdin"],  # noqa: S607 - the user's own git
            input="\0".join(paths).encode(),
            capture_output=True,
            check=False,
            timeout=_GIT_LIMIT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(name for name in done.stdout.decode(errors="replace").split("\0") if name)


def likely_ci(root: Path) -> str:
    """The CI that the project seems to use."""
    if (root / ".gitlab-ci.yml").exists():
        return "gitlab"
    return "github" if (root / ".github").is_dir() or _remote(root).find("github") >= 0 else "none"


def _remote(root: Path) -> str:
    try:
        text = (root / ".git" / "config").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return " ".join(line for line in text.splitlines() if line.strip().startswith("url"))
