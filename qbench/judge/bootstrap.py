"""What the same examples say about a metric that is not right or wrong for each of them, beyond those examples.

An error of a regression, an IoU, an area under a curve: nothing flips, so the tests of `qbench.judge.paired` have
nothing to count. The bootstrap supposes only that the examples are drawn independently: it draws as many again from
them, with replacement, and looks at how the metric of the candidate, less that of the reference *on the same drawn
examples*, varies. Pairing is what makes it sharp: whether an example is hard is the same on both sides, and cancels.

The interval is Efron's BCa (bias-corrected and accelerated; J. Am. Stat. Assoc. 82, 1987, 171-185), which is right to
second order for skewed differences, where the plain percentiles are not, and needs no standard error of each resample,
which is 0 wherever few examples differ. Its acceleration is from a jackknife over at most `GROUPS` groups of examples
(Efron and Tibshirani, An Introduction to the Bootstrap, 1993, sections 11.5 and 14.3). tests/judge/test_bootstrap.py
simulates its coverage. What no bootstrap can know is what no example showed: with fewer than about ten examples that
differ, its ends are too near.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import norm

from qbench.errors import MeasurementError
from qbench.judge.paired import ALPHA
from qbench.judge.power import POWER
from qbench.records import BootstrapSummary

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    import numpy.typing as npt

    from qbench.records import Evidence

    Array = npt.NDArray[Any]

#: Groups of examples that the jackknife leaves out, one after the other.
GROUPS = 200

#: Below this many resamples the ends of a 90% interval are themselves a matter of luck.
LEAST_RESAMPLES = 500

#: More than this share of resamples without a value, and those with one are no fair sample.
MOST_UNDEFINED = 0.05

#: A verdict of the same values is the same verdict.
SEED = 20_815

#: Resamples of a mean for which this many examples are drawn altogether, and the least and most there are.
_DRAWN_EXAMPLES = 200_000_000
_MEAN_RESAMPLES = (2_000, 10_000)

#: Counts that are held at once while means are resampled.
_CHUNK_COUNTS = 1 << 21

#: More than any evaluation set holds.
_MOST_EXAMPLES = 10**9


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Replicates:
    """How much worse a metric is on the examples, on resamples of them, and without a part of them.

    Parameters
    ----------
    examples
        How many there are.
    change
        How much worse the candidate is than the reference, in the metric's unit; negative is better.
    resampled
        The same on resamples of the examples, of shape (resamples,).
    left_out
        The same without one group of the examples, of shape (groups,).
    """

    examples: int
    change: float
    resampled: Array
    left_out: Array


def resample_means(
    values: Array, reference: Array, worse: Callable[[Array, Array], float], *, resamples: int | None = None
) -> Replicates:
    """Replicates of a metric that is a function of the mean of values which each example has.

    Parameters
    ----------
    values, reference
        Values of the candidate and of the reference, of shape (examples, ...), of the same examples.
    worse
        How much worse a metric with the first mean is than one with the second; each has the shape (...).
    resamples
        How many; by default 2,000 to 10,000, the fewer the more examples there are.

    Raises
    ------
    MeasurementError
        If there are fewer than two examples, or `worse` has no finite value too often.
    """
    examples = len(values)
    flat = np.concatenate([values.reshape(examples, -1), reference.reshape(examples, -1)], axis=1, dtype=np.float64)
    shape, middle = values.shape[1:], flat.shape[1] // 2

    def change(means: Array) -> float:
        return worse(means[:middle].reshape(shape), means[middle:].reshape(shape))

    total = flat.sum(axis=0)
    parts = _groups(examples)
    without = [(total - flat[part].sum(axis=0)) / (examples - len(part)) for part in parts]
    least, most = _MEAN_RESAMPLES
    wanted = resamples or min(max(_DRAWN_EXAMPLES // examples, least), most)
    return Replicates(
        examples=examples,
        change=change(total / examples),
        resampled=_defined([change(mean) for mean in _resampled_means(flat, wanted)]),
        left_out=_defined([change(mean) for mean in without]),
    )


def _resampled_means(flat: Array, resamples: int) -> Array:
    """Means of `resamples` resamples of the rows of `flat`, of shape (resamples, columns)."""
    generator = np.random.default_rng(SEED)
    examples = len(flat)
    rows = max(1, min(resamples, _CHUNK_COUNTS // examples))
    means = []
    for first in range(0, resamples, rows):
        count = min(rows, resamples - first)
        drawn = generator.integers(0, examples, (count, examples))
        drawn += np.arange(count)[:, np.newaxis] * examples
        times = np.bincount(drawn.ravel(), minlength=count * examples).reshape(count, examples)
        means.append(times.astype(np.float64) @ flat / examples)
    return np.concatenate(means)


def resample_whole(
    change: Callable[[Array], float],
    examples: int,
    *,
    resamples: int = 2_000,
    more: Callable[[], bool] = lambda: True,
) -> Replicates:
    """Replicates of a metric that has a value only of a set of examples.

    Parameters
    ----------
    change
        How much worse the candidate is than the reference on the examples with the given indices, which may be there
        several times; NaN if the metric has no value on them.
    resamples
        How many.
    more
        Asked before each resample whether there is time for another: fewer are the same ones, without the last.

    Raises
    ------
    MeasurementError
        If there are fewer than two examples, time for fewer than `LEAST_RESAMPLES`, or too often no value.
    """
    generator = np.random.default_rng(SEED)
    everything = np.arange(examples)
    left_out = [change(np.delete(everything, part)) for part in _groups(examples) if more()]
    resampled: list[float] = []
    while len(resampled) < resamples and more():
        resampled.append(change(generator.integers(0, examples, examples)))
    if len(resampled) < min(resamples, LEAST_RESAMPLES):
        raise MeasurementError(
            f"there was time for {len(resampled)} resamples and at least {min(resamples, LEAST_RESAMPLES)} are needed"
        )
    return Replicates(
        examples=examples,
        change=change(everything),
        resampled=_defined(resampled),
        left_out=_defined(left_out),
    )


def _groups(examples: int) -> list[Array]:
    """Indices of the examples in at most `GROUPS` groups, drawn so that the order of the examples does not matter."""
    if examples < 2:  # noqa: PLR2004 - without one of two there is one left
        raise MeasurementError(f"found {examples} example, expected at least two to see how a metric varies")
    order = np.random.default_rng(SEED).permutation(examples)
    return np.array_split(order, min(GROUPS, examples))


def _defined(values: list[float]) -> Array:
    array = np.array(values, dtype=np.float64)
    defined: Array = array[np.isfinite(array)]
    if len(array) - len(defined) > MOST_UNDEFINED * len(array):
        raise MeasurementError(
            f"the metric has no value on {len(array) - len(defined)} of {len(array)} resamples of the examples; a "
            "class with very few examples does that"
        )
    return defined


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
    the side of the margin, in place of ``z_alpha * error``, shrinks with the root of their number: the interval need not
    be symmetric, and where it holds the margin, fewer than there are do not decide.
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
