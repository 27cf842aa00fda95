"""What a run tells the machinery that started it, beside files: JUnit properties, annotations of GitHub Actions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.junitxml import xml_key

from qbench.fixtures import subject_of
from qbench.plugin_reports import in_github_actions
from qbench.report.annotations import annotation_lines
from qbench.report.junit import PREFIX, measured_properties, subject_properties, suite_properties
from qbench.session.record import known_metrics, with_exit_status

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from qbench.plugin_reports import ReportFiles
    from qbench.session import Session


class CiReports:
    """A plugin of its own, so that it hears of every test's end, whoever ran it.

    Parameters
    ----------
    session
        The run.
    files
        Where the run's record comes by, once it is made.
    """

    def __init__(self, session: Session, files: ReportFiles) -> None:
        self._session = session
        self._files = files

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Give a test's report what it measured, which also takes it from a pytest-xdist worker to the controller."""
        report = yield
        if report.when == "call" or report.failed:
            others = [kept for kept in item.user_properties if not str(kept[0]).startswith(PREFIX)]
            # A test that runs again has those of its first run, also names that it would not get now.
            item.user_properties[:] = [*others, *self._properties(item)]
            report.user_properties = list(item.user_properties)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the failure of a test that is of no subject; those of subjects say more than that they failed."""
        if report.failed and not any(str(name).startswith(PREFIX) for name, _ in report.user_properties):
            self._files.failures.append(f"{report.nodeid} failed: {_last_line(report)}")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that could not be collected."""
        if report.failed:
            self._files.failures.append(f"{report.nodeid} could not be collected: {_last_line(report)}")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        """Correct what was written, if another plugin changed the exit status since."""
        yield
        record = self._files.record
        if record is not None and int(session.exitstatus) != record.exit_status:
            self._files.write(with_exit_status(record, int(session.exitstatus)))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
        """Print annotations behind all else, if this is a step of GitHub Actions."""
        try:
            return (yield)
        finally:
            if self._files.record is not None and in_github_actions():
                for line in annotation_lines(self._files.record, folder=_folder(self._session.config.root)):
                    terminalreporter.write_line(line)

    def _properties(self, item: pytest.Item) -> list[tuple[str, str]]:
        results = self._session.results
        subject = subject_of(item)
        # The project's other tests load none of its metrics.
        known = known_metrics(self._session, {measured.model for measured in results})
        found = measured_properties(results.values(), item.nodeid, known)
        return found or (subject_properties(results[subject]) if subject in results else [])


def add_suite_properties(config: pytest.Config, files: ReportFiles) -> None:
    """Give pytest's JUnit XML the properties of the whole run, if it writes one."""
    xml: Any = config.stash.get(xml_key, None)
    if xml is not None and files.record is not None:
        for name, value in suite_properties(files.record):
            xml.add_global_property(name, value)


def _folder(root: Path) -> str:
    """The project's folder relative to the workspace, as GitHub names files; empty if it is that, or outside of it."""
    workspace = os.environ.get("GITHUB_WORKSPACE", "")
    try:
        folder = root.resolve().relative_to(Path(workspace).resolve()).as_posix() if workspace else ""
    except ValueError:
        folder = ""
    return "" if folder == "." else folder


def _last_line(report: pytest.TestReport | pytest.CollectReport) -> str:
    """What a failure ended with: the exception, without the traceback that led to it."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message) if crash else report.longreprtext
    lines = [line.removeprefix("E ").strip() for line in text.splitlines() if line.strip()]
    return (lines[0] if crash else lines[-1]) if lines else report.outcome
