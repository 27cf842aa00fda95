"""`--qbench-json`: the record of a run, however it ends."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING

import jsonschema
import pytest

from qbench.report.markdown import markdown_report
from qbench.report.run_schema import run_schema
from qbench.run_json import decode_record

if TYPE_CHECKING:
    from red_project import Run
    from small_project import Project

    from qbench.run_record import RunRecord

_SIZE_ALONE = 'metrics = ["size"]'
_TEST_SIZE = """
    def test_size(artifact, gate):
        gate.size(artifact)
"""


@pytest.fixture
def quick_project(accepted_project: Project) -> Project:
    """A project whose size alone is measured."""
    accepted_project.declare("tiny", settings=_SIZE_ALONE)
    accepted_project.write("benchmarks/test_models.py", _TEST_SIZE)
    return accepted_project


def _grow(project: Project) -> None:
    project.write("tiny.int8.tflite", (project.path / "tiny.int8.tflite").read_bytes() + bytes(40))


def _record(project: Project, name: str = "run.json") -> RunRecord:
    content = (project.path / name).read_bytes()
    _check(content)
    return decode_record(content, name=name)


def _check(content: bytes) -> None:
    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    document = json.loads(content, parse_constant=refuse)
    jsonschema.Draft202012Validator(run_schema()).validate(document)


def test_a_red_run_is_written_and_fits_its_schema(either_run: Run):
    _check(either_run.json)
    record = either_run.record
    assert (record.verdict, record.exit_status, record.gated) == ("fail", 1, True)
    assert record.headline.startswith("3 fail, ")
    assert [verdict.metric for verdict in record.verdicts[:3]] == ["accuracy", "accuracy_drop", "size_bytes"]
    assert [subject.id for subject in record.subjects] == [
        f"{model}-{recipe}" for model in ("tiny", "crash", "odd") for recipe in ("fp32", "int8")
    ]
    by_id = {subject.id: subject for subject in record.subjects}
    assert by_id["tiny-int8"].metrics["size_bytes"] == by_id["tiny-int8"].size_bytes == 824
    assert by_id["tiny-int8"].examples == 64
    assert by_id["tiny-int8"].accepted is not None
    assert by_id["tiny-int8"].accepted.metrics["size_bytes"] == 784
    assert by_id["tiny-int8"].causes["size"].startswith("Why: since it was accepted: other weights")
    assert "SIGABRT" in by_id["crash-int8"].problems[0]
    assert record.problems == ("benchmarks/test_other.py::test_other failed: AssertionError: not about a model",)
    valued = {name for subject in record.subjects for name in subject.metrics}
    assert valued <= set(record.metrics)
    assert "top_k_accuracy" not in record.metrics, "no subject has one"


def test_workers_change_nothing_but_latency(red_run: Run, red_parallel_run: Run):
    serial, parallel = (
        [
            (verdict.subject.id, verdict.metric, str(verdict.verdict), verdict.sentence)
            for verdict in run.record.verdicts
            if verdict.kind in {"size", "accuracy"}
        ]
        for run in (red_run, red_parallel_run)
    )
    assert parallel == serial


def test_paths_are_relative_to_the_working_folder(quick_project: Project):
    inside = copy.copy(quick_project)
    inside.path = quick_project.path / "benchmarks"
    bytecode = {"PYTHONPYCACHEPREFIX": str(quick_project.path.parent / "bytecode")}
    assert inside.run("--benchmark-compare", "--qbench-json=new/run.json", folder="", **bytecode).ret == 0
    record = _record(quick_project, "benchmarks/new/run.json")
    assert (record.verdict, record.project) == ("pass", quick_project.path.name)


def test_a_run_that_judges_nothing_is_measured(quick_project: Project):
    assert quick_project.run("--qbench-json=run.json").ret == 0
    record = _record(quick_project)
    assert (record.verdict, record.verdicts, record.headline) == ("measured", (), "")
    assert record.subjects[0].metrics["size_bytes"] == 592


def test_what_is_accepted_fails_nothing(quick_project: Project):
    _grow(quick_project)
    result = quick_project.run("--benchmark-compare", "--qbench-accept= padded ", "--qbench-json=run.json")
    assert result.ret == 0
    record = _record(quick_project)
    assert (record.verdict, record.exit_status, record.accepting) == ("measured", 0, "padded")
    assert record.headline == "1 fail, 1 unchanged", "that it got larger is said all the same"
    (now,) = (subject for subject in record.subjects if subject.id == "tiny-int8")
    assert now.accepted is not None
    assert now.accepted.reason == "first", "the baseline that was compared with, not the new one"
    assert any(note.startswith("accept: 2 baselines written") for note in record.notes)


def test_ctrl_c_leaves_what_was_measured(quick_project: Project):
    quick_project.write("benchmarks/test_stop.py", "def test_stop():\n    raise KeyboardInterrupt\n")
    assert quick_project.run("--benchmark-compare", "--qbench-json=run.json").ret == 2
    record = _record(quick_project)
    assert (record.verdict, record.exit_status) == ("interrupted", 2)
    assert record.subjects[0].metrics["size_bytes"] == 592


def test_a_file_that_cannot_be_collected_is_named(quick_project: Project):
    quick_project.write("benchmarks/test_broken.py", "import nothing_of_this_name\n")
    assert quick_project.run("--benchmark-compare", "--qbench-json=run.json").ret == 2
    record = _record(quick_project)
    assert record.verdict == "interrupted"
    assert record.problems == (
        "benchmarks/test_broken.py could not be collected: ModuleNotFoundError: No module named 'nothing_of_this_name'",
    )


def test_no_tests_are_not_green(quick_project: Project):
    assert quick_project.run("--benchmark-compare", "--qbench-json=run.json", "-k", "nothing").ret == 5
    record = _record(quick_project)
    assert (record.verdict, record.headline) == ("not judged", "2 missing")


def test_a_lost_worker_is_said(quick_project: Project):
    pytest.importorskip("xdist")
    quick_project.write("benchmarks/test_zz_crash.py", "import os\n\ndef test_crash():\n    os.abort()\n")
    result = quick_project.run("--benchmark-compare", "--qbench-json=run.json", "-n", "1", "-p", "no:faulthandler")
    assert result.ret == 1
    record = _record(quick_project)
    assert record.verdict == "fail"
    assert any("1 pytest-xdist workers ended without handing over" in note for note in record.notes)
    assert len(record.problems) == 1
    assert "test_zz_crash.py" in record.problems[0]


def test_an_exit_status_that_another_plugin_sets_later_is_the_one_written(quick_project: Project):
    quick_project.write(
        "conftest.py",
        """
        def pytest_terminal_summary(terminalreporter):
            terminalreporter._session.exitstatus = 1
        """,
    )
    summary = quick_project.write("summary.md", "of another command\n")
    reports = ("--qbench-json=run.json", "--qbench-markdown=summary.md")
    assert quick_project.run("--benchmark-compare", *reports, GITHUB_STEP_SUMMARY=str(summary)).ret == 1
    record = _record(quick_project)
    assert (record.verdict, record.exit_status) == ("fail", 1)
    assert record.headline == "2 unchanged"
    # What was written first said that all was green.
    assert summary.read_text() == f"of another command\n\n{markdown_report(record)}"


def test_a_file_that_cannot_be_written_fails_the_run_and_says_so(quick_project: Project):
    quick_project.write(
        "benchmarks/test_in_the_way.py",
        """
        from pathlib import Path

        def test_in_the_way():
            Path("run.json").mkdir()
        """,
    )
    result = quick_project.run("--benchmark-compare", "--qbench-json=run.json")
    assert result.ret == 1
    assert "--qbench-json: " in result.stdout.str()
    assert "run.json cannot be written ([Errno 21] Is a directory" in result.stdout.str()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--qbench-json=benchmarks"], r"--qbench-json: found the folder .*/benchmarks, expected a file"),
        (["--qbench-json=data.py/run.json"], r"--qbench-json: found .*run.json, and .*/data.py is no folder, expected"),
        (
            ["--qbench-json=x", "--junit-xml=./x"],
            r"--qbench-json: found .*/x, which --junit-xml writes, expected",
        ),
        (["--qbench-json=x", "--benchmark-json=x"], r"which --benchmark-json writes, expected another"),
        (["--qbench-json=x", "--qbench-html=y/../x"], r"--qbench-html: found .*, which --qbench-json writes, expected"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is_measured(
    project: Project, arguments: list[str], message: str
):
    result = project.run(*arguments)
    assert result.ret == 4
    result.stderr.re_match_lines([rf"ERROR: {message}|.*{message}"])
    assert not result.outlines


def test_two_may_write_to_one_device(quick_project: Project):
    assert quick_project.run("--qbench-json=/dev/null", "--junit-xml=/dev/null").ret == 0
