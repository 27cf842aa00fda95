"""Which classes are taken for which, now and before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qbench.report.gallery import Confusion, SubjectGallery

#: More classes than this make a table that nobody reads; then the pairs that changed most are listed.
_MOST_CLASSES = 16
_MOST_PAIRS = 24


@dataclass(frozen=True, kw_only=True)
class Cell:
    """How often one class was taken for another: `change` since before, 0 where nothing is known of before."""

    now: int
    change: int
    right: bool

    @property
    def kind(self) -> str:
        """Whether it is what should be, and whether it changed for the better."""
        if not self.change:
            return "right" if self.right else "none" if not self.now else "wrong"
        return "better" if (self.change > 0) == self.right else "worse"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two classes and how often the first was taken for the second."""

    actual: str
    predicted: str
    cell: Cell


@dataclass(frozen=True, kw_only=True)
class ConfusionTable:
    """A confusion: as a square of `rows` if there are few classes, else as the `pairs` that changed or are most.

    Attributes
    ----------
    row_name
        What the class of a row is.
    against
        What changes are counted against; empty where there are none.
    changed
        How many pairs of classes changed.
    """

    row_name: str
    against: str
    classes: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    pairs: tuple[Pair, ...]
    changed: int
    left_out: int


def confusion_of(gallery: SubjectGallery) -> ConfusionTable | None:
    """The confusion of a subject; None where it is not known, or its counts do not fit its classes."""
    found = gallery.confusion
    if found is None or not _square(found.now, len(found.classes)):
        return None
    before = found.before if _square(found.before, len(found.classes)) else ()
    rows = tuple((name, _cells(found, before, row)) for row, name in enumerate(found.classes))
    small = len(found.classes) <= _MOST_CLASSES
    return ConfusionTable(
        row_name="label" if found.rows == "label" else "predicted before",
        against={"baseline": "what was accepted"}.get(gallery.against, gallery.against) if before else "",
        classes=found.classes,
        rows=rows if small else (),
        pairs=() if small else tuple(_pairs(found.classes, rows)),
        changed=sum(bool(cell.change) for _, cells in rows for cell in cells),
        left_out=found.left_out,
    )


def _square(counts: tuple[tuple[int, ...], ...], classes: int) -> bool:
    return len(counts) == classes and all(len(row) == classes for row in counts) and classes > 0


def _cells(found: Confusion, before: tuple[tuple[int, ...], ...], row: int) -> tuple[Cell, ...]:
    return tuple(
        Cell(now=now, change=now - before[row][column] if before else 0, right=row == column)
        for column, now in enumerate(found.now[row])
    )


def _pairs(classes: tuple[str, ...], rows: tuple[tuple[str, tuple[Cell, ...]], ...]) -> list[Pair]:
    """Pairs of two classes that changed, the largest change first; those that are most frequent where none did."""
    pairs = [
        Pair(actual=name, predicted=classes[column], cell=cell)
        for name, cells in rows
        for column, cell in enumerate(cells)
        if not cell.right and (cell.now or cell.change)
    ]
    pairs.sort(key=lambda pair: (abs(pair.cell.change), pair.cell.now), reverse=True)
    return pairs[:_MOST_PAIRS]
