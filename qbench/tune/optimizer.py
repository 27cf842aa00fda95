"""Searches by Optuna: points are drawn where those lie that were small and lost little."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from qbench.errors import ConfigError
from qbench.tune.front import SAME_LATENCY
from qbench.tune.points import PLAIN, Point

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.tune.front import Prefer
    from qbench.tune.greedy import Search
    from qbench.tune.records import Outcome
    from qbench.tune.space import Space

Sampler = Literal["tpe", "nsga2"]

#: Points in a row that were tried before, after which there is nothing new to find.
_MOST_REPEATED = 50

#: Trials of which the sampler draws at random before it learns: few, as budgets are small.
_RANDOM_TRIALS = 8
_POPULATION = 8

_FLOAT_OPERATORS = "float_operators"

#: A trial without an artifact counts as losing everything, and as no faster than float.
_LOST, _NOT_FASTER = 1.0, 1.0

#: A trial without an artifact is so many tolerances from passing.
_FAR = 1e6

#: What fails without a drop beyond its tolerance, as for a floor of speed, violates by this.
_LEAST_VIOLATION = 1e-6

_EXCESS = "excess"


def require_optuna(method: str) -> None:
    """Say what to install before anything is measured in vain.

    Raises
    ------
    ConfigError
        If Optuna is not installed.
    """
    if find_spec("optuna") is None:
        raise ConfigError(
            f"--method {method}",
            found="no Optuna",
            expected="the extra: pip install 'qbench[tune]'; or --method greedy, which needs nothing",
        )


def optimize(
    space: Space,
    sampler: Sampler,
    *,
    ranked: Sequence[str],
    seed: int,
    prefer: Prefer,
    reference_bytes: int,
    known: Sequence[tuple[Point, Outcome]] = (),
) -> Search:
    """Search a space with one of Optuna's samplers, until it draws nothing new.

    What is to be small are the drop of accuracy and the size, and, if latency is preferred, the latency too; that
    a drop stays within its tolerance is a constraint. Latencies are rounded, so that the same seed draws the same
    points although clocks vary.

    Parameters
    ----------
    ranked
        The float model's operators, the worst first: how many of them stay float is what is drawn.
    reference_bytes
        Size of the float artifact, which a trial counts as having that gave none.
    known
        Points that were tried before, to learn from.

    Raises
    ------
    ConfigError
        If Optuna is not installed.
    """
    require_optuna(sampler)
    import optuna  # noqa: PLC0415 - an optional dependency, and slow to import

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    drawn = _Drawn(space, ranked)
    objectives = 3 if prefer == "latency" else 2
    study = optuna.create_study(directions=["minimize"] * objectives, sampler=_sampler(optuna, sampler, seed))
    answers = dict(known)
    for params in (drawn.params(point) for point in answers):
        if params is not None:
            study.enqueue_trial(params)
    # What is known is drawn first, and is no sign that there is nothing new.
    repeated = -len(answers)
    while repeated < _MOST_REPEATED:
        trial = study.ask(drawn.distributions)
        point = drawn.point(trial.params)
        if point in answers:
            repeated += 1
        else:
            repeated = 0
            answers[point] = yield point
        outcome = answers[point]
        _constrain(trial, _violation(outcome))
        study.tell(trial, _values(outcome, reference_bytes)[:objectives])


class _Drawn:
    """The space in Optuna's terms: a categorical for each knob that has a choice, and a count of float operators."""

    def __init__(self, space: Space, ranked: Sequence[str]) -> None:
        from optuna.distributions import CategoricalDistribution, IntDistribution  # noqa: PLC0415 - as above

        self._space = space
        self._ranked = tuple(ranked)
        self.distributions: dict[str, Any] = {
            name: CategoricalDistribution(values)
            for name, values in space.values.items()
            if name != _FLOAT_OPERATORS and len(values) > 1
        }
        if most := min(space.most_float_operators, len(ranked)):
            self.distributions[_FLOAT_OPERATORS] = IntDistribution(0, most)

    def point(self, drawn: dict[str, Any]) -> Point:
        """The point that drawn values stand for, moved into the space where it fell out of it."""
        values = {name: values[0] for name, values in self._space.values.items() if name != _FLOAT_OPERATORS}
        values |= {name: value for name, value in drawn.items() if name != _FLOAT_OPERATORS}
        chosen = self._ranked[: drawn.get(_FLOAT_OPERATORS, 0)]
        return self._space.nearest(PLAIN.changed(**values, float_operators=chosen))

    def params(self, point: Point) -> dict[str, Any] | None:
        """The values that stand for a point; None if none do, such as for other operators than the worst."""
        found = {name: getattr(point, name) for name in self.distributions}
        if _FLOAT_OPERATORS in found:
            found[_FLOAT_OPERATORS] = len(point.float_operators)
        inside = all(found[name] in self._space.values[name] for name in found if name != _FLOAT_OPERATORS)
        return found if inside and self.point(found) == point else None


def _violation(outcome: Outcome) -> float:
    """Above 0 for what does not pass, the more the further its drop is beyond the tolerance."""
    if outcome.passes:
        return min(0.0, outcome.excess)
    return min(_FAR, max(_LEAST_VIOLATION, outcome.excess))


def _constrain(trial: Any, excess: float) -> None:
    """Tell how far a trial is from passing, in the terms of either Optuna."""
    if hasattr(trial, "set_constraint"):
        trial.set_constraint(_EXCESS, excess)
    else:
        trial.set_user_attr(_EXCESS, excess)


def _sampler(optuna: Any, name: Sampler, seed: int) -> Any:
    # Before version 5 a function has to be given for what `set_constraint` tells now.
    older = {} if hasattr(optuna.trial.Trial, "set_constraint") else {"constraints_func": _constraints}
    with warnings.catch_warnings():
        # Constraints are called experimental.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if name == "nsga2":
            return optuna.samplers.NSGAIISampler(population_size=_POPULATION, seed=seed, **older)
        return optuna.samplers.TPESampler(n_startup_trials=_RANDOM_TRIALS, seed=seed, **older)


def _constraints(trial: Any) -> tuple[float]:
    """What `_constrain` told."""
    return (trial.user_attrs[_EXCESS],)


def _values(outcome: Outcome, reference_bytes: int) -> tuple[float, float, float]:
    """What is to be small: the drop, the size, the latency as a share of fp32's."""
    if not outcome.measured:
        return _LOST, float(reference_bytes), _NOT_FASTER
    ratio = _NOT_FASTER if outcome.ratio is None else outcome.ratio
    # In steps of what counts as a difference, so that the clock seldom has a say in what is drawn.
    return outcome.drop, float(outcome.size_bytes), round(ratio / SAME_LATENCY) * SAME_LATENCY
