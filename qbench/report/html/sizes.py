"""How large the artifacts of a model are, each beside the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.report.html.axis import axis_over
from qbench.report.html.drawing import Area, Strip, Strips
from qbench.report.html.overview import ratio, reference_of
from qbench.report.html.places import subject_of
from qbench.report.wording import format_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.report.html.places import Places
    from qbench.run_record import SubjectRecord


def size_strips(subjects: Sequence[SubjectRecord], places: Places, reference: str) -> Strips | None:
    """A table of the sizes of one model's artifacts; None where there are none. Sizes are exact: no interval."""
    sized = [(subject, subject.size_bytes) for subject in subjects if subject.size_bytes is not None]
    if not sized:
        return None
    beside = reference_of(subjects, reference)
    axis = axis_over([size for _, size in sized], ticks=3, log=False, zero=True)
    rows = []
    for subject, size in sized:
        share = ratio(size, beside.size_bytes if beside else None)
        rows.append(
            Strip(
                name=subject.recipe,
                place=places.subjects[subject_of(subject)],
                title=f"{subject.recipe}: {size:,} bytes, {share} of {reference}",
                value=format_size(size),
                interval=share,
                areas=(Area(x=0, y=25, width=axis.at(size), height=50, kind="inner"),),
            )
        )
    return Strips(
        title="Size of the artifact",
        axis="bytes",
        value_name="Size",
        interval_name=f"To {reference}",
        ticks=axis.marks(format_size),
        rows=tuple(rows),
        remarks=("Exact: a size has no interval.",),
    )
