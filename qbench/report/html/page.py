"""A run as one page of HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.report.html.environment import render_template
from qbench.report.html.model import model_parts
from qbench.report.html.overview import overview, reference_of_run
from qbench.report.html.places import places_of
from qbench.report.html.repeat import commands
from qbench.report.html.worst import worst

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.report.gallery import SubjectGallery
    from qbench.run_record import RunRecord


def render_page(record: RunRecord, gallery: Sequence[SubjectGallery]) -> str:
    """Write the page about a run: one file that loads nothing and runs nothing.

    Parameters
    ----------
    record
        The run.
    gallery
        What is shown beside the record, of any of its subjects; what stands there of others is left out.

    Returns
    -------
    str
        HTML, to be written as UTF-8.
    """
    places = places_of(record)
    reference = reference_of_run(record)
    values: dict[str, object] = {
        "run": record,
        "worst": worst(record, places),
        "overview": overview(record, places, reference),
        "reference": reference,
        "models": model_parts(record, gallery, places, reference),
        "commands": commands(record),
    }
    return render_template("page.html.j2", values)
