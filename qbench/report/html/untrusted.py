"""Text from outside on a page: what it must not do, and names of places that are made from it.

Markup is escaped by the templates. What escaping leaves alone is done here: characters that turn the text around them
(https://trojansource.codes), characters that no HTML may hold, and names so long that they hide everything else.
"""

from __future__ import annotations

import re
import unicodedata

from markupsafe import Markup

#: Of a sentence, of one above everything else, and of a name, this many characters are shown.
LONGEST_TEXT = 2_000
LONGEST_BRIEF = 500
LONGEST_NAME = 120

#: Control, format (such as U+202E), surrogate, private and unassigned characters; line ends and tabs are harmless.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_HARMLESS = frozenset("\n\t")
#: These join letters of some scripts and parts of emoji, and turn nothing around.
_JOINERS = frozenset("\u200c\u200d")

_NO_LETTER = re.compile(r"[^a-z0-9]+")
_LONGEST_ANCHOR = 60


def shown(text: str, longest: int = LONGEST_TEXT) -> str:
    """Text whose unseen characters are seen, such as ``<U+202E>``, and which is cut if it is too long."""
    cut = len(text) - longest
    if cut > 0:
        text = f"{text[:longest]}… ({cut:,} more characters)"
    return "".join(_seen(character) for character in text)


def finalize(value: object) -> object:
    """What a template prints instead of `value`: markup as it is, anything else as text that may come from outside."""
    return value if isinstance(value, Markup) else shown(str(value))


def _seen(character: str) -> str:
    if character in _HARMLESS or character in _JOINERS or unicodedata.category(character) not in _UNSEEN:
        return character
    return f"<U+{ord(character):04X}>"


class Anchors:
    """Names of places on a page, each once: of what they are made, letters and digits of ASCII remain."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    def new(self, kind: str, name: str) -> str:
        """A name that no other place has, such as ``subject-mnist-mlp-int8``."""
        wanted = _NO_LETTER.sub("-", f"{kind} {name[:LONGEST_NAME]}".lower()).strip("-")[:_LONGEST_ANCHOR].strip("-")
        count = self._taken[wanted] = self._taken.get(wanted, 0) + 1
        # Two underscores: no name that was asked for has one, so that none can be the second of another.
        return wanted if count == 1 else f"{wanted}__{count}"
