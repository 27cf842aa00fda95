"""Diagnoses of a run's subjects for its report: as many as there is time for, and none that is made twice."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from qbench.diagnose.evidence.records import OperatorTime
from qbench.diagnose.operators.records import OperatorReport
from qbench.diagnose.records import Finding
from qbench.errors import QbenchError
from qbench.models.recipes import REFERENCE_RECIPE
from qbench.session.blame import QUICK, Blame
from qbench.session.compared import predicted

if TYPE_CHECKING:
    import numpy.typing as npt

    from qbench.models.datasets import Dataset
    from qbench.progress import Progress
    from qbench.records import Subject
    from qbench.session.run import Session

    Array = npt.NDArray[Any]

#: Seconds that one subject may take: enough for a network of some hundred operators.
_SUBJECT_S = 10.0
#: Seconds that each side's operators are timed for: their shares are to be seen, not judged.
_TIMING_S = 0.3
_NO_TIME = "its operators were not looked at: the time for that was over; `qbench explain {} {}` does it"


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one subject's operators; `notes` say what is not, and why."""

    operators: tuple[OperatorReport, ...] = ()
    times: tuple[OperatorTime, ...] = ()
    float_times: tuple[OperatorTime, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows its tables have."""
        return len(self.operators) + len(self.times) + len(self.float_times)

    def without_rows(self) -> Explained:
        """The same without its tables, which says so."""
        said = f"its operators, {self.rows} rows, are left out to keep the page small; `qbench explain` shows them"
        return Explained(findings=self.findings, notes=(*self.notes, said))


class Explanations:
    """Explains subjects until the time is over.

    It converts and evaluates nothing, and does without artifacts that are not there and predictions that this run did
    not make.

    Parameters
    ----------
    limit_s
        Seconds for all subjects.
    """

    def __init__(self, session: Session, progress: Progress, *, limit_s: float) -> None:
        self._session = session
        self._end = time.monotonic() + limit_s
        self._blame = Blame(
            session.config, session.references, session.datasets, session.existing, self._predictions, progress
        )

    def of(self, subject: Subject, dataset: Dataset | None) -> Explained:
        """Explain a subject on `dataset`, by default that of its model; what cannot be done is a note."""
        made = self._session.blame.made.get(subject)
        left = self._end - time.monotonic()
        if left <= 0 and made is None:
            return Explained(notes=(_NO_TIME.format(subject.model, subject.recipe),))
        found = Explained()
        try:
            if subject.recipe != REFERENCE_RECIPE:
                effort = replace(QUICK, limit_s=min(_SUBJECT_S, left))
                made = made or self._blame.diagnose(subject, effort, dataset)
                found = Explained(operators=made.operators, findings=made.findings, notes=made.notes)
            return self._with_times(found, subject, dataset)
        except QbenchError as error:
            return msgspec.structs.replace(found, notes=(*found.notes, f"its operators cannot be looked at: {error}"))

    def _with_times(self, found: Explained, subject: Subject, dataset: Dataset | None) -> Explained:
        if self._end < time.monotonic():
            return msgspec.structs.replace(found, notes=(*found.notes, "times of operators: there was no more time"))
        timed = self._blame.times(subject, dataset, limit_s=_TIMING_S)
        return msgspec.structs.replace(
            found, times=timed.times, float_times=timed.float_times, notes=(*found.notes, *timed.notes)
        )

    def _predictions(self, subject: Subject, dataset: Dataset) -> Array | None:
        return predicted(self._session, subject, dataset.digest)
