"""Artifacts of the MNIST networks as this repository's baselines accepted them: real models without a conversion."""

from __future__ import annotations

from pathlib import Path

from qbench.baseline.sources import FolderFiles
from qbench.baseline.store import BaselineReader
from qbench.records import Subject

BASELINES = Path(__file__).resolve().parents[1] / "baselines"


def accepted_artifact(model: str, recipe: str) -> bytes:
    """The bytes that were accepted for ``model`` under ``recipe``."""
    reader = BaselineReader(FolderFiles(BASELINES))
    baseline = reader.read(Subject(model=model, recipe=recipe))
    assert baseline is not None
    content = reader.artifact(baseline)
    assert content is not None
    return content
