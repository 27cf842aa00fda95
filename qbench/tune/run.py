"""A search as it runs: trial after trial, until its budget or what there is to try ends."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Literal

from qbench.tune.greedy import greedy
from qbench.tune.optimizer import optimize
from qbench.tune.points import point_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from qbench.models.recipes import RecipeSpec
    from qbench.tune.bench import Bench
    from qbench.tune.front import Prefer
    from qbench.tune.greedy import Rank, Search
    from qbench.tune.points import Point
    from qbench.tune.records import Outcome
    from qbench.tune.space import Space

Method = Literal["combined", "greedy", "tpe", "nsga2"]
Ending = Literal["searched", "trials", "budget", "interrupted"]


@dataclass(kw_only=True)
class Budget:
    """How long a search may go on: in trials, measured now or known from before, and in seconds.

    None is no limit. A trial is not begun that usual ones show not to end in time.
    """

    trials: int | None = None
    seconds: float | None = None
    now: Callable[[], float] = time.monotonic
    started: float = field(init=False)
    _took_s: dict[bool, list[float]] = field(init=False, default_factory=lambda: {False: [], True: []})

    def __post_init__(self) -> None:
        self.started = self.now()

    @property
    def left_s(self) -> float | None:
        """Seconds that are left, None if they are not counted."""
        return None if self.seconds is None else self.seconds - (self.now() - self.started)

    def spent(self, seconds: float, *, trains: bool) -> None:
        """Note how long a trial took that was measured now; one that trains takes longer."""
        self._took_s[trains].append(seconds)

    def ended_by(self, done: int, *, known: bool, trains: bool = False) -> Ending | None:
        """What forbids another trial after `done`, None if nothing does; one that is `known` takes no time."""
        if self.trials is not None and done >= self.trials:
            return "trials"
        left = None if known else self.left_s
        if left is not None and left < median(self._took_s[trains] or [0.0]):
            return "budget"
        return None


@dataclass(kw_only=True)
class Study:
    """What a search has found so far.

    Attributes
    ----------
    outcomes
        In the order in which the search asked for them, each once.
    start
        What the search started from, and is compared with.
    measured_now
        How many were not known from before.
    ended
        Why it ended; ``searched`` if there was nothing left to try.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    start: Outcome | None = None
    measured_now: int = 0
    ended: Ending = "searched"

    @property
    def tried(self) -> tuple[tuple[Point, Outcome], ...]:
        """The outcomes that are points, with these."""
        pairs = ((point_of(each.recipe), each) for each in self.outcomes if each.recipe.quantization is not None)
        return tuple((point, outcome) for point, outcome in pairs if point is not None)


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a search is asked.

    Attributes
    ----------
    declared
        The model's own recipes by name, which are tried first.
    start
        The name of the one to start from; None for the smallest of them.
    """

    space: Space
    declared: dict[str, RecipeSpec]
    start: str | None
    method: Method
    prefer: Prefer
    seed: int


def run_search(
    bench: Bench,
    question: Question,
    budget: Budget,
    *,
    rank: Rank,
    on_trial: Callable[[Study], None] = lambda _: None,
) -> Study:
    """Try recipes until the search or its budget ends, or Ctrl-C ends it.

    Parameters
    ----------
    rank
        Ranks the operators of an outcome; see `qbench.tune.ranking`.
    on_trial
        Called after each trial.

    Raises
    ------
    ConfigError
        If nothing can be judged, or what the method needs is not installed.
    """
    study = Study()
    try:
        _search(bench, question, budget, study, rank=rank, on_trial=on_trial)
    except KeyboardInterrupt:
        study.ended = "interrupted"
    return study


def _search(
    bench: Bench,
    question: Question,
    budget: Budget,
    study: Study,
    *,
    rank: Rank,
    on_trial: Callable[[Study], None],
) -> None:
    trials = _Trials(bench, budget, study, on_trial, timed=question.prefer == "latency")
    for name, recipe in question.declared.items():
        if not trials.take(recipe, name):
            return
    study.start = _start(study.outcomes, question.start)
    begin = point_of(study.start.recipe) if study.start else None
    point = question.space.nearest(begin)
    if question.method in {"greedy", "combined"}:
        trials.follow(greedy(question.space, begin or point, rank, question.prefer))
    if question.method == "greedy" or study.ended != "searched":
        return
    outcome = trials.take(point.recipe())
    if outcome is None:
        return
    search = optimize(
        question.space,
        "nsga2" if question.method == "nsga2" else "tpe",
        ranked=rank(outcome) if question.space.most_float_operators else (),
        seed=question.seed,
        prefer=question.prefer,
        reference_bytes=bench.reference.artifact.size_bytes,
        known=study.tried,
    )
    trials.follow(search)


class _Trials:
    """Takes trials while the budget allows it."""

    def __init__(
        self, bench: Bench, budget: Budget, study: Study, on_trial: Callable[[Study], None], *, timed: bool
    ) -> None:
        self._bench = bench
        self._budget = budget
        self._study = study
        self._on_trial = on_trial
        self._timed = timed

    def follow(self, search: Search) -> None:
        """Try what a search asks for."""
        point = next(search, None)
        while point is not None and (outcome := self.take(point.recipe())):
            try:
                point = search.send(outcome)
            except StopIteration:
                return

    def take(self, recipe: RecipeSpec, name: str = "") -> Outcome | None:
        """The outcome of a recipe; None if the budget is spent."""
        for known in self._study.outcomes:
            if known.recipe == recipe:
                return known
        trains = recipe.training is not None
        ended = self._budget.ended_by(len(self._study.outcomes), known=self._bench.knows(recipe), trains=trains)
        if ended is not None:
            self._study.ended = ended
            return None
        started = self._budget.now()
        outcome, measured_now = self._bench.outcome(recipe, name=name, timed=self._timed)
        if measured_now:
            self._budget.spent(self._budget.now() - started, trains=trains)
            self._study.measured_now += 1
        self._study.outcomes.append(outcome)
        self._on_trial(self._study)
        return outcome


def _start(outcomes: Sequence[Outcome], name: str | None) -> Outcome | None:
    """The outcome of the recipe to start from: the one that is named, or the smallest."""
    if name is not None:
        return next((each for each in outcomes if each.name == name), None)
    measured: Iterable[Outcome] = (each for each in outcomes if each.measured)
    return min(measured, key=lambda each: each.size_bytes, default=None)
