"""One run in which everything goes wrong, which tests of several forms of report read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from red_project import Run, make_red, run_as_a_step
from small_project import Project

if TYPE_CHECKING:
    from pathlib import Path

_SELECTED = ("-k", "not structure")


@pytest.fixture(scope="session")
def red_run(tmp_path_factory: pytest.TempPathFactory, first_baselines: Path) -> Run:
    """Without tests of structure."""
    project = make_red(Project(tmp_path_factory.mktemp("red")), first_baselines)
    return run_as_a_step(project, *_SELECTED)


@pytest.fixture(scope="session")
def red_parallel_run(red_run: Run) -> Run:
    """The same under pytest-xdist."""
    pytest.importorskip("xdist")
    return run_as_a_step(red_run.project, *_SELECTED, "-n", "2")


@pytest.fixture(params=["red_run", "red_parallel_run"])
def either_run(request: pytest.FixtureRequest) -> Run:
    """Either of them."""
    run: Run = request.getfixturevalue(request.param)
    return run
