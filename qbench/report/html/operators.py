"""Errors and times of operators along the graph of an artifact."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from qbench.diagnose.evidence.slowdown import time_of
from qbench.report.html.axis import axis_over
from qbench.report.html.drawing import WHOLE, Area, Dot, Key, Line, Plot, Tick

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qbench.diagnose.evidence.records import OperatorTime
    from qbench.diagnose.operators.records import OperatorReport, TensorError
    from qbench.report.gallery import SubjectGallery

#: More rows than this are a page of their own: `qbench explain` has all of them.
_MOST = 200
_MOST_TICKS = 8
_FEWEST = 2


@dataclass(frozen=True, kw_only=True)
class OperatorRow:
    """One operator, or a kernel that belongs to none, as text.

    Attributes
    ----------
    alone, deployed
        Signal to quantization noise ratio in dB, fed the float model's values and as deployed.
    bar
        Its time as a share of the longest in per cent; `float_bar` that of the float model's operator.
    """

    number: str
    operator: str
    output: str
    alone: str
    deployed: str
    flips: str
    time: str
    float_time: str
    kernel: str
    note: str
    bar: float = 0.0
    float_bar: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Operators:
    """The operators of a subject: a picture of their errors, and a table."""

    plot: Plot | None
    rows: tuple[OperatorRow, ...]
    more: int
    with_errors: bool
    with_times: bool
    with_float_times: bool


def operators_of(gallery: SubjectGallery) -> Operators | None:
    """What is known of a subject's operators; None where it is nothing."""
    if not gallery.operators and not gallery.times:
        return None
    rows = list(_rows(gallery))
    return Operators(
        plot=_plot(gallery.operators),
        rows=tuple(rows[:_MOST]),
        more=max(0, len(rows) - _MOST),
        with_errors=bool(gallery.operators),
        with_times=bool(gallery.times),
        with_float_times=bool(gallery.float_times),
    )


def _rows(gallery: SubjectGallery) -> Iterator[OperatorRow]:
    times = {time.number: time for time in gallery.times if time.number >= 0}
    floats = {time.number: time for time in gallery.float_times if time.number >= 0}
    longest = max((time.nanoseconds for time in (*gallery.times, *gallery.float_times)), default=0.0)
    for report in gallery.operators:
        now, before = times.pop(report.number, None), floats.get(report.float_number)
        yield OperatorRow(
            number=str(report.number) if report.number >= 0 else "in",
            operator=report.operator,
            # Of names that were fused into one, the first.
            output=report.output.partition(";")[0],
            alone=_decibels(report.isolated),
            deployed=_decibels(report.cumulative),
            flips="-" if report.flips_alone is None else str(report.flips_alone),
            time=time_of(now) if now else "-",
            float_time=time_of(before) if before else "-",
            kernel=_kernel(now),
            note=report.note,
            bar=_share(now, longest),
            float_bar=_share(before, longest),
        )
    rest = [time for time in gallery.times if time.number < 0 or time.number in times]
    for time in rest:
        yield OperatorRow(
            number=str(time.number) if time.number >= 0 else "",
            operator="",
            output="",
            alone="-",
            deployed="-",
            flips="-",
            time=time_of(time),
            float_time="-",
            kernel=_kernel(time),
            note="",
            bar=_share(time, longest),
        )


def _plot(reports: Sequence[OperatorReport]) -> Plot | None:
    """Signal to noise along the graph; None where fewer than two operators have an error."""
    alone = [(index, report, report.isolated) for index, report in enumerate(reports)]
    deployed = [(index, report, report.cumulative) for index, report in enumerate(reports)]
    known = [error.sqnr_db for _, _, error in (*alone, *deployed) if error and error.sqnr_db is not None]
    if len(known) < _FEWEST:
        return None
    axis = axis_over(known, log=False)
    lines: list[Line] = []
    dots: list[Dot] = []
    for kind, word, shape, series in (("alone", "alone", "circle", alone), ("all", "as deployed", "diamond", deployed)):
        points = [
            (WHOLE * (index + 0.5) / len(reports), axis.down(error.sqnr_db), report, error.sqnr_db)
            for index, report, error in series
            if error and error.sqnr_db is not None
        ]
        lines += [Line(x1=x1, y1=y1, x2=x2, y2=y2, kind=kind) for (x1, y1, *_), (x2, y2, *_) in pairwise(points)]
        dots += [
            Dot(x=x, y=y, kind=kind, shape=shape, title=f"{_named(report)}: {value:.0f} dB {word}")
            for x, y, report, value in points
        ]
    lowest = min(dots, key=lambda dot: -dot.y)
    return Plot(
        title="Signal to quantization noise along the graph",
        summary=f"The least is {lowest.title}.",
        x_name="operator, in the order of the artifact",
        y_name="SQNR in dB; lower is further from the float model",
        x_ticks=_ticks(reports),
        y_ticks=axis.marks_down(lambda value: f"{value:.3g}"),
        areas=tuple(_flipping(reports)),
        lines=tuple(lines),
        dots=tuple(dots),
        keys=(
            Key(mark="circle", kind="alone", text="alone: fed the float model's values"),
            Key(mark="diamond", kind="all", text="as deployed: with all errors before it"),
            Key(mark="area", kind="flipping", text="flips most predictions alone, or half as many as that"),
        ),
        remarks=(f"The least is {lowest.title}.",),
    )


def _flipping(reports: Sequence[OperatorReport]) -> Iterator[Area]:
    """The operators that matter: one that flips few predictions beside one that flips many is not tinted."""
    width = WHOLE / len(reports)
    most = max((report.flips_alone or 0 for report in reports), default=0)
    for index, report in enumerate(reports):
        if report.flips_alone and 2 * report.flips_alone >= most:
            title = f"{_named(report)} alone flips {report.flips_alone}"
            yield Area(x=index * width, y=0, width=width, height=WHOLE, kind="flipping", title=title)


def _ticks(reports: Sequence[OperatorReport]) -> tuple[Tick, ...]:
    step = -(-len(reports) // _MOST_TICKS)
    return tuple(
        Tick(
            at=WHOLE * (index + 0.5) / len(reports),
            text=str(reports[index].number) if reports[index].number >= 0 else "in",
        )
        for index in range(0, len(reports), step)
    )


def _named(report: OperatorReport) -> str:
    number = f"{report.number} " if report.number >= 0 else ""
    return f"{number}{report.operator}"


def _decibels(error: TensorError | None) -> str:
    if error is None:
        return "-"
    if error.not_finite:
        return "NaN"
    return "exact" if error.sqnr_db is None else f"{error.sqnr_db:.0f}".replace("-", "\N{MINUS SIGN}")


def _kernel(time: OperatorTime | None) -> str:
    return "" if time is None else time.kernel + ("" if time.delegated else " (no delegate)")


def _share(time: OperatorTime | None, longest: float) -> float:
    return WHOLE * time.nanoseconds / longest if time and longest > 0 else 0.0
