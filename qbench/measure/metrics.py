"""A user's own metrics: functions of real outputs and labels, with a name, a unit and a direction.

A function that returns a value for each example says more than one that returns a number: the metric is then the mean,
or `of_mean` of it, and how sure a difference is can be told in a blink. One that returns a number is a metric of the
whole set; it is called again on resamples of the examples (`qbench.judge.replicates`).
"""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from qbench.errors import ConfigError, MeasurementError
from qbench.records import Direction, Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qbench.models.datasets import Array

    MetricFunction = Callable[[Any, Any], Any]
    OfMean = Callable[[Any], Any]

_F = TypeVar("_F", bound="MetricFunction")
_ATTRIBUTE = "__qbench_metric__"


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnMetric:
    """A user's metric as `metric` declares it: what it is called, the function, and how it may be resampled."""

    metric: Metric
    function: MetricFunction
    of_mean: OfMean | None = None
    resample: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnValue:
    """The value of a metric, and those of its examples, of shape (examples, ...); None if only the set has one."""

    value: float
    of_examples: Array | None = None


def metric(
    *,
    unit: str,
    direction: Direction,
    name: str | None = None,
    of_mean: OfMean | None = None,
    resample: bool = True,
) -> Callable[[_F], _F]:
    """Make a function a metric.

    The function is called with the model's real outputs and the dataset's labels. The outputs are a float32 array of
    shape (examples, ...), or a mapping from output names to such arrays if the model has several. It returns an array
    of shape (examples,), whose mean is the metric, or a number. Of a number, how sure a difference is can only be told
    by calling the function again on resamples of the examples, thousands of times.

    Parameters
    ----------
    unit
        Shown behind the number, such as ``dB``.
    direction
        ``"higher"`` or ``"lower"``: which is better.
    name
        How the metric is called in tables and under `tolerance.metrics`; by default as the function.
    of_mean
        For metrics that are a function of means: the function returns an array of shape (examples, ...), and `of_mean`
        makes the metric of its mean over the examples, of shape (...). A root of a mean of squares is
        ``of_mean=math.sqrt`` of the squares; a ratio of counts is ``of_mean=lambda mean: mean[0] / mean[1]``.
    resample
        False for a metric of the whole set that is too expensive to be called thousands of times.

    Examples
    --------
    >>> @metric(unit="px", direction="lower")
    ... def mean_error(outputs, labels):
    ...     return abs(outputs - labels).mean(axis=1)
    """
    if direction not in {"higher", "lower"}:
        raise ValueError(f"direction must be 'higher' or 'lower', got {direction!r}")

    def mark(function: _F) -> _F:
        declared = OwnMetric(
            metric=Metric(name=name or function.__name__, unit=unit, direction=direction),
            function=function,
            of_mean=of_mean,
            resample=resample,
        )
        setattr(function, _ATTRIBUTE, declared)
        return function

    return mark


def load_metric(reference: str, *, key: str) -> OwnMetric:
    """Import the metric that ``module:function`` names.

    Raises
    ------
    ConfigError
        If it cannot be imported, or is not decorated with `metric`.
    """
    module, _, function_name = reference.partition(":")
    try:
        function = getattr(importlib.import_module(module), function_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(key, found=f"{reference!r} ({error})", expected="'module:function'") from error
    declared = getattr(function, _ATTRIBUTE, None)
    if not isinstance(declared, OwnMetric):
        raise ConfigError(
            key,
            found=f"{reference!r}, which has no unit and direction",
            expected="a function decorated with qbench.metric",
        )
    return declared


def call_metric(own: OwnMetric, outputs: Mapping[str, Array], labels: Array | None) -> OwnValue:
    """The value of a metric, with those of its examples if it has any.

    Raises
    ------
    MeasurementError
        If the function raises, or gives anything but a finite number or an array of them for each example.
    """
    name = own.metric.name
    try:
        returned = own.function(bare(outputs), labels)
        if returned is None:
            raise TypeError("it returns nothing")  # noqa: TRY301 - numpy would make it NaN
        given = np.asarray(returned, dtype=np.float64)
        if given.ndim == 0 and own.of_mean is None:
            value, of_examples = float(given), None
        else:
            of_examples = _of_examples(own, given, examples=len(next(iter(outputs.values()))))
            mean = of_examples.mean(axis=0)
            value = float(mean if own.of_mean is None else own.of_mean(mean))
    except MeasurementError:
        raise
    except Exception as error:
        raise MeasurementError(f"the metric {name!r} raised {type(error).__name__}: {error}") from error
    if not math.isfinite(value):
        raise MeasurementError(f"the metric {name!r} is {value}; expected a finite number")
    return OwnValue(value=value, of_examples=of_examples)


def _of_examples(own: OwnMetric, given: Array, *, examples: int) -> Array:
    """What a metric gave, as values of the examples, if it can be that."""
    if given.shape[:1] != (examples,) or (given.ndim > 1 and own.of_mean is None):
        expected = f"a number, or an array of shape ({examples},)"
        if own.of_mean is not None:
            expected = f"an array of shape ({examples}, ...), as its of_mean takes the mean over the examples"
        raise MeasurementError(
            f"the metric {own.metric.name!r} gives the shape {given.shape} for {examples} examples; expected {expected}"
        )
    wrong = np.flatnonzero(~np.isfinite(given.reshape(examples, -1)).all(axis=1))
    if wrong.size:
        raise MeasurementError(
            f"the metric {own.metric.name!r} is NaN or infinite for {wrong.size} of {examples} examples, the first of "
            f"them example {wrong[0]}; expected finite numbers"
        )
    return given


def bare(outputs: Mapping[str, Array]) -> Any:
    """The only output, or all by name."""
    return next(iter(outputs.values())) if len(outputs) == 1 else outputs
