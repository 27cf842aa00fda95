"""What `qbench history` found, and its JSON.

Versions of the form:
    1   the first
"""

from __future__ import annotations

import msgspec

from qbench.baseline.history import AcceptedChange
from qbench.judge.drift import Drift
from qbench.records import Metric

FORMAT = "qbench-history"
FORMAT_VERSION = 1


class LatencyLevel(msgspec.Struct, frozen=True, kw_only=True):
    """Accepted medians on one kind of machine that scatter around one level.

    Attributes
    ----------
    fingerprint, cpu
        Of the machine.
    first, last
        Numbers of the changes between which it held.
    median_ns
        Median of the accepted medians, in nanoseconds.
    """

    fingerprint: str
    cpu: str
    first: int
    last: int
    median_ns: float


class SubjectHistory(msgspec.Struct, frozen=True, kw_only=True):
    """What was accepted of one subject, the oldest first, and what that means.

    Attributes
    ----------
    changes
        Commits that changed its baseline.
    shown_from
        Number of the first that was asked for.
    drifts
        How far each metric is from its anchor, whether or not that is further than it may be.
    began
        By metric that has drifted further than it may, the number of the change from which on changes made it worse
        faster than before; absent where no such change stands out.
    levels
        Accepted latencies, for information.
    notes, gap
        As in `qbench.baseline.history.History`.
    """

    model: str
    recipe: str
    changes: tuple[AcceptedChange, ...]
    shown_from: int = 0
    drifts: tuple[Drift, ...] = ()
    began: dict[str, int] = {}
    levels: tuple[LatencyLevel, ...] = ()
    notes: tuple[str, ...] = ()
    gap: str = ""

    @property
    def drifted(self) -> tuple[Drift, ...]:
        """What is further from its anchor than it may be."""
        return tuple(drift for drift in self.drifts if drift.beyond)


class HistoryRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON of `qbench history --json`.

    `change_points` says whether the library that looks for them is installed.
    """

    subjects: tuple[SubjectHistory, ...]
    metrics: dict[str, Metric]
    change_points: bool
    format: str = FORMAT
    format_version: int = FORMAT_VERSION
