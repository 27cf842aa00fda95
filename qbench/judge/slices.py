"""Whether accuracy drops in one class, or one group of examples, more than the whole shows.

Each slice has McNemar's exact test of its own flips. Who looks at many slices finds a bad one by luck, so the p-values
are corrected by Holm's method (Scandinavian Journal of Statistics 6, 1979, 65-70), which bounds the probability that
*any* slice is called worse by mistake. That is what an alarm needs, and it holds however slices depend on each other;
methods that bound the share of mistakes among what is found (Benjamini and Hochberg) are for lists that somebody goes
through.

The test is conditional on how many examples of a slice flip, so slices may be chosen by that number. Those with too few
flips to be significant even alone are not tested: they could say nothing, and would make the correction harsher for the
rest (Tarone, Biometrics 46, 1990, 515-522). So a slice of few examples is silent, and a thousand classes cost no more
than those in which something happens.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from qbench.judge.paired import PairedCounts, mcnemar_p_value
from qbench.verdicts import MetricVerdict, SliceChange, SlicesSummary, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from qbench.records import Subject
    from qbench.verdicts import Against

    Array = npt.NDArray[Any]

#: How probable it may be that any slice is called worse by mistake.
ALPHA = 0.05

#: With fewer flips than this, all of them one way are no evidence: ``2 * 0.5**flips`` is above `ALPHA`.
LEAST_FLIPS = math.ceil(math.log2(2 / ALPHA))

#: As of the gate: a drop that is the tolerance but for rounding is within it.
_ROUNDING_SHARE = 1e-6


def compare_slices(
    right: Array, was_right: Array, groups: Array, *, by: str, alpha: float = ALPHA
) -> SlicesSummary | None:
    """What happened in each slice; None where no slice lost more than it won.

    Parameters
    ----------
    right, was_right
        Whether the candidate and the reference are right, booleans of shape (examples,).
    groups
        Which slice each example is in, integers or text of shape (examples,).
    by
        What a slice is, for people.
    alpha
        How probable it may be that any slice is called worse by mistake.
    """
    names, place = np.unique(groups, return_inverse=True)
    place = place.reshape(-1)
    kinds = (np.ones(len(place), bool), was_right & ~right, right & ~was_right)
    examples, lost, won = (np.bincount(place[kind], minlength=len(names)).tolist() for kind in kinds)
    changes = [_change(_text(name), *counts) for name, *counts in zip(names, examples, lost, won, strict=True)]
    tested = [change for change in changes if change.lost + change.won >= LEAST_FLIPS]
    corrected = holm([change.p_value for change in tested])
    by_name = {
        change.name: msgspec.structs.replace(change, corrected_p_value=p)
        for change, p in zip(tested, corrected, strict=True)
    }
    dropped = [by_name.get(change.name, change) for change in changes if change.drop > 0]
    if not dropped:
        return None
    worse = sorted((change for change in dropped if change.corrected_p_value <= alpha), key=lambda change: -change.drop)
    worst = worse[0] if worse else min(dropped, key=lambda change: (change.p_value, -change.drop))
    return SlicesSummary(by=by, slices=len(names), tested=len(tested), worst=worst, worse=tuple(worse))


def _text(name: object) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


def _change(name: str, examples: int, lost: int, won: int) -> SliceChange:
    p_value = mcnemar_p_value(PairedCounts(examples=examples, lost=lost, won=won))
    return SliceChange(name=name, examples=examples, lost=lost, won=won, p_value=p_value, corrected_p_value=1.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for being looked at together, in the same order.

    The smallest of m is multiplied by m, the next by m - 1 and so on; none is smaller than one before it, or above 1.
    """
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def judge_slices(
    subject: Subject,
    slices: SlicesSummary | None,
    *,
    metric: str,
    tolerance: float,
    against: Against,
    unchanged: bool = False,
) -> MetricVerdict:
    """Judge what slices lost: one that lost more than `tolerance`, and more than chance, fails.

    Parameters
    ----------
    slices
        None if no slice lost more than it won.
    metric
        How what is judged is called.
    tolerance
        Largest loss of accuracy in any slice, as a share of its examples.
    unchanged
        Whether the artifact is the accepted one, with the accepted accuracy.
    """
    green = Verdict.UNCHANGED if unchanged and slices is None else Verdict.PASS
    failing = [change for change in slices.worse if change.drop > tolerance * (1 + _ROUNDING_SHARE)] if slices else []
    return MetricVerdict(
        subject=subject,
        metric=metric,
        verdict=Verdict.FAIL if failing else green,
        against=against,
        change=slices.worst.drop if slices else 0.0,
        tolerance=tolerance,
        reason=_reason(slices, failing, tolerance),
        advice=_ADVICE if failing else "",
        slices=slices,
    )


def _reason(slices: SlicesSummary | None, failing: Sequence[SliceChange], tolerance: float) -> str:
    if slices is None:
        return "no slice lost more than it won"
    allowed = f"the {100 * tolerance:.4g} points that any may lose"
    if not failing:
        return f"no {slices.by} lost more than chance and more than {allowed}"
    if len(failing) == 1:
        return f"{slices.by} {failing[0].name} lost more than {allowed}"
    return f"{len(failing)} of {slices.slices} slices lost more than {allowed}"


_ADVICE = (
    "look at the examples of that slice and calibrate with more like them, try a recipe that loses less, or widen the "
    "tolerance"
)
