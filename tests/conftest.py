"""Profiles of hypothesis, and fixtures for tests that run pytest in a small project of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from small_project import Project

if TYPE_CHECKING:
    from pathlib import Path

# The same examples in every run: what a pull request did not touch does not fail on it.
settings.register_profile("quick", max_examples=50, deadline=None, derandomize=True)
# New examples in every run, each printed so that it can be had again.
settings.register_profile("thorough", max_examples=2000, deadline=None, derandomize=False, print_blob=True)
# This file is imported before hypothesis's plugin is configured: --hypothesis-profile comes later and wins.
settings.load_profile("quick")


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
