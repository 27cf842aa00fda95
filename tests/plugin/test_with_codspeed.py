"""pytest-codspeed: asleep it changes nothing, and awake it measures alone; the gate says that it cannot work then."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from small_project import failures, rows

if TYPE_CHECKING:
    from small_project import Project

_BRIEF = ("--codspeed-max-time=0.01", "--codspeed-warmup-time=0")
_EXACT = ("--benchmark-compare", "-k", "not latency")


@pytest.fixture
def codspeed_project(accepted_project: Project) -> Project:
    """A small project that has accepted what it has, with pytest-codspeed."""
    accepted_project.use_plugin("codspeed", "pytest-codspeed")
    return accepted_project


def test_asleep_it_changes_nothing(codspeed_project: Project):
    result = codspeed_project.run("--benchmark-compare")
    assert result.ret == 0
    result.assert_outcomes(passed=8)
    assert rows(result) == {"tiny-fp32": "unchanged", "tiny-int8": "pass"}


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [(["--codspeed", *_BRIEF], {}), (_BRIEF, {"CODSPEED_ENV": "local", "CODSPEED_RUNNER_MODE": "walltime"})],
    ids=["--codspeed", "its runner"],
)
def test_awake_it_measures_the_same_tests(codspeed_project: Project, arguments: list[str], environment: dict[str, str]):
    project = codspeed_project
    result = project.run(*arguments, **environment)
    assert result.ret == 0
    result.assert_outcomes(passed=2, deselected=6)
    assert not failures(result)
    measured = [line for line in result.outlines if re.search(r"test_latency\[tiny-(fp32|int8)\] .*ns", line)]
    assert len(measured) == 2
    refused = project.run(*arguments, "--benchmark-compare", "--qbench-accept=why", **environment)
    assert refused.ret == 4
    said = refused.stderr.str()
    assert "--benchmark-compare and --qbench-accept: found pytest-codspeed at work" in said
    assert "run them apart, this one with `-p no:codspeed`" in said
    if environment:
        assert project.run(*_EXACT, "-p", "no:codspeed", **environment).ret == 0
