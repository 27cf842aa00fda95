"""Fixtures of more than one file here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tune import lab

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def lab_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project, made once: artifacts of one test are found in the cache by the next."""
    folder = tmp_path_factory.mktemp("tune")
    lab.make_project(folder)
    return folder


@pytest.fixture
def project(lab_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small project as the current folder, without a log, declared as it is at first."""
    lab.forget(lab_folder)
    lab.declare(lab_folder)
    monkeypatch.chdir(lab_folder)
    return lab_folder
