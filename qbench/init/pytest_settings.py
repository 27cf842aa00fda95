"""What a project's settings of pytest do to benchmarks: where pytest reads them, and what keeps tests from running."""

from __future__ import annotations

import configparser
import re
import shlex
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: The files that pytest looks for in each folder, in its order, with the table or section that makes one its own.
_FILES = {
    "pytest.ini": "pytest",
    ".pytest.ini": "pytest",
    "pyproject.toml": "tool.pytest.ini_options",
    "tox.ini": "pytest",
    "setup.cfg": "tool:pytest",
}
#: Those that are pytest's whatever they hold.
_ALWAYS = frozenset({"pytest.ini", ".pytest.ini"})
_NEEDED = ("benchmark", "qbench")


def obstacles(root: Path, folder: str, tests: Iterable[str]) -> list[str]:
    """What in the settings of pytest keeps the benchmarks of a project from running, each as a sentence.

    Only what can be told from the files is said: pytest may have other reasons.

    Parameters
    ----------
    root
        The folder of pyproject.toml.
    folder
        Of the benchmarks, relative to it.
    tests
        The paths of their files.
    """
    path, settings = _find(root, folder)
    if path is None:
        return []
    said = []
    if not path.is_relative_to(root):
        said.append(
            f"pytest takes {path} for the project's settings, and looks for [tool.qbench] beside it. Give the project "
            "settings of its own: a line [tool.pytest.ini_options] in its pyproject.toml is enough"
        )
    patterns = _words(settings.get("python_files", ""))
    missed = [name for name in tests if not any(fnmatch(Path(name).name, pattern) for pattern in patterns)]
    if patterns and missed:
        said.append(
            f"python_files in {path} is {' '.join(patterns)}, so that pytest does not collect {missed[0]}. "
            "Add test_*.py to it"
        )
    switched_off = _switched_off(_words(settings.get("addopts", "")))
    said += [f"addopts in {path} switches off what the benchmarks need: take -p no:{name} out" for name in switched_off]
    return said


def _find(root: Path, folder: str) -> tuple[Path | None, Mapping[str, Any]]:
    """The file that pytest reads its settings from when it is given `folder`, and those."""
    start = root.absolute() / folder
    for place in (start, *start.parents):
        for name, section in _FILES.items():
            settings = _settings(place / name, section)
            if settings is not None:
                return place / name, settings
    return None, {}


def _settings(path: Path, section: str) -> Mapping[str, Any] | None:
    """The settings in a file, None if it has none: then pytest looks further."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".toml":
            table: Any = tomllib.loads(text)
            for key in section.split("."):
                table = table.get(key) if isinstance(table, dict) else None
            return table if isinstance(table, dict) else None
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        parser.read_string(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, configparser.Error):
        return None  # Pytest says what is wrong with it.
    if parser.has_section(section):
        return dict(parser.items(section))
    return {} if path.name in _ALWAYS else None


def _words(value: Any) -> list[str]:
    """The parts of a setting, which is a text or, in TOML, may be a list of them."""
    if isinstance(value, list):
        return [str(word) for word in value]
    try:
        return shlex.split(str(value))
    except ValueError:
        return str(value).split()


def _switched_off(words: list[str]) -> list[str]:
    """The plugins among those that are needed which ``-p no:name`` switches off."""
    line = " ".join(words)
    return [name for name in _NEEDED if re.search(rf"(?:^|\s)-p\s*no:{name}(?:\s|$)", line)]
