"""Fixtures of more than one file here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import qbench.session.preparation
import qbench.session.quality
from qbench.runtime.preflight import Preflight, PreflightWorker
from session.lab import Lab

if TYPE_CHECKING:
    from pathlib import Path

    from qbench.records import RuntimeOptions


class RememberingWorker(PreflightWorker):
    """Runs each healthy artifact once for all tests here: starting a worker takes most of a session's time."""

    _healthy: dict[tuple[bytes, RuntimeOptions], Preflight] = {}  # noqa: RUF012 - shared on purpose

    def check(self, content: bytes, *, name: str) -> Preflight:
        if (content, self._options) not in self._healthy:
            self._healthy[content, self._options] = super().check(content, name=name)
        return self._healthy[content, self._options]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A small project without baselines."""
    for module in (qbench.session.preparation, qbench.session.quality):
        monkeypatch.setattr(module, "PreflightWorker", RememberingWorker)
    monkeypatch.setenv("QBENCH_CACHE", str(tmp_path / "cache"))
    return Lab(tmp_path, monkeypatch)


@pytest.fixture
def accepted(lab: Lab) -> Lab:
    """A small project whose present state is accepted."""
    acceptance = lab.accept()
    assert acceptance.refused == {}
    return lab
