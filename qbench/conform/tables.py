"""What a conformance run found, as tables for a terminal and for a page."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from qbench.conform.comparison import BAD
from qbench.quant.family import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from qbench.conform.records import Cell, Conformance, Row

_FAMILIES: frozenset[str] = frozenset(FAMILIES)
_ENDLESS = 1 << 60


def print_conformance(found: Conformance, console: Console) -> None:
    """Print all sections, what was not tried, and where failing cases lie."""
    for title, names, rows in _tables(found):
        table = Table(box=None, pad_edge=False)
        table.add_column("operator", no_wrap=True)
        table.add_column("cases", justify="right", no_wrap=True)
        for name in names:
            table.add_column(Text(name))
        for row in rows:
            cells = [Text(cell_text(row.cells[name]), style=_style(row.cells[name])) for name in names]
            table.add_row(Text(row.name), str(_cases(row)), *cells)
        console.print(Text(title, style="bold"), soft_wrap=True)
        console.print(table, "")
    for sentence in _sentences(found):
        console.print(sentence, soft_wrap=True)


def markdown(found: Conformance) -> str:
    """The same as a page in Markdown, with what it was found on."""
    sets = ", ".join(found.instruction_sets)
    base = f", against {found.base_runtime} in {found.base_python}" if found.base_python else ""
    heading = (
        f"ai-edge-litert {found.runtime}{base}; {found.cpu} ({sets}), {found.system}, Python {found.python}; "
        f"{found.cases} cases for each operator, seed {found.seed}."
    )
    lines = [heading, ""]
    for title, names, rows in _tables(found):
        lines += [f"**{title}**", "", _line(["operator", "cases", *names]), _line(["---"] * (len(names) + 2))]
        lines += [_line([row.name, str(_cases(row)), *(cell_text(row.cells[name]) for name in names)]) for row in rows]
        lines.append("")
    return "\n".join([*lines, *(f"- {sentence.plain}" for sentence in _sentences(found))]) + "\n"


def cell_text(cell: Cell) -> str:
    """Such as ``exact``, ``within 1: 3 of 8756``, ``wrong: 12 of 8756, up to 7``, ``left to builtin``."""
    text = _finding_text(cell)
    return f"{text} (took {cell.cases} of {cell.cases + cell.not_taken})" if cell.cases and cell.not_taken else text


def _finding_text(cell: Cell) -> str:
    off = cell.off_by_one + cell.off_by_more
    most = "" if cell.largest > _ENDLESS else f", up to {cell.largest}"
    refused = sum(cell.refused.values()) + sum(cell.refused_by_all.values())
    texts = {
        "crashed": f"crashed: {cell.crashed} of {cell.cases + cell.crashed}",
        "wrong": f"wrong: {cell.off_by_more} of {cell.values}{most}",
        "oracle failed": f"oracle failed: {sum(cell.failed.values())}",
        "refused": f"refused: {refused} of {cell.cases + refused}",
        "differs": f"differs: {off} of {cell.values}{most}",
        "within 1": f"within 1: {cell.off_by_one} of {cell.values}{' (!)' if cell.claimed_exact else ''}",
        "exact": "exact",
        "no oracle": "no oracle",
        "not tried": "left to builtin" if cell.not_taken else "-",
    }
    unsaid = sum(cell.no_oracle.values())
    return texts[cell.finding] + (f", {unsaid} without oracle" if unsaid and cell.cases else "")


def _style(cell: Cell) -> str:
    return "bold red" if cell.finding in BAD else {"exact": "green", "not tried": "dim"}.get(cell.finding, "")


def _cases(row: Row) -> int:
    """How many cases the row had, however they ended."""
    return max(
        cell.cases
        + cell.not_taken
        + cell.crashed
        + sum(sum(reasons.values()) for reasons in (cell.refused, cell.refused_by_all, cell.no_oracle, cell.failed))
        for cell in row.cells.values()
    )


def _tables(found: Conformance) -> Iterator[tuple[str, list[str], list[Row]]]:
    """Titles, columns and rows: of each section against the specification, and kernels against kernels."""
    for section, group in groupby(found.rows, key=lambda row: row.section):
        rows = list(group)
        names = list(rows[0].cells)
        for title, chosen in (
            ("kernels against the specification", [name for name in names if name in _FAMILIES]),
            ("kernels against kernels", [name for name in names if name not in _FAMILIES]),
        ):
            if chosen:
                yield f"{section}: {title}", chosen, rows


def _sentences(found: Conformance) -> Iterator[Text]:
    for name, artifact in found.artifacts.items():
        for reason, operators in _by_reason(artifact.skipped).items():
            yield Text(f"{name}: not tried: {', '.join(operators)}: {reason}")
    for row in found.rows:
        yield from _of_row(row)
    if not found.complete:
        yield Text("Interrupted: this is not all.", style="bold red")
    elif not found.passed and not any(cell.finding in BAD for row in found.rows for cell in row.cells.values()):
        yield Text("Nothing that computes was held against the specification or another runtime.", style="bold red")


def _of_row(row: Row) -> Iterator[Text]:
    """What a cell has no room for; what is the same in several cells is said once."""
    said: dict[str, list[str]] = {}
    for name, cell in row.cells.items():
        for what, reasons in (
            ("refused", cell.refused),
            ("refused", cell.refused_by_all),
            ("no oracle", cell.no_oracle),
            ("oracle failed", cell.failed),
        ):
            for reason, cases in reasons.items():
                said.setdefault(f"{what} in {cases} cases: {reason}", []).append(name)
        if cell.example:
            said[f"{cell_text(cell)}; the smallest case found is in {cell.example}"] = [name]
    for text, names in said.items():
        style = "" if text.startswith("no oracle") else "bold"
        yield Text(f"{row.section}: {row.name}, {', '.join(names)}: {text}", style=style)


def _by_reason(skipped: dict[str, str]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for operator, reason in skipped.items():
        reasons.setdefault(reason, []).append(operator)
    return reasons


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
