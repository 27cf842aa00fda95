"""Progress of long work, shown by pytest: one line that is rewritten on a terminal, one every few seconds elsewhere."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qbench.progress import NoProgress
from qbench.report.progress import can_rewrite, shown_task

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from qbench.progress import Report


class PytestProgress:
    """Writes to pytest's terminal, also while a test's output is captured; silent under -q and without a terminal.

    A pytest-xdist worker has none: there nothing is shown.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @contextmanager
    def task(self, name: str, *, timed: bool = False) -> Iterator[Report]:
        """Begin a task that ends with the context."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None or self._config.option.verbose < 0:
            with NoProgress().task(name) as silent:
                yield silent
            return
        with shown_task(_ReporterScreen(self._config, reporter), name, timed=timed) as report:
            yield report


class _ReporterScreen:
    """The terminal of pytest's reporter."""

    keeps = True

    def __init__(self, config: pytest.Config, reporter: Any) -> None:
        self._reporter = reporter
        self._capture: Any = config.pluginmanager.get_plugin("capturemanager")
        # Asked of the reporter, which knew before anything was captured: a captured stdout is a file.
        self.rewrites = can_rewrite(is_terminal=reporter.isatty)

    @property
    def columns(self) -> int:
        # Of the terminal as it is now; pytest takes a narrow one for 80 columns.
        with self._capture.global_and_fixture_disabled():
            return shutil.get_terminal_size().columns

    @property
    def encoding(self) -> str:
        return getattr(self._reporter._tw._file, "encoding", None) or "ascii"  # noqa: SLF001 - a reporter does not say it

    def write(self, text: str, *, first: bool) -> None:
        with self._capture.global_and_fixture_disabled():
            if first:
                self._reporter.ensure_newline()
            self._reporter.write(text, flush=True)
            self._reporter.currentfspath = None
