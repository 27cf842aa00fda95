"""Every message of an error is explained, and what is explained is still said."""

from __future__ import annotations

import re
from functools import cache

from docs.pages import DOCS, section, tables
from docs.raise_sites import OPEN, error_classes, raise_sites

_PAGE = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")

#: Sections whose tables are of messages.
_OF_MESSAGES = (
    *("Configuration", "Command lines", "Datasets", "Artifacts", "Measurements", "Worker processes", "Baselines"),
    "The specification and its oracles",
)

#: A pattern with fewer letters of its own would explain messages that it knows nothing of: it has to be the whole.
_TELLING = 6

#: What a value of the wrong type ends in, wherever it stands.
_WHOLE = {"...: found ..., expected ...", "...: found ..., expected one of ..."}

#: Words that most messages have.
_COMMON = re.compile(r"\b(?:found|expected|one of|a)\b|\.\.\.|\W")

#: Without words of their own: they hand on those of another error.
_HANDED_ON = re.compile(r"[\W\d]*")


def _patterns() -> list[str]:
    """First columns of the tables of messages; code that has a backtick itself stands in two and a space."""
    kept = [row[0] for heading in _OF_MESSAGES for table in tables(section(_PAGE, heading)) for row in table]
    return [cell[3:-3] if cell.startswith("`` ") else cell[1:-1] for cell in kept]


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split(OPEN))), re.DOTALL)


def _explains(pattern: str, site) -> bool:
    error, _, rest = pattern.partition(": ")
    if error in error_classes():
        return error == site.error and rest == OPEN
    if len(_COMMON.sub("", pattern)) < _TELLING:
        return pattern == site.message
    return bool(_regex(pattern).fullmatch(site.message))


_SITES = [site for site in raise_sites() if not _HANDED_ON.fullmatch(site.message)]


def test_there_are_messages():
    assert len(_SITES) > 300
    assert {"ConfigError", "UsageError", "WorkerCrashedError", "UnspecifiedError"} <= {site.error for site in _SITES}


def test_what_is_explained_is_said():
    stale = [pattern for pattern in _patterns() if not any(_explains(pattern, site) for site in _SITES)]
    assert stale == [], "no error says that any more"


def test_a_family_says_something_of_its_own():
    """A row such as `...: ...` would explain everything, and nothing."""
    assert [pattern for pattern in _patterns() if not _COMMON.sub("", pattern) and pattern not in _WHOLE] == []


def test_every_message_is_explained():
    silent = [str(site) for site in _SITES if not any(_explains(pattern, site) for pattern in _patterns())]
    assert silent == [], "give it a row in docs/troubleshooting.md: its message, its cause, what to do"
