"""Where accuracy was lost, as a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.report.amounts import p_value_phrase

if TYPE_CHECKING:
    from qbench.verdicts import SliceChange, SlicesSummary

#: More slices than this make a sentence that nobody reads.
_MOST_NAMES = 3


def slices_sentence(slices: SlicesSummary) -> str:
    """The worst slice with its evidence, and what else is surely worse."""
    worst, count = slices.worst, f"{slices.tested} of {slices.slices} slices"
    if slices.tested == slices.slices:
        count = f"{slices.tested} slice{'' if slices.tested == 1 else 's'}"
    flips = f"{worst.lost} of {worst.examples} lost, {worst.won} won"
    corrected = f"{p_value_phrase(worst.corrected_p_value, 1)} after correction for {count}"
    said = f"Worst slice: {_named(slices, worst)}"
    if slices.worse:
        others = [f"{change.name}, {_points(change)}" for change in slices.worse[1 : 1 + _MOST_NAMES]]
        more = len(slices.worse) - 1 - len(others)
        also = f" Also worse: {'; '.join(others)}{f' and {more} more' if more else ''}." if others else ""
        return f"{said} ({flips}; {corrected}).{also}"
    if worst.corrected_p_value < 1:
        return f"{said} ({flips}), which may be chance ({corrected})."
    return f"{said} ({flips}), which may well be chance."


def _named(slices: SlicesSummary, change: SliceChange) -> str:
    return f"{slices.by} {change.name}, {_points(change)}"


def _points(change: SliceChange) -> str:
    return f"{100 * change.drop:.3g} points"
