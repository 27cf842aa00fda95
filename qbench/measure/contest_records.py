"""What a contest is asked, and what it found."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from qbench.judge.sequential import Interval
from qbench.verdicts import ContestSummary

Clock = Literal["cpu", "wall"]
Finding = Literal["slower", "not slower", "inconclusive"]


class ContestRules(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked, and with how much certainty and patience.

    Attributes
    ----------
    threshold
        The ratio candidate / baseline above which the candidate is slower, such as 1.05.
    improved_below
        The ratio below which it is clearly faster; 0 not to ask.
    alpha
        Largest probability of each wrong finding.
    limit_s
        Seconds after which it ends undecided, starts of processes included.
    clock
        ``cpu``, the processor time of the invoking thread, or ``wall``; None to choose (see `choose_clock`).
    seed
        Of the order of blocks.
    invoke_multiple
        Makes the invokes of a block a multiple of this, if that is not much more than a block needs.
    expected_invoke_s
        About how long an invoke takes, if that is known: what cannot be decided in time is then not begun.
    """

    threshold: float
    improved_below: float = 0.0
    alpha: float = 0.001
    limit_s: float = 5.0
    clock: Clock | None = None
    seed: int = 0
    invoke_multiple: int = 1
    expected_invoke_s: float = 0.0


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Nanoseconds per invoke of the fastest of each side's blocks, on both clocks."""

    candidate_first: bool
    baseline: dict[Clock, float]
    candidate: dict[Clock, float]

    def ratio(self, clock: Clock) -> float:
        """Candidate by baseline."""
        return self.candidate[clock] / self.baseline[clock]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a contest stands that is going on.

    Attributes
    ----------
    groups
        That were measured, of all rounds.
    ratio
        Median of theirs, candidate / baseline.
    evidence
        How much of what a verdict needs there is: of each round the logarithm of the wealth by that of ``1 / alpha``,
        where rounds that contradict each other count against each other.
    left_s
        Seconds until its limit.
    """

    groups: int
    ratio: float
    evidence: float
    left_s: float


class ContestResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a contest found, and everything needed to believe or repeat it.

    Attributes
    ----------
    finding
        Whether the candidate is slower than the threshold allows.
    faster
        Whether it is clearly faster (see `ContestRules.improved_below`).
    ratio, interval
        Median of the groups' candidate / baseline, and its confidence interval; None without a group.
    other_clock_ratio
        The same on the clock that was not used.
    decided_pass_at, decided_fail_at
        An undecided contest would have found ``not slower`` for a threshold of at least the one, and
        ``slower`` for one of at most the other.
    rounds
        What each round found.
    baseline_ns, candidate_ns
        Median nanoseconds per invoke.
    invokes
        Of a block.
    seconds, starting_s
        In all, and the part of it that starting workers took.
    needed_s
        About how long an undecided contest would have had to go on in all; infinite if that cannot be told.
    """

    finding: Finding
    faster: bool
    ratio: float | None
    interval: Interval | None
    other_clock_ratio: float | None
    decided_pass_at: float
    decided_fail_at: float
    rounds: tuple[Finding, ...]
    groups: tuple[Group, ...]
    baseline_ns: float | None
    candidate_ns: float | None
    clock: Clock
    invokes: int
    seconds: float
    starting_s: float
    needed_s: float
    seed: int

    def summary(self, *, run_limited: bool = False) -> ContestSummary:
        """The same without its groups, in numbers that JSON has."""
        return ContestSummary(
            finding=self.finding,
            faster=self.faster,
            ratio=self.ratio,
            low=self.interval.low or None if self.interval else None,
            high=_finite(self.interval.high) if self.interval else None,
            confidence=self.interval.confidence if self.interval else 0.0,
            other_clock_ratio=self.other_clock_ratio,
            clock=self.clock,
            decided_pass_at=_finite(self.decided_pass_at),
            decided_fail_at=self.decided_fail_at or None,
            groups=len(self.groups),
            rounds=self.rounds,
            baseline_ns=self.baseline_ns,
            candidate_ns=self.candidate_ns,
            seconds=self.seconds,
            starting_s=self.starting_s,
            needed_s=_finite(self.needed_s),
            seed=self.seed,
            run_limited=run_limited,
            groups_ns=tuple((group.baseline[self.clock], group.candidate[self.clock]) for group in self.groups),
        )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
