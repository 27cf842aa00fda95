"""Contests as sentences: the ratio, how sure it is, and what an undecided one would have taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.verdicts import Verdict

if TYPE_CHECKING:
    from qbench.measure.contest_records import Standing
    from qbench.verdicts import ContestSummary, MetricVerdict

_CLOCKS = {"cpu": "processor time", "wall": "wall clock"}


def speedup_statement(verdict: MetricVerdict) -> str:
    """A verdict on how many times as fast as fp32 a subject is."""
    name = f"{verdict.subject.id}: {verdict.metric}"
    if verdict.now is None:
        return f"{name} was not measured (min_speedup is {verdict.tolerance:g})."
    word = "below" if verdict.verdict == Verdict.FAIL else "with"
    return f"{name} is {verdict.now:.3g} times fp32 of the same run ({word} a min_speedup of {verdict.tolerance:g})."


def standing_clause(standing: Standing) -> str:
    """How far a contest is that is going on; first what a narrow terminal has to show too."""
    groups = f"{standing.groups} group{'s' if standing.groups > 1 else ''}"
    return (
        f"evidence {standing.evidence:.0%}, at most {standing.left_s:.0f} s left, ratio {standing.ratio:.3f}, {groups}"
    )


def contest_sentence(verdict: MetricVerdict, contest: ContestSummary) -> str:
    """What the contest behind a verdict measured."""
    said = _measured(contest)
    if contest.finding == "inconclusive":
        said += f" {undecided_contest(verdict, contest)}"
    return f"{said} Seed {contest.seed}."


def contest_interval(contest: ContestSummary) -> str:
    """The ratio of a contest with its interval, without an end."""
    if contest.ratio is None:
        return "No blocks were measured side by side"
    low = "0" if contest.low is None else f"{contest.low:.3f}"
    high = "any" if contest.high is None else f"{contest.high:.3f}"
    return f"Side by side the ratio is {contest.ratio:.3f} ({contest.confidence:.0%} interval {low} to {high})"


def _measured(contest: ContestSummary) -> str:
    if contest.ratio is None:
        return f"{contest_interval(contest)}."
    rounds = "1 round" if len(contest.rounds) == 1 else f"{len(contest.rounds)} rounds"
    if len(set(contest.rounds)) > 1:
        rounds += f" ({', '.join(contest.rounds)})"
    other = "wall" if contest.clock == "cpu" else "cpu"
    return (
        f"{contest_interval(contest)} in {_CLOCKS[contest.clock]}, {contest.other_clock_ratio or 0:.3f} in "
        f"{_CLOCKS[other]}; {contest.groups} groups in {rounds}, {contest.seconds:.1f} s."
    )


def undecided_contest(verdict: MetricVerdict, contest: ContestSummary) -> str:
    """What an undecided contest says all the same: which tolerances it would decide, and what more time would do."""
    limit = "what is left of run_limit_s" if contest.run_limited else "limit_s"
    parts = [f"That decides nothing within {limit}"]
    # Only of a latency is the ratio the tolerance's own measure.
    if verdict.metric == "latency_ns":
        if contest.decided_pass_at is not None:
            parts.append(f"a tolerance of {max(0.0, contest.decided_pass_at - 1):.1%} or more would pass")
        if contest.decided_fail_at is not None and contest.decided_fail_at > 1:
            parts.append(f"one of {contest.decided_fail_at - 1:.1%} or less would fail")
    if contest.needed_s is not None:
        parts.append(f"at this rate it takes about {contest.needed_s:.0f} s")
    else:
        parts.append("the ratio is so near the tolerance that no time can be named")
    return "; ".join(parts) + "."
