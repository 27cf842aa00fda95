"""Fixtures for tests that run pytest in a small project of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from small_project import Project

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A small project that has accepted nothing."""
    return Project(tmp_path)


@pytest.fixture
def accepted_project(project: Project, first_baselines: Path) -> Project:
    """A small project that has accepted what it has, with the reason `first`."""
    project.copy_baselines(first_baselines)
    return project


@pytest.fixture(scope="session")
def first_baselines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a small project accepts; made once, because it is the same for all of them."""
    project = Project(tmp_path_factory.mktemp("first"))
    project.accept()
    return project.baselines
