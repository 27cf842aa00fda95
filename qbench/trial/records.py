"""What a trial was asked, what it found, and the file that both are kept in."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from qbench.errors import ConfigError
from qbench.files import canonical_json
from qbench.measure.contest_records import Clock, Finding
from qbench.records import Fingerprint

#: Of the file; raised when an older qbench could misread a newer one.
VERSION = 1

Noise = Literal["quiet", "core", "memory"]


class TrialSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a trial was asked.

    Attributes
    ----------
    tolerance
        Above which a slowdown has to be found: 0.05 is five per cent.
    slowdowns
        Shares by which the candidate is slowed down, 0 among them, in rising order.
    contests
        For each noise and slowdown, spread over the subjects.
    clock
        Of the contests; None to let each choose.
    limit_s, alpha
        As in `qbench.measure.contest_records.ContestRules`.
    seed
        Of the plan, and of the seeds of its contests.
    stored_s
        How long a stored run takes, as ``--benchmark-max-time``; 0 to make none.
    """

    subjects: tuple[str, ...]
    tolerance: float = 0.05
    slowdowns: tuple[float, ...] = (0.0, 0.10)
    contests: int = 20
    noises: tuple[Noise, ...] = ("quiet",)
    clock: Clock | None = None
    limit_s: float = 5.0
    alpha: float = 0.001
    seed: int = 0
    stored_s: float = 1.0


class ContestRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One contest of a subject against itself, slowed down by `slowdown`.

    Attributes
    ----------
    at_s
        Seconds from the begin of the trial to its own.
    faster
        Whether it was found to be clearly faster, which it never is.
    low, high
        The interval of its ratio; None where there is no bound.
    decided_pass_at, decided_fail_at
        As in `qbench.measure.contest_records.ContestResult`; None for no threshold at all.
    groups, above, other_above
        How many groups were measured, and how many of them lay above the threshold, on the clock that was used
        and on the other.
    other_clock_finding
        What the same groups say on the other clock; inconclusive if they end before it is decided.
    needed_s
        None if it cannot be told.
    """

    subject: str
    noise: Noise
    slowdown: float
    seed: int
    at_s: float
    finding: Finding
    faster: bool
    rounds: tuple[Finding, ...]
    ratio: float | None
    low: float | None
    high: float | None
    decided_pass_at: float | None
    decided_fail_at: float | None
    clock: Clock
    invokes: int
    baseline_ns: float | None
    groups: int
    above: int
    other_above: int
    other_clock_ratio: float | None
    other_clock_finding: Finding
    seconds: float
    starting_s: float
    needed_s: float | None


class StoredComparison(msgspec.Struct, frozen=True, kw_only=True):
    """A stored run against the one before it of the same subject, scaled as if its subject were slower.

    Attributes
    ----------
    medians, means
        Ratios of the later run to the earlier one.
    p
        Of a one-sided Mann-Whitney U test: how likely rounds are to look as much slower if they are not.
    """

    subject: str
    noise: Noise
    slowdown: float
    medians: float
    means: float
    p: float


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """All of a trial, as it is kept."""

    version: int = VERSION
    qbench: str
    machine: Fingerprint
    processors: int
    settings: TrialSettings
    contests: tuple[ContestRecord, ...] = ()
    stored: tuple[StoredComparison, ...] = ()


class _Versioned(msgspec.Struct):
    version: int


def encode_trial(trial: Trial) -> bytes:
    """The canonical JSON of a trial."""
    return canonical_json(msgspec.to_builtins(trial))


def decode_trial(content: bytes, *, name: str) -> Trial:
    """Read what `encode_trial` wrote.

    Raises
    ------
    ConfigError
        If `content` is something else, or of another version.
    """
    expected = f"what `qbench trial --json` wrote, of version {VERSION}"
    try:
        version = msgspec.json.decode(content, type=_Versioned).version
        if version != VERSION:
            raise ConfigError(name, found=f"version {version}", expected=f"{expected}; measure again")
        return msgspec.json.decode(content, type=Trial)
    except msgspec.DecodeError as error:
        raise ConfigError(name, found=f"something else ({error})", expected=expected) from error


def finite(value: float) -> float | None:
    """`value`, or None for what JSON cannot express."""
    return value if math.isfinite(value) else None
