"""The metrics that models name as their own, and the tolerances that name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.errors import ConfigError, MeasurementError
from qbench.judge.metrics import DRIFT_SUFFIX, RESERVED_NAMES, drop_of
from qbench.judge.tolerance import Tolerance
from qbench.measure.metrics import load_metric

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbench.measure.metrics import OwnMetric
    from qbench.models.config import Config
    from qbench.records import Subject

_ROOT = "tool.qbench"


def own_metrics(config: Config, model: str) -> dict[str, OwnMetric]:
    """The metrics of a model's own, by the names that they are shown and gated by.

    Raises
    ------
    ConfigError
        If one cannot be imported, or is no metric.
    MeasurementError
        If one has a name that means something else.
    """
    own: dict[str, OwnMetric] = {}
    for reference in config.models[model].metrics:
        declared = load_metric(reference, key=f"{_ROOT}.models.{model}.metrics")
        name = declared.metric.name
        if name.removesuffix(DRIFT_SUFFIX) in RESERVED_NAMES:
            raise MeasurementError(f"a metric of your own is called {name!r}, which qbench uses; rename it")
        if name in own:
            raise MeasurementError(f"two metrics of your own are called {name!r}; rename one")
        own[name] = declared
    if taken := own.keys() & {drop_of(declared.metric).name for declared in own.values()}:
        raise MeasurementError(
            f"a metric of your own is called {min(taken)!r}, which is what another has lost against fp32; rename it"
        )
    return own


def check_metric_tolerances(config: Config, subject: Subject, marked: Tolerance | None = None) -> None:
    """Refuse a tolerance of a metric that nothing it holds for has: misspelt, it would gate nothing and look green.

    What stands at a model, or at a test, has to name a metric of that model; what holds for all models, one of any.

    Raises
    ------
    ConfigError
        If there is such a tolerance.
    QbenchError
        As `own_metrics`.
    """
    here = own_metrics(config, subject.model)
    for key, tolerance in _particular(config, subject, marked or Tolerance()):
        _check_names(tolerance, key, here, whose=f"the model {subject.model!r}")
    for key, tolerance in _general(config, subject):
        if _named(tolerance) - here.keys():
            anywhere = {name: own for model in config.models for name, own in own_metrics(config, model).items()}
            _check_names(tolerance, key, anywhere, whose="any model")


def _particular(config: Config, subject: Subject, marked: Tolerance) -> Iterator[tuple[str, Tolerance]]:
    model, key = config.models[subject.model], f"{_ROOT}.models.{subject.model}.tolerance"
    yield key, model.tolerance
    yield f"{key}.recipes.{subject.recipe}", model.tolerance_by_recipe.get(subject.recipe, Tolerance())
    yield "pytest.mark.qbench", marked


def _general(config: Config, subject: Subject) -> Iterator[tuple[str, Tolerance]]:
    key = f"{_ROOT}.tolerance"
    yield key, config.tolerance
    yield f"{key}.recipes.{subject.recipe}", config.tolerance_by_recipe.get(subject.recipe, Tolerance())


def _named(tolerance: Tolerance) -> set[str]:
    drift = tolerance.drift.metrics if tolerance.drift else {}
    return tolerance.metrics.keys() | tolerance.metrics_drop.keys() | drift.keys()


def _check_names(tolerance: Tolerance, key: str, known: dict[str, OwnMetric], *, whose: str) -> None:
    drift = tolerance.drift.metrics if tolerance.drift else {}
    for table, names in (
        ("metrics", tolerance.metrics),
        ("metrics_drop", tolerance.metrics_drop),
        ("drift.metrics", drift),
    ):
        for name in names:
            if name not in known:
                listed = ", ".join(sorted(known)) or "none is declared; name it under `metrics` of the model"
                raise ConfigError(f"{key}.{table}", found=repr(name), expected=f"a metric of {whose}: {listed}")
