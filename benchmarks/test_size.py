"""How many bytes an artifact takes, on disk and in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qbench.fixtures import Gate
    from qbench.records import Artifact


def test_size(artifact: Artifact, gate: Gate) -> None:
    gate.size(artifact)
