"""What was accepted of a subject over time, as the commits of the repository tell it."""

from __future__ import annotations

import msgspec


class AcceptedChange(msgspec.Struct, frozen=True, kw_only=True):
    """One commit that changed the baseline of a subject.

    Attributes
    ----------
    commit, author, committed_on
        Its full name; who made it; the day as YYYY-MM-DD.
    reason
        What was said to `--qbench-accept`.
    metrics
        Accepted values by name; latency is in none of them.
    """

    commit: str
    author: str
    committed_on: str
    reason: str
    artifact_sha256: str
    metrics: dict[str, float]
