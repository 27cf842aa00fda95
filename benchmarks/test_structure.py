"""Whether an artifact computes in integers where it should."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qbench.fixtures import Gate
    from qbench.records import Artifact


def test_structure(artifact: Artifact, gate: Gate) -> None:
    gate.structure(artifact)
