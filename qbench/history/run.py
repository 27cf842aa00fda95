"""From the repository to the history of a model: values, drift, and where it began."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from qbench.errors import ConfigError
from qbench.history.records import HistoryRecord, LatencyLevel, SubjectHistory
from qbench.judge.change_points import mean_shifts
from qbench.judge.gate import worsening
from qbench.judge.metrics import METRICS_BY_KIND
from qbench.records import Subject
from qbench.session.drift import Anchored, Histories

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.baseline.history import AcceptedChange
    from qbench.judge.drift import Drift
    from qbench.models.config import Config


def look_back(config: Config, model: str, recipes: Sequence[str], *, since: str = "") -> HistoryRecord:
    """The history of a model under some of its recipes, or all.

    Parameters
    ----------
    since
        A commit, tag or day to begin at, and to count drift from; empty for all of it and the anchors that hold.

    Raises
    ------
    ConfigError
        If there is no such model or recipe.
    BaselineError
        If git does not know a commit.
    """
    declared = config.models.get(model)
    if declared is None:
        raise ConfigError("MODEL", found=repr(model), expected=f"one of {', '.join(config.models)}")
    for recipe in recipes:
        if recipe not in declared.recipes:
            raise ConfigError("RECIPE", found=repr(recipe), expected=f"one of {', '.join(declared.recipes)}")
    histories = Histories(config, None, anchor=since)
    subjects = [Subject(model=model, recipe=recipe) for recipe in recipes or declared.recipes]
    found = [_subject(config, histories, subject, from_anchor=bool(since)) for subject in subjects]
    known = {gated.metric.name: gated.metric for kind in METRICS_BY_KIND.values() for gated in kind}
    return HistoryRecord(
        subjects=tuple(found),
        metrics={**known, **histories.own(subjects[0])},
        change_points=mean_shifts([0.0] * 4 + [1.0] * 4) is not None,
    )


def _subject(config: Config, histories: Histories, subject: Subject, *, from_anchor: bool) -> SubjectHistory:
    past: Anchored = histories.of(subject)
    drifts = histories.drifts(subject, past, config.tolerance_of(subject))
    began = {drift.metric.name: at for drift in drifts if drift.beyond and (at := _began(drift, past.changes))}
    return SubjectHistory(
        model=subject.model,
        recipe=subject.recipe,
        changes=past.changes,
        shown_from=past.anchor or 0 if from_anchor else 0,
        drifts=drifts,
        began=began,
        levels=tuple(_levels(past.changes)),
        notes=past.notes,
        gap=past.gap,
    )


def _began(drift: Drift, changes: Sequence[AcceptedChange]) -> int | None:
    """From which change on the metric got worse faster than before; None if no change stands out.

    Looked for in the steps, not in the values: a slow drift is a mean of the steps that is no longer 0. Steps that were
    a decision are left out: one alone would be the mean.
    """
    name = drift.metric.name
    numbers = [number for number, change in enumerate(changes) if name in change.metrics]
    values = [changes[number].metrics[name] for number in numbers]
    steps = [
        (number, worsening(drift.metric, now=now, reference=before))
        for number, (before, now) in zip(numbers[1:], pairwise(values), strict=True)
    ]
    slow = [(number, step) for number, step in steps if abs(step) <= drift.limit]
    for start in reversed(mean_shifts([step for _, step in slow]) or ()):
        before = [step for _, step in slow[:start]]
        after = [step for _, step in slow[start:]]
        if sum(after) > 0 and sum(after) / len(after) > sum(before) / len(before):
            return slow[start][0]
    return None


def _levels(changes: Sequence[AcceptedChange]) -> list[LatencyLevel]:
    """Levels of the accepted latencies of each kind of machine, in order."""
    levels = []
    for fingerprint in dict.fromkeys(name for change in changes for name in change.latency):
        points: list[tuple[int, float]] = []
        for number, change in enumerate(changes):
            accepted = change.latency.get(fingerprint)
            # What another machine accepted keeps this one's latency as it was.
            if accepted and (not points or points[-1][1] != accepted.sample.median_ns):
                points.append((number, accepted.sample.median_ns))
                cpu = accepted.fingerprint.cpu
        shifts = mean_shifts([math.log(value) for _, value in points if value > 0]) or ()
        for first, end in pairwise((0, *shifts, len(points))):
            levels.append(
                LatencyLevel(
                    fingerprint=fingerprint,
                    cpu=cpu,
                    first=points[first][0],
                    last=points[end - 1][0],
                    median_ns=median(value for _, value in points[first:end]),
                )
            )
    return levels
