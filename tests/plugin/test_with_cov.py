"""pytest-cov: a traced run measures what an untraced one does, also where coverage follows into our processes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from small_project import rows, told

if TYPE_CHECKING:
    from small_project import Project


#: A row of coverage's table.
_COVERED = r"benchmarks/test_models\.py +\d+ +\d+ +\d+%"


@pytest.mark.parametrize("patch", [[], ["subprocess"]], ids=["this process", "child processes too"])
def test_verdicts_are_those_of_an_untraced_run(accepted_project: Project, patch: list[str]):
    project = accepted_project
    project.use_plugin("pytest_cov", "pytest-cov")
    declared = project.path / "pyproject.toml"
    declared.write_text(f"{declared.read_text()}\n[tool.coverage.run]\npatch = {patch}\n")
    result = project.run("--benchmark-compare", "--qbench-always-contest", "--cov=benchmarks", "--cov=data")
    assert result.ret == 0
    result.assert_outcomes(passed=8)
    assert rows(result) == {"tiny-fp32": "pass", "tiny-int8": "pass"}
    assert told(result)[-1] == "gate: 3 pass, 12 unchanged"
    # There is a table, and no file of a child is left over. (pytest-benchmark hides the line behind it from coverage.)
    assert any(re.match(_COVERED, line) for line in result.outlines)
    assert [path.name for path in project.path.glob(".coverage*")] == [".coverage"]


def test_under_xdist_too(accepted_project: Project):
    project = accepted_project
    project.use_plugin("pytest_cov", "pytest-cov")
    result = project.run("--benchmark-compare", "--cov=benchmarks", "-n", "2", "-k", "not latency")
    assert result.ret == 0
    assert rows(result) == {"tiny-fp32": "missing (latency), unchanged", "tiny-int8": "missing (latency), pass"}
    assert any(re.match(_COVERED, line) for line in result.outlines)
