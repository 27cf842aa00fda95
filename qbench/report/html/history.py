"""What was accepted of a subject over time: who did it and why, and its metrics as steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.report.html.axis import axis_over
from qbench.report.html.drawing import WHOLE, Dot, Line, Plot, Tick
from qbench.report.wording import format_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.baseline.history import AcceptedChange

#: Metrics that are drawn, with what their picture is called.
_DRAWN = {"accuracy": "Accepted accuracy", "size_bytes": "Accepted size"}
_FEWEST = 2
_MOST_TICKS = 4


def history_plots(history: Sequence[AcceptedChange]) -> list[Plot]:
    """A picture of each metric that at least two commits accepted."""
    plots = []
    for metric, title in _DRAWN.items():
        known = [(change, change.metrics[metric]) for change in history if metric in change.metrics]
        if len(known) >= _FEWEST:
            plots.append(_plot(known, metric, title))
    return plots


def _plot(known: Sequence[tuple[AcceptedChange, float]], metric: str, title: str) -> Plot:
    axis = axis_over([value for _, value in known], ticks=3, log=False)
    step = WHOLE / len(known)
    lines, dots = [], []
    for index, (change, value) in enumerate(known):
        x, y = index * step, axis.down(value)
        lines.append(Line(x1=x, y1=y, x2=x + step, y2=y, kind="median"))
        if index:
            lines.append(Line(x1=x, y1=axis.down(known[index - 1][1]), x2=x, y2=y, kind="median"))
        said = f"{change.committed_on}, {change.author}: {format_value(metric, value)}"
        dots.append(Dot(x=x + step / 2, y=y, kind="front", title=said))
    every = -(-len(known) // _MOST_TICKS)
    first, last = (format_value(metric, value) for value in (known[0][1], known[-1][1]))
    return Plot(
        title=title,
        summary=f"From {first} to {last} in {len(known)} commits.",
        x_name="commits that accepted it, the oldest first",
        y_name=metric,
        x_ticks=tuple(
            Tick(at=(index + 0.5) * step, text=known[index][0].committed_on) for index in range(0, len(known), every)
        ),
        y_ticks=axis.marks_down(lambda value: format_value(metric, value)),
        lines=tuple(lines),
        dots=tuple(dots),
    )
