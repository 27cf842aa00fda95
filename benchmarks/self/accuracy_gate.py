"""How often an accuracy gate is wrong on few examples: a fixed threshold, and evidence, on resampled predictions.

    python -m benchmarks.self.accuracy_gate

The accepted predictions of mnist-dscnn, fp32 and INT8, on all 10,000 test images are taken for the world: its flips are
real, and its drop is made what a row says by making right predictions of INT8 wrong. A trial draws examples from that
world with replacement and judges them with a tolerance of one point, as a suite with that many examples would. Under
`threshold` a sample's drop of more than a point fails; under `significant` it fails if the 90% interval lies beyond a
point, passes if it lies within, and is inconclusive else.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.data import mnist
from qbench.judge.paired import PairedCounts, non_inferiority

Array = np.ndarray[Any, np.dtype[Any]]

MODEL = "mnist-dscnn"
BASELINES = Path(__file__).parents[2] / "baselines" / MODEL
TOLERANCE = 0.01
DROPS = (0.0, 0.005, 0.015, 0.02, 0.03)
SIZES = (500, 1_000, 10_000)
TRIALS = 4_000
SEED = 11


def accepted(recipe: str) -> Array:
    """The accepted predictions of a recipe."""
    (path,) = BASELINES.glob(f"{recipe}.predictions-*.npy")
    return np.asarray(np.load(path, allow_pickle=False))


def world(drop: float, rng: np.random.Generator) -> tuple[float, float]:
    """Shares of examples that INT8 loses and wins against fp32 when its true drop is `drop`."""
    labels = np.asarray(mnist().labels)
    was_right, right = accepted("fp32") == labels, accepted("int8") == labels
    missing = round(drop * len(labels)) - int(was_right.sum() - right.sum())
    if missing > 0:
        right[rng.choice(np.flatnonzero(was_right & right), missing, replace=False)] = False
    else:
        right[rng.choice(np.flatnonzero(was_right & ~right), -missing, replace=False)] = True
    return float(np.mean(was_right & ~right)), float(np.mean(right & ~was_right))


@cache
def finding(examples: int, lost: int, won: int) -> str:
    """What evidence says of one sample."""
    return non_inferiority(PairedCounts(examples=examples, lost=lost, won=won), TOLERANCE)


def main() -> None:
    """Draw, judge and print."""
    rng = np.random.default_rng(SEED)
    table = Table("examples", "true drop", "flips", "threshold: wrong", "significant: wrong", "inconclusive", box=None)
    for size in SIZES:
        for drop in DROPS:
            lost, won = world(drop, rng)
            drawn = rng.multinomial(size, [lost, won, 1 - lost - won], size=TRIALS)
            fails = np.mean((drawn[:, 0] - drawn[:, 1]) / size > TOLERANCE)
            found = [finding(size, int(each[0]), int(each[1])) for each in drawn]
            shares = {name: found.count(name) / TRIALS for name in ("within", "beyond", "inconclusive")}
            is_bad = drop > TOLERANCE
            table.add_row(
                f"{size:,}",
                f"{100 * drop:.1f} points",
                f"{lost + won:.2%}",
                f"{'miss' if is_bad else 'false alarm'} {1 - fails if is_bad else fails:.1%}",
                f"{'miss' if is_bad else 'false alarm'} {shares['within' if is_bad else 'beyond']:.1%}",
                f"{shares['inconclusive']:.1%}",
            )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
