"""How sure a verdict is, in one short sentence; the whole evidence stands where a failing test says why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.report.amounts import with_unit
from qbench.report.contests import contest_interval, undecided_contest
from qbench.report.evidence import undecided

if TYPE_CHECKING:
    from qbench.verdicts import MetricVerdict


def certainty(verdict: MetricVerdict) -> str:
    """How sure it is; empty where a verdict is exact, or has nothing to be sure about."""
    parts = []
    if verdict.paired is not None and verdict.paired.lost + verdict.paired.won:
        found = verdict.paired
        low, high = f"{100 * found.low:.2f}", f"{100 * found.high:.2f} points"
        parts.append(_beyond(low, high, found.confidence) + undecided(verdict, found))
    if verdict.bootstrap is not None:
        high = with_unit(verdict.metric, f"{verdict.bootstrap.high:.4g}", verdict.unit)
        low = f"{verdict.bootstrap.low:.4g}"
        parts.append(_beyond(low, high, verdict.bootstrap.confidence) + undecided(verdict, verdict.bootstrap))
    if verdict.contest is not None:
        parts.append(f"{contest_interval(verdict.contest)}.")
        if verdict.contest.finding == "inconclusive":
            parts.append(undecided_contest(verdict, verdict.contest))
    return " ".join(parts)


def _beyond(low: str, high: str, confidence: float) -> str:
    return f"On other examples like these it is {low} to {high} worse ({confidence:.0%} interval)."
