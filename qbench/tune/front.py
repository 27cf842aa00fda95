"""Which of many outcomes are worth a look: the Pareto front, the cheapest that passes, the nearest that does not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from qbench.judge.tolerance import DEFAULT_TOLERANCE
from qbench.tune.points import choices

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from qbench.tune.records import Outcome

Prefer = Literal["latency", "size"]


#: Latencies that differ by less count as the same: what a gate would let pass is no difference.
SAME_LATENCY = DEFAULT_TOLERANCE.latency or 0.0


def size_cost(outcome: Outcome) -> tuple[float, float, int, float]:
    """Bytes; between equals the latency as a share of fp32's, then how much the recipe changes, and last the drop.

    The simpler recipe comes before the more accurate one: both pass, and the best of many by a few examples is so by
    chance as likely as not.
    """
    return float(outcome.size_bytes), _ratio(outcome), choices(outcome.recipe), outcome.drop


def cheaper(outcome: Outcome, other: Outcome, prefer: Prefer) -> bool:
    """Whether a passing outcome costs less than another: it is smaller, or clearly faster if latency is preferred."""
    one, two = _ratio(outcome), _ratio(other)
    if prefer == "latency" and max(one, two) > (1 + SAME_LATENCY) * min(one, two):
        return one < two
    return size_cost(outcome) < size_cost(other)


def better(outcome: Outcome, other: Outcome | None, prefer: Prefer) -> bool:
    """Whether an outcome brings a search further than `other`: it passes at less cost, or fails by less."""
    if other is None:
        return True
    if outcome.passes and other.passes:
        return cheaper(outcome, other, prefer)
    if outcome.passes != other.passes:
        return outcome.passes
    return outcome.excess < other.excess


def cheapest(outcomes: Iterable[Outcome], prefer: Prefer) -> Outcome | None:
    """The passing outcome that costs least, None if none passes.

    If latency is preferred, that is the smallest of those that are about as fast as the fastest.
    """
    passing = [each for each in outcomes if each.passes]
    if passing and prefer == "latency":
        least = min(map(_ratio, passing))
        passing = [each for each in passing if _ratio(each) <= (1 + SAME_LATENCY) * least]
    return min(passing, key=size_cost, default=None)


def nearest(outcomes: Iterable[Outcome]) -> Outcome | None:
    """The outcome that is least beyond the tolerance, None if nothing was measured; of equals the smallest."""
    measured = [each for each in outcomes if each.measured]
    return min(measured, key=lambda each: (each.excess, each.size_bytes), default=None)


def pareto_front(outcomes: Iterable[Outcome], *, with_latency: bool = True) -> tuple[Outcome, ...]:
    """The outcomes that no other beats in accuracy, size and latency at once, the smallest first.

    One that equals another in all of them stands for both. Without a measured latency an outcome is compared in the
    other two, in which it has to hold its own.

    Parameters
    ----------
    with_latency
        Whether latency counts.
    """
    measured = sorted(
        (each for each in outcomes if each.measured), key=lambda each: (each.size_bytes, each.drop, each.ratio or 0.0)
    )
    # The first of the same bytes stands for all of them.
    measured = list({each.sha256: each for each in reversed(measured)}.values())[::-1]
    points = [_objectives(each, with_latency=with_latency) for each in measured]
    return tuple(
        outcome
        for place, outcome in enumerate(measured)
        if points[place] not in points[:place] and not any(_beats(other, points[place]) for other in points)
    )


def hypervolume(points: Sequence[tuple[float, float]], corner: tuple[float, float]) -> float:
    """The share of the rectangle from (0, 0) to `corner` that `points` dominate; more is better.

    Parameters
    ----------
    points
        Two numbers each, of both of which less is better, such as bytes and a drop; those below 0 count as 0.
    corner
        The worst that counts.
    """
    width, height = corner
    covered, lowest = 0.0, height
    for x, y in sorted((max(0.0, x), max(0.0, y)) for x, y in points):
        if x < width and y < lowest:
            covered += (width - x) * (lowest - y)
            lowest = y
    return covered / (width * height) if width * height else 0.0


def _ratio(outcome: Outcome) -> float:
    return math.inf if outcome.ratio is None else outcome.ratio


def _objectives(outcome: Outcome, *, with_latency: bool) -> tuple[float, float, float | None]:
    return outcome.drop, float(outcome.size_bytes), outcome.ratio if with_latency else None


def _beats(one: tuple[float, float, float | None], other: tuple[float, float, float | None]) -> bool:
    """Whether `one` is nowhere worse than `other` and somewhere better; what is not known of both does not count."""
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
