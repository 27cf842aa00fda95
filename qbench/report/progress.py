"""Progress of long work in lines: one that is rewritten where that can be done, one every few seconds elsewhere."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.cells import cell_len, set_cell_size

from qbench.report.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from qbench.progress import Report

#: Work that is over sooner is not worth a line.
SILENT_S = 1.0
REWRITE_S = 0.2
PLAIN_S = 5.0

#: How often a task that says nothing is looked at: its seconds are shown as whole ones.
TICK_S = 1.0

#: A name is cut before what is said of it, until it has this share of the line.
_LEAST_NAME = 3


class Screen(Protocol):
    """Where lines of progress go.

    Attributes
    ----------
    rewrites
        Whether a line can be written over.
    keeps
        Whether it is said of a task that was shown how long it took.
    columns
        Cells of a line.
    encoding
        Of what is written.
    """

    @property
    def rewrites(self) -> bool: ...  # noqa: D102 - see the class

    @property
    def keeps(self) -> bool: ...  # noqa: D102 - see the class

    @property
    def columns(self) -> int: ...  # noqa: D102 - see the class

    @property
    def encoding(self) -> str: ...  # noqa: D102 - see the class

    def write(self, text: str, *, first: bool) -> None:
        """Write `text` as it is, at once; `first` of its task."""


class TaskLine:
    """What is said of one task: nothing in its first second, and then not more often than anybody can read.

    Parameters
    ----------
    now
        Seconds of a clock that only goes forward.
    """

    def __init__(self, screen: Screen, name: str, now: Callable[[], float] = time.monotonic) -> None:
        self._screen, self._name, self._now = screen, name, now
        self._started = self._reported = self._written = now()
        self._at = (0, 0, "")
        self._cells = 0
        self._shown = False
        self._lock = threading.Lock()

    def __call__(self, done: int, total: int, doing: str = "") -> None:
        """Say that `done` of `total` are done; a total of 0 says that nobody knows how many there are."""
        with self._lock:
            self._at, self._reported = (done, total, doing), self._now()
            self._show()

    def tick(self) -> None:
        """Show how long it goes on since it said something."""
        with self._lock:
            self._show()

    def end(self) -> None:
        """Say how long it took, or wipe it out, if anything was said."""
        with self._lock:
            if not self._shown:
                return
            text = f"done in {self._now() - self._started:.1f} s" if self._screen.keeps else ""
            if self._screen.rewrites:
                self._screen.write(self._over(text) + ("\n" if text else ""), first=False)
            elif text:
                self._screen.write(f"{self._encoded(self._name)}: {text}\n", first=False)

    def _show(self) -> None:
        now, screen = self._now(), self._screen
        pause = REWRITE_S if screen.rewrites else PLAIN_S
        if now - self._started < SILENT_S or (self._shown and now - self._written < pause):
            return
        text = self._state(now)
        line = self._over(text) if screen.rewrites else f"{self._encoded(self._name)}: {self._encoded(text)}\n"
        screen.write(line, first=not self._shown)
        self._written, self._shown = now, True

    def _state(self, now: float) -> str:
        done, total, doing = self._at
        parts = [f"{done} of {total}"] if total else []
        if doing:
            parts.append(f"now {doing}" if total else doing)
        # As it looked when something was last done: what goes on since makes the rest shorter, not longer.
        left = (self._reported - self._started) / done * (total - done) if 0 < done < total else 0.0
        left -= now - self._reported
        if left > 0:
            parts.append(f"about {left:.0f} s left")
        elif done < total if total else not doing or now - self._reported >= TICK_S:
            # What says no total says in its own words how far it is, while that is new.
            parts.append(f"{now - self._started:.0f} s so far")
        return ", ".join(parts)

    def _over(self, text: str) -> str:
        """The task's line over the one before it: never wider than the screen, and nothing of the other remains."""
        room = max(1, self._screen.columns - 1)  # A cursor behind the last cell is on the next line for some.
        text = f": {self._encoded(text)}" if text else ""
        name = self._encoded(self._name) if text else ""
        name = _cut(name, max(room - cell_len(text), room // _LEAST_NAME))
        line = _cut(name + text, room)
        cells = cell_len(line)
        wiped = min(room, self._cells) - cells
        self._cells = cells
        return f"\r{line}{' ' * wiped}" + ("\r" if not text else "")

    def _encoded(self, text: str) -> str:
        """Without what would move a cursor or cannot be written, which would be replaced by something wider."""
        return plain(text).encode(self._screen.encoding, "replace").decode(self._screen.encoding)


def _cut(text: str, room: int) -> str:
    """`text` in at most `room` cells."""
    if cell_len(text) <= room:
        return text
    dots = "..." if room > len("...") else ""
    return set_cell_size(text, room - len(dots)) + dots


@contextmanager
def shown_task(screen: Screen, name: str, *, timed: bool = False) -> Iterator[Report]:
    """Show a task on a screen, also while it says nothing; of one in which something is `timed` only what it says."""
    line = TaskLine(screen, name)
    over = threading.Event()
    ticker = threading.Thread(target=_tick, args=(line, over), daemon=True, name="qbench progress")
    if not timed:
        ticker.start()
    try:
        yield line
    finally:
        over.set()
        if not timed:
            ticker.join()
        line.end()


def _tick(line: TaskLine, over: threading.Event) -> None:
    while not over.wait(TICK_S):
        try:
            line.tick()
        except (OSError, ValueError):
            return  # A screen that is gone: the work goes on, and meets the error itself if it writes there.


def can_rewrite(*, is_terminal: bool) -> bool:
    """Whether it is a terminal that goes back to the beginning of its line."""
    return is_terminal and os.environ.get("TERM") != "dumb"


class ConsoleProgress:
    """Shows the tasks of a command, each gone from a terminal when it is done.

    Parameters
    ----------
    console
        Of standard error, so that what a command prints can be sent to a file.
    """

    def __init__(self, console: Console) -> None:
        self._screen = _ConsoleScreen(console)

    @contextmanager
    def task(self, name: str, *, timed: bool = False) -> Iterator[Report]:
        """Begin a task that ends with the context."""
        with shown_task(self._screen, name, timed=timed) as report:
            yield report


class _ConsoleScreen:
    """The stream of a console; colours that are forced do not make it a terminal."""

    keeps = False

    def __init__(self, console: Console) -> None:
        self._console = console

    @property
    def rewrites(self) -> bool:
        return can_rewrite(is_terminal=self._console.file.isatty())

    @property
    def columns(self) -> int:
        return self._console.width

    @property
    def encoding(self) -> str:
        return getattr(self._console.file, "encoding", None) or "utf-8"

    def write(self, text: str, *, first: bool) -> None:  # noqa: ARG002 - the protocol's
        self._console.file.write(text)
        self._console.file.flush()
