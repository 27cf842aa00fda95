"""A user's own metrics: functions of real outputs and labels, with a name, a unit and a direction."""

from __future__ import annotations

import importlib
import math
from typing import TYPE_CHECKING, Any, TypeVar

from qbench.errors import ConfigError, MeasurementError
from qbench.records import Direction, Metric

if TYPE_CHECKING:
    from collections.abc import Callable

    from qbench.models.datasets import Array

    MetricFunction = Callable[[Any, Any], float]

_F = TypeVar("_F", bound="MetricFunction")
_ATTRIBUTE = "__qbench_metric__"


def metric(*, unit: str, direction: Direction, name: str | None = None) -> Callable[[_F], _F]:
    """Make a function a metric.

    The function is called with the model's real outputs and the dataset's labels and returns a number.
    The outputs are a float32 array of shape (examples, ...), or a mapping from output names to such
    arrays if the model has several.

    Parameters
    ----------
    unit
        Shown behind the number, such as ``dB``.
    direction
        ``"higher"`` or ``"lower"``: which is better.
    name
        How the metric is called in tables and under `tolerance.metrics`; by default as the function.

    Examples
    --------
    >>> @metric(unit="px", direction="lower")
    ... def mean_error(outputs, labels):
    ...     return float(abs(outputs - labels).mean())
    """
    if direction not in {"higher", "lower"}:
        raise ValueError(f"direction must be 'higher' or 'lower', got {direction!r}")

    def mark(function: _F) -> _F:
        declared = Metric(name=name or function.__name__, unit=unit, direction=direction)
        setattr(function, _ATTRIBUTE, declared)
        return function

    return mark


def load_metric(reference: str, *, key: str) -> tuple[Metric, MetricFunction]:
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
    if not isinstance(declared, Metric):
        raise ConfigError(
            key,
            found=f"{reference!r}, which has no unit and direction",
            expected="a function decorated with qbench.metric",
        )
    return declared, function


def call_metric(declared: Metric, function: MetricFunction, outputs: dict[str, Array], labels: Array | None) -> float:
    """The value of a metric.

    Raises
    ------
    MeasurementError
        If the function raises, or gives anything but a finite number.
    """
    given: Any = next(iter(outputs.values())) if len(outputs) == 1 else outputs
    try:
        value = float(function(given, labels))
    except Exception as error:
        raise MeasurementError(f"the metric {declared.name!r} raised {type(error).__name__}: {error}") from error
    if not math.isfinite(value):
        raise MeasurementError(f"the metric {declared.name!r} is {value}; expected a finite number")
    return value
