"""Where on the page models and subjects are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qbench.records import Subject
from qbench.report.html.untrusted import Anchors

if TYPE_CHECKING:
    from qbench.run_record import RunRecord, SubjectRecord


@dataclass(frozen=True, kw_only=True)
class Places:
    """Names of places, by model and by subject."""

    models: dict[str, str]
    subjects: dict[Subject, str]


def places_of(record: RunRecord) -> Places:
    """Name a place for each model and each subject of a run."""
    anchors = Anchors()
    models = {name: anchors.new("model", name) for name in models_of(record)}
    subjects = {subject_of(each): anchors.new("subject", each.id) for each in record.subjects}
    return Places(models=models, subjects=subjects)


def models_of(record: RunRecord) -> dict[str, list[SubjectRecord]]:
    """Subjects by model, both in the order of the record."""
    models: dict[str, list[SubjectRecord]] = {}
    for subject in record.subjects:
        models.setdefault(subject.model, []).append(subject)
    return models


def subject_of(record: SubjectRecord) -> Subject:
    """What a record is about."""
    return Subject(model=record.model, recipe=record.recipe)
