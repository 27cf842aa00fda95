"""A project in which everything goes wrong, and what a run of it leaves behind in each form of report."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING

import models_zoo

from qbench.run_json import decode_record

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from small_project import Project

    from qbench.run_record import RunRecord

#: What a hostile name or message would like to be: a command of its own, the end of an attribute, a control character.
INJECTED = "::error title=injected::by a name"
HOSTILE = f'odd\n{INJECTED}\r\n##[error]<b>"\x07\x1b[31m'

_METRICS = f"""
    import qbench

    @qbench.metric(unit={HOSTILE!r}, direction="lower", name={HOSTILE!r})
    def odd(outputs, labels):
        return outputs[:, 0] * 0 + 1.0

    @qbench.metric(unit="", direction="lower")
    def raising(outputs, labels):
        raise ValueError({HOSTILE!r})
"""


@dataclass(frozen=True)
class Run:
    """What a run of pytest left behind."""

    project: Project
    result: pytest.RunResult
    json: bytes
    record: RunRecord
    xml: ET.Element

    @property
    def annotations(self) -> list[str]:
        """Lines that a runner of GitHub Actions takes for commands."""
        return [line for line in self.result.outlines if line.startswith("::")]

    def test_properties(self) -> dict[str, dict[str, str]]:
        """Properties by test and name."""
        return {str(case.get("name")): _properties(case) for case in self.xml.iter("testcase")}

    def suite_properties(self) -> dict[str, str]:
        """Properties of the whole run by name."""
        (suite,) = self.xml.iter("testsuite")
        return _properties(suite)


def _properties(element: ET.Element) -> dict[str, str]:
    found = [(each.get("name"), each.get("value")) for each in element.iterfind("./properties/property")]
    assert len(found) == len(dict(found)), "names are used once, so that a reader may have them in a mapping"
    return {str(name): str(value) for name, value in found}


def make_red(project: Project, baselines: Path) -> Project:
    """Make it one in which a model got worse, one crashes, one is measured by hostile code, and two are new."""
    project.copy_baselines(baselines)
    project.declare("tiny", "crash", "odd")
    table = (project.path / "pyproject.toml").read_text()
    first = "[tool.qbench.models.tiny]\n"
    table = table.replace(first, first + 'metrics = ["own:odd"]\n') + 'metrics = ["own:raising"]\n'
    project.write("pyproject.toml", table)
    project.write("own.py", _METRICS)
    project.write("tiny.int8.tflite", models_zoo.dense_int8(seed=1) + bytes(40))
    project.write("crash.int8.tflite", models_zoo.aborting())
    project.write("benchmarks/test_other.py", 'def test_other():\n    assert False, "not about a model"\n')
    return project


def run_as_a_step(project: Project, *arguments: str) -> Run:
    """Run the gate as a step of GitHub Actions whose workspace is the folder above the project."""
    result = project.run(
        *("--benchmark-compare", "--qbench-json=out/run.json", "--junit-xml=out/junit.xml", *arguments),
        GITHUB_ACTIONS="true",
        GITHUB_WORKSPACE=str(project.path.parent),
    )
    content = (project.path / "out/run.json").read_bytes()
    return Run(
        project=project,
        result=result,
        json=content,
        record=decode_record(content, name="run.json"),
        xml=ET.parse(project.path / "out/junit.xml").getroot(),
    )
