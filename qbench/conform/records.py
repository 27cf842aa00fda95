"""What a conformance run found, as it goes to a table or a file."""

from __future__ import annotations

import msgspec

from qbench.conform.comparison import Finding, Tally


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """What one comparison found for one operator; see `Tally` for the fields.

    `example` is the folder that the smallest failing case was saved in, empty if there is none.
    """

    finding: Finding
    claimed_exact: bool
    cases: int
    not_taken: int
    refused: dict[str, int]
    crashed: int
    values: int
    off_by_one: int
    off_by_more: int
    largest: int
    example: str = ""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """All comparisons of one operator in one dtype, by their names."""

    operator: str
    dtype: str
    cells: dict[str, Cell]


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of generated models, or of one artifact.

    Parameters
    ----------
    name
        What a heading calls it.
    skipped
        Operators that were not tried, with the reason.
    """

    name: str
    rows: tuple[Row, ...]
    skipped: dict[str, str]


class Conformance(msgspec.Struct, frozen=True, kw_only=True):
    """One run of `qbench conform`.

    Parameters
    ----------
    environment
        What it ran on, such as the runtime's version and the processor.
    cases, seed
        How many cases an operator got, and the seed that makes the same ones again.
    """

    version: int = 1
    environment: dict[str, str]
    cases: int
    seed: int
    sections: tuple[Section, ...]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells of all rows."""
        return tuple(cell for section in self.sections for row in section.rows for cell in row.cells.values())

    @property
    def passed(self) -> bool:
        """Whether something was tried, and nothing found wrong."""
        findings = {cell.finding for cell in self.cells}
        return bool(findings - {"not tried"}) and not findings & {"wrong", "crashed"}


def cell_of(tally: Tally, *, example: str = "") -> Cell:
    """A tally as a record."""
    return Cell(
        finding=tally.finding,
        claimed_exact=tally.claimed_exact,
        cases=tally.cases,
        not_taken=tally.not_taken,
        refused=tally.refused,
        crashed=tally.crashed,
        values=tally.values,
        off_by_one=tally.off_by_one,
        off_by_more=tally.off_by_more,
        largest=tally.largest,
        example=example,
    )
