"""An anytime-valid test of a median ratio, by betting; pure, like all judgement.

The data are ratios of two things measured side by side, one for each group of blocks. Whether a group's
ratio is above a threshold is one bit. If the median ratio is at or below the threshold, that bit is at most a
fair coin, whatever else the noise looks like: heavy tails, drifts and jumps change how far a ratio is off, and
the bit does not see how far. Who bets on the bit against that hypothesis with a share of what they own expects
not to get richer, so by Ville's inequality their wealth ever reaches ``1 / alpha`` with a probability of at
most ``alpha``, however often one looks. Wealth is therefore evidence, and a test that stops whenever
it likes stays honest. (Ville 1939; for bounded means Waudby-Smith and Ramdas, J. R. Stat. Soc. B 86, 2024.)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Array = npt.NDArray[Any]

#: A bettor for each belief about how often the bit is 1, and the share of the capital that each starts with. Most
#: of it is with those who decide quickly on data that agree; the first is there for data that hardly do.
_BELIEFS = np.array([0.6, 0.7, 0.8, 0.9, 0.97])
_SHARES = np.array([0.1, 0.15, 0.15, 0.2, 0.4])

#: Above this many groups an interval is read off a thinned list of thresholds.
_MOST_THRESHOLDS = 512


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """A confidence interval of a median ratio that may be looked at at any time.

    `low` is 0 and `high` infinite while there are too few groups to say.
    """

    low: float
    high: float
    confidence: float


class RatioTest:
    """Is the median ratio above a threshold, or below it? One group at a time, as many as it takes.

    Parameters
    ----------
    threshold
        Such as ``1 + tolerance``.
    alpha
        Largest probability of deciding ``above`` although the median is not above, and of deciding
        ``below`` although it is not below; each by itself, however long the test goes on.
    """

    def __init__(self, threshold: float, alpha: float) -> None:
        if not 0 < alpha < 1:
            raise ValueError(f"alpha must lie between 0 and 1, got {alpha}")
        self.threshold = threshold
        self.alpha = alpha
        self.above = 0
        self.below = 0
        self.groups = 0
        #: ``above``, ``below``, or empty while nothing is decided.
        self.decision = ""

    def add(self, ratio: float) -> str:
        """Count one more group and return the decision; one that was made stands.

        Raises
        ------
        ValueError
            If `ratio` is no positive number.
        """
        if not (math.isfinite(ratio) and ratio > 0):
            raise ValueError(f"a ratio must be a positive number, got {ratio}")
        self.groups += 1
        # A tie speaks for neither side, which is the careful reading of both hypotheses.
        self.above += ratio > self.threshold
        self.below += ratio < self.threshold
        if not self.decision:
            wanted = -math.log(self.alpha)
            if log_wealth(self.above, self.groups) >= wanted:
                self.decision = "above"
            elif log_wealth(self.below, self.groups) >= wanted:
                self.decision = "below"
        return self.decision

    @property
    def evidence(self) -> float:
        """The logarithm of the larger wealth, as a share (0 to 1) of what a decision needs."""
        return min(1.0, max(0.0, log_wealth(max(self.above, self.below), self.groups) / -math.log(self.alpha)))


def log_wealth(ones: int, groups: int) -> float:
    """Natural logarithm of what one unit of capital has become that was bet on `ones` of `groups` bits."""
    return float(_log_wealth(np.asarray(ones), np.asarray(groups)))


def _log_wealth(ones: Array, groups: Array) -> Array:
    """As `log_wealth`, for arrays of any common shape."""
    ones, zeros = ones[..., np.newaxis], (groups - ones)[..., np.newaxis]
    by_belief = np.log(_SHARES) + ones * np.log(2 * _BELIEFS) + zeros * np.log(2 * (1 - _BELIEFS))
    return np.asarray(np.logaddexp.reduce(by_belief, axis=-1))


def confidence_interval(ratios: Sequence[float], confidence: float) -> Interval:
    """The thresholds that betting on `ratios` has at no time ruled out.

    Parameters
    ----------
    ratios
        In the order in which they were measured.
    confidence
        Probability with which the interval holds the median ratio at all times at once.
    """
    values = np.asarray(ratios, dtype=float)
    observed = np.unique(values)
    if len(observed) > _MOST_THRESHOLDS:
        observed = observed[np.linspace(0, len(observed) - 1, _MOST_THRESHOLDS).round().astype(int)]
    wanted = -math.log((1 - confidence) / 2)
    groups = np.arange(1, len(values) + 1)
    # The bits of a threshold are those of all others up to the next observation, and so is what they rule out.
    below, above = np.append(0.0, observed), np.append(observed, math.inf)
    too_low = _ever_reached(values > below[:, np.newaxis], groups, wanted)
    too_high = _ever_reached(values < above[:, np.newaxis], groups, wanted)
    thinned = len(observed) == _MOST_THRESHOLDS
    low = float((below if thinned else np.append(observed, math.inf))[too_low].max(initial=0.0))
    high = float((above if thinned else np.append(0.0, observed))[too_high].min(initial=math.inf))
    # Data that contradict themselves, early groups the late ones, can rule out everything in between.
    return Interval(low=min(low, high), high=max(low, high), confidence=confidence)


def _ever_reached(bits: Array, groups: Array, wanted: float) -> Array:
    """For each row of bits, whether the wealth of betting on them was ever `wanted` or more."""
    return np.asarray((_log_wealth(np.cumsum(bits, axis=1), groups) >= wanted).any(axis=1))


def least_groups(alpha: float) -> int:
    """How many groups decide if all of them agree."""
    groups = 1
    while log_wealth(groups, groups) < -math.log(alpha):
        groups += 1
    return groups


def expected_groups(agreeing: int, groups: int, alpha: float) -> float:
    """About how many groups decide in all if as large a share goes on to agree as `agreeing` of `groups` did.

    Infinite if they lean to neither side. The growth of wealth per group is the divergence of the
    share from a fair coin; shares are shrunk by half a group towards it, for few groups prove little.
    """
    share = (agreeing + 0.5) / (groups + 1)
    if share <= 0.5:  # noqa: PLR2004 - a fair coin
        return math.inf
    growth = math.log(2) + share * math.log(share) + (1 - share) * math.log(1 - share)
    return max(-math.log(alpha) / growth, float(least_groups(alpha)))
