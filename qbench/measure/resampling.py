"""How much worse a user's own metric is than another artifact's, on resamples of the same examples."""

from __future__ import annotations

import math
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.errors import MeasurementError
from qbench.judge.gate import worsening
from qbench.judge.replicates import resample_means, resample_whole
from qbench.measure.metrics import bare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from qbench.judge.replicates import Replicates
    from qbench.measure.metrics import OwnMetric
    from qbench.models.datasets import Array


def compare_means(own: OwnMetric, now: Array, reference: Array) -> Replicates:
    """How much worse a metric that has values of examples is on resamples of them.

    Parameters
    ----------
    now, reference
        Values of both sides, of shape (examples, ...), of the same examples.

    Raises
    ------
    MeasurementError
        If both do not have the same shape, or too few resamples have a value.
    """
    if now.shape != reference.shape:
        raise MeasurementError(
            f"the metric {own.metric.name!r} gives the shape {now.shape} on one side and {reference.shape} on the "
            "other; expected the same"
        )
    of_mean = own.of_mean or float

    def worse(mean: Array, other: Array) -> float:
        return _worse(own, lambda: (of_mean(mean), of_mean(other)))

    with _silence():
        return resample_means(now, reference, worse)


def compare_sets(
    own: OwnMetric,
    now: Mapping[str, Array],
    reference: Mapping[str, Array],
    labels: Array | None,
    *,
    more: Callable[[], bool],
) -> Replicates:
    """How much worse a metric of a whole set is on resamples of its examples, the same ones for both sides.

    Parameters
    ----------
    now, reference
        Real outputs of both sides by name.
    more
        Whether there is time for another resample.

    Raises
    ------
    MeasurementError
        If too few resamples have a value.
    """
    labels = None if labels is None else np.asarray(labels)

    def value(outputs: Mapping[str, Array], drawn: Array) -> float:
        taken = {name: array[drawn] for name, array in outputs.items()}
        return float(own.function(bare(taken), None if labels is None else labels[drawn]))

    def change(drawn: Array) -> float:
        return _worse(own, lambda: (value(now, drawn), value(reference, drawn)))

    with _silence():
        return resample_whole(change, len(next(iter(now.values()))), more=more)


@contextmanager
def _silence() -> Iterator[None]:
    """What is said about resamples without a value is said once, of all of them."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def _worse(own: OwnMetric, values: Callable[[], tuple[Any, Any]]) -> float:
    """How much worse the first value is than the second, NaN where the metric has none: not every resample has."""
    try:
        now, reference = values()
        return worsening(own.metric, now=float(now), reference=float(reference))
    except Exception:  # noqa: BLE001 - a user's function; too many of them are an error of their own
        return math.nan
