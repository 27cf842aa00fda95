"""How long each recipe takes beside what it was raced against: the intervals of a model's contests in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.report.html.axis import axis_over
from qbench.report.html.contest_plot import limit_of
from qbench.report.html.drawing import WHOLE, Area, Dot, Line, Strip, Strips

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qbench.report.html.axis import Axis
    from qbench.report.html.places import Places
    from qbench.run_record import VerdictRecord
    from qbench.verdicts import ContestSummary

_SAME = 1.0
_LEGEND = (
    "Side by side: its time as a ratio to the other side's. Left of the line at 1 is faster. The bar is the interval "
    "of the median ratio, the broken line is the limit."
)


def contest_strips(verdicts: Sequence[VerdictRecord], places: Places) -> list[Strips]:
    """A table of contests against what was accepted, and one of those against fp32, of one model.

    Contests that found no ratio are left out: their verdicts say why.
    """
    groups: dict[str, list[tuple[VerdictRecord, ContestSummary]]] = {}
    for verdict in verdicts:
        if verdict.contest and verdict.contest.ratio is not None:
            side = "fp32" if verdict.metric == "speedup" else "what was accepted"
            groups.setdefault(side, []).append((verdict, verdict.contest))
    return [_table(side, raced, places) for side, raced in groups.items()]


def _table(side: str, raced: Sequence[tuple[VerdictRecord, ContestSummary]], places: Places) -> Strips:
    axis = axis_over([end for verdict, contest in raced for end in _ends(verdict, contest)], ticks=3)
    confidence = raced[0][1].confidence
    return Strips(
        title=f"Latency beside {side}",
        axis="ratio",
        value_name="Ratio",
        interval_name=f"{confidence:.0%} interval",
        ticks=axis.marks(lambda value: f"{value:.3g}"),
        rows=tuple(_strip(verdict, contest, axis, places) for verdict, contest in raced),
        remarks=(_LEGEND, *(["The axis is logarithmic."] if axis.log else [])),
    )


def _ends(verdict: VerdictRecord, contest: ContestSummary) -> Iterator[float]:
    yield _SAME
    yield from (end for end in (contest.ratio, contest.low, contest.high, limit_of(verdict)) if end is not None)


def _strip(verdict: VerdictRecord, contest: ContestSummary, axis: Axis, places: Places) -> Strip:
    ratio = contest.ratio or _SAME
    low = 0.0 if contest.low is None else axis.at(contest.low)
    high = WHOLE if contest.high is None else axis.at(contest.high)
    first = "0" if contest.low is None else f"{contest.low:.3f}"
    last = "any" if contest.high is None else f"{contest.high:.3f}"
    limit = limit_of(verdict)
    kind = "good" if verdict.verdict.green else "bad"
    lines = [Line(x1=axis.at(_SAME), y1=0, x2=axis.at(_SAME), y2=100, kind="zero")]
    if limit is not None:
        lines.append(Line(x1=axis.at(limit), y1=0, x2=axis.at(limit), y2=100, kind="tolerance"))
    allowed = "" if limit is None else f", limit {limit:.3f}"
    return Strip(
        name=verdict.subject.recipe,
        place=places.subjects.get(verdict.subject, ""),
        title=f"{verdict.subject.recipe}: ratio {ratio:.3f}, interval {first} to {last}{allowed}: {verdict.verdict}",
        value=f"{ratio:.3f}",
        interval=f"{first} to {last}",
        areas=(Area(x=low, y=30, width=high - low, height=40, kind=f"interval {kind}"),),
        lines=tuple(lines),
        dots=(Dot(x=axis.at(ratio), y=50, kind=kind, title=""),),
    )
