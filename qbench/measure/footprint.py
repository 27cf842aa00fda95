"""Exact quantities of an artifact that need no clock: bytes on disk and in memory, and structure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.judge.metrics import PEAK_MEMORY

if TYPE_CHECKING:
    from qbench.models.structure import Structure
    from qbench.records import Artifact
    from qbench.runtime.interpreter import TfliteInterpreter


def size_metrics(
    artifact: Artifact, structure: Structure, interpreter: TfliteInterpreter, *, peak_memory_bytes: int | None = None
) -> dict[str, float]:
    """Bytes of the file, of its constants, of the runtime's tensor arena, and what a process needs for all of it.

    The latter two are left out where runtime or system do not tell.
    """
    metrics: dict[str, float | None] = {
        "size_bytes": artifact.size_bytes,
        "weight_bytes": sum(structure.weight_bytes.values()),
        "arena_bytes": interpreter.arena_bytes(),
        PEAK_MEMORY: peak_memory_bytes,
    }
    return {name: value for name, value in metrics.items() if value is not None}


def structure_metrics(structure: Structure) -> dict[str, float]:
    """What a pull request may silently change inside an artifact."""
    return {
        "float_islands": structure.float_islands,
        "quantize_dequantize": structure.quantize_count + structure.dequantize_count,
        "integer_compute": structure.integer_compute_ratio,
    }
