"""Exact quantities of an artifact that need no clock: bytes on disk and in memory, and structure."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from qbench.judge.metrics import COMPRESSED_SIZE, CONVERSIONS, FLOAT_ISLANDS, PEAK_MEMORY, UNDELEGATED
from qbench.models.operators import is_moving

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.models.structure import Structure
    from qbench.records import Artifact
    from qbench.runtime.interpreter import TfliteInterpreter


def size_metrics(
    artifact: Artifact,
    content: bytes,
    structure: Structure,
    interpreter: TfliteInterpreter,
    *,
    peak_memory_bytes: int | None = None,
) -> dict[str, float]:
    """Bytes of the file, as it is and compressed, of its constants, of the arena, and of memory for all of it.

    The latter two, the runtime's tensor arena and what a process needs, are left out where runtime or system do not
    tell.
    """
    metrics: dict[str, float | None] = {
        "size_bytes": artifact.size_bytes,
        COMPRESSED_SIZE: compressed_bytes(content),
        "weight_bytes": sum(structure.weight_bytes.values()),
        "arena_bytes": interpreter.arena_bytes(),
        PEAK_MEMORY: peak_memory_bytes,
    }
    return {name: value for name, value in metrics.items() if value is not None}


def compressed_bytes(content: bytes) -> int:
    """Size of `content` after deflate at level 9, as an app's package or a download holds it.

    Exact for one build of zlib; others (zlib-ng) find other matches and differ by about a percent.
    """
    return len(zlib.compress(content, 9))


def structure_metrics(structure: Structure, undelegated: Sequence[int] | None = None) -> dict[str, float]:
    """What a pull request may silently change inside an artifact; `undelegated` as for `counted_names`."""
    counted = {name: float(len(names)) for name, names in counted_names(structure, undelegated).items()}
    return {**counted, "integer_compute": structure.integer_compute_ratio}


def counted_names(structure: Structure, undelegated: Sequence[int] | None = None) -> dict[str, tuple[str, ...]]:
    """Names of what metrics of the structure count, by metric.

    Parameters
    ----------
    undelegated
        Places of the main subgraph's operators that no delegate took; None where there is none to take them. Those
        that only move values (RESHAPE) or measure shapes are not counted: there is nothing in them to be slow.
    """
    named = {FLOAT_ISLANDS: structure.island_names, CONVERSIONS: structure.conversion_names}
    if undelegated is not None:
        left = [structure.main_operators[place] for place in undelegated]
        named[UNDELEGATED] = tuple(name for name in left if not is_moving(name.partition(" ")[0]))
    return named
