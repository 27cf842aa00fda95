"""A search that repairs what fails with the cheapest fix first, and then makes what passes cheaper.

A first trial with float activations says whether weights or activations are to blame, and with whose ranges to
begin. Fixes that cost no bytes come first, then float operators one by one, the worst first, then wider
activations. What passes is made cheaper: operators that need not be float, narrower weights, one scale for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.tune.front import better
from qbench.tune.points import PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from qbench.tune.front import Prefer
    from qbench.tune.points import Point
    from qbench.tune.records import Outcome
    from qbench.tune.space import Space

    #: Gives points to be tried, and takes what they gave.
    Search = Generator["Point", "Outcome", None]
    _Trial = Generator["Point", "Outcome", "Outcome"]
    _Part = Generator["Point", "Outcome", None]

    #: Operators of the float model by how much an artifact loses through them, the worst first.
    Rank = Callable[["Outcome"], Sequence[str]]

#: With so many float operators narrower weights are tried that fail without.
_FLOAT_BESIDE_NARROW = 3

#: What changes neither size nor latency; the most particular first.
_COST_NOTHING = ("calibration_examples", "percentile", "calibration", "symmetric", "weight_ranges")

_OTHER_ACTIVATIONS = ("int16", "dynamic", "float")


def greedy(space: Space, start: Point, rank: Rank, prefer: Prefer) -> Search:
    """Search from the point `start`.

    Parameters
    ----------
    rank
        Called with an outcome whose operators are to be ranked.
    prefer
        What cheaper means.
    """
    yield from _Greedy(space, start, rank, prefer).run()


class _Greedy:
    """The state of a search that is going on: the best point, and what it gave."""

    def __init__(self, space: Space, start: Point, rank: Rank, prefer: Prefer) -> None:
        self._space = space
        self._start = start
        self._point = space.nearest(start)
        self._best: Outcome | None = None
        self._rank = rank
        self._prefer: Prefer = prefer
        self._learning_rate = space.values["learning_rate"][0]

    def run(self) -> Search:
        """Repair, and make cheaper what passes."""
        yield from self._take(self._point)
        if not self._passes:
            yield from self._repair()
        if self._passes:
            yield from self._make_cheaper()

    @property
    def _passes(self) -> bool:
        return self._best is not None and self._best.passes

    def _take(self, point: Point) -> _Trial:
        """Try a point, and go on from it if it is better."""
        outcome = yield point
        if self._space.allows(point) and better(outcome, self._best, self._prefer):
            self._point, self._best = point, outcome
        return outcome

    def _first_passing(self, points: Sequence[Point]) -> _Part:
        """Try points that cost the same until one passes."""
        for point in points:
            yield from self._take(point)
            if self._passes:
                return

    def _repair(self) -> _Part:
        """What is to blame first, then float operators, then what is not to blame, then other activations."""
        weights_alone = yield self._point.changed(activations="float")
        stages = [self._weight_fixes, self._add_float_operators, self._activation_fixes]
        if weights_alone.passes:
            stages.reverse()
        for stage in stages:
            yield from stage()
            if self._passes:
                return
        yield from self._train(self._space.nearest(self._start))
        for activations in _OTHER_ACTIVATIONS:
            for names in dict.fromkeys(((), self._point.float_operators)):
                if not self._passes:
                    yield from self._take_allowed(self._point.changed(activations=activations, float_operators=names))

    def _weight_fixes(self) -> _Part:
        for knob in ("granularity", "weight_ranges"):
            if not self._passes:
                yield from self._first_passing(self._space.others(self._point, knob))

    def _activation_fixes(self) -> _Part:
        for knob in ("calibration", "percentile", "symmetric", "calibration_examples"):
            if not self._passes:
                yield from self._first_passing(self._space.others(self._point, knob))

    def _add_float_operators(self) -> _Part:
        """Let operators stay float, one more each time, until that is enough."""
        point, most = self._point, self._space.most_float_operators
        if most <= len(point.float_operators) or self._best is None:
            return
        for name in self._rank(self._best):
            if self._passes or len(point.float_operators) >= most:
                return
            if name not in point.float_operators:
                point = point.changed(float_operators=(*point.float_operators, name))
                yield from self._take(point)

    def _make_cheaper(self) -> _Part:
        yield from self._make_plain()
        if self._point.activations != "int8":
            yield from self._take_allowed(self._point.changed(activations="int8"))
        tried: set[Point] = set()
        while self._point not in tried:
            passing = self._point
            tried.add(passing)
            for narrow in (passing.changed(weights="int4"), passing.changed(granularity="tensor")):
                if narrow != passing and self._space.allows(narrow):
                    yield from self._until_passing(narrow)
            if self._point != passing:
                yield from self._make_plain()
        for share in self._space.values["channel_sparsity"][1:]:
            before = self._point
            yield from self._take_allowed(before.changed(channel_sparsity=share, quantization_aware=True))
            if self._point == before:
                return

    def _make_plain(self) -> _Part:
        """Take back every choice that is not needed: what else a repair brought along."""
        for name in self._point.float_operators:
            rest = tuple(each for each in self._point.float_operators if each != name)
            yield from self._take_allowed(self._point.changed(float_operators=rest))
        for knob in _COST_NOTHING:
            plain = self._point.changed(**{knob: getattr(PLAIN, knob)})
            yield from self._take_allowed(plain)

    def _until_passing(self, point: Point) -> _Part:
        """Narrower weights: with each way to find their ranges, in blocks, and with the worst operators float."""
        outcome = yield from self._take(point)
        for other in [*self._space.others(point, "weight_ranges"), *self._space.others(point, "granularity")]:
            if outcome.passes:
                return
            if other.granularity != point.granularity and not other.granularity.startswith("block"):
                continue  # One scale for a channel or for all is another attempt.
            tried = yield from self._take(other)
            if tried.excess < outcome.excess:
                point, outcome = other, tried
        if not outcome.passes:
            outcome = (yield from self._train(point)) or outcome
        ranked = [name for name in self._rank(outcome) if name not in point.float_operators]
        room = self._space.most_float_operators - len(point.float_operators)
        for name in ranked[: min(room, _FLOAT_BESIDE_NARROW)]:
            if outcome.passes:
                return
            point = point.changed(float_operators=(*point.float_operators, name))
            outcome = yield from self._take(point)

    def _train(self, point: Point) -> Generator[Point, Outcome, Outcome | None]:
        """Try a point trained with its quantization, if training is allowed."""
        outcome = None
        for epochs in self._space.values["epochs"]:
            trained = point.changed(quantization_aware=True, epochs=epochs, learning_rate=self._learning_rate)
            if trained == point or not all(
                getattr(trained, name) in self._space.values[name] for name in ("quantization_aware", "granularity")
            ):
                return None
            outcome = yield from self._take(trained)
            if outcome.passes:
                break
        return outcome

    def _take_allowed(self, point: Point) -> _Part:
        if point != self._point and self._space.allows(point):
            yield from self._take(point)
