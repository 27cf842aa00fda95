"""How often looking at slices calls one worse: by mistake, and where one truly is.

    python -m benchmarks.self.slice_gate

Examples flip with equal probability either way, in slices of equal size. In the first table that is all that happens,
so that every slice called worse is a mistake: with Holm's correction, and as it would be if each p-value were taken by
itself. In the second, one of ten slices of 10,000 examples truly loses what the row says, and 1% of all examples flip.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from qbench.judge.slices import ALPHA, compare_slices

Array = np.ndarray[Any, np.dtype[Any]]

#: Slices, examples in each, and the share of them that flip.
WORLDS = ((10, 1_000, 0.01), (20, 150, 0.12), (100, 50, 0.10))
LOSSES = (0.01, 0.015, 0.02, 0.03)
TRIALS = 2_000
SEED = 4


def flipped(rng: np.random.Generator, examples: int, share: float) -> tuple[Array, Array]:
    """Right and was right, of examples that flip either way and of others that are right both times."""
    drawn = rng.random(examples)
    return drawn >= share / 2, (drawn < share / 2) | (drawn >= share)


def mistakes() -> Table:
    """How often any slice is called worse where none is."""
    rng = np.random.default_rng(SEED)
    table = Table("slices", "examples in each", "flips", "called worse", "without correction", box=None)
    for slices, each, share in WORLDS:
        groups = np.repeat(np.arange(slices), each)
        found = [compare_slices(*flipped(rng, len(groups), share), groups, by="slice") for _ in range(TRIALS)]
        corrected = sum(bool(one and one.worse) for one in found) / TRIALS
        alone = sum(bool(one and one.worst.p_value <= ALPHA) for one in found) / TRIALS
        table.add_row(f"{slices}", f"{each:,}", f"{share:.0%}", f"{corrected:.1%}", f"{alone:.1%}")
    return table


def findings() -> Table:
    """How often the slice that is worse is called so."""
    rng = np.random.default_rng(SEED)
    groups = np.repeat(np.arange(10), 1_000)
    table = Table("true loss of one slice", "found", box=None)
    for loss in LOSSES:
        hits = 0
        for _ in range(TRIALS):
            right, was_right = flipped(rng, len(groups), 0.01)
            right &= ~((groups == 0) & was_right & (rng.random(len(groups)) < loss))
            found = compare_slices(right, was_right, groups, by="slice")
            hits += found is not None and any(change.name == "0" for change in found.worse)
        table.add_row(f"{100 * loss:.1f} points", f"{hits / TRIALS:.0%}")
    return table


def main() -> None:
    """Print both tables."""
    console = Console(width=120)
    console.print(mistakes())
    console.print(findings())


if __name__ == "__main__":
    main()
