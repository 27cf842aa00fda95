"""The artifacts of a run, each prepared once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.errors import QbenchError
from qbench.session.preparation import Datasets, Prepared, prepare, with_references

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qbench.models.config import Config
    from qbench.progress import Progress
    from qbench.records import Subject


class Artifacts:
    """Builds and checks artifacts when they are first asked for; one that cannot be used is an error each time."""

    def __init__(self, config: Config, datasets: Datasets, progress: Progress) -> None:
        self._config = config
        self._datasets = datasets
        self._progress = progress
        self._prepared: dict[Subject, Prepared | QbenchError] = {}
        #: Found without converting, by who looks back at the run.
        self._existing: dict[Subject, Prepared | QbenchError] = {}

    def prepare(self, subjects: Sequence[Subject]) -> None:
        """Build and check the artifacts of `subjects` and of the fp32 that they are compared with."""
        if missing := self._missing(subjects, self._prepared):
            self._prepared |= prepare(self._config, missing, self._datasets, self._progress, known=self._prepared)

    def prepared(self, subject: Subject) -> Prepared:
        """The artifact of a subject, built now if it was not before.

        Raises
        ------
        QbenchError
            If there is none that can be used.
        """
        self.prepare([subject])
        return _usable(self._prepared[subject])

    def existing(self, subject: Subject) -> Prepared:
        """The artifact of a subject if it need not be converted.

        Raises
        ------
        QbenchError
            If there is none that can be used.
        """
        known = {**self._existing, **self._prepared}
        if missing := self._missing([subject], known):
            found = prepare(self._config, missing, self._datasets, self._progress, known=known, convert=False)
            self._existing |= found
            known |= found
        return _usable(known[subject])

    def _missing(self, subjects: Sequence[Subject], known: Mapping[Subject, object]) -> list[Subject]:
        return [subject for subject in with_references(self._config, subjects) if subject not in known]


def _usable(found: Prepared | QbenchError) -> Prepared:
    if isinstance(found, QbenchError):
        raise found
    return found
