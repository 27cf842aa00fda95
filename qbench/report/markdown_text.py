"""Text from outside (names, paths, messages, reasons) in Markdown as GitHub and GitLab read it, as nothing but text.

A word that they would make something of (markup, a link, a mention such as @name, a number such as #12, a commit, an
emoji, mathematics) becomes a code span, in which they look for none of that and which is copied as it is.
"""

from __future__ import annotations

import re
import unicodedata

#: Words of letters, digits and what stands in prose. `_` is not among them: a metric's name looks well as code.
_PLAIN = re.compile(r"(?:[^\W_]|[-+.,;%()'\"=/?])+:?")

#: Plain characters of which GitHub makes something all the same: a commit, a link without a scheme, `GH-12`.
_TELLING = re.compile(r"[0-9a-f]{7,}|[^\W_]\.[^\W\d_]|\bGH-\d", re.IGNORECASE)

#: What may stand around a word and is not part of it.
_AROUND = re.compile(r"""([("']*)(.*?)([)"'.,;:?]*)""", re.DOTALL)

#: Words, and what is quoted in backticks as a whole; more beside the backticks than that would run into them.
_WORDS = re.compile(r"""(?<!\S)([("']*)`([^`]*[^\s`][^`]*)`([)"'.,;:?]*)(?!\S)|\S+""")

#: Characters that reorder, hide or break what is beside them: controls, line ends, marks of direction, surrogates.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def text(untrusted: str) -> str:
    """`untrusted` as one line of prose, for the beginning of a list's item or of what stands behind other words."""
    said = " ".join(_spoken(match) for match in _WORDS.finditer(visible(untrusted)))
    return f"\\{said}" if said[:1] in {"-", "+", "="} else _numbered(said)


def code(untrusted: str, *, cell: bool = False) -> str:
    """`untrusted` as a code span; in the cell of a table, which a bar would end, ``¦`` stands for it."""
    content = " ".join(visible(untrusted).split())
    if not content:
        return ""
    if cell:
        content = content.replace("|", "¦")
    # A span ends at as many backticks as it began with.
    longest = max((len(run) for run in re.findall(r"`+", content)), default=0)
    fence, padding = "`" * (longest + 1), " " if content[0] == "`" or content[-1] == "`" else ""
    return f"{fence}{padding}{content}{padding}{fence}"


def visible(untrusted: str) -> str:
    """`untrusted` with a space for each line end and tab, and every other character that is not seen by its number."""
    return "".join(
        " "
        if character in "\t\n\r\v\f\x85\u2028\u2029"
        else character
        if _seen(character)
        else f"U+{ord(character):04X}"
        for character in untrusted
    )


def _seen(character: str) -> bool:
    return unicodedata.category(character) not in _UNSEEN


def _spoken(match: re.Match[str]) -> str:
    return _word(match[0]) if match[2] is None else f"{match[1]}{code(match[2])}{match[3]}"


def _word(word: str) -> str:
    if _PLAIN.fullmatch(word) and not _TELLING.search(word):
        return word
    match = _AROUND.fullmatch(word)
    before, inside, after = match.groups() if match else ("", word, "")
    return f"{before}{code(inside)}{after}" if inside else code(word)


def _numbered(said: str) -> str:
    """Keep "1." from beginning a list."""
    match = re.match(r"(\d+)([.)])(?=\s|$)", said)
    return f"{match[1]}\\{match[2]}{said[match.end() :]}" if match else said
