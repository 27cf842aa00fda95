"""How often an accuracy gate is wrong on few examples: both kinds of evidence, on resampled predictions and computed.

    python -m benchmarks.self.accuracy_gate

The accepted predictions of mnist-dscnn, fp32 and INT8, on all 10,000 test images are taken for the world: its flips are
real, and its drop is made what a row says by making right predictions of INT8 wrong. A trial draws examples from that
world with replacement and judges them with a tolerance of one point, as a suite with that many examples would. With
`exact`, the fixed threshold, a sample's drop of more than a point fails. With `significant` that is inconclusive,
unless the 90% interval lies beyond a point. Behind what was counted stands what `qbench.judge.power` computes.

A second table says what a tolerance in each of its forms comes to, and which drop it finds.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.data import mnist
from qbench.judge.metrics import METRICS_BY_KIND
from qbench.judge.paired import ALPHA, PairedCounts, non_inferiority
from qbench.judge.power import drop_found, fail_probability
from qbench.judge.tolerance import margin_at
from qbench.verdicts import Allowance

if TYPE_CHECKING:
    from qbench.judge.tolerance import Allowed
    from qbench.verdicts import Evidence

Array = np.ndarray[Any, np.dtype[Any]]

MODEL = "mnist-dscnn"
BASELINES = Path(__file__).parents[2] / "baselines" / MODEL
TOLERANCE = 0.01
DROPS = (0.0, 0.005, 0.015, 0.02, 0.03)
SIZES = (500, 1_000, 10_000)
TRIALS = 4_000
SEED = 11

EVIDENCE: tuple[Evidence, ...] = ("exact", "significant")
ACCURACY = METRICS_BY_KIND["accuracy"][0].metric

#: Accuracies of fp32, each with the share of examples that a good quantization flips there.
REFERENCES = ((0.75, 0.03), (0.95, 0.01), (0.995, 0.002))
FORMS: tuple[tuple[str, Allowed], ...] = (
    ("0.01", 0.01),
    ("0.005", 0.005),
    ("{relative = 0.01}", Allowance(relative=0.01)),
    ("{errors = 0.5}", Allowance(errors=0.5)),
    ("{errors = 0.10}", Allowance(errors=0.10)),
)


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


def rates() -> Table:
    """Draw and judge, and compute the same."""
    rng = np.random.default_rng(SEED)
    headings = ("examples", "true drop", "flips", "exact fails", "significant fails", "inconclusive", "passes")
    table = Table(*headings, box=None)
    for size in SIZES:
        for drop in DROPS:
            lost, won = world(drop, rng)
            drawn = rng.multinomial(size, [lost, won, 1 - lost - won], size=TRIALS)
            fails = float(np.mean((drawn[:, 0] - drawn[:, 1]) / size > TOLERANCE * (1 + 1e-6)))
            beyond = [finding(size, int(each[0]), int(each[1])) for each in drawn].count("beyond") / TRIALS
            computed = {
                evidence: fail_probability(
                    size, TOLERANCE, drop=lost - won, churn=2 * min(lost, won), evidence=evidence, alpha=ALPHA
                )
                for evidence in EVIDENCE
            }
            table.add_row(
                f"{size:,}",
                f"{100 * drop:.1f} points",
                f"{lost + won:.2%}",
                f"{fails:.1%} ({computed['exact']:.1%})",
                f"{beyond:.1%} ({computed['significant']:.1%})",
                f"{fails - beyond:.1%}",
                f"{1 - fails:.1%}",
            )
    return table


def forms() -> Table:
    """What each form of a tolerance allows at some accuracies, and what it finds on 10,000 examples."""
    table = Table("accuracy", "tolerance", "allows", "more errors", "exact finds", "significant finds", box=None)
    for reference, churn in REFERENCES:
        for name, allowed in FORMS:
            margin = margin_at(allowed, ACCURACY, reference=reference)
            found = [drop_found(10_000, margin, churn=churn, evidence=evidence, alpha=ALPHA) for evidence in EVIDENCE]
            table.add_row(
                f"{reference:.1%}",
                name,
                f"{100 * margin:.4g} points",
                f"{margin / (1 - reference):.0%}",
                *(f"{100 * drop:.2f} points" for drop in found),
            )
    return table


def main() -> None:
    """Print both tables."""
    console = Console(width=120)
    console.print(rates())
    console.print(forms())


if __name__ == "__main__":
    main()
