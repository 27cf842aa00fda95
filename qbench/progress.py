"""Where long work tells how far it is; who shows it, and how, is decided above."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager


class Report(Protocol):
    """Says that `done` of `total` are done, and what is done now."""

    def __call__(self, done: int, total: int, doing: str = "") -> None:
        """Say it; calling often is cheap."""


class Progress(Protocol):
    """Shows work that may take longer than a second."""

    def task(self, name: str) -> AbstractContextManager[Report]:
        """Begin a task that ends with the context."""


class NoProgress:
    """Shows nothing."""

    @contextmanager
    def task(self, name: str) -> Iterator[Report]:  # noqa: ARG002 - the protocol's
        """A task that nobody sees."""
        yield _silent


def _silent(done: int, total: int, doing: str = "") -> None:
    """Say nothing."""
