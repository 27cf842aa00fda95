"""What is compared with what, and what all comparisons of one row together say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from qbench.conform.case import Case, Distance
    from qbench.conform.kernels import Kernels

Finding = Literal[
    "crashed", "wrong", "oracle failed", "refused", "differs", "within 1", "exact", "no oracle", "not tried"
]

#: Findings that somebody has to look at.
BAD: frozenset[Finding] = frozenset({"crashed", "wrong", "oracle failed", "refused"})


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What one comparison says of one case.

    Parameters
    ----------
    kind
        ``compared``: `found` says how far the two sides are apart. ``left``: the delegate left the operator to other
        kernels. ``refused``: the runtime does not run it. ``crashed``: it ended or hung its process. ``no oracle``: the
        specification does not say what to expect. ``failed``: the oracle has a defect.
    reason
        Why, where it is not compared.
    claimed_exact
        Whether equality is expected.
    bounded
        Whether more than one step is wrong: an operator may be off by one, and behind it that may grow.
    is_run_elsewhere
        Of what is refused, whether other kernels or the oracle give a result: if not, it may be the inputs' fault.
    """

    kind: Literal["compared", "left", "refused", "crashed", "no oracle", "failed"]
    found: Distance | None = None
    reason: str = ""
    claimed_exact: bool = True
    bounded: bool = True
    is_run_elsewhere: bool = True

    @property
    def severity(self) -> int:
        """0 for what is as it should be, 1 for off by one at most, 2 for more, 3 for a crash."""
        if self.kind == "crashed":
            return CRASH
        if self.found is None:
            return 0
        return 2 if self.found.off_by_more else 1 if self.found.off_by_one else 0


CRASH = 3


@dataclass(kw_only=True)
class Tally:
    """Sums over the cases of one row and one comparison.

    Parameters
    ----------
    claimed_exact, bounded
        As in `Verdict`, of all cases.
    cases, not_taken, crashed
        How many were compared, left to other kernels, or ended their process.
    refused, refused_by_all, no_oracle, failed
        How many were not compared, by reason.
    values, off_by_one, off_by_more, largest
        As in `Distance`, over all cases.
    worst
        The smallest case of those that say the worst.
    """

    claimed_exact: bool = True
    bounded: bool = True
    cases: int = 0
    not_taken: int = 0
    crashed: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    refused_by_all: dict[str, int] = field(default_factory=dict)
    no_oracle: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    values: int = 0
    off_by_one: int = 0
    off_by_more: int = 0
    largest: int = 0
    worst: Case | None = None
    _worst_rank: tuple[int, int] | None = None

    @property
    def finding(self) -> Finding:
        """What the row says of these kernels: the worst."""
        off: Finding = "wrong" if self.bounded else "differs"
        found: list[tuple[Finding, object]] = [
            ("crashed", self.crashed),
            ("wrong", self.off_by_more and off == "wrong"),
            ("oracle failed", self.failed),
            ("refused", self.refused or (self.refused_by_all and not self.cases)),
            ("differs", self.off_by_more),
            ("within 1", self.off_by_one),
            ("exact", self.cases),
            ("no oracle", self.no_oracle),
        ]
        return next((finding for finding, count in found if count), "not tried")

    @property
    def needs_example(self) -> bool:
        """Whether a smallest failing case is worth having: wrong, or less exact than the oracle claims."""
        is_less_exact = self.claimed_exact and bool(self.off_by_one)
        return bool(self.crashed) or (bool(self.off_by_more) and self.bounded) or is_less_exact

    def add(self, case: Case, verdict: Verdict) -> None:
        """Count a case."""
        if verdict.kind == "left":
            self.not_taken += 1
        elif verdict.kind == "crashed":
            self.crashed += 1
        elif verdict.found is None:
            refused = self.refused if verdict.is_run_elsewhere else self.refused_by_all
            reasons = {"refused": refused, "no oracle": self.no_oracle, "failed": self.failed}[verdict.kind]
            reasons[verdict.reason] = reasons.get(verdict.reason, 0) + 1
        else:
            self._add_distance(verdict.found)
            self.claimed_exact &= verdict.claimed_exact
            self.bounded &= verdict.bounded
        self._keep(case, verdict.severity)

    def _add_distance(self, found: Distance) -> None:
        self.cases += 1
        self.values += found.values
        self.off_by_one += found.off_by_one
        self.off_by_more += found.off_by_more
        self.largest = max(self.largest, found.largest)

    def _keep(self, case: Case, severity: int) -> None:
        """Keep the smallest case of the worst kind."""
        if severity and (self._worst_rank is None or (severity, -case.size) > self._worst_rank):
            self.worst, self._worst_rank = case, (severity, -case.size)
