"""What is compared with what, and what all comparisons of one row together say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from qbench.conform.case import Case, Distance
    from qbench.conform.kernels import Kernels

Finding = Literal["exact", "within 1", "differs", "wrong", "crashed", "not tried"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Kernels, and what they are held against.

    Parameters
    ----------
    name
        The column of a table.
    kernels
        What is tried.
    against
        Other kernels; None for the oracle of the same family.
    """

    name: str
    kernels: Kernels
    against: Kernels | None = None


@dataclass(kw_only=True)
class Tally:
    """Sums over the cases of one row and one comparison.

    Parameters
    ----------
    claimed_exact
        Whether the oracle claims to be exact for these kernels.
    bounded
        Whether more than one step is wrong: an operator may be off by one, and behind it that may grow.
    cases
        How many were compared.
    not_taken
        How many the delegate left to the builtin kernels, and are therefore not compared.
    refused
        How many the runtime refuses to prepare or to run, by what it says.
    crashed
        How many ended or hung their process.
    values, off_by_one, off_by_more, largest
        As in `Distance`, over all cases.
    worst
        The smallest case of those that say the worst.
    """

    claimed_exact: bool = False
    bounded: bool = True
    cases: int = 0
    not_taken: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    crashed: int = 0
    values: int = 0
    off_by_one: int = 0
    off_by_more: int = 0
    largest: int = 0
    worst: Case | None = None
    _worst_rank: tuple[int, int] | None = None

    @property
    def finding(self) -> Finding:
        """What the row says of these kernels."""
        if self.crashed:
            return "crashed"
        if self.off_by_more:
            return "wrong" if self.bounded else "differs"
        if self.off_by_one:
            return "within 1"
        return "exact" if self.cases else "not tried"

    @property
    def needs_example(self) -> bool:
        """Whether a smallest failing case is worth having: wrong, or less exact than the oracle claims."""
        return self.finding in {"wrong", "crashed"} or (self.claimed_exact and self.finding == "within 1")

    def add(self, case: Case, found: Distance) -> None:
        """Count a case that was compared."""
        self.cases += 1
        self.values += found.values
        self.off_by_one += found.off_by_one
        self.off_by_more += found.off_by_more
        self.largest = max(self.largest, found.largest)
        self._keep(case, severity(found))

    def add_crash(self, case: Case) -> None:
        """Count a case that ended or hung its process."""
        self.crashed += 1
        self._keep(case, CRASH)

    def add_refusal(self, reason: str) -> None:
        """Count a case that the runtime refuses."""
        self.refused[reason] = self.refused.get(reason, 0) + 1

    def _keep(self, case: Case, rank: int) -> None:
        """Keep the smallest case of the worst kind."""
        if rank and (self._worst_rank is None or (rank, -case.size) > self._worst_rank):
            self.worst, self._worst_rank = case, (rank, -case.size)


#: Above every `severity`.
CRASH = 3


def severity(found: Distance) -> int:
    """0 for equal, 1 for off by one at most, 2 for more."""
    return 2 if found.off_by_more else 1 if found.off_by_one else 0
