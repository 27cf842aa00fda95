"""How we live with pytest-benchmark: its options, table and files work, and its silent holes are closed.

Reference for what is closed here: a path taken for a baseline's name, no baseline, another machine's
baseline, a renamed benchmark, pytest-xdist, and a regressed run saved as the next baseline.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pytest_benchmark.session import PerformanceRegression

from qbench.errors import MeasurementError
from qbench.measure.latency import benchmark_row

if TYPE_CHECKING:
    from qbench.records import Subject
    from qbench.session import Session

_FILE_STORAGE = "file://"


class BenchmarkBridge:
    """Reads pytest-benchmark's options before it does, and watches over what it saves and compares.

    Raises
    ------
    pytest.UsageError
        If `--benchmark-compare` has swallowed a path, another option leaves `--benchmark-compare-fail` nothing to
        judge, or pytest-codspeed is at work.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        compare = config.getoption("benchmark_compare", None)
        self.gate = bool(compare)
        self._kept_from_saving = ""
        if self.gate and config.option.verbose < 0:
            config.option.benchmark_quiet = True  # Under -q a green gate is one line.
        _refuse_codspeed(config, gate=self.gate)
        _refuse_blind_compare_fail(config)
        if isinstance(compare, str):
            _refuse_swallowed_path(compare, config)
        elif compare and not _has_saved_runs(config):
            # The gate's baselines are ours. Left on, pytest-benchmark would warn that it has none of its own.
            config.option.benchmark_compare = None

    def refuse_saving(self, why: str) -> None:
        """Keep pytest-benchmark from saving this run: what is saved is the next run's baseline."""
        session = _benchmark_session(self._config)
        if session is None or not (session.save or session.autosave):
            return
        session.save = session.autosave = False
        self._kept_from_saving = f"pytest-benchmark's --benchmark-save was refused: {why}"

    def before_saving(self) -> None:
        """Look for regressions before pytest-benchmark saves, which it does before it looks."""
        session = _benchmark_session(self._config)
        if session is None or not session.compare_fail or not (session.save or session.autosave):
            return
        for _ in session.prepare_benchmarks():
            pass
        if session.performance_regressions:
            self.refuse_saving("--benchmark-compare-fail found a regression")
        session.performance_regressions.clear()

    def uncompared(self) -> list[str]:
        """Benchmarks that `--benchmark-compare-fail` was to judge and for which there was nothing to compare."""
        session = _benchmark_session(self._config)
        if session is None or not session.compare_fail or not self.gate:
            return []
        known = {name for mapping in (session.compared_mapping or {}).values() for name in mapping}
        return [bench.fullname for bench in session.benchmarks if bench.fullname not in known]

    def notes(self) -> list[str]:
        """What has to be said about pytest-benchmark at the end."""
        notes = [self._kept_from_saving] if self._kept_from_saving else []
        if names := self.uncompared():
            notes.append(
                f"--benchmark-compare-fail judged nothing for {len(names)} benchmarks that its baseline does not have "
                f"(new or renamed): {', '.join(names)}"
            )
        return notes

    def explain(self, error: Exception, reporter: pytest.TerminalReporter) -> bool:
        """Turn its exceptions at the end of a run into an exit status; False if `error` is not one of them."""
        session: Any = reporter._session  # noqa: SLF001 - pytest gives the hook no other way to the session
        if isinstance(error, PerformanceRegression):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
            return True
        if isinstance(error, pytest.UsageError):
            reporter.write_line(
                f"{error} There is no recorded latency of this machine to compare with (see the table below).", red=True
            )
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
            return True
        return False

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_benchmark_compare_machine_info(
        self, config: pytest.Config, machine_info: dict[str, Any], compared_benchmark: dict[str, Any]
    ) -> None:
        """Refuse to fail a run by the numbers of another machine."""
        if not config.getoption("benchmark_compare_fail", None):
            return
        now, then = _machine(machine_info), _machine(compared_benchmark.get("machine_info", {}))
        differing = [f"{key} was {then[key]!r} and is {now[key]!r}" for key in now if now[key] != then[key]]
        if differing:
            raise pytest.UsageError(
                f"--benchmark-compare-fail: the saved run is of another machine ({'; '.join(differing)}), and a time "
                "is no evidence about another machine; save a run here, or leave --benchmark-compare-fail away"
            )


def finished_stats(benchmark: Any, config: pytest.Config) -> Any:
    """The metadata of a finished benchmark, None if benchmarks are switched off, or CodSpeed's, and that was asked.

    Raises
    ------
    MeasurementError
        If there is nothing to measure with: pytest-xdist, the gate with --benchmark-disable, another
        `benchmark` fixture, or a benchmark that never ran.
    """
    if hasattr(config, "workerinput"):
        raise MeasurementError(
            "latency cannot be measured under pytest-xdist: its workers share the processors they would be timed on. "
            "Run latency without -n (-n 0), for example `pytest benchmarks/ -k latency`; exact metrics may run with -n"
        )
    if _codspeed(config):
        return None
    if getattr(benchmark, "disabled", False):
        if _gated(config):
            raise MeasurementError(
                "--benchmark-disable switches off what --benchmark-compare is to judge; use one of them"
            )
        return None
    stats = getattr(benchmark, "stats", None)
    if not hasattr(benchmark, "stats"):
        raise MeasurementError(
            f"the fixture `benchmark` is {type(benchmark).__module__}.{type(benchmark).__name__}, which keeps no "
            "statistics; expected that of pytest-benchmark"
        )
    if stats is None:
        raise MeasurementError(
            "benchmark was not called; call benchmark(interpreter.invoke) before gate.latency(benchmark)"
        )
    return stats


def add_comparison(benchmark: Any, config: pytest.Config, session: Session, subject: Subject) -> None:
    """Give pytest-benchmark's table the accepted latency of this machine, if there is one."""
    accepted = session.accepted_latency(subject) if session.options.gate else None
    bench_session = _benchmark_session(config)
    if accepted is None or bench_session is None:
        return
    source = Path(session.config.baselines.name) / subject.model / f"{subject.recipe}.json"
    bench_session.compared_mapping.setdefault(source, {})[benchmark.fullname] = {"stats": benchmark_row(accepted)}


def _gated(config: pytest.Config) -> bool:
    bridge = config.pluginmanager.get_plugin("qbench-benchmark-bridge")
    return isinstance(bridge, BenchmarkBridge) and bridge.gate


def _benchmark_session(config: pytest.Config) -> Any:
    """pytest-benchmark's session, None where it is not active."""
    return getattr(config, "_benchmarksession", None)


def _refuse_swallowed_path(value: str, config: pytest.Config) -> None:
    path = config.invocation_params.dir / value
    if path.is_dir() or path.suffix == ".py" or "::" in value:
        raise pytest.UsageError(
            f"--benchmark-compare has swallowed the path {value!r} as the name of a saved run, so nothing would be "
            f"compared. Write the path first: pytest {value} --benchmark-compare"
        )


def _codspeed(config: pytest.Config) -> bool:
    """Whether pytest-codspeed has put its own fixture in the place of `benchmark`, as its option or its runner asks."""
    if not config.pluginmanager.hasplugin("codspeed"):
        return False
    return bool(config.getoption("codspeed", None)) or "CODSPEED_ENV" in os.environ


def _refuse_codspeed(config: pytest.Config, *, gate: bool) -> None:
    asked = {"--benchmark-compare": gate, "--qbench-accept": config.getoption("qbench_accept", None) is not None}
    if _codspeed(config) and (given := [option for option, on in asked.items() if on]):
        raise pytest.UsageError(
            f"{' and '.join(given)}: found pytest-codspeed at work (--codspeed or CODSPEED_ENV), which leaves out all "
            "tests without the fixture `benchmark` and keeps the times of the others, so that nothing would be judged; "
            "run them apart, this one with `-p no:codspeed`"
        )


def _refuse_blind_compare_fail(config: pytest.Config) -> None:
    """With these options pytest-benchmark times nothing, judges nothing and ends in success."""
    if not config.getoption("benchmark_compare_fail", None):
        return
    blinding = {
        "--benchmark-disable": config.getoption("benchmark_disable") and not config.getoption("benchmark_enable"),
        "--benchmark-skip": config.getoption("benchmark_skip") and not config.getoption("benchmark_only"),
        "pytest-xdist (-n)": config.getoption("dist", "no") != "no",
    }
    if given := [name for name, on in blinding.items() if on]:
        raise pytest.UsageError(
            f"--benchmark-compare-fail judges nothing with {' and '.join(given)}, which switches benchmarks off; "
            "use one of them"
        )


def _has_saved_runs(config: pytest.Config) -> bool:
    """Whether pytest-benchmark has runs of its own to compare with."""
    storage = str(config.getoption("benchmark_storage"))
    if "://" in storage and not storage.startswith(_FILE_STORAGE):
        return True
    folder = config.invocation_params.dir / storage.removeprefix(_FILE_STORAGE)
    return any(True for pattern in ("*_*.json", "*/*_*.json") for _ in folder.glob(pattern))


def _machine(info: dict[str, Any]) -> dict[str, str]:
    cpu = info.get("cpu") or {}
    return {
        "processor": str(cpu.get("brand_raw", "")),
        "machine": str(info.get("machine", "")),
        "system": str(info.get("system", "")),
        "python": str(info.get("python_version", "")),
    }
