"""A metric on resamples of its examples, and without a part of them: what a bootstrap is made of.

As many examples as there are, drawn again from them with replacement, and the same ones for both sides. Of a mean only
how often each was drawn matters, which is a product of matrices; any other metric is measured again on the drawn ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.errors import MeasurementError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

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
