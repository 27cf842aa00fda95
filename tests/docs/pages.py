"""The blocks of code of a page, and what the page says about running them.

An HTML comment before a block, which no reader sees, says what the block itself cannot:

    <!-- not run: takes an hour -->     why it is not executed
    <!-- exit status: 1 -->             of the block's last command, where it is not 0
    <!-- figures differ -->             numbers of its output are of another machine or minute

and, once on a page, which other page makes the folder that its examples are run in:

    <!-- project: tutorial.md -->

Libraries that run examples of Markdown pages (sybil, mktestdocs, pytest-examples) leave out what they do not know; here
that is to fail, and blocks of one page are files and commands of one folder. So the few lines stand here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_COMMENT = re.compile(r"<!--\s*(.*?)\s*-->", re.DOTALL)
_TITLE = re.compile(r'\btitle="([^"]+)"')
_NOT_RUN = "not run:"
_EXIT_STATUS = "exit status:"
_FIGURES_DIFFER = "figures differ"
_PROJECT = "project:"


class Block(NamedTuple):
    """A block of code: where it stands (line from 1), what it is, and what the comment before it says."""

    page: str
    line: int
    language: str
    title: str
    content: str
    fenced: bool = True
    why_not_run: str = ""
    exit_status: int = 0
    figures_differ: bool = False

    def __str__(self) -> str:
        """Where it is, as editors understand it."""
        return f"{self.page}:{self.line}"


class Command(NamedTuple):
    """A command of a console and the lines that it prints."""

    text: str
    output: tuple[str, ...]


def documented_pages() -> list[Path]:
    """Every page whose examples are run, with those that stand at the top of the repository."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]


def page_name(path: Path) -> str:
    """A page as people call it."""
    return path.relative_to(ROOT).as_posix()


def read_blocks(text: str, page: str) -> list[Block]:
    """Every block of code of a page, in order; those in lists and admonitions too."""
    found: list[Block] = []
    said: list[str] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "html_block":
            said += _COMMENT.findall(token.content)
        elif token.type in {"fence", "code_block"}:
            found.append(_block(token.type == "fence", token.info, token.content, token.map[0] + 1, said, page))
            said = []
        elif token.type in {"paragraph_open", "heading_open", "table_open"}:
            said = []
    return found


def project_of(text: str) -> str:
    """The page whose project the examples of this page are run in, empty if they need none."""
    return next(
        (said.removeprefix(_PROJECT).strip() for said in _COMMENT.findall(text) if said.startswith(_PROJECT)), ""
    )


def _block(fenced: bool, info: str, content: str, line: int, said: list[str], page: str) -> Block:  # noqa: FBT001
    title = _TITLE.search(info)
    block = Block(
        page=page,
        line=line,
        language=(info.split() or [""])[0],
        title=title.group(1) if title else "",
        content=content,
        fenced=fenced,
    )
    for words in said:
        if words.startswith(_NOT_RUN):
            block = block._replace(why_not_run=words.removeprefix(_NOT_RUN).strip())
        elif words.startswith(_EXIT_STATUS):
            block = block._replace(exit_status=int(words.removeprefix(_EXIT_STATUS)))
        elif words == _FIGURES_DIFFER:
            block = block._replace(figures_differ=True)
    return block


def read_commands(block: Block) -> list[Command]:
    """The commands of a console: lines that begin with ``$``, gone on with by lines that begin with ``>``."""
    found: list[tuple[list[str], list[str]]] = []
    for line in block.content.splitlines():
        if line.startswith("$ "):
            found.append(([line[2:]], []))
        elif line.startswith("> ") and found and not found[-1][1]:
            found[-1][0].append(line[2:])
        elif found:
            found[-1][1].append(line)
        elif line.strip():
            raise AssertionError(f"{block}: a console begins with a command, `$ ...`, and this one with {line!r}")
    return [Command("\n".join(text), tuple(output)) for text, output in found]


def section(text: str, heading: str) -> str:
    """The part of a page below a heading, up to the next of the same or a higher level.

    Raises
    ------
    AssertionError
        If the page has no such heading.
    """
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("#") and line.lstrip("# ") == heading]
    assert starts, f"no heading {heading!r}"
    level = len(lines[starts[0]]) - len(lines[starts[0]].lstrip("#"))
    end = len(lines)
    fenced = False
    for number, line in enumerate(lines[starts[0] + 1 :], starts[0] + 1):
        fenced ^= line.startswith("```")
        if not fenced and line.startswith("#") and len(line) - len(line.lstrip("#")) <= level:
            end = number
            break
    return "\n".join(lines[starts[0] : end])


def tables(text: str) -> list[list[list[str]]]:
    """The tables of a text: rows of cells as they are written, without the header."""
    found: list[list[list[str]]] = []
    inside = False
    for line in text.splitlines():
        if not line.startswith("|"):
            inside = False
        elif not inside:
            inside = True
            found.append([])
        elif not re.fullmatch(r"[|\s:-]+", line):
            found[-1].append([cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return found


def code_names(cell: str) -> list[str]:
    """What stands in backticks in a cell."""
    return re.findall(r"`([^`]+)`", cell)
