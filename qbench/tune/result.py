"""What a search comes to: the front, the cheapest recipe that passes, and what that costs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from qbench.errors import QbenchError
from qbench.records import Fingerprint
from qbench.tune.explanation import why_none_passes
from qbench.tune.front import SAME_LATENCY, cheapest, nearest, pareto_front, size_cost
from qbench.tune.paste import recipe_table, recipes_line
from qbench.tune.points import point_of
from qbench.tune.records import Outcome
from qbench.verdicts import ContestSummary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.models.config import ModelConfig
    from qbench.tune.bench import Bench
    from qbench.tune.run import Budget, Question, Study

#: How many that are cheaper otherwise are run beside the fastest, to see whether it is any faster.
_MOST_CHALLENGERS = 3


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What one artifact costs more than another.

    Attributes
    ----------
    size_bytes
        More bytes; negative for fewer.
    nanoseconds, low_ns, high_ns
        More time of an invoke, and its confidence interval; None where it was not measured or is open.
    contest
        Of the two side by side; None if they have the same kernels, and so the same latency.
    """

    size_bytes: int
    nanoseconds: float | None = None
    low_ns: float | None = None
    high_ns: float | None = None
    contest: ContestSummary | None = None


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `qbench tune` says.

    Attributes
    ----------
    outcomes
        In the order in which they were tried; the numbers below are places in it, from 1.
    front
        Those that no other beats in accuracy, size and latency at once, the smallest first.
    start
        What the search started from; None without one.
    cheapest
        The one that passes and costs least; None if none passes.
    nearest
        If none passes, the one that fails by least.
    price
        What the cheapest costs more than the start.
    why
        If none passes, why that may be.
    notes
        What could not be tried, and why.
    recipes_line, recipe_table
        What to paste into the model's table, and below it; the latter is empty for a declared recipe.
    """

    model: str
    machine: Fingerprint
    settings: dict[str, str]
    log: str
    ended: str
    seconds: float
    measured_now: int
    reference_bytes: int
    outcomes: tuple[Outcome, ...]
    front: tuple[int, ...]
    start: int | None = None
    cheapest: int | None = None
    nearest: int | None = None
    price: Price | None = None
    why: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    recipes_line: str = ""
    recipe_table: str = ""

    def outcome(self, number: int) -> Outcome:
        """The outcome of a number."""
        return self.outcomes[number - 1]


def conclude(
    bench: Bench, study: Study, question: Question, budget: Budget, *, model: ModelConfig, name: str, **said: object
) -> Tuning:
    """Measure what is still needed, and choose.

    After Ctrl-C nothing is measured any more.

    Parameters
    ----------
    said
        What the result says besides: `machine`, `settings`, `log`, `notes`.
    """
    allowed = [each for each in study.outcomes if question.space.allows(point_of(each.recipe))]
    if study.ended != "interrupted":
        _time_front(bench, study, budget, cheapest(allowed, question.prefer))
        allowed = [each for each in study.outcomes if question.space.allows(point_of(each.recipe))]
    chosen = cheapest(allowed, question.prefer)
    if chosen is not None and question.prefer == "latency" and study.ended != "interrupted":
        chosen = _challenged(bench, chosen, allowed)
    start = study.start
    price = None
    if chosen is not None and start is not None and start.measured and chosen.sha256 != start.sha256:
        price = _price(bench, start, chosen, measure=study.ended != "interrupted")
    near = nearest(allowed) if chosen is None else None
    table = "" if chosen is None or chosen.name else recipe_table(name, chosen.recipe)
    line = "" if chosen is None else recipes_line(model.recipes, chosen.name or name)
    numbers = {id(each): number for number, each in enumerate(study.outcomes, start=1)}

    def number(outcome: Outcome | None) -> int | None:
        return None if outcome is None else numbers.get(id(outcome))

    return Tuning(
        model=model.name,
        ended=study.ended,
        seconds=budget.now() - budget.started,
        measured_now=study.measured_now,
        reference_bytes=bench.reference.artifact.size_bytes,
        outcomes=tuple(study.outcomes),
        front=tuple(numbers[id(each)] for each in pareto_front(allowed)),
        start=number(start),
        cheapest=number(chosen),
        nearest=number(near),
        price=price,
        why=why_none_passes(study, question, near) if chosen is None else (),
        recipes_line=line,
        recipe_table=table,
        **said,  # type: ignore[arg-type]  # the caller's, by the names of the record
    )


def _time_front(bench: Bench, study: Study, budget: Budget, chosen: Outcome | None) -> None:
    """Measure the latency of the start and of what may be chosen, and of the front while there is time.

    What has the kernels of one of them has its latency too.
    """
    ends = [study.start, chosen]
    front = pareto_front(study.outcomes, with_latency=False)
    start = next((place for place, each in enumerate(study.outcomes) if each is study.start), None)
    for place, outcome in enumerate(study.outcomes):
        in_time = budget.left_s is None or budget.left_s > 0
        if any(outcome is each for each in ends) or (in_time and any(outcome is each for each in front)):
            study.outcomes[place] = bench.with_latency(outcome)
    for place, outcome in enumerate(study.outcomes):
        if bench.knows_latency(outcome):
            study.outcomes[place] = bench.with_latency(outcome)
    study.start = None if start is None else study.outcomes[start]


def _challenged(bench: Bench, chosen: Outcome, allowed: Sequence[Outcome]) -> Outcome:
    """The smallest that is not slower than the fastest side by side, where contests with fp32 could not tell."""
    timed = [(each.latency, each) for each in allowed if each.passes and each.latency and each.ratio is not None]
    fastest = min((each for _, each in timed), key=lambda each: each.ratio or math.inf, default=chosen)
    limit = (1 + SAME_LATENCY) * (fastest.ratio or 0.0)
    rivals = [each for latency, each in timed if each.size_bytes < chosen.size_bytes and (latency.low or 0.0) <= limit]
    for rival in sorted(rivals, key=size_cost)[:_MOST_CHALLENGERS]:
        if bench.contest(fastest, rival, threshold=1 + SAME_LATENCY).finding == "not slower":
            return rival
    return chosen


def _price(bench: Bench, start: Outcome, chosen: Outcome, *, measure: bool) -> Price:
    more = chosen.size_bytes - start.size_bytes
    if start.kernels == chosen.kernels:
        return Price(size_bytes=more, nanoseconds=0.0, low_ns=0.0, high_ns=0.0)
    if not measure:
        return Price(size_bytes=more)
    try:
        contest = bench.contest(start, chosen)
    except QbenchError:
        return Price(size_bytes=more)  # A failing recipe need not run long enough to be timed.
    was = contest.baseline_ns

    def more_ns(ratio: float | None) -> float | None:
        return None if ratio is None or was is None else was * (ratio - 1)

    return Price(
        size_bytes=more,
        nanoseconds=more_ns(contest.ratio),
        low_ns=more_ns(contest.low),
        high_ns=more_ns(contest.high),
        contest=contest,
    )
