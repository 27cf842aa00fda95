"""What the same examples say about a metric that is not right or wrong for each of them, beyond those examples.

An error of a regression, an IoU, an area under a curve: nothing flips, so the tests of `qbench.judge.paired` have
nothing to count. The bootstrap supposes only that the examples are drawn independently: it draws as many again from
them, with replacement, and looks at how the metric of the candidate, less that of the reference *on the same drawn
examples*, varies. Pairing is what makes it sharp: whether an example is hard is the same on both sides, and cancels.

The interval is Efron's BCa (bias-corrected and accelerated; J. Am. Stat. Assoc. 82, 1987, 171-185), which is right to
second order for skewed differences, where the plain percentiles are not, and needs no standard error of each resample,
which is 0 wherever few examples differ. Its acceleration is from a jackknife over at most 200 groups of examples
(Efron and Tibshirani, An Introduction to the Bootstrap, 1993, sections 11.5 and 14.3). tests/judge/test_bootstrap.py
simulates its coverage. What no bootstrap can know is what no example showed: with fewer than about ten examples that
differ, its ends are too near.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import norm

from qbench.judge.paired import ALPHA
from qbench.judge.power import POWER
from qbench.verdicts import BootstrapSummary

if TYPE_CHECKING:
    from typing import Literal

    import numpy.typing as npt

    from qbench.judge.replicates import Replicates
    from qbench.verdicts import Evidence

    Array = npt.NDArray[Any]

#: More than any evaluation set holds.
_MOST_EXAMPLES = 10**9


def bca_interval(replicates: Replicates, *, confidence: float = 1 - 2 * ALPHA) -> tuple[float, float]:
    """Confidence interval of how much worse the candidate is, two-sided.

    With z0 the normal quantile of the share of resamples below the estimate (half of those that are equal to it), and
    ``a = sum(u**3) / (6 * sum(u**2)**1.5)`` of what the groups of the jackknife add, the ends are the quantiles
    ``Phi(z0 + (z0 + z) / (1 - a * (z0 + z)))`` of the resamples.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
    resampled = np.sort(replicates.resampled)
    if resampled[0] == resampled[-1]:
        return float(resampled[0]), float(resampled[0])
    ties = 1e-12 * (resampled[-1] - resampled[0])
    below = np.searchsorted(resampled, replicates.change - ties, "left")
    not_above = np.searchsorted(resampled, replicates.change + ties, "right")
    # A share of 0 or 1 has no quantile; the nearest that so many resamples can tell does.
    share = min(max((below + not_above) / (2 * len(resampled)), 0.5 / len(resampled)), 1 - 0.5 / len(resampled))
    bias, acceleration = float(norm.ppf(share)), _acceleration(replicates.left_out)
    ends = []
    for quantile in (0.5 - confidence / 2, 0.5 + confidence / 2):
        shifted = bias + float(norm.ppf(quantile))
        ends.append(float(norm.cdf(bias + shifted / max(1 - acceleration * shifted, 1e-6))))
    low, high = np.quantile(resampled, ends)
    return float(low), float(high)


def _acceleration(left_out: Array) -> float:
    influence = left_out.mean() - left_out
    squares = float(np.square(influence).sum())
    return float((influence**3).sum()) / (6 * squares**1.5) if squares > 0 else 0.0


def summarize(
    replicates: Replicates, margin: float, *, evidence: Evidence = "exact", alpha: float = ALPHA
) -> BootstrapSummary:
    """All of it as a record: what a verdict with the tolerance `margin`, in the metric's unit, carries.

    Which true change the gate fails with a probability of 80% is of the normal distribution with the standard error of
    the resamples: ``(z_alpha + z_power) * error`` from the margin; without ``z_alpha`` where, by the `evidence`
    ``exact``, the examples themselves decide. How many examples would decide supposes that the interval's own half on
    the side of the margin, in place of ``z_alpha * error``, shrinks with the root of their number: the interval need
    not be symmetric, and where it holds the margin, fewer than there are do not decide.
    """
    low, high = bca_interval(replicates, confidence=1 - 2 * alpha)
    finding: Literal["within", "beyond", "inconclusive"]
    finding = "beyond" if low > margin else "within" if high < margin else "inconclusive"
    error = float(np.std(replicates.resampled))
    power = error * float(norm.ppf(POWER))
    half = abs(replicates.change - (low if replicates.change > margin else high))
    return BootstrapSummary(
        examples=replicates.examples,
        resamples=len(replicates.resampled),
        low=low,
        high=high,
        confidence=1 - 2 * alpha,
        finding=finding,
        needed=_needed(half + power, replicates, margin),
        found=margin + power + (0.0 if evidence == "exact" else error * float(norm.ppf(1 - alpha))),
    )


def _needed(reach: float, replicates: Replicates, margin: float) -> int | None:
    distance = abs(margin - replicates.change)
    if not distance:
        return None
    needed = math.ceil(replicates.examples * (reach / distance) ** 2)
    return needed if needed <= _MOST_EXAMPLES else None
