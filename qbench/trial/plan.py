"""Which contests a trial consists of, and in which order."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import TYPE_CHECKING

import msgspec

from qbench.trial.records import Noise

if TYPE_CHECKING:
    from qbench.trial.records import TrialSettings

#: Slowdowns are whole parts of this many: a tenth of a per cent, and finer than anybody asks for.
_FINEST = 10_000

_SEED_BITS = 32


class PlannedContest(msgspec.Struct, frozen=True, kw_only=True):
    """One contest that is going to be run."""

    subject: str
    noise: Noise
    slowdown: float
    seed: int


def plan(settings: TrialSettings) -> tuple[PlannedContest, ...]:
    """All contests of a trial, in an order drawn by lot.

    Noises come one after the other, for a neighbour is started once. Under each, subjects and slowdowns are
    shuffled, so that a slow minute of the machine meets all of them. Where `contests` is no multiple of
    the number of subjects, lots decide which subjects get one more.
    """
    lot = random.Random(settings.seed)  # noqa: S311 - a lot that can be drawn again, not a secret
    planned: list[PlannedContest] = []
    for noise in settings.noises:
        pairs = [(subject, slowdown) for slowdown in settings.slowdowns for subject in _spread(settings, lot)]
        lot.shuffle(pairs)
        planned += [
            PlannedContest(subject=subject, noise=noise, slowdown=slowdown, seed=lot.getrandbits(_SEED_BITS))
            for subject, slowdown in pairs
        ]
    return tuple(planned)


def _spread(settings: TrialSettings, lot: random.Random) -> list[str]:
    """`contests` subjects, each as often as any other, or once more."""
    each, more = divmod(settings.contests, len(settings.subjects))
    return [*settings.subjects] * each + lot.sample(settings.subjects, more)


def invoke_multiple(slowdown: float) -> int:
    """The fewest invokes of which the share `slowdown` is a whole number of invokes: 10 for a tenth, 1 for 0."""
    return Fraction(slowdown).limit_denominator(_FINEST).denominator
