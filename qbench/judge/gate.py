"""Numbers in, verdicts out: the policy of the gate. No input or output, no clock, no model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from qbench.judge.metrics import LATENCY, SPEEDUP
from qbench.judge.tolerance import error_share, margin_at
from qbench.verdicts import (
    Against,
    Allowance,
    BootstrapSummary,
    ContestSummary,
    Evidence,
    MetricVerdict,
    PairedSummary,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qbench.judge.tolerance import Allowed
    from qbench.records import Metric, Subject

#: Differences of decimal fractions are not exact in binary: 0.985 - 0.983 is a little more than 0.002. The
#: allowance is a share of the tolerance, because a metric may be 1e-10 or 1e10; a tolerance of 0 is exact.
_ROUNDING_SHARE = 1e-6

#: Values are kept to ten digits, and errors that are few next to them to fewer: what is a share of a reference is known
#: no better than this share of it. No evaluation set has so many examples that one of them would be less.
_KEPT_SHARE = 1e-9


def judge(
    subject: Subject,
    metric: Metric,
    *,
    now: float,
    reference: float,
    tolerance: Allowed,
    against: Against = "baseline",
    same_artifact: bool = False,
) -> MetricVerdict:
    """Judge an exact metric against a reference.

    A change for the worse beyond `tolerance` fails. One for the better beyond it is `improved`: the
    baseline is then so far off that it would hide a later regression. `same_artifact` says that the
    bytes that were measured are those that were accepted, so that an equal value means `unchanged`. A
    value that is NaN or infinite is an `error`: no comparison with NaN is true, so it would pass. So is one
    that is no share, where the tolerance speaks of errors.

    Parameters
    ----------
    now, reference
        Values in the metric's unit.
    tolerance
        How much worse is allowed: a share of the reference for a relative metric, else in its unit or an `Allowance`.
    """
    if not (math.isfinite(now) and math.isfinite(reference)):
        reason = f"{metric.name} is {now:g} and its reference {reference:g}; expected finite numbers"
        return not_judged(subject, metric.name, Verdict.ERROR, reason)
    try:
        margin = margin_at(tolerance, metric, reference=reference)
        if isinstance(tolerance, Allowance) and tolerance.errors is not None:
            error_share(metric, now)
    except ValueError as error:
        return not_judged(subject, metric.name, Verdict.ERROR, str(error), advice=_NO_SHARE)
    worse = worsening(metric, now=now, reference=reference)
    limit = margin * (1 + _ROUNDING_SHARE)
    if margin and isinstance(tolerance, Allowance):
        limit += _KEPT_SHARE * abs(reference)
    if worse > limit:
        verdict = Verdict.FAIL
    elif same_artifact and now == reference:
        verdict = Verdict.UNCHANGED
    elif against == "baseline" and -worse > limit:
        verdict = Verdict.IMPROVED
    else:
        verdict = Verdict.PASS
    return MetricVerdict(
        subject=subject,
        metric=metric.name,
        verdict=verdict,
        against=against,
        now=now,
        reference=reference,
        change=worse,
        tolerance=margin,
        allowance=tolerance if isinstance(tolerance, Allowance) else None,
        unit=metric.unit,
        advice=_ADVICE.get((verdict, against), ""),
    )


_NO_SHARE = "say its tolerance in its unit, or as {relative = ...}"

_ADVICE: dict[tuple[Verdict, Against], str] = {
    (Verdict.FAIL, "baseline"): (
        'if this is meant, accept it with --qbench-accept "why"; else undo what changed, or widen the tolerance'
    ),
    (Verdict.FAIL, "fp32"): "try a recipe that loses less, more calibration samples, or widen the tolerance",
    (
        Verdict.IMPROVED,
        "baseline",
    ): 'accept it with --qbench-accept "why", or a later regression down to the old value hides',
}


def judge_contest(
    subject: Subject,
    metric: str,
    contest: ContestSummary,
    *,
    tolerance: float,
    against: Against,
    reason: str = "",
) -> MetricVerdict:
    """Turn what a contest found into a verdict.

    Parameters
    ----------
    metric
        ``latency_ns``, or ``speedup``, of which more is better.
    tolerance
        Of a latency, the share by which it may grow; of a speedup, the least that is allowed.
    """
    verdict = {
        "slower": Verdict.FAIL,
        "not slower": Verdict.IMPROVED if contest.faster else Verdict.PASS,
        "inconclusive": Verdict.INCONCLUSIVE,
    }[contest.finding]
    now, reference, change = contest.candidate_ns, contest.baseline_ns, None
    if contest.ratio is not None:
        change = contest.ratio - 1
        if metric == SPEEDUP:
            now, reference, change = 1 / contest.ratio, tolerance, tolerance - 1 / contest.ratio
    return MetricVerdict(
        subject=subject,
        metric=metric,
        verdict=verdict,
        against=against,
        now=now,
        reference=reference,
        change=change,
        tolerance=tolerance,
        reason=reason,
        advice=_CONTEST_ADVICE.get((verdict, metric), _ADVICE.get((verdict, against), "")),
        contest=contest,
    )


_CONTEST_ADVICE: dict[tuple[Verdict, str], str] = {
    (
        Verdict.FAIL,
        SPEEDUP,
    ): "look for float islands and operators without a fast kernel, try another recipe, or lower min_speedup",
    (
        Verdict.INCONCLUSIVE,
        LATENCY,
    ): "run again on a quieter machine, give it more time with [tool.qbench.contest] limit_s, or widen the tolerance",
    (
        Verdict.INCONCLUSIVE,
        SPEEDUP,
    ): "run again on a quieter machine, give it more time with [tool.qbench.contest] limit_s, or change min_speedup",
}


def weigh(verdict: MetricVerdict, found: PairedSummary | BootstrapSummary, evidence: Evidence) -> MetricVerdict:
    """A verdict on accuracy, or on a metric of the user's own, with what it means beyond the evaluation set.

    On that set the drop is a fact, and with the evidence ``exact`` that decides. With ``significant`` a drop fails
    only if the interval excludes the tolerance; else it is `inconclusive`.
    """
    if isinstance(found, PairedSummary):
        weighed = msgspec.structs.replace(verdict, paired=found)
    else:
        weighed = msgspec.structs.replace(verdict, bootstrap=found)
    if evidence == "exact" or verdict.verdict != Verdict.FAIL or found.finding == "beyond":
        return weighed
    return msgspec.structs.replace(weighed, verdict=Verdict.INCONCLUSIVE, advice=_MORE_EXAMPLES)


_MORE_EXAMPLES = (
    "evaluate on more examples, widen the tolerance, or let the evaluation set itself decide with "
    'accuracy_evidence = "exact"'
)


def worsening(metric: Metric, *, now: float, reference: float) -> float:
    """How much worse `now` is than `reference`; negative is better; a share for a relative metric."""
    difference = reference - now if metric.direction == "higher" else now - reference
    if not metric.relative:
        return difference
    if reference == 0:
        return 0.0 if difference == 0 else float("inf") if difference > 0 else float("-inf")
    return difference / abs(reference)


def not_judged(
    subject: Subject, metric: str, verdict: Verdict, reason: str, *, advice: str = "", now: float | None = None
) -> MetricVerdict:
    """A verdict that no comparison led to: `missing`, `not comparable` or `error`.

    The reason becomes a part of sentences, also where it is what another program printed on several lines: a line of
    its own may be read as a command, where continuous integration reads the log.
    """
    one_line = " ".join(reason.splitlines()).removesuffix(".")
    return MetricVerdict(subject=subject, metric=metric, verdict=verdict, reason=one_line, advice=advice, now=now)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict that a summary of several must show; `missing` if there are none."""
    return min(verdicts, key=list(Verdict).index, default=Verdict.MISSING)


def incomplete(verdicts: Iterable[MetricVerdict]) -> tuple[MetricVerdict, ...]:
    """Verdicts that say something was not judged although it should have been.

    `not comparable` is not among them where nothing can be done about it: a model without fp32, a dataset
    without labels. About a latency something always can.
    """
    open_questions = {Verdict.MISSING, Verdict.ERROR, Verdict.INCONCLUSIVE}
    return tuple(
        verdict
        for verdict in verdicts
        if verdict.verdict in open_questions
        or (verdict.verdict == Verdict.NOT_COMPARABLE and verdict.metric == LATENCY)
    )
