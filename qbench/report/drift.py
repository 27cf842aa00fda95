"""Slow drift as sentences: how far from its anchor, and through how many accepted changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.report.amounts import format_amount, with_unit
from qbench.report.wording import format_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.baseline.history import AcceptedChange
    from qbench.judge.drift import Drift
    from qbench.records import Subject


def drift_sentence(subject: Subject, drift: Drift, history: Sequence[AcceptedChange]) -> str:
    """How far a metric is from its anchor, since when, and through what."""
    name, unit = drift.metric.name, drift.metric.unit
    now, reference = (with_unit(name, format_value(name, value), unit) for value in (drift.now, drift.reference))
    worse = format_amount(name, drift.change, unit)
    anchor = f"{reference} of its anchor ({_commit(history[drift.anchor])})"
    return f"{subject.id}: {name} is {now}, {worse} worse than {anchor}, {_through(drift, history)}."


def through_sentence(drift: Drift, history: Sequence[AcceptedChange]) -> str:
    """Which change is the anchor, and what came since, as what follows on an amount."""
    return f"the anchor is {_commit(history[drift.anchor])}, from there {_through(drift, history)}"


def _through(drift: Drift, history: Sequence[AcceptedChange]) -> str:
    if not drift.steps:
        return "nothing changed it"
    changes = "1 change" if drift.steps == 1 else f"{drift.steps} changes"
    if drift.steps == 1:
        return f"through {changes} ({_commit(history[drift.largest_at])})"
    largest = format_amount(drift.metric.name, drift.largest, drift.metric.unit)
    return f"through {changes}, none larger than {largest} ({_commit(history[drift.largest_at])})"


def _commit(change: AcceptedChange) -> str:
    return f"{change.label} of {change.committed_on}" if change.commit else change.label
