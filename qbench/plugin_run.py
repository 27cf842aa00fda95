"""What the hooks hand on to: one pytest run over a session."""

from __future__ import annotations

import secrets
import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from qbench.benchmark_bridge import BenchmarkBridge
from qbench.errors import QbenchError
from qbench.fixtures import MODEL_FIXTURE, SUBJECT_FIXTURE, Fixtures, model_of, subject_of
from qbench.models.config import load_config
from qbench.models.recipes import REFERENCE_RECIPE
from qbench.plugin_ci import CiReports, add_suite_properties
from qbench.plugin_gate import shorten_summary
from qbench.plugin_outcome import Outcome
from qbench.plugin_progress import PytestProgress
from qbench.plugin_reports import ReportFiles
from qbench.records import Subject
from qbench.session import Session, SessionOptions
from qbench.session.latency import BUILD_ENVIRONMENT, LatencyOptions
from qbench.verdicts import SubjectResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from qbench.models.config import Config

_WORKER_KEY = "qbench"


def start(config: pytest.Config) -> PytestRun:
    """Read `[tool.qbench]`, register the fixtures, and open a session.

    Raises
    ------
    pytest.UsageError
        If something cannot be used: the table, a combination of options, the base ref.
    """
    bridge = BenchmarkBridge(config)
    options = SessionOptions(
        gate=bridge.gate,
        accept=config.getoption("qbench_accept"),
        base_ref=config.getoption("qbench_base_ref"),
        latency=_latency_options(config, gate=bridge.gate),
    )
    if options.accept is not None and not options.accept.strip():
        raise pytest.UsageError('--qbench-accept: found no reason, expected one such as "retrained on v2 data"')
    if options.base_ref is not None and not options.gate:
        raise pytest.UsageError("--qbench-base-ref says what to compare with; it needs --benchmark-compare")
    if options.base_ref is not None and options.accept is not None:
        # A pull request can add an option to its configuration: what is being accepted fails no test.
        raise pytest.UsageError(
            "--qbench-accept with --qbench-base-ref: a run either accepts, or is judged by what a commit accepted; "
            "take one of them from the command line, or from addopts in the configuration of pytest"
        )
    try:
        loaded = load_config(config.rootpath / "pyproject.toml")
        if loaded is None:
            raise pytest.UsageError("pyproject.toml speaks of [tool.qbench] and has no such table")
        run = PytestRun(config, loaded, options, bridge)
    except QbenchError as error:
        raise pytest.UsageError(str(error)) from error
    config.pluginmanager.register(Fixtures(run), "qbench-fixtures")
    config.pluginmanager.register(bridge, "qbench-benchmark-bridge")
    config.pluginmanager.register(CiReports(run.session, run.files), "qbench-ci-reports")
    return run


def _latency_options(config: pytest.Config, *, gate: bool) -> LatencyOptions:
    python, always = config.getoption("qbench_base_python"), config.getoption("qbench_always_contest")
    if not gate and (python or always):
        flag = "--qbench-base-python" if python else "--qbench-always-contest"
        raise pytest.UsageError(f"{flag} says how to judge; it needs --benchmark-compare")
    if python and python != BUILD_ENVIRONMENT:
        found = shutil.which(python)
        if found is None:
            raise pytest.UsageError(
                f"--qbench-base-python: found {python!r}, expected a Python that can be run, or `{BUILD_ENVIRONMENT}`"
            )
        python = str(Path(found).absolute())
    seed = config.getoption("qbench_seed")
    return LatencyOptions(
        always_contest=bool(always), base_python=python, seed=secrets.randbits(31) if seed is None else seed
    )


class PytestRun:
    """One pytest run over a session: which tests there are, what became of them, what is said at the end."""

    def __init__(
        self, config: pytest.Config, declared: Config, options: SessionOptions, bridge: BenchmarkBridge
    ) -> None:
        self.declared = declared
        self._config = config
        self.bridge = bridge
        self.session = Session(declared, options, PytestProgress(config))
        #: By subject, its tests that may not have measured it, and what became of them.
        self._absent: dict[Subject, dict[str, str]] = {}
        self._lost_workers = 0
        self._started = datetime.now(timezone.utc)
        self.files = ReportFiles(config)
        #: How the run ended; None until it did, and on a pytest-xdist worker.
        self.outcome: Outcome | None = None
        for option, known in (("qbench_model", declared.models), ("qbench_recipe", declared.recipes)):
            for name in config.getoption(option):
                if name not in known:
                    flag = "--" + option.replace("_", "-")
                    raise pytest.UsageError(f"{flag}: found {name!r}, expected one of {', '.join(known)}")

    def parametrize(self, metafunc: pytest.Metafunc) -> None:
        """Give a test its models and recipes, with ids such as ``mnist-mlp-int8``."""
        if SUBJECT_FIXTURE in metafunc.fixturenames:
            subjects = self.declared.subjects
            metafunc.parametrize(SUBJECT_FIXTURE, subjects, ids=[subject.id for subject in subjects], indirect=True)
        elif MODEL_FIXTURE in metafunc.fixturenames:
            names = list(self.declared.models)
            metafunc.parametrize(MODEL_FIXTURE, names, ids=names, indirect=True)

    def select(self, items: list[pytest.Item]) -> None:
        """Keep the tests of the models and recipes that were asked for, and tests of neither."""
        models, recipes = self._config.getoption("qbench_model"), self._config.getoption("qbench_recipe")
        if not models and not recipes:
            return
        kept: list[pytest.Item] = []
        left: list[pytest.Item] = []
        for item in items:
            subject = subject_of(item)
            name = subject.model if subject else model_of(item)
            wanted = (not models or name is None or name in models) and (
                not recipes or subject is None or subject.recipe in recipes
            )
            (kept if wanted else left).append(item)
        if left:
            self._config.hook.pytest_deselected(items=left)
            items[:] = kept

    def note_deselected(self, items: Iterable[pytest.Item]) -> None:
        """Remember that tests of a subject were left out."""
        for item in items:
            if subject := subject_of(item):
                self._absent.setdefault(subject, {})[item.nodeid] = "deselected"

    def prepare(self, items: Sequence[pytest.Item]) -> None:
        """Build and check every artifact that the tests will ask for."""
        if hasattr(self._config, "workerinput") or self._config.getoption("numprocesses", None):
            # pytest-xdist: workers build what they are given, and the cache keeps them from doing it twice.
            return
        needed: dict[Subject, None] = {}
        for item in items:
            names = getattr(item, "fixturenames", ())
            if subject := subject_of(item):
                needed[subject] = None
            elif name := model_of(item):
                recipes = self.declared.models[name].recipes
                asked = {"fp32_interpreter": REFERENCE_RECIPE, "int8_interpreter": "int8"}
                needed |= {
                    Subject(model=name, recipe=recipe): None
                    for fixture, recipe in asked.items()
                    if fixture in names and recipe in recipes
                }
        try:
            self.session.prepare(list(needed))
        except QbenchError as error:
            raise pytest.UsageError(str(error)) from error

    def kinds_without_verdict(self, subject: Subject) -> list[str]:
        """Kinds of measurement of a subject about which nothing has been said yet."""
        if subject not in self.declared.subjects:
            return []
        said = {verdict.metric for verdict in self.session.result(subject).verdicts}
        measured = self.session.result(subject).measured
        return [kind for kind in self.declared.expected_kinds(subject) if kind not in said | measured]

    def note_report(self, item: pytest.Item, report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
        """Note a failed or skipped test of a subject."""
        subject = subject_of(item)
        if subject is None:
            return
        if report.failed:
            reason = str(call.excinfo.value) if call.excinfo else report.outcome
            problem = f"{item.nodeid} failed: {reason.splitlines()[0] if reason else report.when}"
            problems = self.session.result(subject).problems
            if problem not in problems and not any(known in reason for known in problems):
                problems.append(problem)
            self._absent.setdefault(subject, {})[item.nodeid] = "failed"
            shorten_summary(report, subject)
        elif report.skipped:
            self._absent.setdefault(subject, {})[item.nodeid] = "skipped"

    def merge_worker(self, output: dict[str, Any], error: object) -> None:
        """Take over what a pytest-xdist worker measured; a worker that died took its results along."""
        if _WORKER_KEY not in output or error:
            self._lost_workers += 1
            return
        results, absent = msgspec.json.decode(
            output[_WORKER_KEY],
            type=tuple[list[SubjectResult], list[tuple[Subject, dict[str, str]]]],
            dec_hook=lambda kind, text: kind(text),
        )
        self.session.merge({result.subject: result for result in results})
        for subject, tests in absent:
            self._absent.setdefault(subject, {}).update(tests)

    def finish(self, session: pytest.Session) -> None:
        """End the run: name what was not judged, accept, and set the exit status."""
        if hasattr(self._config, "workeroutput"):
            payload = (list(self.session.results.values()), list(self._absent.items()))
            # Paths are the only type in it that JSON does not have.
            self._config.workeroutput[_WORKER_KEY] = msgspec.json.encode(payload, enc_hook=str).decode()
            return
        if session.config.option.collectonly:
            return
        inventory = self.session.finish({subject: _why(tests) for subject, tests in self._absent.items()})
        self.outcome = Outcome(self.session, inventory, self.bridge, lost_workers=self._lost_workers)
        self.outcome.gather(self.files, session)
        self.outcome.settle(session)
        self.outcome.write(self.files, session, started=self._started)
        add_suite_properties(self._config, self.files)


def _why(tests: dict[str, str]) -> str:
    """Why something was not measured: which tests of its subject did not run to their end."""
    if set(tests.values()) == {"deselected"}:
        # By the user, a moment ago: a list of what they left out would be a wall.
        return "no test did, and some were deselected"
    by_outcome: dict[str, list[str]] = {}
    for test, outcome in tests.items():
        by_outcome.setdefault(outcome, []).append(test)
    told = [
        f"{outcome}: {names[0]}{f' and {len(names) - 1} more' if names[1:] else ''}"
        for outcome, names in by_outcome.items()
    ]
    return f"no test did ({'; '.join(told)})"
