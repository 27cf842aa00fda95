"""Progress of long work, shown by pytest: one line that is rewritten on a terminal, a line a step elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from qbench.progress import Report

#: Work that is over sooner is not worth a line.
_SILENT_S = 1.0
_REWRITE_S = 0.2
_PLAIN_S = 5.0


class PytestProgress:
    """Writes to pytest's terminal, also while a test's output is captured; silent under -q."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @contextmanager
    def task(self, name: str) -> Iterator[Report]:
        """Begin a task that ends with the context."""
        line = _Line(self._config, name)
        try:
            yield line
        finally:
            line.end()


class _Line:
    """The line of one task."""

    def __init__(self, config: pytest.Config, name: str) -> None:
        self._reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
        self._capture: Any = config.pluginmanager.get_plugin("capturemanager")
        self._name = name
        self._started = time.monotonic()
        self._written = self._started
        self._shown = False
        self._quiet = self._reporter is None or config.option.verbose < 0

    def __call__(self, done: int, total: int, doing: str = "") -> None:
        """Show that `done` of `total` are done, if the last time is long enough ago."""
        now = time.monotonic()
        tty = not self._quiet and self._reporter.isatty
        pause = _REWRITE_S if tty else _PLAIN_S
        if self._quiet or now - self._started < _SILENT_S or (self._shown and now - self._written < pause):
            return
        left = f", about {(now - self._started) / done * (total - done):.0f} s left" if 0 < done < total else ""
        self._write(f"{self._name}: {done} of {total}{f', now {doing}' if doing else ''}{left}", rewrite=tty)
        self._written, self._shown = now, True

    def end(self) -> None:
        """Say how long it took, if anything was said."""
        if self._shown:
            self._write(f"{self._name}: done in {time.monotonic() - self._started:.1f} s", rewrite=False)

    def _write(self, text: str, *, rewrite: bool) -> None:
        writer = self._reporter
        with self._capture.global_and_fixture_disabled():
            if not self._shown:
                writer.ensure_newline()
            if writer.isatty:
                writer.rewrite(text, erase=True)
                if not rewrite:
                    writer.write_line("")
            else:
                writer.write_line(text)
            writer.currentfspath = None
            writer.flush()
