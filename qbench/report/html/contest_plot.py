"""A contest, block by block: the ratio of each group in the order of measurement, and what it came to."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from qbench.report.html.axis import axis_over
from qbench.report.html.drawing import WHOLE, Area, Dot, Key, Line, Plot, Tick
from qbench.report.wording import format_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.report.html.axis import Axis
    from qbench.run_record import VerdictRecord
    from qbench.verdicts import ContestSummary

_CLOCKS = {"cpu": "processor time", "wall": "wall clock"}
_MOST_TICKS = 6
_NOTED = 1.0


def contest_plot(verdict: VerdictRecord) -> Plot | None:
    """The picture of the contest behind a verdict; None if there was none, or nothing was measured side by side."""
    contest = verdict.contest
    ratios = [candidate / baseline for baseline, candidate in contest.groups_ns if baseline > 0] if contest else []
    if contest is None or not ratios:
        return None
    limit = limit_of(verdict)
    ends = [end for end in (contest.low, contest.high, contest.ratio, limit) if end is not None]
    axis = axis_over([*ratios, *ends, _NOTED], log=False)
    against = "fp32" if verdict.against != "baseline" else "the accepted artifact"
    return Plot(
        title=f"{verdict.subject.recipe} beside {against}: {verdict.metric}",
        summary=_summary(contest, ratios, limit),
        x_name=f"group of blocks, in the order of measurement ({len(ratios)})",
        y_name=f"its time as a ratio, {_CLOCKS[contest.clock]}",
        x_ticks=_group_ticks(len(ratios)),
        y_ticks=axis.marks_down(lambda value: f"{value:.3g}"),
        areas=tuple(_interval(contest, axis)),
        lines=tuple(_lines(contest, limit, axis)),
        dots=tuple(_dots(contest, ratios, limit, axis)),
        keys=(
            Key(mark="circle", kind="good", text="within"),
            Key(mark="diamond", kind="bad", text="beyond the limit"),
            Key(mark="line", kind="tolerance", text="limit"),
            Key(mark="area", kind="band", text=f"{contest.confidence:.0%} interval of the median"),
            Key(mark="line", kind="median", text="median"),
        ),
        remarks=(_summary(contest, ratios, limit), f"Rounds: {', '.join(contest.rounds)}. Seed {contest.seed}."),
    )


def limit_of(verdict: VerdictRecord) -> float | None:
    """The ratio above which it fails; a floor of a speedup is one of the inverse."""
    if verdict.tolerance is None:
        return None
    if verdict.metric == "speedup":
        return 1 / verdict.tolerance if verdict.tolerance > 0 else None
    return 1 + verdict.tolerance


def _summary(contest: ContestSummary, ratios: Sequence[float], limit: float | None) -> str:
    beyond = sum(limit is not None and ratio > limit for ratio in ratios)
    above = "" if limit is None else f" {beyond} of {len(ratios)} groups are above the limit of {limit:.3f}."
    if contest.ratio is None:
        return f"Found: {contest.finding}.{above}"
    low = "0" if contest.low is None else f"{contest.low:.3f}"
    high = "any" if contest.high is None else f"{contest.high:.3f}"
    return f"The ratio is {contest.ratio:.3f}, interval {low} to {high}: {contest.finding}.{above}"


def _group_ticks(count: int) -> tuple[Tick, ...]:
    step = math.ceil(count / _MOST_TICKS)
    return tuple(Tick(at=_place(index, count), text=str(index + 1)) for index in range(0, count, step))


def _place(index: int, count: int) -> float:
    return WHOLE * (index + 0.5) / count


def _interval(contest: ContestSummary, axis: Axis) -> list[Area]:
    if contest.ratio is None:
        return []
    top = 0.0 if contest.high is None else axis.down(contest.high)
    bottom = WHOLE if contest.low is None else axis.down(contest.low)
    return [Area(x=0, y=top, width=WHOLE, height=bottom - top, kind="band", title="interval of the median ratio")]


def _lines(contest: ContestSummary, limit: float | None, axis: Axis) -> list[Line]:
    lines = [_across(axis.down(_NOTED), "zero", "as fast as the other side: 1")]
    if limit is not None:
        lines.append(_across(axis.down(limit), "tolerance", f"limit: {limit:.3f}"))
    if contest.ratio is not None:
        lines.append(_across(axis.down(contest.ratio), "median", f"median: {contest.ratio:.3f}"))
    return lines


def _across(y: float, kind: str, title: str) -> Line:
    return Line(x1=0, y1=y, x2=WHOLE, y2=y, kind=kind, title=title)


def _dots(contest: ContestSummary, ratios: Sequence[float], limit: float | None, axis: Axis) -> list[Dot]:
    dots = []
    pairs = [pair for pair in contest.groups_ns if pair[0] > 0]
    for index, (ratio, (baseline, candidate)) in enumerate(zip(ratios, pairs, strict=True)):
        beyond = limit is not None and ratio > limit
        title = f"group {index + 1}: {ratio:.3f}, {format_time(candidate)} beside {format_time(baseline)}"
        dots.append(
            Dot(
                x=_place(index, len(ratios)),
                y=axis.down(ratio),
                kind="bad" if beyond else "good",
                title=title,
                shape="diamond" if beyond else "circle",
            )
        )
    return dots
