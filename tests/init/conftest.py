"""Somebody's repository with a pair of artifacts, examples, and nothing of qbench."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import models_zoo as zoo
import numpy as np
import pytest
from session.lab import examples, labels_of

from qbench.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Rounds of a benchmark take a second otherwise, and hypothesis' plugin longer than a run.
_SHORT = "--benchmark-max-time=0.001 --benchmark-min-rounds=2 -p no:hypothesispytest -p no:randomly -p no:codspeed"

PAIR = ("--model", "tiny.fp32.tflite", "tiny.int8.tflite")
DATA = ("--data", "d.npz")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository that is the current folder; nobody sits at a terminal."""
    folder = tmp_path / "theirs"
    (folder / ".git").mkdir(parents=True)
    monkeypatch.chdir(folder)
    # A run of its own: it is no worker of the run that tests it, which must not time anything.
    for name in ("CI", "GITHUB_ACTIONS", *(name for name in os.environ if name.startswith("PYTEST_XDIST"))):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_ADDOPTS", _SHORT)
    monkeypatch.setenv("QBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "stdin", None)
    (folder / "tiny.fp32.tflite").write_bytes(zoo.dense_float())
    (folder / "tiny.int8.tflite").write_bytes(zoo.dense_int8())
    inputs = examples()
    np.savez(folder / "d.npz", inputs=inputs, labels=labels_of(zoo.dense_float(), inputs))
    return folder


@pytest.fixture
def init(repository: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:  # noqa: ARG001
    """Runs `qbench init` without a CI unless one is said; returns its status and all that it printed."""

    def run(*arguments: str) -> tuple[int, str]:
        given = arguments if "--ci" in arguments else (*arguments, "--ci=none")
        status = main(["init", *given])
        shown = capfd.readouterr()
        return status, shown.out + shown.err

    return run


def tree(folder: Path) -> dict[str, Any]:
    """Every file below a folder with its content, but for what git keeps."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".git/" not in path.as_posix() and ".pytest_cache" not in path.as_posix()
    }
