"""What a conformance run found, as it goes to a table or a file."""

from __future__ import annotations

import msgspec

from qbench.conform.comparison import BAD, Finding, Tally
from qbench.quant.family import FAMILIES

#: How names of comparisons with another Python's runtime end.
BASE = " / base"

_FAMILIES = frozenset[str](FAMILIES)


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """What one comparison found for one operator; see `Tally` for the fields.

    `example` is the folder that the smallest failing case was saved in, empty if there is none.
    """

    finding: Finding
    claimed_exact: bool
    cases: int
    not_taken: int
    crashed: int
    refused: dict[str, int]
    refused_by_all: dict[str, int]
    no_oracle: dict[str, int]
    failed: dict[str, int]
    values: int
    off_by_one: int
    off_by_more: int
    largest: int
    example: str = ""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """All comparisons of one operator in one dtype, by their names.

    `section` is an artifact or generated models; `computes` is False for operators that only move values.
    """

    section: str
    operator: str
    dtype: str
    cells: dict[str, Cell]
    computes: bool = True

    @property
    def name(self) -> str:
        """Such as ``CONV_2D int8``; of an artifact's operator with its place."""
        return f"{self.operator} {self.dtype}".strip()


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact that was tried, and what of it was not, with the reason."""

    sha256: str
    skipped: dict[str, str] = {}


class Conformance(msgspec.Struct, frozen=True, kw_only=True):
    """One run of `qbench conform`.

    Parameters
    ----------
    runtime, cpu, instruction_sets, system, python
        What it ran on.
    base_python, base_runtime
        The Python whose runtime was compared, and that runtime's version; empty for none.
    cases, seed, threads
        How many cases an operator got, the seed that makes the same ones again, and threads compared with one.
    artifacts
        Those that were tried, by name; none for generated models.
    complete
        Whether all was tried that was to be.
    """

    version: int = 1
    runtime: str
    cpu: str
    instruction_sets: tuple[str, ...]
    system: str
    python: str
    base_python: str = ""
    base_runtime: str = ""
    cases: int
    seed: int
    threads: int
    artifacts: dict[str, Artifact] = {}
    rows: tuple[Row, ...] = ()
    complete: bool = True

    @property
    def passed(self) -> bool:
        """Whether all was tried, each section against something that can tell, and nothing has to be looked at."""
        if not self.complete or any(cell.finding in BAD for row in self.rows for cell in row.cells.values()):
            return False
        sections = {row.section for row in self.rows} | self.artifacts.keys()
        return bool(sections) and all(self._is_tried(section) for section in sections)

    def _is_tried(self, section: str) -> bool:
        """Whether rows that compute, where there are any, were held against an oracle or another runtime."""
        rows = [row for row in self.rows if row.section == section]
        telling = [row for row in rows if row.computes] or rows
        return any(
            cell.cases
            for row in telling
            for name, cell in row.cells.items()
            if name in _FAMILIES or name.endswith(BASE)
        )


def cell_of(tally: Tally, *, example: str = "") -> Cell:
    """A tally as a record."""
    return Cell(
        finding=tally.finding,
        claimed_exact=tally.claimed_exact,
        cases=tally.cases,
        not_taken=tally.not_taken,
        crashed=tally.crashed,
        refused=tally.refused,
        refused_by_all=tally.refused_by_all,
        no_oracle=tally.no_oracle,
        failed=tally.failed,
        values=tally.values,
        off_by_one=tally.off_by_one,
        off_by_more=tally.off_by_more,
        largest=tally.largest,
        example=example,
    )
