"""Gathers what a page about a run shows beside the run's record, within a time and a size."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict, replace

from qbench.progress import TaskProgress
from qbench.report.drift import drift_sentence
from qbench.report.gallery import SubjectGallery
from qbench.session.compared import compared
from qbench.session.confusion import MOST_CLASSES, confusion
from qbench.session.drift import Histories
from qbench.session.explained import Explanations
from qbench.session.flip_pictures import flip_pictures
from qbench.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbench.progress import Progress, Report
    from qbench.records import Subject
    from qbench.session.compared import Compared
    from qbench.session.inventory import Inventory
    from qbench.session.run import Session

#: Seconds that looking at operators may take by default: what a reader waits for at the end of a run.
LIMIT_S = 60.0
#: A page has to stay below 6 MB. Bytes of all pictures, which take a third more as text; counts in all tables of
#: confusion; rows of all tables of operators.
_PICTURE_BYTES = 2_000_000
_COUNTS = 40_000
_OPERATORS = 6_000
#: Accepted changes of all subjects, and how many of each there are however many subjects.
_CHANGES, _FEWEST_CHANGES = 2_000, 10
#: How many times as much room as others a subject has that failed, or whose predictions differ from the accepted ones.
_FAILED_SHARE, _FLIPPED_SHARE = 16, 4


def gallery(
    session: Session, inventory: Inventory, *, progress: Progress, limit_s: float = LIMIT_S
) -> tuple[SubjectGallery, ...]:
    """Gather flips with their pictures, confusion, operators and history of every subject of a run.

    Converts and evaluates nothing, changes nothing that the session measured, and never raises: what cannot be had is a
    note of its subject. Where time or room are short, subjects that failed come first, then those whose predictions
    changed. Ctrl-C ends it with what there is.

    Parameters
    ----------
    limit_s
        About how many seconds operators may be looked at, in all; 0 to leave them.
    """
    gathering = _Gathering(session, inventory)
    with progress.task("gathering pictures") as report:
        try:
            gathering.compare()
            gathering.look_back()
            gathering.explain(report, limit_s)
        except KeyboardInterrupt:
            gathering.note_interrupt()
    return tuple(gathering.found.values())


class _Gathering:
    """Galleries as they come together."""

    def __init__(self, session: Session, inventory: Inventory) -> None:
        self._session = session
        self._inventory = inventory
        subjects = [*inventory.results, *(verdict.subject for verdict in inventory.verdicts)]
        self.found = {subject: SubjectGallery(subject=subject, against="") for subject in subjects}
        self._compared: dict[Subject, Compared] = {}

    def compare(self) -> None:
        """Add flips and confusion."""
        for subject in self.found:
            with self._noting("its predictions cannot be compared", subject):
                found = compared(self._session, subject)
                if found is not None:
                    self._compared[subject] = found
                    self._add(subject, found.notes, against=found.against, flips_total=len(found.flipped))
        self._add_pictures()
        most = min(MOST_CLASSES, int((_COUNTS / 2 / max(1, len(self._compared))) ** 0.5))
        for subject, found in self._compared.items():
            with self._noting("its confusion cannot be shown", subject):
                self._add(subject, confusion=confusion(found, most=most))

    def _add_pictures(self) -> None:
        room = _PICTURE_BYTES
        waiting = [subject for subject in self._by_urgency() if subject in self._compared]
        while waiting:
            share = self._weight(waiting[0]) / sum(map(self._weight, waiting))
            subject = waiting.pop(0)
            with self._noting("its flips cannot be shown", subject):
                flips = flip_pictures(self._compared[subject], room=int(room * share))
                room -= sum(len(flip.png) for flip in flips)
                self._add(subject, flips=flips)

    def look_back(self) -> None:
        """Add what was accepted before, up to the commit that the run compares with."""
        session = self._session
        if session.drifts is None:
            return  # What is given in memory has no history, and another project's is none of it.
        histories = Histories(session.config, session.options.base_ref, subjects=self.found)
        most = max(_FEWEST_CHANGES, _CHANGES // max(1, len(self.found)))
        for subject in self.found:
            with self._noting("its history cannot be read", subject):
                past = histories.of(subject)
                changes, notes = past.changes[-most:], list(past.notes)
                if left := len(past.changes) - len(changes):
                    notes.append(f"history: {left} older changes are left out; `qbench history` shows them")
                if past.gap:
                    notes.append(f"history: older changes are not known: {past.gap}")
                self._add(subject, tuple(notes), history=changes)
                if subject in session.config.subjects:
                    drifts = histories.drifts(subject, past, session.config.tolerance_of(subject))
                    said = (drift_sentence(subject, drift, past.changes) for drift in drifts if drift.beyond)
                    self._add(subject, drift=tuple(said))

    def explain(self, report: Report, limit_s: float) -> None:
        """Add what operators do, as far as time and room go."""
        results = self._inventory.results
        measured = [each for each in self._by_urgency() if each in results and results[each].artifact]
        inner = TaskProgress(report)
        explanations = Explanations(self._session, inner, limit_s=limit_s)
        room = _OPERATORS
        for done, subject in enumerate(measured):
            inner.at(done, len(measured), subject.id)
            with self._noting("its operators cannot be looked at", subject):
                found = self._compared.get(subject)
                explained = explanations.of(subject, found.dataset if found else None)
                if explained.rows > room:
                    explained = explained.without_rows()
                room -= explained.rows
                fields = asdict(explained)
                self._add(subject, fields.pop("notes"), **fields)
        inner.at(len(measured), len(measured), "")

    def note_interrupt(self) -> None:
        """Say that Ctrl-C ended this."""
        for subject, found in self.found.items():
            if not found.operators and not found.times:
                self._add(subject, ("gathering what is shown here was interrupted",))

    def _by_urgency(self) -> list[Subject]:
        return sorted(self.found, key=self._weight, reverse=True)

    def _weight(self, subject: Subject) -> int:
        verdicts = self._inventory.of(subject)
        if any(verdict.verdict == Verdict.FAIL for verdict in verdicts):
            return _FAILED_SHARE
        found = self.found[subject]
        return _FLIPPED_SHARE if found.against == "baseline" and found.flips_total else 1

    @contextmanager
    def _noting(self, what: str, *subjects: Subject) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the run is judged, and its report must be written
            for subject in subjects:
                self._add(subject, (f"{what} ({type(error).__name__}: {error})",))

    def _add(self, subject: Subject, notes: tuple[str, ...] = (), **fields: Any) -> None:
        found = self.found[subject]
        self.found[subject] = replace(found, **fields, notes=(*found.notes, *notes))
