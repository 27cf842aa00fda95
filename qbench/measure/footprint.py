"""Exact quantities of an artifact that need no clock: bytes on disk and in memory, and structure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qbench.models.structure import Structure
    from qbench.records import Artifact
    from qbench.runtime.interpreter import TfliteInterpreter


def size_metrics(artifact: Artifact, structure: Structure, interpreter: TfliteInterpreter) -> dict[str, float]:
    """Bytes of the file, of its constants, and of the runtime's tensor arena where the runtime tells."""
    arena = interpreter.arena_bytes()
    metrics: dict[str, float] = {
        "size_bytes": artifact.size_bytes,
        "weight_bytes": sum(structure.weight_bytes.values()),
    }
    return metrics if arena is None else {**metrics, "arena_bytes": arena}


def structure_metrics(structure: Structure) -> dict[str, float]:
    """What a pull request may silently change inside an artifact."""
    return {
        "float_islands": structure.float_islands,
        "quantize_dequantize": structure.quantize_count + structure.dequantize_count,
        "integer_compute": structure.integer_compute_ratio,
    }
