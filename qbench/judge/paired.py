"""What predictions on the same examples say about two artifacts, beyond those examples.

On a fixed evaluation set, the drop of accuracy is a fact. Whether it would be one on other examples too is a
question of statistics, and the examples that both get right, or both get wrong, say nothing about it: only those that
flip from right to wrong (`lost`) and from wrong to right (`won`) do. All is exact or a score test, so that it holds for
few flips too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy.optimize import brentq
from scipy.stats import binom, norm

from qbench.judge.power import POWER, drop_found
from qbench.judge.score import drop_variance
from qbench.verdicts import PairedSummary

if TYPE_CHECKING:
    from typing import Literal

    from qbench.verdicts import Evidence

#: The one-sided level of each of the two findings.
ALPHA = 0.05

#: More than any evaluation set holds.
_MOST_EXAMPLES = 10**9


@dataclass(frozen=True, kw_only=True, slots=True)
class PairedCounts:
    """How two artifacts answer the same examples.

    Parameters
    ----------
    examples
        How many there are.
    lost, won
        How many the candidate gets wrong and the reference right, and the other way round.

    Raises
    ------
    ValueError
        If there are no examples, or the counts do not fit.
    """

    examples: int
    lost: int
    won: int

    def __post_init__(self) -> None:
        if self.examples < 1 or min(self.lost, self.won) < 0 or self.lost + self.won > self.examples:
            raise ValueError(
                f"found {self.lost} lost and {self.won} won of {self.examples} examples, expected counts of at least 0 "
                "that are together no more than a positive number of examples"
            )

    @property
    def drop(self) -> float:
        """Loss of accuracy of the candidate against the reference; negative if it gained."""
        return (self.lost - self.won) / self.examples

    @property
    def flips(self) -> int:
        """Examples that one of them gets right and the other wrong."""
        return self.lost + self.won

    @property
    def churn(self) -> float:
        """Share of examples that flip without moving the accuracy: as many are lost as won."""
        return 2 * min(self.lost, self.won) / self.examples


def mcnemar_p_value(counts: PairedCounts) -> float:
    """Exact two-sided p-value of "flips go either way alike"; 1 if there are none.

    McNemar's test: under that hypothesis the lost examples are binomial among the flips, with probability 1/2.
    """
    if not counts.flips:
        return 1.0
    tail = binom.cdf(min(counts.lost, counts.won), counts.flips, 0.5)
    return float(min(1.0, 2 * tail))


def drop_interval(counts: PairedCounts, *, confidence: float = 1 - 2 * ALPHA) -> tuple[float, float]:
    """Confidence interval of the drop of accuracy, two-sided.

    Tango's score interval for the difference of paired proportions (`qbench.judge.score`): all drops that the score
    test does not reject. It keeps its level for few flips, where the usual normal interval (Wald) is far too short;
    tests/judge/test_paired.py simulates its coverage.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
    quantile = float(norm.ppf(0.5 + confidence / 2))
    lower = _edge(counts, quantile, -1.0)
    upper = _edge(counts, -quantile, 1.0)
    return lower, upper


def _edge(counts: PairedCounts, quantile: float, end: float) -> float:
    """The drop between the estimate and `end` at which the score statistic is `quantile`."""
    if counts.drop == end:
        return end
    # The statistic falls from positive to negative as the supposed drop grows.
    inside = end * (1 - 1e-12)
    if (_score(counts, inside) - quantile) * (_score(counts, counts.drop) - quantile) > 0:
        return end
    return float(brentq(lambda drop: _score(counts, drop) - quantile, *sorted((counts.drop, inside)), xtol=1e-12))


def _score(counts: PairedCounts, drop: float) -> float:
    """Tango's statistic of the hypothesis that the true drop is `drop`; standard normal under it."""
    difference = counts.lost - counts.won - counts.examples * drop
    variance = counts.examples * drop_variance(counts.examples, counts.lost, counts.won, drop)
    if variance <= 0:
        return math.copysign(math.inf, difference) if difference else 0.0
    return difference / math.sqrt(variance)


def non_inferiority(
    counts: PairedCounts, margin: float, *, alpha: float = ALPHA
) -> Literal["within", "beyond", "inconclusive"]:
    """Whether the true drop is within `margin`, beyond it, or cannot be told apart from it; each at level `alpha`."""
    lower, upper = drop_interval(counts, confidence=1 - 2 * alpha)
    if lower > margin:
        return "beyond"
    return "within" if upper < margin else "inconclusive"


def examples_to_decide(
    counts: PairedCounts, margin: float, *, alpha: float = ALPHA, power: float = POWER
) -> int | None:
    """How many examples would decide with probability `power`, if drop and flips stayed as they are.

    ``((z_alpha * s0 + z_power * s1) / (margin - drop))**2``, where s0 and s1 are the standard deviations of one example
    if the margin, and if what was seen, is the truth; None if the drop is so near the margin that nobody has so many.
    """
    distance = margin - counts.drop
    if not distance:
        return None
    at_margin = math.sqrt(max(drop_variance(counts.examples, counts.lost, counts.won, margin), 0.0))
    seen = math.sqrt(max(counts.flips, 1) / counts.examples - counts.drop**2)
    quantiles = float(norm.ppf(1 - alpha)) * at_margin + float(norm.ppf(power)) * seen
    needed = math.ceil((quantiles / distance) ** 2)
    return needed if needed <= _MOST_EXAMPLES else None


def summarize(
    counts: PairedCounts, margin: float, *, evidence: Evidence = "exact", alpha: float = ALPHA
) -> PairedSummary:
    """All of it as a record: what a verdict on a drop with the tolerance `margin` carries; `evidence` is the gate's."""
    low, high = drop_interval(counts, confidence=1 - 2 * alpha)
    return PairedSummary(
        examples=counts.examples,
        lost=counts.lost,
        won=counts.won,
        p_value=mcnemar_p_value(counts),
        low=low,
        high=high,
        confidence=1 - 2 * alpha,
        finding=non_inferiority(counts, margin, alpha=alpha),
        needed=examples_to_decide(counts, margin, alpha=alpha),
        found=drop_found(counts.examples, margin, churn=counts.churn, evidence=evidence, alpha=alpha),
    )
