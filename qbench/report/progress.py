"""Progress of long work on a console: one line that is rewritten, and gone when the work is done."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from qbench.progress import Report


class ConsoleProgress:
    """Shows each task with what it does now, its share, and how long it still takes.

    Parameters
    ----------
    console
        Of standard error, so that what a command prints can be sent to a file.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def task(self, name: str) -> Iterator[Report]:
        """Begin a task that ends with the context."""
        columns = (TextColumn("{task.description}"), TaskProgressColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        unseen = not self._console.is_terminal  # Where nothing can be rewritten, each task would leave an empty line.
        with Progress(*columns, console=self._console, transient=True, disable=unseen) as shown:
            task = shown.add_task(name, total=None)

            def report(done: int, total: int, doing: str = "") -> None:
                shown.update(task, completed=done, total=total, description=f"{name}: {doing}" if doing else name)

            yield report
