"""Slow drift: how much worse a metric became through changes of which the gate let each one pass.

Each accepted value is compared with an anchor. Where none is declared, that is the best value that was accepted since
the last decision. A decision is one step that by itself is larger than the limit, and than the tolerance of a step: the
gate was red about it, and whoever accepted it saw it. What had drifted beyond the limit before still counts: a jump
washes out nothing.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from qbench.judge.gate import worsening
from qbench.judge.metrics import METRICS_BY_KIND, kind_of
from qbench.judge.tolerance import Allowed, Tolerance, margin_at
from qbench.records import Metric

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

#: How many tolerances of one step a metric may drift before it is said, where no limit is declared.
STEPS_BEFORE_SAID = 3

#: As in `qbench.judge.gate`: differences of decimal fractions are not exact in binary.
_ROUNDING_SHARE = 1e-6


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """How far the last value of a metric is from its anchor.

    Attributes
    ----------
    anchor
        Number of the change whose value is the anchor, in the series that was given.
    now, reference
        The last value, and the anchor's, in the metric's unit.
    change
        How much worse it became, in the terms of the tolerance: a share of the anchor for a relative metric.
    limit
        How much it may, in the same terms.
    declared
        Whether the limit was declared; otherwise it is `STEPS_BEFORE_SAID` times the tolerance of one step.
    steps
        How many changes since the anchor changed the value.
    largest, largest_at
        How much worse the worst of them made it, and its number; 0 and the anchor's if none did.
    """

    metric: Metric
    anchor: int
    now: float
    reference: float
    change: float
    limit: float
    declared: bool
    steps: int
    largest: float
    largest_at: int

    @property
    def beyond(self) -> bool:
        """Whether it is more than it may be."""
        return self.change > self.limit * (1 + _ROUNDING_SHARE)


def find_drifts(
    metrics: Sequence[Mapping[str, float]],
    tolerance: Tolerance,
    *,
    datasets: Sequence[str] = (),
    own: Mapping[str, Metric] | None = None,
    anchor: int | None = None,
) -> tuple[Drift, ...]:
    """How far each metric that may be judged against the baseline is from its anchor.

    Parameters
    ----------
    metrics
        Accepted values by name, the oldest first; the last is what is asked about.
    tolerance
        Of one step; its `drift` has the limits that are declared.
    datasets
        By change, what names the evaluation examples. On others, an accuracy is another quantity: it starts anew there.
    own
        Metrics of the user's own, by name.
    anchor
        Number of the change that is declared to be the anchor of all metrics; without it each has its own.
    """
    found = []
    for metric, key in _candidates(own or {}):
        allowed, declared, times = _limit(tolerance, key)
        step = tolerance.for_metric(key)
        if allowed is None or not metrics or metric.name not in metrics[-1]:
            continue
        numbers = [number for number, values in enumerate(metrics) if math.isfinite(values.get(metric.name, math.nan))]
        restarts = _restarts(datasets, numbers) if kind_of(metric.name) == "accuracy" else set()
        try:
            drift = find_drift(
                metric,
                [metrics[number][metric.name] for number in numbers],
                allowed,
                times=times,
                step=step,
                restarts=restarts,
                anchor=None if anchor is None else sum(number < anchor for number in numbers),
            )
        except ValueError:
            continue  # A limit of errors on what is no share: the gate says so of each value.
        if drift is not None:
            at = {"anchor": numbers[drift.anchor], "largest_at": numbers[drift.largest_at]}
            found.append(msgspec.structs.replace(drift, **at, declared=declared))
    return tuple(found)


def limited(tolerance: Tolerance, own: Mapping[str, Metric] | None = None) -> tuple[Metric, ...]:
    """The metrics whose drift has a declared limit; `own` are the user's own, by name."""
    return tuple(metric for metric, key in _candidates(own or {}) if _limit(tolerance, key)[1])


def find_drift(
    metric: Metric,
    values: Sequence[float],
    allowed: Allowed,
    *,
    times: float = 1.0,
    step: Allowed | None = None,
    restarts: Collection[int] = (),
    anchor: int | None = None,
) -> Drift | None:
    """How far the last of `values` is from its anchor; None if there is nothing to compare.

    Parameters
    ----------
    values
        Accepted values in the metric's unit, the oldest first; all finite.
    allowed, times
        The limit is so many times what `allowed` comes to at the anchor.
    step
        The tolerance of one step; None if steps are not gated, so that none is a decision.
    restarts
        Numbers of values that are not comparable with those before.
    anchor
        Number of the value that is declared to be the anchor.

    Raises
    ------
    ValueError
        If the limit speaks of errors and a value is no share; see `qbench.judge.tolerance.margin_at`.
    """
    if not values:
        return None
    if anchor is None or any(number > anchor for number in restarts):
        anchor = _own_anchor(metric, values, allowed, times, step, restarts)
    steps = [
        (worsening(metric, now=after, reference=before), number)
        for number, (before, after) in enumerate(pairwise(values[anchor:]), anchor + 1)
        if before != after
    ]
    largest, largest_at = max(steps, default=(0.0, anchor))
    return Drift(
        metric=metric,
        anchor=anchor,
        now=values[-1],
        reference=values[anchor],
        change=worsening(metric, now=values[-1], reference=values[anchor]),
        limit=times * margin_at(allowed, metric, reference=values[anchor]),
        declared=False,
        steps=len(steps),
        largest=max(largest, 0.0),
        largest_at=largest_at if largest > 0 else anchor,
    )


def _own_anchor(
    metric: Metric,
    values: Sequence[float],
    allowed: Allowed,
    times: float,
    step: Allowed | None,
    restarts: Collection[int],
) -> int:
    """The best value since the last decision, the latest of equals."""

    def drifted(before: float, best: float) -> bool:
        limit = times * margin_at(allowed, metric, reference=best)
        return worsening(metric, now=before, reference=best) > limit * (1 + _ROUNDING_SHARE)

    def was_red(now: float, before: float) -> bool:
        if step is None:
            return False
        limit = max(times * margin_at(allowed, metric, reference=before), margin_at(step, metric, reference=before))
        return worsening(metric, now=now, reference=before) > limit * (1 + _ROUNDING_SHARE)

    anchor = 0
    for number in range(1, len(values)):
        before, now, best = values[number - 1], values[number], values[anchor]
        decision = was_red(now, before) and not drifted(before, best)
        if number in restarts or decision or worsening(metric, now=now, reference=best) <= 0:
            anchor = number
    return anchor


def _candidates(own: Mapping[str, Metric]) -> Iterator[tuple[Metric, str]]:
    """Each metric that has a tolerance against the baseline, and that tolerance's key."""
    for kind in METRICS_BY_KIND.values():
        for gated in kind:
            if gated.tolerance_key:
                yield gated.metric, gated.tolerance_key
    for metric in own.values():
        yield metric, metric.name


def _limit(tolerance: Tolerance, key: str) -> tuple[Allowed | None, bool, float]:
    """The limit of a metric's drift, whether it is declared, and how many times it is to be taken."""
    declared = tolerance.drift.for_metric(key) if tolerance.drift else None
    if declared is not None:
        return declared, True, 1.0
    allowed = tolerance.for_metric(key)
    if allowed is None or allowed == 0:
        return None, False, 0.0  # Every step was red by itself: none is slow.
    return allowed, False, STEPS_BEFORE_SAID


def _restarts(datasets: Sequence[str], numbers: Sequence[int]) -> set[int]:
    """Which of the changes `numbers`, counted among them, have other examples than the one before."""
    if not datasets:
        return set()
    return {
        position
        for position, (before, after) in enumerate(pairwise(numbers), 1)
        if datasets[before] and datasets[after] and datasets[before] != datasets[after]
    }
