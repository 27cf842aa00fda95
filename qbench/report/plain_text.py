"""Text from outside on a terminal: what could move its cursor, colour it or turn it around is shown, not obeyed."""

from __future__ import annotations


def plain(text: str) -> str:
    """`text` with its characters that are not printable, of which a newline is one, as escapes."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
