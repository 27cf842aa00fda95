"""How often a gate of accuracy fails what has a true drop, on other examples like those that there are.

Each example of such a set is lost, won or neither, independently: the number of flips is binomial, and so is that of
the lost ones among them. The gate's rule is applied to all that can come, so that nothing is approximated by a normal
distribution.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom, norm

from qbench.judge.score import drop_variance

if TYPE_CHECKING:
    import numpy.typing as npt

    from qbench.verdicts import Evidence

#: The probability with which a drop has to fail to count as one that is found.
POWER = 0.8

#: As of the gate: a drop that is the tolerance but for rounding is within it.
_ROUNDING_SHARE = 1e-6

#: Counts of flips that are further from the expected one have a probability that double precision does not see.
_DEVIATIONS = 9.0


def fail_probability(
    examples: int, margin: float, *, drop: float, churn: float, evidence: Evidence, alpha: float
) -> float:
    """Probability that so many new examples fail.

    Parameters
    ----------
    examples
        How many are drawn.
    margin
        The tolerance, as a share.
    drop
        The true drop of accuracy, as a share; negative if the candidate is better.
    churn
        Share of examples that flip without moving the accuracy, half of them either way. With the drop they are all
        that flip.
    evidence
        With ``exact``, a drop on the drawn examples that is larger than the margin fails; with ``significant``, one
        whose interval lies beyond it.
    alpha
        Of that interval, on each side.

    Raises
    ------
    ValueError
        If drop and churn are no shares of the same examples.
    """
    flips = churn + abs(drop)
    if churn < 0 or flips > 1:
        raise ValueError(f"found a churn of {churn:g} and a drop of {drop:g}, expected shares that fit into one whole")
    if flips == 0 or margin >= 1:
        return 0.0
    counts = _likely_counts(examples, flips)
    if evidence == "exact":
        allowed = math.floor(margin * examples * (1 + _ROUNDING_SHARE))
        critical = (allowed + counts) // 2 + 1
    else:
        critical = _critical_lost(examples, counts, margin, float(norm.ppf(1 - alpha)))
    lost_share = (churn / 2 + max(drop, 0.0)) / flips
    failing = binom.sf(critical - 1, counts, lost_share)
    return float(np.sum(binom.pmf(counts, examples, flips) * failing))


def drop_found(
    examples: int, margin: float, *, churn: float, evidence: Evidence, alpha: float, power: float = POWER
) -> float:
    """The smallest true drop that fails with probability `power`; 1 if none does.

    Parameters are those of `fail_probability`.
    """

    def missing(drop: float) -> float:
        found = fail_probability(examples, margin, drop=drop, churn=churn, evidence=evidence, alpha=alpha)
        return found - power

    largest = 1 - churn
    if missing(largest) < 0:
        return 1.0
    return float(brentq(missing, 0.0, largest, xtol=1e-7))


def _likely_counts(examples: int, flips: float) -> npt.NDArray[Any]:
    """Every number of flips that is not impossible for all practical purposes."""
    reach = _DEVIATIONS * math.sqrt(examples * flips * (1 - flips)) + _DEVIATIONS**2
    low = max(0, math.floor(examples * flips - reach))
    return np.arange(low, min(examples, math.ceil(examples * flips + reach)) + 1)


def _critical_lost(examples: int, counts: npt.NDArray[Any], margin: float, quantile: float) -> npt.NDArray[Any]:
    """For each number of flips, the least number lost that lies beyond the margin; one more than all if none does.

    The score statistic grows with the number lost, so it is found by halving.
    """
    beyond_from, at_most = np.zeros_like(counts), counts + 1
    while np.any(beyond_from < at_most):
        lost = (beyond_from + at_most) // 2
        won = counts - lost
        variance = np.maximum(examples * drop_variance(float(examples), lost, won, margin), 0.0)
        beyond = lost - won - examples * margin > quantile * np.sqrt(variance)
        at_most = np.where(beyond, lost, at_most)
        beyond_from = np.where(beyond, beyond_from, np.minimum(lost + 1, at_most))
    return at_most
