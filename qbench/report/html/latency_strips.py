"""How long one invoke of each recipe takes: the distribution of the rounds that were timed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.report.html.axis import axis_over
from qbench.report.html.drawing import Area, Line, Strip, Strips
from qbench.report.html.places import subject_of
from qbench.report.wording import format_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.report.html.axis import Axis
    from qbench.report.html.places import Places
    from qbench.run_record import SubjectRecord

#: Percentiles of the ends of a strip's two bars.
_OUTER, _INNER = (5, 95), (25, 75)
_ALL = 101


def latency_strips(subjects: Sequence[SubjectRecord], places: Places) -> Strips | None:
    """A table of the distributions of one model's latencies; None where nothing was timed."""
    timed = [subject for subject in subjects if subject.latency]
    if not timed:
        return None
    axis = axis_over([end for subject in timed for end in _outer(subject)], ticks=3)
    remarks = ["What was timed in this run, for people; verdicts rest on contests, which run both sides side by side."]
    if any(len(subject.latency_percentiles_ns) == _ALL for subject in timed):
        remarks.insert(0, "Thin bar: 5% to 95% of the rounds. Thick bar: the middle half. Mark: the median.")
    if axis.log:
        remarks.append("The axis is logarithmic.")
    return Strips(
        title="Latency of one invoke",
        axis="time",
        value_name="Median",
        interval_name="Quartiles",
        ticks=axis.marks(format_time),
        rows=tuple(_strip(subject, axis, places) for subject in timed),
        remarks=tuple(remarks),
    )


def _strip(subject: SubjectRecord, axis: Axis, places: Places) -> Strip:
    low, high = _outer(subject)
    first, third = _inner(subject)
    median = subject.latency.median_ns if subject.latency else 0.0
    quartiles = f"{format_time(first)} to {format_time(third)}"
    ends = f"5% are below {format_time(low)}, 5% above {format_time(high)}"
    return Strip(
        name=subject.recipe,
        place=places.subjects[subject_of(subject)],
        title=f"{subject.recipe}: median {format_time(median)}, half of the rounds {quartiles}; {ends}",
        value=format_time(median),
        interval=quartiles,
        areas=(
            Area(x=axis.at(low), y=44, width=axis.at(high) - axis.at(low), height=12, kind="outer"),
            Area(x=axis.at(first), y=25, width=axis.at(third) - axis.at(first), height=50, kind="inner"),
        ),
        lines=(Line(x1=axis.at(median), y1=15, x2=axis.at(median), y2=85, kind="median"),),
    )


def _outer(subject: SubjectRecord) -> tuple[float, float]:
    return _percentiles(subject, _OUTER) or _inner(subject)


def _inner(subject: SubjectRecord) -> tuple[float, float]:
    sample = subject.latency
    return _percentiles(subject, _INNER) or ((sample.q1_ns, sample.q3_ns) if sample else (0.0, 0.0))


def _percentiles(subject: SubjectRecord, ends: tuple[int, int]) -> tuple[float, float] | None:
    known = subject.latency_percentiles_ns
    return (known[ends[0]], known[ends[1]]) if len(known) == _ALL else None
