"""Counts of what a trial found, with exact intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec
import numpy as np
from scipy import stats

from qbench.trial.records import Noise
from qbench.trial.stored import comparators

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from qbench.trial.records import ContestRecord, Trial

_CONFIDENCE = 0.95

_Item = TypeVar("_Item")


class Share(msgspec.Struct, frozen=True):
    """So many of so many."""

    count: int
    of: int

    @property
    def rate(self) -> float:
        """The share itself; 0 of nothing is 0."""
        return self.count / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The exact interval of Clopper and Pearson (Biometrika 26, 1934) with 95% confidence."""
        return clopper_pearson(self.count, self.of)


def clopper_pearson(count: int, of: int, confidence: float = _CONFIDENCE) -> tuple[float, float]:
    """The probabilities that `count` of `of` does not rule out; everything, if nothing was tried.

    Either end is the quantile of a beta distribution at which the count is as surprising as half of
    what is left of the confidence.
    """
    if of == 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = float(stats.beta.ppf(tail, count, of - count + 1)) if count else 0.0
    high = float(stats.beta.ppf(1 - tail, count + 1, of - count)) if count < of else 1.0
    return low, high


class Seconds(msgspec.Struct, frozen=True):
    """How long contests took."""

    median: float
    p95: float


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Contests of one noise and slowdown, of one subject or of all.

    Attributes
    ----------
    wrong
        False alarms (``slower`` at a slowdown that is tolerated) or misses (``not slower`` at one that is not).
    without_start, with_start
        Seconds of all contests, also of inconclusive ones, without and with starting their processes.
    """

    noise: Noise
    slowdown: float
    subject: str
    tolerated: bool
    slower: Share
    not_slower: Share
    inconclusive: Share
    faster: Share
    without_start: Seconds
    with_start: Seconds
    groups: float

    @property
    def wrong(self) -> Share:
        """False alarms, or misses."""
        return self.slower if self.tolerated else self.not_slower


class ComparatorRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one way to compare stored runs said at one noise and slowdown; `wrong` as in `Row`."""

    noise: Noise
    slowdown: float
    name: str
    tolerated: bool
    slower: Share

    @property
    def wrong(self) -> Share:
        """False alarms, or misses."""
        return self.slower if self.tolerated else Share(self.slower.of - self.slower.count, self.slower.of)


def summarize(trial: Trial, *, by_subject: bool = False) -> list[Row]:
    """Rows by noise and slowdown, in the order of the settings; a row for each subject where asked."""
    settings = trial.settings
    subjects = settings.subjects if by_subject else ("",)
    rows = []
    for subject in subjects:
        for noise in settings.noises:
            for slowdown in settings.slowdowns:
                chosen = [
                    each
                    for each in trial.contests
                    if (each.noise, each.slowdown) == (noise, slowdown) and subject in ("", each.subject)
                ]
                if chosen:
                    rows.append(_row(chosen, subject, tolerated=slowdown <= settings.tolerance))
    return rows


def summarize_stored(trial: Trial) -> list[ComparatorRow]:
    """Rows by noise, slowdown and way to compare, in this order."""
    settings = trial.settings
    return [
        ComparatorRow(
            noise=noise,
            slowdown=slowdown,
            name=name,
            tolerated=slowdown <= settings.tolerance,
            slower=_share(chosen, says_slower),
        )
        for noise in settings.noises
        for slowdown in settings.slowdowns
        if (chosen := [each for each in trial.stored if (each.noise, each.slowdown) == (noise, slowdown)])
        for name, says_slower in comparators(settings.tolerance).items()
    ]


def _row(contests: Sequence[ContestRecord], subject: str, *, tolerated: bool) -> Row:
    return Row(
        noise=contests[0].noise,
        slowdown=contests[0].slowdown,
        subject=subject,
        tolerated=tolerated,
        slower=_share(contests, lambda each: each.finding == "slower"),
        not_slower=_share(contests, lambda each: each.finding == "not slower"),
        inconclusive=_share(contests, lambda each: each.finding == "inconclusive"),
        faster=_share(contests, lambda each: each.faster),
        without_start=_seconds(each.seconds - each.starting_s for each in contests),
        with_start=_seconds(each.seconds for each in contests),
        groups=float(np.median([each.groups for each in contests])),
    )


def _share(items: Sequence[_Item], says: Callable[[_Item], bool]) -> Share:
    return Share(sum(map(says, items)), len(items))


def _seconds(seconds: Iterable[float]) -> Seconds:
    values = np.fromiter(seconds, dtype=float)
    return Seconds(float(np.median(values)), float(np.quantile(values, 0.95)))


def counted(count: int, noun: str) -> str:
    """Such as ``1 subject``, ``2 subjects``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
