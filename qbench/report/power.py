"""What the accuracy gate of a run cannot tell, as few sentences: said when everything is green too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.judge.metrics import ACCURACY
from qbench.judge.resolution import Resolution, resolution
from qbench.report.amounts import format_amount, format_share, tolerance_phrase

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qbench.verdicts import MetricVerdict


def power_sentences(verdicts: Iterable[MetricVerdict]) -> list[str]:
    """A sentence for each tolerance of accuracy whose power is poor; what is so of many subjects is said of the worst.

    Subjects belong together if the same is wrong with the same tolerance on as many examples.
    """
    groups: dict[tuple[object, ...], list[Resolution]] = {}
    for verdict in verdicts:
        found = resolution(verdict)
        if found is None or found.finding == "sharp":
            continue
        declared = found.tolerance if found.allowance is None else found.allowance
        groups.setdefault((found.finding, found.tolerance_key, declared, found.examples), []).append(found)
    return [_of_group(group) for group in groups.values()]


def _of_group(group: list[Resolution]) -> str:
    worst = max(group, key=lambda each: (each.false_alarm or 0.0, each.serious_passes, each.tolerance / each.serious))
    subject = worst.subject.id + (f" and {len(group) - 1} more" if len(group) > 1 else "")
    tolerance = tolerance_phrase(ACCURACY, worst.tolerance, worst.allowance, of="the reference")
    if worst.finding == "too coarse":
        return f"{worst.tolerance_key} of {subject}: {_too_coarse(worst, tolerance)}"
    return f"{worst.tolerance_key} of {subject}: {_too_few(worst, tolerance)}"


def _too_few(found: Resolution, tolerance: str) -> str:
    said = []
    if found.finer_than_an_example:
        said.append(f"one example is {_points(1 / found.examples)}")
    if found.false_alarm:  # Where all flips are of one kind, none are known to go either way.
        said.append(f"what is no worse does not pass in {_often(found.false_alarm)} of such sets")
    said.append(f"what is truly {_points(found.serious)} worse passes in {_often(found.serious_passes)}")
    least = f"a true drop of {_points(found.found)} or more" if found.found < 1 else "no true drop"
    said.append(f"{least} fails in four of five")
    flips = f" with {found.flips:,} flips" if found.flips else ""
    needed = "on more examples" if found.needed is None else f"on about {float(f'{found.needed:.2g}'):,.0f}"
    return (
        f"{found.examples:,} examples{flips} are too few for a tolerance of {tolerance}: {'; '.join(said)}. "
        f"What to do: evaluate {needed}, or widen the tolerance."
    )


def _too_coarse(found: Resolution, tolerance: str) -> str:
    half = found.serious / 2
    narrower = _points(half)
    if found.errors > 0:
        narrower = f"{{errors = {half / found.errors:.2g}}}, {narrower} here"
    return (
        f"the tolerance of {tolerance} is coarse: what is truly {_points(found.serious)} worse{_growth(found)} passes "
        f"in {_often(found.serious_passes)} of such sets. What to do: narrow it, such as to {narrower}."
    )


def _growth(found: Resolution) -> str:
    """What a serious drop does to the errors."""
    if not found.errors:
        return ""
    return f", with {format_share(found.serious / found.errors)} more errors,"


def _points(share: float) -> str:
    return format_amount(ACCURACY, float(f"{share:.3g}"))


def _often(probability: float) -> str:
    """A probability that is not called certain unless it is."""
    if 0 < probability < 0.005:  # noqa: PLR2004 - what would be printed as 0%
        return "less than 1%"
    if 0.995 <= probability < 1:  # noqa: PLR2004 - what would be printed as 100%
        return "more than 99%"
    return f"{probability:.0%}"
