"""Where long work tells how far it is; who shows it, and how, is decided above."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager


class Report(Protocol):
    """Says that `done` of `total` are done, and what is done now; a total of 0 is one that nobody knows."""

    def __call__(self, done: int, total: int, doing: str = "") -> None:
        """Say it; calling often is cheap."""


class Progress(Protocol):
    """Shows work that may take longer than a second."""

    def task(self, name: str, *, timed: bool = False) -> AbstractContextManager[Report]:
        """Begin a task that ends with the context.

        Parameters
        ----------
        timed
            Something is measured in it that must not be disturbed: nothing is drawn but when the task reports.
        """


class NoProgress:
    """Shows nothing."""

    @contextmanager
    def task(self, name: str, *, timed: bool = False) -> Iterator[Report]:  # noqa: ARG002 - the protocol's
        """A task that nobody sees."""
        yield _silent


class TaskProgress:
    """Shows work that is part of a task as what the task does now.

    Parameters
    ----------
    report
        The task's.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._at = (0, 0, "")

    def at(self, done: int, total: int, doing: str) -> None:
        """Say where the task is; the work inside adds what it does to `doing`."""
        self._at = (done, total, doing)
        self._report(done, total, doing)

    @contextmanager
    def task(self, name: str, *, timed: bool = False) -> Iterator[Report]:  # noqa: ARG002 - the whole task's matter
        """Begin a part, which does not say how far it is."""

        def of_part(done: int, total: int, doing: str = "") -> None:  # noqa: ARG001 - the protocol's
            self._report(*self._at[:2], ": ".join(part for part in (self._at[2], name, doing) if part))

        yield of_part


def _silent(done: int, total: int, doing: str = "") -> None:
    """Say nothing."""
