"""Whether a command printed what a page says that it prints."""

from __future__ import annotations

import re

_ELLIPSIS = "..."
_NUMBER = r"[-+]?\d[\d.,]*(?:e[-+]?\d+)?"
#: A time is another in every run, and may come in another unit.
_TIME = re.compile(rf"(?<![\w.]){_NUMBER} ?(?:ns|us|ms|s|min)\b")
_ANY_TIME = r"[-+]?\d[\d.,]* ?(?:ns|us|ms|s|min)"


def difference(expected: list[str], printed: str, *, figures_differ: bool) -> str:
    """What is not as expected, empty if all is.

    Parameters
    ----------
    expected
        Lines of a page. ``...`` alone stands for any lines, within a line for any text; a time for any time; one space
        for any space.
    printed
        What the command printed.
    figures_differ
        Whether each number stands for any number.
    """
    pattern = _pattern(expected, figures_differ=figures_differ)
    text = "".join(f"{line.rstrip()}\n" for line in printed.strip().splitlines())
    if re.fullmatch(pattern, text):
        return ""
    return "the page says\n\n{}\n\nand what is printed is\n\n{}".format("\n".join(expected), text)


def _pattern(expected: list[str], *, figures_differ: bool) -> str:
    lines = "\n".join(expected).rstrip().splitlines()
    parts = [
        r"(?:[^\n]*\n)*?" if line.strip() == _ELLIPSIS else _line(line.rstrip(), figures_differ=figures_differ) + r"\n"
        for line in lines
    ]
    return "".join(parts)


def _line(line: str, *, figures_differ: bool) -> str:
    return r"[^\n]*?".join(_piece(piece, figures_differ=figures_differ) for piece in line.split(_ELLIPSIS))


def _piece(piece: str, *, figures_differ: bool) -> str:
    found = ""
    end = 0
    pattern = re.compile(rf"{_TIME.pattern}|{_NUMBER}") if figures_differ else _TIME
    for match in pattern.finditer(piece):
        found += _literal(piece[end : match.start()])
        found += _ANY_TIME if _TIME.fullmatch(match.group()) else _NUMBER
        end = match.end()
    return found + _literal(piece[end:])


def _literal(text: str) -> str:
    """Exactly this, but for how wide its gaps are and how long its rules."""
    escaped = re.escape(text)
    escaped = re.sub(r"(?:\\ )+", r"[ ]+", escaped)
    return re.sub(r"={4,}|(?:\\-){4,}|_{4,}", lambda rule: f"[{rule.group()[-1]}]+", escaped)
