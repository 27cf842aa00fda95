"""Slow drift as sentences: how far from its anchor, through how many accepted changes, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.judge.drift import find_drifts
from qbench.report.amounts import format_amount, with_unit
from qbench.report.wording import format_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qbench.baseline.history import AcceptedChange
    from qbench.judge.drift import Drift
    from qbench.judge.tolerance import Tolerance
    from qbench.records import Metric, Subject


def drift_sentences(
    subject: Subject,
    history: Sequence[AcceptedChange],
    tolerance: Tolerance,
    *,
    own: Mapping[str, Metric] | None = None,
    anchor: int | None = None,
) -> tuple[str, ...]:
    """A sentence for each metric whose last value has drifted further than it may.

    Parameters
    ----------
    history
        What was accepted, the oldest first, as `qbench.baseline.history.read_history` gives it.
    tolerance
        Of the subject.
    own
        Metrics of the user's own, by name.
    anchor
        Number of the change that is declared to be the anchor.
    """
    drifts = find_drifts(
        [change.metrics for change in history],
        tolerance,
        datasets=[change.dataset for change in history],
        own=own,
        anchor=anchor,
    )
    return tuple(drift_sentence(subject, drift, history) for drift in drifts if drift.beyond)


def drift_sentence(subject: Subject, drift: Drift, history: Sequence[AcceptedChange]) -> str:
    """How far a metric is from its anchor, since when, and through what."""
    name, unit = drift.metric.name, drift.metric.unit
    now, reference = (with_unit(name, format_value(name, value), unit) for value in (drift.now, drift.reference))
    since = history[drift.anchor]
    changes = "1 accepted change" if drift.steps == 1 else f"{drift.steps} accepted changes"
    largest = history[drift.largest_at]
    through = f"through {changes}"
    if drift.steps > 1:
        through += f", none worse than {format_amount(name, drift.largest, unit)} ({largest.label})"
    worse = format_amount(name, drift.change, unit)
    return (
        f"{subject.id}: {name} is {now}, {worse} worse than {reference} of its anchor "
        f"({since.label} of {since.committed_on}), {through}."
    )
