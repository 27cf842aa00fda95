"""How far the recipes of a model are from fp32 or from what was accepted, each with its interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from qbench.report.amounts import SHARES, format_amount
from qbench.report.html.axis import Axis, axis_over
from qbench.report.html.drawing import Area, Dot, Line, Strip, Strips

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from qbench.report.html.places import Places
    from qbench.run_record import VerdictRecord
    from qbench.verdicts import BootstrapSummary, PairedSummary

#: What verdicts call the side that a drop is counted from.
_REFERENCE = "fp32"
_AGAINST = {"fp32": "fp32 of the same run", "baseline": "what was accepted"}
_LEGEND = (
    "Left of the line at 0 is better. The bar is the interval of the drop on other examples like these; the mark is "
    "what was measured; the broken line is the tolerance."
)
_SLICES = ("slice_drop", "slice_regression")


def quality_strips(verdicts: Sequence[VerdictRecord], places: Places) -> list[Strips]:
    """A table for each metric of one model that examples say something of, against each reference.

    Parameters
    ----------
    verdicts
        Of one model.

    Where nothing changed against a reference there is no table: the table of the model says so in a word.
    """
    groups: dict[tuple[str, str], list[VerdictRecord]] = {}
    for verdict in verdicts:
        if _drop(verdict) is not None and verdict.metric not in _SLICES:
            groups.setdefault((verdict.against, verdict.metric), []).append(verdict)
    ordered = sorted(groups.items(), key=lambda item: (item[0][0] != _REFERENCE, "accuracy" not in item[0][1]))
    return [_table(group, places) for (_, _), group in ordered if any(verdict.change for verdict in group)]


def _table(group: Sequence[VerdictRecord], places: Places) -> Strips:
    first = group[0]
    ends = [value for verdict in group for value in _ends(verdict)]
    axis, cut = _readable(ends)
    return Strips(
        title=f"{_metric_name(first)}: how much worse than {_AGAINST.get(first.against, first.against)}",
        axis="points" if _is_share(first) else first.unit or first.metric,
        value_name="Worse by",
        interval_name=_kind_of_interval(group),
        ticks=axis.marks(lambda value: _plain(first, value)),
        rows=tuple(_strip(verdict, axis, places) for verdict in _in_order(group, places)),
        remarks=(
            _LEGEND,
            *(["What lies beyond the axis stands at its end, as an arrow."] if cut else []),
        ),
    )


def _strip(verdict: VerdictRecord, axis: Axis, places: Places) -> Strip:
    change = _drop(verdict) or 0.0
    found = verdict.paired or verdict.bootstrap
    low, high = (found.low, found.high) if found else (change, change)
    interval = f"{_plain(verdict, low)} to {_plain(verdict, high)}" if found else "none"
    amount = f"{format_amount(verdict.metric, abs(change), verdict.unit)} {'better' if change < 0 else 'worse'}"
    said = "" if verdict.tolerance is None else f", tolerance {_plain(verdict, verdict.tolerance)}"
    lines = [Line(x1=axis.at(0), y1=0, x2=axis.at(0), y2=100, kind="zero")]
    if verdict.tolerance is not None and axis.low <= verdict.tolerance <= axis.high:
        at = axis.at(verdict.tolerance)
        lines.append(Line(x1=at, y1=0, x2=at, y2=100, kind="tolerance"))
    beyond = not axis.low <= change <= axis.high
    kind = "bad" if not verdict.verdict.green else "good"
    return Strip(
        name=verdict.subject.recipe,
        place=places.subjects.get(verdict.subject, ""),
        title=f"{verdict.subject.recipe}: {amount}, interval {interval}{said}: {verdict.verdict}",
        value=_plain(verdict, change),
        interval=interval,
        areas=(Area(x=axis.at(low), y=30, width=axis.at(high) - axis.at(low), height=40, kind=f"interval {kind}"),),
        lines=tuple(lines),
        dots=(Dot(x=axis.at(change), y=50, kind=kind, title="", shape="beyond" if beyond else "circle"),),
    )


def _drop(verdict: VerdictRecord) -> float | None:
    """How much worse, of a verdict that examples are behind."""
    return verdict.change if verdict.paired or verdict.bootstrap else None


def _ends(verdict: VerdictRecord) -> Iterable[float]:
    found: PairedSummary | BootstrapSummary | None = verdict.paired or verdict.bootstrap
    yield from (0.0, _drop(verdict) or 0.0)
    if found:
        yield from (found.low, found.high)
    if verdict.tolerance is not None:
        yield verdict.tolerance


def _readable(values: Sequence[float]) -> tuple[Axis, bool]:
    """An axis on which the many can be told apart, and whether some lie beyond it."""
    sizes = sorted(abs(value) for value in values if math.isfinite(value) and value)
    kept = sizes[: usual_count(sizes)]
    limit = kept[-1] if kept else 0.0
    axis = axis_over([value for value in values if abs(value) <= limit] or [0.0])
    return axis, len(kept) < len(sizes)


def usual_count(sizes: Sequence[float], *, gap: float = 6.0, least: float = 0.6) -> int:
    """How many of sorted positive sizes stand before the first gap, of those in the last part of them.

    Parameters
    ----------
    gap
        How many times as large the next one is.
    least
        The share of all that stays in any case.
    """
    for index in range(max(1, math.ceil(least * len(sizes))), len(sizes)):
        if sizes[index] > gap * sizes[index - 1]:
            return index
    return len(sizes)


def _plain(verdict: VerdictRecord, value: float) -> str:
    """A change without its unit, which stands at the axis."""
    text = f"{100 * value:.2f}" if _is_share(verdict) else f"{value:.3g}"
    return "0" if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def _is_share(verdict: VerdictRecord) -> bool:
    return verdict.metric in SHARES


def _metric_name(verdict: VerdictRecord) -> str:
    return verdict.metric.removesuffix("_drop") if verdict.against == _REFERENCE else verdict.metric


def _kind_of_interval(group: Sequence[VerdictRecord]) -> str:
    found = next(each for verdict in group if (each := verdict.paired or verdict.bootstrap))
    how = "paired" if any(verdict.paired for verdict in group) else "bootstrap"
    return f"{found.confidence:.0%} interval ({how})"


def _in_order(group: Sequence[VerdictRecord], places: Places) -> list[VerdictRecord]:
    """As the subjects of the record are; verdicts stand the worst first."""
    order = list(places.subjects)
    return sorted(group, key=lambda verdict: order.index(verdict.subject) if verdict.subject in order else len(order))
