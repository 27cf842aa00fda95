"""What a conformance run found, as tables for a terminal and for a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from qbench.quant.family import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from qbench.conform.records import Cell, Conformance, Row, Section

_FAMILIES: frozenset[str] = frozenset(FAMILIES)
_STYLES = {
    "exact": "green",
    "within 1": "",
    "differs": "",
    "wrong": "bold red",
    "crashed": "bold red",
    "not tried": "dim",
}


def print_conformance(found: Conformance, console: Console) -> None:
    """Print all sections, what was not tried, and where failing cases lie."""
    for section in found.sections:
        for title, names in _tables(section):
            table = Table(box=None, pad_edge=False, title=f"{section.name}: {title}", title_justify="left")
            table.add_column("operator", no_wrap=True)
            for name in names:
                table.add_column(name)
            for row in section.rows:
                cells = [row.cells[name] for name in names]
                texts = [Text(cell_text(cell), style=_STYLES[cell.finding]) for cell in cells]
                table.add_row(_name(row), *texts)
            console.print(table, "")
        for operator, reason in section.skipped.items():
            console.print(f"{section.name}: {operator} was not tried: {reason}", markup=False)
    for sentence in _sentences(found):
        console.print(sentence)


def markdown(found: Conformance) -> str:
    """The same as a page in Markdown."""
    lines = []
    for section in found.sections:
        for title, names in _tables(section):
            lines += [f"### {section.name}: {title}", ""]
            lines += [_line(["operator", *names]), _line(["---"] * (len(names) + 1))]
            lines += [_line([_name(row), *(cell_text(row.cells[name]) for name in names)]) for row in section.rows]
            lines.append("")
        lines += [f"- {operator} was not tried: {reason}" for operator, reason in section.skipped.items()]
    return "\n".join([*lines, *(f"- {sentence.plain}" for sentence in _sentences(found))]) + "\n"


def cell_text(cell: Cell) -> str:
    """Such as ``exact``, ``within 1: 3 of 8756``, ``wrong: 12 of 8756, up to 7``, ``left to builtin``."""
    text = _finding_text(cell)
    return f"{text} (took {cell.cases} of {cell.cases + cell.not_taken})" if cell.cases and cell.not_taken else text


def _finding_text(cell: Cell) -> str:
    if cell.finding == "not tried":
        return "left to builtin" if cell.not_taken else "refused" if cell.refused else "-"
    if cell.finding == "crashed":
        return f"crashed: {cell.crashed} of {cell.cases + cell.crashed}"
    if cell.finding == "wrong":
        return f"wrong: {cell.off_by_more} of {cell.values}, up to {cell.largest}"
    if cell.finding == "differs":
        return f"differs: {cell.off_by_one + cell.off_by_more} of {cell.values}, up to {cell.largest}"
    if cell.finding == "within 1":
        return f"within 1: {cell.off_by_one} of {cell.values}{' (!)' if cell.claimed_exact else ''}"
    return "exact"


def _tables(section: Section) -> Iterator[tuple[str, list[str]]]:
    """Titles and columns of the tables of a section: against the specification, and kernels against kernels."""
    names: list[str] = list(section.rows[0].cells) if section.rows else []
    for title, chosen in (
        ("kernels against the specification", [name for name in names if name in _FAMILIES]),
        ("kernels against kernels", [name for name in names if name not in _FAMILIES]),
    ):
        if chosen:
            yield title, chosen


def _sentences(found: Conformance) -> Iterator[Text]:
    for section in found.sections:
        for row in section.rows:
            for name, cell in row.cells.items():
                if cell.example:
                    yield Text(f"{_name(row)}, {name}: {cell_text(cell)}; the smallest case found is in {cell.example}")
    if not any(cell.cases for cell in found.cells):
        yield Text("Nothing was tried.", style="bold red")


def _name(row: Row) -> str:
    return f"{row.operator} {row.dtype}".strip()


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
