"""All subjects of a run in one table, as the terminal has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qbench.report.html.places import models_of, subject_of
from qbench.report.wording import format_size, format_time
from qbench.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.report.html.places import Places
    from qbench.run_record import RunRecord, SubjectRecord

#: The recipe that others stand beside, and what takes its place where two files are compared, neither called fp32.
_REFERENCE, _FIRST_OF_TWO = "fp32", "baseline"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One subject: what was measured of it, beside the reference of the same model.

    Attributes
    ----------
    verdicts
        Words with the metrics that they are about, the worst first; where all are green the least alone, without them.
    """

    recipe: str
    place: str
    size: str
    size_ratio: str
    accuracy: str
    drop: str
    latency: str
    latency_ratio: str
    verdicts: tuple[tuple[Verdict, str], ...]


@dataclass(frozen=True, kw_only=True)
class Group:
    """The subjects of one model."""

    model: str
    place: str
    rows: tuple[Row, ...]


def overview(record: RunRecord, places: Places, reference: str) -> tuple[Group, ...]:
    """The table of a run, by model; `reference` is the recipe that the others stand beside."""
    return tuple(
        Group(
            model=model,
            place=places.models[model],
            rows=tuple(_row(record, subject, reference_of(subjects, reference), places) for subject in subjects),
        )
        for model, subjects in models_of(record).items()
    )


def reference_of_run(record: RunRecord) -> str:
    """The recipe that sizes, times and accuracies of the others stand beside."""
    recipes = {subject.recipe for subject in record.subjects}
    return _FIRST_OF_TWO if _REFERENCE not in recipes and _FIRST_OF_TWO in recipes else _REFERENCE


def reference_of(subjects: Sequence[SubjectRecord], reference: str) -> SubjectRecord | None:
    """The subject of a recipe among those of a model."""
    return next((subject for subject in subjects if subject.recipe == reference), None)


def _row(record: RunRecord, subject: SubjectRecord, reference: SubjectRecord | None, places: Places) -> Row:
    accuracy = subject.metrics.get("accuracy")
    before = reference.metrics.get("accuracy") if reference else None
    latency, float_latency = _latency(subject), _latency(reference)
    return Row(
        recipe=subject.recipe,
        place=places.subjects[subject_of(subject)],
        size="-" if subject.size_bytes is None else format_size(subject.size_bytes),
        size_ratio=ratio(subject.size_bytes, reference.size_bytes if reference else None),
        accuracy="-" if accuracy is None else f"{accuracy:.4f}",
        drop="-" if accuracy is None or before is None else points(accuracy - before),
        latency="-" if latency is None else format_time(latency),
        latency_ratio=ratio(latency, float_latency),
        verdicts=_words(record, subject),
    )


def points(change: float) -> str:
    """A change of a share in points, with its sign; a real minus, which is as wide as a plus."""
    text = f"{100 * change:+.2f}"
    return "0.00" if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def _latency(subject: SubjectRecord | None) -> float | None:
    return subject.latency.median_ns if subject and subject.latency else None


def ratio(value: float | None, reference: float | None) -> str:
    """How many times as large a value is as the reference, as text; a dash where one of them is unknown."""
    return "-" if value is None or not reference else f"{value / reference:.2f}\N{MULTIPLICATION SIGN}"


def _words(record: RunRecord, subject: SubjectRecord) -> tuple[tuple[Verdict, str], ...]:
    metrics: dict[Verdict, list[str]] = {}
    for verdict in record.verdicts:
        if verdict.subject == subject_of(subject):
            metrics.setdefault(verdict.verdict, []).append(verdict.metric)
    ordered = sorted(metrics, key=list(Verdict).index)
    green = [word for word in ordered if word.green]
    told = [(word, ", ".join(dict.fromkeys(metrics[word]))) for word in ordered if not word.green]
    return tuple(told) or tuple((word, "") for word in green[:1])
