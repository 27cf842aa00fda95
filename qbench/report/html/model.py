"""One model on the page: its recipes beside each other, then each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qbench.report.html.confusion import confusion_of
from qbench.report.html.contest_plot import contest_plot
from qbench.report.html.contest_strips import contest_strips
from qbench.report.html.flips import flips_by_subject
from qbench.report.html.history import history_plots
from qbench.report.html.intervals import quality_strips
from qbench.report.html.latency_strips import latency_strips
from qbench.report.html.operators import operators_of
from qbench.report.html.pareto import trade_offs
from qbench.report.html.places import models_of, subject_of
from qbench.report.html.sizes import size_strips
from qbench.report.wording import format_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qbench.records import Subject
    from qbench.report.gallery import SubjectGallery
    from qbench.report.html.confusion import ConfusionTable
    from qbench.report.html.drawing import Plot, Strips
    from qbench.report.html.flips import Flips
    from qbench.report.html.operators import Operators
    from qbench.report.html.places import Places
    from qbench.run_record import RunRecord, SubjectRecord, VerdictRecord


@dataclass(frozen=True, kw_only=True)
class SubjectPart:
    """One subject: its record, its verdicts and what is shown of it; what is None or empty is not known.

    Attributes
    ----------
    open
        Whether its details are unfolded: those of subjects that are not green.
    problems
        What went wrong and is not said by a verdict.
    metrics
        Name, value now and value accepted, as text.
    """

    record: SubjectRecord
    place: str
    open: bool
    verdicts: tuple[VerdictRecord, ...]
    problems: tuple[str, ...]
    metrics: tuple[tuple[str, str, str], ...]
    contests: tuple[Plot, ...]
    gallery: SubjectGallery | None
    flips: Flips | None
    confusion: ConfusionTable | None
    operators: Operators | None
    history: tuple[Plot, ...]


@dataclass(frozen=True, kw_only=True)
class ModelPart:
    """One model: tables of its recipes, pictures of what they cost and give, and its subjects."""

    name: str
    place: str
    strips: tuple[Strips, ...]
    trade_offs: tuple[Plot, ...]
    subjects: tuple[SubjectPart, ...]


def model_parts(
    record: RunRecord, gallery: Sequence[SubjectGallery], places: Places, reference: str
) -> tuple[ModelPart, ...]:
    """All models of a run, in its order; `reference` is the recipe that the others stand beside."""
    known = [each for each in gallery if each.subject in places.subjects]
    flips = flips_by_subject(known)
    by_subject = {each.subject: each for each in known}
    verdicts: dict[Subject, list[VerdictRecord]] = {}
    for verdict in record.verdicts:
        verdicts.setdefault(verdict.subject, []).append(verdict)
    return tuple(
        ModelPart(
            name=model,
            place=places.models[model],
            strips=tuple(_strips(subjects, verdicts, places, reference)),
            trade_offs=tuple(trade_offs(subjects)),
            subjects=tuple(
                _subject(
                    record,
                    subject,
                    tuple(verdicts.get(subject_of(subject), ())),
                    by_subject.get(subject_of(subject)),
                    flips.get(subject_of(subject)),
                    place=places.subjects[subject_of(subject)],
                )
                for subject in subjects
            ),
        )
        for model, subjects in models_of(record).items()
    )


def _strips(
    subjects: Sequence[SubjectRecord],
    verdicts: Mapping[Subject, list[VerdictRecord]],
    places: Places,
    reference: str,
) -> list[Strips]:
    judged = [each for subject in subjects for each in verdicts.get(subject_of(subject), ())]
    found = [
        *quality_strips(judged, places),
        size_strips(subjects, places, reference),
        latency_strips(subjects, places),
        *contest_strips(judged, places),
    ]
    return [strips for strips in found if strips]


def _subject(
    record: RunRecord,
    subject: SubjectRecord,
    verdicts: tuple[VerdictRecord, ...],
    gallery: SubjectGallery | None,
    flips: Flips | None,
    *,
    place: str,
) -> SubjectPart:
    contests = (contest_plot(verdict) for verdict in verdicts)
    red = any(not verdict.verdict.green for verdict in verdicts) or bool(subject.problems)
    return SubjectPart(
        record=subject,
        place=place,
        open=red,
        verdicts=verdicts,
        problems=tuple(text for text in subject.problems if not _is_said(text, verdicts)),
        metrics=tuple(_metrics(record, subject)),
        contests=tuple(plot for plot in contests if plot),
        gallery=gallery,
        flips=flips if flips and flips.total else None,
        confusion=confusion_of(gallery) if gallery else None,
        operators=operators_of(gallery) if gallery else None,
        history=tuple(history_plots(gallery.history)) if gallery else (),
    )


def _is_said(problem: str, verdicts: Sequence[VerdictRecord]) -> bool:
    """Whether a problem is a failed test whose message is a verdict, or how one begins."""
    message = problem.partition(" failed: ")[2]
    return bool(message) and any(verdict.sentence.startswith(message) for verdict in verdicts)


def _metrics(record: RunRecord, subject: SubjectRecord) -> list[tuple[str, str, str]]:
    accepted = subject.accepted.metrics if subject.accepted else {}
    rows = []
    for name in dict.fromkeys([*subject.metrics, *accepted]):
        unit = record.metrics[name].unit if name in record.metrics else ""
        now, before = (format_value(name, values.get(name)) for values in (subject.metrics, accepted))
        rows.append((f"{name} ({unit})" if unit and unit not in {"B", "ns"} else name, now, before))
    return rows
