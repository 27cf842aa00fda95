"""pytest-rerunfailures: a test that is run again changes no verdict; what ended in an error is measured again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import models_zoo
import pytest
from small_project import failures, rows, told

if TYPE_CHECKING:
    from small_project import Project

#: Tolerances that are wide open from the second run of a test on.
_WIDENED = """
    import pytest

    _seen = set()

    @pytest.fixture(autouse=True)
    def widened(request):
        if request.node.nodeid in _seen:
            request.node.add_marker(pytest.mark.qbench(size=10.0))
        _seen.add(request.node.nodeid)
"""


@pytest.fixture
def rerun_project(accepted_project: Project) -> Project:
    """A small project that has accepted what it has, with pytest-rerunfailures."""
    accepted_project.use_plugin("rerunfailures", "pytest-rerunfailures")
    return accepted_project


def _record(project: Project, *arguments: str) -> tuple[pytest.RunResult, dict[str, Any]]:
    result = project.run(*arguments, "--qbench-json=run.json")
    return result, json.loads((project.path / "run.json").read_bytes())


def _verdicts(record: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(each["subject"]["recipe"], each["metric"], each["against"]) for each in record["verdicts"]]


def test_a_fail_stays_a_fail_although_the_rerun_would_pass(rerun_project: Project):
    project = rerun_project
    project.write("tiny.int8.tflite", models_zoo.dense_int8() + bytes(40))
    project.write("benchmarks/conftest.py", _WIDENED)
    result, record = _record(project, "--benchmark-compare", "--reruns=2")
    assert result.ret == 1
    # The other tests ran once; this one is said to fail in every try.
    assert result.parseoutcomes() == {"failed": 1, "passed": 7, "rerun": 2}
    (message,) = failures(result).values()
    assert "size_bytes is 824 B, 5.10% worse than 784 B" in message
    assert message.endswith("This was judged when the test ran before; running it again changes no verdict.")
    # Once in the table, below it and in the record, however often the test ran.
    assert rows(result)["tiny-int8"] == "fail (size), pass"
    assert len([line for line in told(result) if line.startswith("fail: ")]) == 1
    assert told(result)[-1] == "gate: 1 fail, 7 pass, 7 unchanged"
    assert len(set(_verdicts(record))) == len(record["verdicts"]) == 15
    assert record["verdict"] == "fail"
    (int8,) = (each for each in record["subjects"] if each["recipe"] == "int8")
    assert len(int8["problems"]) == 1


def test_a_fail_stays_a_fail_although_the_test_swallows_it(rerun_project: Project):
    project = rerun_project
    project.write("tiny.int8.tflite", models_zoo.dense_int8() + bytes(40))
    project.write(
        "benchmarks/test_models.py",
        """
        import pytest

        _seen = set()

        def test_size(artifact, gate, request):
            if request.node.nodeid not in _seen:
                _seen.add(request.node.nodeid)
                gate.size(artifact)
        """,
    )
    result = project.run("--benchmark-compare", "--reruns=1")
    assert result.parseoutcomes() == {"passed": 2, "rerun": 1}
    assert rows(result)["tiny-int8"].startswith("fail (size), ")
    assert result.ret == 1


def test_what_was_judged_is_not_measured_again_and_an_error_is(rerun_project: Project):
    project = rerun_project
    project.write(
        "benchmarks/test_models.py",
        """
        import pytest

        _seen = {}

        @pytest.fixture
        def tries(request):
            _seen[request.node.nodeid] = _seen.get(request.node.nodeid, 0) + 1
            return _seen[request.node.nodeid]

        def test_latency(benchmark, interpreter, gate, tries):
            if tries == 3:
                benchmark(interpreter.invoke)
            gate.latency(benchmark)

        def test_all_else(artifact, interpreter, gate, tries):
            gate.size(artifact)
            gate.structure(artifact)
            gate.accuracy(interpreter)
            assert tries == 2, "a flake of the project's own"
        """,
    )
    result, record = _record(project, "--benchmark-compare", "--reruns=2")
    assert result.ret == 0
    assert result.parseoutcomes() == {"passed": 4, "rerun": 6, "warnings": 4}
    assert rows(result) == {"tiny-fp32": "unchanged", "tiny-int8": "pass"}
    assert told(result)[-1] == "gate: 1 pass, 14 unchanged"
    assert len(set(_verdicts(record))) == len(record["verdicts"]) == 15
    # That there was an error, and that something failed at first, stays said, and becomes no baseline.
    why = "latency: measured again, after an error (benchmark was not called; "
    for subject in ("tiny-fp32", "tiny-int8"):
        (said,) = (line for line in told(result) if line.startswith(f"{subject}: latency: "))
        assert said.startswith(f"{subject}: {why}")
        assert said in record["notes"]
    before = project.accepted()
    accepting = project.run("--reruns=2", "--qbench-accept=flaky")
    assert accepting.ret == 1
    refused = [line for line in told(accepting) if line.startswith("accept: refused: ")]
    assert len(refused) == 2
    assert all("benchmark was not called" in line and "a flake of the project's own" in line for line in refused)
    assert project.accepted() == before


def test_an_error_that_stays_is_said_once(rerun_project: Project):
    project = rerun_project
    project.write("tiny.int8.tflite", b"not a model")
    result, record = _record(project, "--benchmark-compare", "--reruns=1", "-n", "1", "-k", "not latency")
    assert result.ret == 1
    assert result.parseoutcomes()["rerun"] == 3
    errors = [each["metric"] for each in record["verdicts"] if each["verdict"] == "error"]
    assert sorted(errors) == ["accuracy", "latency", "size", "structure"]
    assert len([line for line in told(result) if line.startswith("error: tiny-int8")]) == 1
