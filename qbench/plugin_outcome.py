"""The end of a pytest run: what is accepted, what is said, and the exit status."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import pytest

from qbench.errors import AcceptRefusedError
from qbench.plugin_gate import failing
from qbench.report.terminal import headline, render
from qbench.session.acceptance import Acceptance, accept_results
from qbench.session.record import run_record

if TYPE_CHECKING:
    from datetime import datetime

    from qbench.benchmark_bridge import BenchmarkBridge
    from qbench.plugin_reports import ReportFiles
    from qbench.session import Session
    from qbench.session.inventory import Inventory

#: Exit status of a run in CI in which nothing failed and something was not judged.
EXIT_INCOMPLETE = 8

_CUT_SHORT = frozenset({pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR})


class Outcome:
    """What became of a run.

    Parameters
    ----------
    session, inventory
        The run and what was judged in it.
    bridge
        Keeps pytest-benchmark from saving what failed.
    lost_workers
        pytest-xdist workers that did not hand over what they measured.
    """

    def __init__(self, session: Session, inventory: Inventory, bridge: BenchmarkBridge, *, lost_workers: int) -> None:
        self._session = session
        self._inventory = inventory
        self._bridge = bridge
        self._lost_workers = lost_workers
        self._acceptance: Acceptance | None = None
        self._refusal = ""
        self._unwritten: list[str] = []

    def gather(self, files: ReportFiles, session: pytest.Session) -> None:
        """Gather what pages show beside the record, before anything is accepted: they compare with what was before."""
        if not files.shows_more:
            return
        from qbench.session.gallery import LIMIT_S, gallery  # noqa: PLC0415 - takes time that other runs need not

        # Who pressed Ctrl-C does not want to wait.
        limit_s = 0.0 if session.exitstatus in _CUT_SHORT else LIMIT_S
        files.galleries = gallery(self._session, self._inventory, progress=self._session.progress, limit_s=limit_s)

    def settle(self, session: pytest.Session) -> None:
        """Accept what is to be accepted, keep failures from being saved, and set the exit status."""
        if session.exitstatus in _CUT_SHORT:
            self._bridge.refuse_saving("the run was interrupted")
            self._refusal = "the run was interrupted, so nothing is accepted"
            return
        if session.exitstatus == pytest.ExitCode.TESTS_FAILED or self._inventory.failed:
            self._bridge.refuse_saving("a test of this run failed")
        if self._session.options.accept is not None:
            self._accept(self._session.options.accept)
            if self._refusal or (self._acceptance and self._acceptance.refused):
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
        self._bridge.before_saving()
        self._set_exit_status(session)

    def write(self, files: ReportFiles, session: pytest.Session, *, started: datetime) -> None:
        """Write the files that were asked for; one that cannot be written fails the run."""
        if not files:
            return
        record = run_record(
            self._session,
            self._inventory,
            exit_status=int(session.exitstatus),
            started=started,
            interrupted=session.exitstatus in _CUT_SHORT,
            incomplete=bool(self._bridge.uncompared()),
            notes=self._said(),
            problems=files.failures,
        )
        self._unwritten = files.write(record)
        if self._unwritten and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def report(self, reporter: pytest.TerminalReporter) -> None:
        """Print the table and what else has to be said."""
        inventory = self._inventory
        lines = [
            *(f"changed: {line}" for line in inventory.declared_changes),
            *inventory.notes,
            *self._said(),
            *self._unwritten,
        ]
        if not (inventory.results or inventory.verdicts or lines):
            return
        quiet = reporter.verbosity < 0
        if not quiet:
            reporter.section(f"qbench: against {inventory.baselines}" if inventory.gated else "qbench")
        if inventory.results or inventory.verdicts:
            lines = [*self._table(reporter), *lines]
        for line in lines:
            reporter.write_line(line)
        if inventory.gated:
            red = bool(inventory.failed)
            reporter.write_line(f"gate: {headline(inventory.verdicts)}", bold=red, red=red)
            if inventory.incomplete and not inventory.failed:
                where = f"exit status {EXIT_INCOMPLETE}" if in_ci() else "fails in CI"
                reporter.write_line(f"gate: not green: {len(inventory.incomplete)} not judged ({where})", yellow=True)

    def _table(self, reporter: pytest.TerminalReporter) -> list[str]:
        """The table as lines: pytest writes them, which knows what the terminal's encoding does not have."""
        table = io.StringIO()
        render(
            self._inventory.results,
            self._inventory.verdicts,
            width=reporter._tw.fullwidth,  # noqa: SLF001 - pytest has no public width
            colour=reporter._tw.hasmarkup,  # noqa: SLF001 - nor a public way to ask for colour
            verbose=reporter.verbosity > 0,
            quiet=reporter.verbosity < 0,
            stream=table,
        )
        return table.getvalue().splitlines()

    def _accept(self, reason: str) -> None:
        if self._lost_workers:
            self._refusal = "results were lost, so nothing is accepted"
            return
        try:
            self._acceptance = accept_results(
                self._session.config, self._session.results, reason=reason, fingerprint=self._session.fingerprint
            )
        except AcceptRefusedError as error:
            self._refusal = str(error)
        except KeyboardInterrupt:
            self._refusal = "interrupted while writing; each baseline is whole, the old one or the new one"
        if self._acceptance is not None and not self._acceptance.accepted and not self._acceptance.refused:
            self._refusal = "nothing was measured, so nothing is accepted"

    def _said(self) -> list[str]:
        """What is no verdict and has to be said all the same."""
        reruns = [said for result in self._inventory.results.values() for said in result.reruns]
        return [*self._bridge.notes(), *reruns, *self._lost_lines(), *self._acceptance_lines()]

    def _lost_lines(self) -> list[str]:
        lost = f"{self._lost_workers} pytest-xdist workers ended without handing over what they measured"
        return [f"qbench: {lost}; run again without -n to see why"] if self._lost_workers else []

    def _acceptance_lines(self) -> list[str]:
        if self._session.options.accept is None:
            return []
        if self._refusal:
            return [f"accept: {self._refusal}"]
        if self._acceptance is None:
            return []
        lines = [f"accept: refused: {why}" for why in self._acceptance.refused.values()]
        if self._acceptance.accepted:
            folder = self._session.config.baselines.name
            lines.append(
                f"accept: {len(self._acceptance.accepted)} baselines written to {folder}/; review them with "
                f"`git diff {folder}/` and commit them"
            )
        return lines

    def _set_exit_status(self, session: pytest.Session) -> None:
        if session.exitstatus not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            return
        incomplete = self._inventory.incomplete or self._bridge.uncompared()
        accepting = self._session.options.accept is not None
        # A test may fail and not count (xfail), or swallow the failure: the verdict stands.
        if self._lost_workers or failing(self._inventory.failed, accepting=accepting):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        elif incomplete and self._session.options.gate and in_ci():
            session.exitstatus = EXIT_INCOMPLETE


def in_ci() -> bool:
    """Whether the environment says that this is CI, as all its vendors do: `CI=true`."""
    return os.environ.get("CI", "").lower() in {"true", "1", "yes"}
