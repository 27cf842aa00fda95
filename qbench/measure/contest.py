"""A contest: two subjects measured interleaved until it is decided whether one is slower.

The unit is a *group*: a new process for each side, with the artifact loaded in it, then short blocks of
invokes in the order ABBA or BAAB, drawn by lot. Of a side's blocks the fastest counts, and the ratio of
the sides is one observation for `qbench.judge.sequential`. Whatever the machine does for longer than a group
does it to both sides, and where memory came to lie is drawn anew for every group.

A *round* goes on until its test decides, in workers of its own, and in others if these do not let it decide. A
verdict needs two rounds more that speak for it than rounds that speak against it: two, unless they contradict
each other.
"""

from __future__ import annotations

import random
import time
from bisect import insort
from statistics import median
from typing import TYPE_CHECKING, Protocol

from qbench.judge.sequential import RatioTest, confidence_interval, expected_groups, least_groups
from qbench.measure.contest_records import Clock, ContestResult, ContestRules, Finding, Group, Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from qbench.records import BlockTime

#: Rounds by which a finding must lead.
LEAD = 2

#: Long enough to read a clock, short against a scheduler's slice and the moods of a shared machine.
_BLOCK_NS = 250_000

#: Blocks in a row, of which the fastest counts, where a block is not one slow invoke. Twice two short ones decide
#: a third faster than twice one of double length: more of them are left alone by what else goes on.
_BLOCKS_A_TURN = 2

#: An invoke of this length fills a block, even if it is a first one.
_SURELY_SLOW_NS = 10_000_000

#: Blocks that are run at most before a new process counts as warm.
_WARM_UP_BLOCKS = 6

#: A block this much faster than the one before says that the process was not warm yet.
_STILL_WARMING = 0.95

#: Share of a block's invokes that are thrown away after a change of side, and at least one.
_DISCARDED_SHARE = 0.05

#: Blocks that calibration times, each a quarter of a block long.
_CALIBRATING_BLOCKS = 4

#: How much longer than wanted a block may become for `ContestRules.invoke_multiple`.
_MOST_ROUNDING_UP = 3

#: Of each group's duration, what a later group that is faster leaves of it in the forecast.
_FORGETTING = 0.9

#: Groups after which a round that is not decided goes on in new workers. One worker in a hundred is several per cent
#: slower than the other; whoever plays whom by lot, half of the groups then say one thing and half the other.
_GROUPS_OF_WORKERS = 48

#: Enough groups to say about how large a ratio is that cannot be decided.
_FEW_GROUPS = 3

#: What a group of one-invoke blocks consists of: two warm-ups, two that are thrown away, four that are timed.
_INVOKES_OF_A_SLOW_GROUP = 8

#: A worker that does not answer for so long after the time limit hangs.
_GRACE_S = 30.0

_SHOWN_CONFIDENCE = 0.95


class Side(Protocol):
    """One subject, in processes that are its own."""

    def renew(self) -> None:
        """Begin to load the artifact in a new process, for which `time` waits."""

    def time(self, *, invokes: int, blocks: int = 1, discard: int = 0) -> tuple[BlockTime, ...]:
        """Run blocks of invokes in the present process, after some that nobody times."""

    def limit(self, limit_s: float) -> None:
        """Give each request from now on so many seconds."""


def run_contest(
    open_pair: Callable[[int], AbstractContextManager[tuple[Side, Side]]],
    rules: ContestRules,
    *,
    now: Callable[[], float] = time.monotonic,
    tell: Callable[[Standing], None] | None = None,
) -> ContestResult:
    """Measure a baseline and a candidate beside each other until it is decided whether the candidate is slower.

    Parameters
    ----------
    open_pair
        Starts the workers of a round and gives its sides, baseline and candidate; takes the number of the round,
        whose parity says which side to start first.
    now
        Seconds of a clock that only goes forward.
    tell
        Called behind each group, while neither side is asked anything; what it takes is time of the contest.

    Raises
    ------
    QbenchError
        If a side crashes, hangs or refuses its artifact.
    """
    return _Contest(open_pair, rules, now, tell).run()


class _Contest:
    """The state of a contest that is going on."""

    def __init__(
        self,
        open_pair: Callable[[int], AbstractContextManager[tuple[Side, Side]]],
        rules: ContestRules,
        now: Callable[[], float],
        tell: Callable[[Standing], None] | None,
    ) -> None:
        self._open_pair = open_pair
        self._tell = tell
        self._rules = rules
        self._now = now
        self._lot = random.Random(rules.seed)  # noqa: S311 - a lot that can be drawn again, not a secret
        self._started = now()
        self._starting_s = 0.0
        self._groups: list[Group] = []
        self._sorted: list[float] = []
        self._rounds: list[Finding] = []
        self._opened = 0
        self._begin_round()
        self._faster = 0
        self._clock: Clock = rules.clock or "cpu"
        self._invokes = 0
        self._took_s: list[float] = []
        self._group_s = _INVOKES_OF_A_SLOW_GROUP * rules.expected_invoke_s

    def run(self) -> ContestResult:
        """Rounds until one finding leads."""
        finding: Finding = "inconclusive"
        while finding == "inconclusive" and self._usual_start_s() + self._group_s <= self._left_s():
            before = self._now()
            with self._open_pair(self._opened) as (baseline, candidate):
                self._starting_s += self._now() - before
                self._opened += 1
                found = self._take_groups(baseline, candidate)
            if found is None:
                continue
            self._rounds.append(found)
            if found == "inconclusive":
                return self._result(found)
            self._begin_round()
            lead = self._lead()
            finding = "slower" if lead == LEAD else "not slower" if lead == -LEAD else "inconclusive"
        if self._test.groups:
            self._rounds.append("inconclusive")
        return self._result(finding)

    def _begin_round(self) -> None:
        self._test = RatioTest(self._rules.threshold, self._rules.alpha)
        self._faster_test = RatioTest(self._rules.improved_below, self._rules.alpha)

    def _take_groups(self, baseline: Side, candidate: Side) -> Finding | None:
        """Go on with the present round; None if it needs other workers to decide."""
        for side in (baseline, candidate):
            side.limit(max(0.0, self._left_s()) + _GRACE_S)
        if not self._invokes:
            self._calibrate(baseline, candidate)
        taken = 0
        while not self._test.decision:
            if not self._may_go_on():
                return "inconclusive"
            if taken == _GROUPS_OF_WORKERS:
                return None
            taken += 1
            before = self._now()
            group = self._group(baseline, candidate)
            took = self._now() - before
            # Slow groups are remembered for a while: the limit is kept on a machine that is busy now and then.
            self._group_s = max(took, _FORGETTING * self._group_s) if self._groups else took
            self._took_s.append(took)
            self._groups.append(group)
            self._test.add(group.ratio(self._clock))
            self._faster_test.add(group.ratio(self._clock))
            if self._tell is not None:
                insort(self._sorted, group.ratio(self._clock))
                self._tell(self._standing())
        self._faster += self._faster_test.decision == "below"
        return "slower" if self._test.decision == "above" else "not slower"

    def _standing(self) -> Standing:
        lead = self._lead()
        leans_to = self._test.above - self._test.below
        found = abs(lead) + (self._test.evidence if leans_to * lead >= 0 else -self._test.evidence)
        return Standing(
            groups=len(self._groups),
            ratio=median(self._sorted),
            evidence=found / LEAD,
            left_s=max(0.0, self._left_s()),
        )

    def _lead(self) -> int:
        """Rounds that found it slower, less those that did not."""
        return self._rounds.count("slower") - self._rounds.count("not slower")

    def _may_go_on(self) -> bool:
        """Whether there is time for another group, and behind it for the rounds that a verdict needs besides.

        Where there never was, a few groups are measured all the same: they say about how large the ratio is.
        """
        left = self._left_s() - self._group_s
        if left < 0 or len(self._groups) < _FEW_GROUPS:
            return left >= 0
        return left >= self._rounds_missing() * self._least_round_s()

    def _rounds_missing(self) -> int:
        """Rounds after the present one until a finding can lead by enough."""
        return max(0, LEAD - 1 - abs(self._lead()))

    def _least_round_s(self) -> float:
        return self._usual_start_s() + least_groups(self._rules.alpha) * self._usual_group_s()

    def _usual_start_s(self) -> float:
        return self._starting_s / max(1, self._opened)

    def _usual_group_s(self) -> float:
        """What most groups take: a machine that stood still once is no reason to give up what soon would be decided."""
        return median(self._took_s) if self._took_s else self._group_s

    def _left_s(self) -> float:
        return self._rules.limit_s - (self._now() - self._started)

    def _calibrate(self, baseline: Side, candidate: Side) -> None:
        """Find out how many invokes fill a block, and which clock to believe."""
        before, slower_ns, waiting = self._now(), 0.0, False
        for side in (baseline, candidate):
            side.renew()
            (block,) = side.time(invokes=1)
            times = [float(block.wall_ns)]
            # The first invoke of a process may take many times as long as all others.
            if block.wall_ns < _SURELY_SLOW_NS:
                invokes = max(1, int(_BLOCK_NS / 4 / block.wall_ns))
                blocks = side.time(invokes=invokes, blocks=_CALIBRATING_BLOCKS)
                times = [block.wall_ns / invokes for block in blocks]
                waiting |= all(block.waits for block in blocks)
            else:
                waiting |= block.waits > 0
            # Blocks of the slower side are to be short too: however much slower it is, it is found in time.
            slower_ns = max(slower_ns, min(times))
        wanted, multiple = max(1, round(_BLOCK_NS / slower_ns)), self._rules.invoke_multiple
        rounded_up = -(-wanted // multiple) * multiple
        self._invokes = rounded_up if rounded_up <= _MOST_ROUNDING_UP * wanted else wanted
        if waiting and self._rules.clock is None:
            # Its thread gives way while others work for it: its own processor time is not what it takes.
            self._clock = "wall"
        # What a group takes besides: its other warm-ups, what it throws away, and the blocks that count.
        more_s = (_INVOKES_OF_A_SLOW_GROUP - 2) * self._invokes * slower_ns * 1e-9
        self._group_s = max(self._group_s, self._now() - before + more_s)

    def _group(self, baseline: Side, candidate: Side) -> Group:
        candidate_first = self._lot.random() < 0.5  # noqa: PLR2004 - a fair coin
        first, second = (candidate, baseline) if candidate_first else (baseline, candidate)
        for side in (second, first):
            side.renew()
        for side in (second, first):
            self._warm_up(side)
        discard = max(1, int(_DISCARDED_SHARE * self._invokes))
        turn = _BLOCKS_A_TURN if self._invokes > 1 else 1
        outer = first.time(invokes=self._invokes, blocks=turn)
        inner = second.time(invokes=self._invokes, blocks=2 * turn, discard=discard)
        outer += first.time(invokes=self._invokes, blocks=turn, discard=discard)
        ours, theirs = (outer, inner) if candidate_first else (inner, outer)
        return Group(
            candidate_first=candidate_first, baseline=self._per_invoke(theirs), candidate=self._per_invoke(ours)
        )

    def _warm_up(self, side: Side) -> None:
        before, last = side.time(invokes=self._invokes, blocks=2) if self._invokes > 1 else (*side.time(invokes=1),) * 2
        for _ in range(_WARM_UP_BLOCKS - 2):
            if last.wall_ns >= _STILL_WARMING * before.wall_ns:
                return
            before, (last,) = last, side.time(invokes=self._invokes)

    def _per_invoke(self, blocks: Sequence[BlockTime]) -> dict[Clock, float]:
        return {
            "cpu": max(1, min(block.cpu_ns for block in blocks)) / self._invokes,
            "wall": max(1, min(block.wall_ns for block in blocks)) / self._invokes,
        }

    def _result(self, finding: Finding) -> ContestResult:
        rules, ratios = self._rules, self._ratios(self._clock)
        certain = confidence_interval(ratios, 1 - 2 * rules.alpha)
        return ContestResult(
            finding=finding,
            faster=finding == "not slower" and self._faster >= LEAD,
            ratio=median(ratios) if ratios else None,
            interval=confidence_interval(ratios, _SHOWN_CONFIDENCE) if ratios else None,
            other_clock_ratio=median(self._ratios("wall" if self._clock == "cpu" else "cpu")) if ratios else None,
            decided_pass_at=certain.high,
            decided_fail_at=certain.low,
            rounds=tuple(self._rounds),
            groups=tuple(self._groups),
            baseline_ns=median(group.baseline[self._clock] for group in self._groups) if ratios else None,
            candidate_ns=median(group.candidate[self._clock] for group in self._groups) if ratios else None,
            clock=self._clock,
            invokes=self._invokes,
            seconds=self._now() - self._started,
            starting_s=self._starting_s,
            needed_s=0.0 if finding != "inconclusive" else self._needed_s(ratios),
            seed=rules.seed,
        )

    def _ratios(self, clock: Clock) -> list[float]:
        return [group.ratio(clock) for group in self._groups]

    def _needed_s(self, ratios: Sequence[float]) -> float:
        """About how long all rounds take if groups go on to agree as those did that were measured."""
        above = sum(ratio > self._rules.threshold for ratio in ratios)
        agreeing = max(above, len(ratios) - above)
        groups = (
            expected_groups(agreeing, len(ratios), self._rules.alpha) if ratios else least_groups(self._rules.alpha)
        )
        return LEAD * (groups * self._usual_group_s() + self._usual_start_s())
