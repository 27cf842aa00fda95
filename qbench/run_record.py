"""The record of a whole run: what every report is made of, and the JSON of `--qbench-json`.

Versions of the form:
    1   the first

Within a version, keys are added and never renamed, removed or given another meaning: a reader ignores keys that it does
not know.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from qbench.records import Fingerprint, LatencySample, Metric, RuntimeOptions
from qbench.verdicts import MeasuringTest, MetricVerdict, Verdict

FORMAT = "qbench-run"
FORMAT_VERSION = 1

#: How a run ended: something failed; nothing failed and something was not judged; all is green; nothing was to be
#: judged, or what got worse was accepted; it was cut short, by Ctrl-C, a collection error or a usage error.
RunVerdict = Literal["fail", "not judged", "pass", "measured", "interrupted"]


class AcceptedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What was accepted of a subject: its artifact, metrics, and why and when that was.

    Attributes
    ----------
    artifact_sha256, metrics
        Of the accepted artifact.
    reason, commit, accepted_on
        What was said to `--qbench-accept`, what was checked out, and the day (UTC).
    latency
        On a machine like this run's; None if none was kept.
    """

    artifact_sha256: str
    metrics: dict[str, float]
    reason: str
    commit: str
    accepted_on: str
    latency: LatencySample | None = None


class SubjectRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of one subject.

    Attributes
    ----------
    model, recipe
        Which it is.
    verdict
        The worst of its verdicts; None where nothing was judged.
    artifact_sha256, size_bytes
        Of its artifact; empty and None where there is none.
    metrics
        Values by metric name; `RunRecord.metrics` has their units. Latency is in `latency`.
    examples, dataset_sha256
        How many examples it was evaluated on, and their digest; 0 and empty where it was not.
    operators
        How many of each operator the artifact holds.
    counted
        Names of what a metric of the structure counts, by metric.
    weight_bytes_by_dtype
        Bytes of its constants by type.
    latency
        What pytest-benchmark measured, for people: it is judged by contests. None if it was not.
    latency_percentiles_ns
        Percentiles 0, 1, ... 100 of the rounds that pytest-benchmark timed, of one invoke each; empty if none were.
    tests
        What measured it, by kind (accuracy, latency, size, structure).
    causes
        Why a kind failed, as a line; of failed kinds alone.
    declared_at
        Line of pyproject.toml (from 1) that declares the model; 0 if none does.
    accepted
        Its baseline; None if it has none.
    problems
        What went wrong and is no verdict: crashes, failed tests.
    """

    model: str
    recipe: str
    verdict: Verdict | None = None
    artifact_sha256: str = ""
    size_bytes: int | None = None
    metrics: dict[str, float] = {}
    examples: int = 0
    dataset_sha256: str = ""
    operators: dict[str, int] = {}
    counted: dict[str, tuple[str, ...]] = {}
    weight_bytes_by_dtype: dict[str, int] = {}
    latency: LatencySample | None = None
    latency_percentiles_ns: tuple[float, ...] = ()
    tests: dict[str, MeasuringTest] = {}
    causes: dict[str, str] = {}
    declared_at: int = 0
    accepted: AcceptedRecord | None = None
    problems: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The readable id, such as ``mnist-mlp-int8``."""
        return f"{self.model}-{self.recipe}"


class VerdictRecord(MetricVerdict, frozen=True, kw_only=True):
    """A verdict with what the terminal says of it.

    Attributes
    ----------
    kind
        Of the measurement: accuracy, latency, size, structure; or declaration, of what is no longer declared.
    sentence
        What got worse, by how much, against what, how sure, what to do next.
    """

    kind: str
    sentence: str


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run.

    Attributes
    ----------
    format, format_version
        What this JSON is; see the module.
    qbench_version
        Of what wrote it.
    project
        Name of the folder of pyproject.toml.
    verdict, exit_status
        How the run ended, and what pytest returned.
    headline
        How many verdicts of each kind there are, as one line; empty where nothing was judged.
    gated
        Whether it was asked to judge.
    accepting
        The reason given to `--qbench-accept`; empty where nothing was to be accepted.
    baselines
        Where baselines were read from.
    commit
        What was checked out, with ``+`` behind it if files differed; empty outside git.
    started_at
        In UTC, such as ``2026-11-24T12:00:00Z``.
    seconds
        From the start of pytest to its end.
    fingerprint, options
        Where and how artifacts ran.
    fingerprint_id
        Under which latencies of such machines are kept.
    metrics
        Unit and direction of each metric that has a value in `subjects`.
    subjects
        In the order of declaration.
    verdicts
        All of them, the worst first.
    power
        What this run's examples cannot tell, each as a sentence.
    problems
        What failed and belongs to no subject: other tests, files that could not be collected.
    declared_changes
        What is declared otherwise than in the commit that baselines are read from, each as a sentence; with
        `--qbench-base-ref` alone.
    notes
        What else a reader has to know, each as a sentence.
    """

    format: str = FORMAT
    format_version: int = FORMAT_VERSION
    qbench_version: str = ""
    project: str = ""
    verdict: RunVerdict
    exit_status: int
    headline: str
    gated: bool
    baselines: str
    commit: str
    started_at: str
    seconds: float
    fingerprint: Fingerprint
    options: RuntimeOptions
    metrics: dict[str, Metric]
    subjects: tuple[SubjectRecord, ...]
    verdicts: tuple[VerdictRecord, ...]
    power: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    declared_changes: tuple[str, ...] = ()
    accepting: str = ""
    fingerprint_id: str = ""
