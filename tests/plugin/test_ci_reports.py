"""What CI reads of real runs: properties in JUnit's XML, annotations of GitHub Actions."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from red_project import HOSTILE, INJECTED, run_as_a_step
from small_project import told

if TYPE_CHECKING:
    from red_project import Run
    from small_project import Project

_COMMAND = re.compile(r"::(?P<level>error|warning) (?P<properties>[^:]*)::(?P<message>.*)")


def _parsed(line: str) -> dict[str, str]:
    """An annotation as a runner reads it."""
    found = _COMMAND.fullmatch(line)
    assert found, line
    properties = dict(part.split("=", 1) for part in found["properties"].split(","))
    return {**{name: _unescaped(value) for name, value in properties.items()}, **found.groupdict()}


def _unescaped(text: str) -> str:
    for escape, character in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(escape, character)
    return text


# --- JUnit -------------------------------------------------------------------------------------------------------


def test_a_failed_test_says_what_it_measured_and_why_it_failed(either_run: Run):
    size = either_run.test_properties()["test_size[tiny-int8]"]
    reason, cause = size.pop("qbench.reason"), size.pop("qbench.cause")
    assert reason.startswith("tiny-int8: size_bytes is 824 B, 5.10% worse than 784 B of the baseline")
    assert "other weights: FULLY_CONNECTED" in cause
    fixed = ("model", "recipe", "kind", "verdict", "metric.size_bytes", "unit.size_bytes")
    assert [size[f"qbench.{name}"] for name in fixed] == ["tiny", "int8", "size", "fail", "824", "B"]
    assert size["qbench.metric.weight_bytes"] == "24"

    accuracy = either_run.test_properties()["test_accuracy[tiny-int8]"]
    assert accuracy["qbench.verdict"] == "fail"
    assert accuracy["qbench.metric.accuracy"] == "0.375"
    assert "qbench.unit.accuracy" not in accuracy
    assert accuracy["qbench.unit.flips"] == "examples"
    assert accuracy["qbench.reason"].count("What to do: ") == 2, "of the drop against the baseline, and against fp32"


def test_a_green_test_gives_no_reason(either_run: Run):
    size = either_run.test_properties()["test_size[tiny-fp32]"]
    assert size["qbench.verdict"] == "unchanged"
    assert "qbench.reason" not in size


def test_latency_is_the_median_of_pytest_benchmark(red_run: Run):
    (subject,) = (each for each in red_run.record.subjects if each.id == "tiny-fp32")
    properties = red_run.test_properties()["test_latency[tiny-fp32]"]
    assert subject.latency is not None
    assert float(properties["qbench.metric.latency_ns"]) == pytest.approx(subject.latency.median_ns, rel=1e-9)
    assert properties["qbench.unit.latency_ns"] == "ns"


def test_a_test_that_could_not_measure_says_of_what_and_why(either_run: Run):
    properties = either_run.test_properties()["test_size[crash-int8]"]
    assert properties.pop("qbench.reason").startswith("crash-int8: accuracy, latency, size, structure: the worker")
    assert properties == {"qbench.model": "crash", "qbench.recipe": "int8"}


def test_a_test_of_something_else_is_left_alone(either_run: Run):
    assert either_run.test_properties()["test_other"] == {}


def test_what_no_test_stands_for_is_said_of_the_whole_run(either_run: Run):
    said = either_run.suite_properties()
    assert said["qbench.verdict"] == "fail"
    assert said["qbench.headline"] == either_run.record.headline
    missing = {name for name in said if name.startswith("qbench.missing.")}
    subjects = ("tiny-fp32", "tiny-int8", "crash-fp32", "odd-fp32", "odd-int8")
    assert missing == {f"qbench.missing.{subject}.structure" for subject in subjects}
    assert "not measured: no test did" in said["qbench.missing.tiny-int8.structure"]
    assert {name for name in said if name.startswith("qbench.error.")} == {
        f"qbench.error.crash-int8.{kind}" for kind in ("accuracy", "latency", "size", "structure")
    }


def test_names_and_reasons_from_outside_are_xml(either_run: Run):
    properties = either_run.test_properties()["test_accuracy[tiny-int8]"]
    assert properties[f"qbench.metric.{quote(HOSTILE, safe='')}"] == "1"
    odd = either_run.test_properties()["test_accuracy[odd-int8]"]
    assert "#x07" in odd["qbench.reason"], "pytest shows what XML cannot hold"


def test_tests_that_measure_nothing_load_no_metric_of_the_project(project: Project):
    project.declare("tiny")
    declaration = (project.path / "pyproject.toml").read_text()
    project.write("pyproject.toml", f'{declaration}metrics = ["own:metric"]\n')
    project.write("own.py", "raise SystemExit('it was imported')\n")
    project.write("unit/test_unit.py", "import sys\n\ndef test_unit():\n    assert 'own' not in sys.modules\n")
    result = project.run("--junit-xml=junit.xml", folder="unit")
    assert result.ret == 0
    result.assert_outcomes(passed=1)


def test_a_test_that_runs_again_keeps_no_reason_of_its_error(accepted_project: Project):
    project = accepted_project
    project.use_plugin("rerunfailures", "pytest-rerunfailures")
    project.write(
        "benchmarks/test_models.py",
        """
        from qbench.errors import MeasurementError

        tries = []

        def test_size(artifact, gate, monkeypatch):
            tries.append(artifact.subject)
            if tries.count(artifact.subject) == 1:
                def broken(*arguments):
                    raise MeasurementError("the first try")
                monkeypatch.setattr(type(gate._session), "measure_size", broken)
            gate.size(artifact)
        """,
    )
    run = run_as_a_step(project, "--reruns=1", "-k", "size and fp32")
    properties = run.test_properties()["test_size[tiny-fp32]"]
    assert properties["qbench.verdict"] == "unchanged"
    assert "qbench.reason" not in properties


# --- annotations of GitHub Actions -------------------------------------------------------------------------------


def test_annotations_stand_at_the_failed_test_and_at_the_declaration(either_run: Run):
    project = either_run.project.path
    found = [_parsed(line) for line in either_run.annotations]
    assert found
    for each in found:
        # Relative to the workspace, which is the folder above the project.
        path = PurePosixPath(each["file"])
        assert path.parts[0] == project.name
        line = (project.parent / path).read_text().splitlines()[int(each["line"]) - 1]
        about = each["title"].split(": ")[1]
        if path.name == "pyproject.toml":
            assert line == f"[tool.qbench.models.{about}]"
        else:
            assert each["level"] == "error"
            assert line.startswith(f"def test_{about}(")
    titles = [each["title"] for each in found]
    assert titles[0] == "qbench: accuracy: 2 fail, 2 error", "the worst first"
    assert {title.split(": ")[1] for title in titles} >= {"accuracy", "size", "tiny", "crash", "odd"}
    warned = {each["title"] for each in found if each["level"] == "warning"}
    assert {title.split()[-1] for title in warned} == {"missing"}


def test_an_annotation_says_how_much_worse_why_and_what_to_do(either_run: Run):
    (size,) = (_parsed(line) for line in either_run.annotations if "title=qbench%3A size%3A 1 fail" in line)
    statement, cause = _unescaped(size["message"]).split("\n")
    assert statement.startswith("tiny-int8: size_bytes is 824 B, 5.10% worse than 784 B of the baseline")
    assert 'accept it with --qbench-accept "why"' in statement
    assert cause.startswith("Why: since it was accepted: other weights")


def test_nothing_from_outside_becomes_a_command(either_run: Run):
    printed = either_run.result.outlines
    (ours,) = (number for number, line in enumerate(printed) if "= qbench: against baselines/ =" in line)
    assert any(INJECTED in line for line in printed[ours:]), "it is said"
    assert not any(line.lstrip().startswith(INJECTED) for line in printed), "and never on a line of its own"


def test_outside_of_github_there_are_none(accepted_project: Project):
    project = accepted_project
    project.declare("tiny", settings='metrics = ["size"]')
    project.write("tiny.int8.tflite", (project.path / "tiny.int8.tflite").read_bytes() + bytes(40))
    result = project.run("--benchmark-compare", "-k", "size")
    assert result.ret == 1
    assert not [line for line in result.outlines if line.startswith("::")]
    assert told(result)


def test_a_green_run_has_none(accepted_project: Project):
    accepted_project.declare("tiny", settings='metrics = ["size"]')
    run = run_as_a_step(accepted_project, "-k", "size")
    assert run.result.ret == 0
    assert run.record.verdict == "pass"
    assert run.annotations == []
    assert set(run.suite_properties()) == {"qbench.verdict", "qbench.headline", "qbench.baselines", "qbench.commit"}
