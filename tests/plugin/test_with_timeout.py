"""pytest-timeout: what it cuts short is an error and never green, nothing lives on, and nothing stays locked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from small_project import failures, rows, told
from system_processes import lives, on_linux, wait_until

if TYPE_CHECKING:
    from small_project import Project


@pytest.fixture
def endless_project(accepted_project: Project) -> Project:
    """A small project with pytest-timeout, in which a contest takes a minute to decide nothing."""
    project = accepted_project
    project.use_plugin("timeout", "pytest-timeout")
    declared = project.path / "pyproject.toml"
    text = declared.read_text().replace("latency = 1000.0", "latency = 1e-9").replace("alpha = 0.4", "alpha = 1e-6")
    declared.write_text(text)
    return project


_ENDLESS = ("--benchmark-compare", "--qbench-always-contest", "-k", "latency and int8", "--timeout=2")


def _alive(project: Project) -> list[int]:
    """Processes of the project's runs, which all have its folder for a home."""
    home = f"HOME={project.path}".encode()

    def is_one(process: Path) -> bool:
        try:
            return home in (process / "environ").read_bytes().split(b"\0") and lives(int(process.name))
        except OSError:
            return False

    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and is_one(entry)]


@on_linux
def test_a_contest_that_a_signal_cuts_short_is_an_error(endless_project: Project):
    project = endless_project
    result = project.run(*_ENDLESS, "--timeout-method=signal")
    assert result.ret == 1
    result.assert_outcomes(failed=1, deselected=7)
    # It was timed, and not judged. One line says so, and no traceback of ours.
    cut = "latency: the measurement was cut short (Timeout (>2.0s) from pytest-timeout)"
    assert failures(result)["test_latency[tiny-int8]"].splitlines()[0] == f"tiny-int8: {cut}"
    assert "_measured" not in result.stdout.str()
    assert re.match(r"error \(latency\), missing", rows(result)["tiny-int8"])
    assert f"error: tiny-int8: {cut}." in told(result)
    wait_until(lambda: not _alive(project))


@on_linux
def test_what_a_thread_kills_leaves_no_process_and_no_lock_behind(endless_project: Project):
    project = endless_project
    before = project.accepted()
    result = project.run(*_ENDLESS, "--timeout-method=thread")
    # pytest-timeout ends the process itself: there is no report, and the exit status is that of a failure.
    assert result.ret == 1
    assert "Timeout" in result.stdout.str() + result.stderr.str()
    assert not any(line.startswith("gate: ") for line in result.outlines)
    wait_until(lambda: not _alive(project))
    assert project.accepted() == before
    # The next run takes the same locks, of the cache and of the baselines.
    again = project.run("--benchmark-compare", "--qbench-accept=again", "-k", "not latency")
    assert again.ret == 0
    assert any(line.startswith("accept: 2 baselines written") for line in told(again))


def test_under_xdist_what_died_is_missing(endless_project: Project):
    project = endless_project
    project.write(
        "benchmarks/test_models.py",
        """
        import time

        def test_size(artifact, gate):
            gate.size(artifact)
            time.sleep(60)
        """,
    )
    result = project.run("--benchmark-compare", "-n", "1", "--timeout=1", "--timeout-method=thread", CI="true")
    assert result.ret == 1
    (lost,) = (line for line in told(result) if line.startswith("qbench: "))
    assert "ended without handing over what they measured" in lost
    assert rows(result) == dict.fromkeys(("tiny-fp32", "tiny-int8"), "missing (accuracy latency size structure)")


def test_a_limit_in_a_function_of_the_project(accepted_project: Project):
    project = accepted_project
    project.use_plugin("timeout", "pytest-timeout")
    # The dataset is wanted by accuracy alone: what else there is to know of the model is judged.
    project.write("data.py", "import time\n\ndef examples():\n    time.sleep(60)\n")
    project.declare("tiny", settings='metrics = ["accuracy", "size"]')
    project.write(
        "benchmarks/test_models.py",
        """
        def test_size(artifact, gate):
            gate.size(artifact)

        def test_accuracy(dataset, interpreter, gate):
            gate.accuracy(interpreter, dataset)
        """,
    )
    result = project.run("--benchmark-compare", "--timeout=1", CI="true")
    assert result.ret == 1
    assert rows(result)["tiny-int8"] == "missing (accuracy), unchanged"
