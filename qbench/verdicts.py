"""What was measured of a subject and what the gate says about it, with everything a reader needs to believe it."""

from __future__ import annotations

import math
from enum import Enum
from typing import Literal

import msgspec

from qbench.records import Artifact, LatencySample, Subject


class Verdict(str, Enum):
    """What the gate says about one metric of one model and recipe, from what must be seen first to last."""

    FAIL = "fail"
    ERROR = "error"
    MISSING = "missing"
    INCONCLUSIVE = "inconclusive"
    NOT_COMPARABLE = "not comparable"
    IMPROVED = "improved"
    PASS = "pass"  # noqa: S105 - a verdict, not a password
    UNCHANGED = "unchanged"

    @property
    def green(self) -> bool:
        """Whether this verdict says that the metric is no worse than what was accepted."""
        return self in {Verdict.PASS, Verdict.UNCHANGED, Verdict.IMPROVED}

    def __str__(self) -> str:
        """The word itself, also on Python versions whose enums print their class."""
        return self.value


#: What a failing accuracy needs: a drop beyond the tolerance on the evaluation set, or evidence of one beyond it.
Evidence = Literal["exact", "significant"]


#: What a metric is compared with; an anchor is what was accepted long ago (`qbench.judge.drift`).
Against = Literal["baseline", "fp32", "limit", "anchor"]


class Allowance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tolerance in other terms than the metric's unit; where it says several things, each of them has to hold.

    Attributes
    ----------
    absolute
        In the metric's own unit, as a plain number says it.
    relative
        As a share of the reference, whatever its sign: 0.01 of an accuracy of 0.76 is 0.76 points.
    errors
        The share by which errors may grow, of a metric that is a share between 0 and 1 itself: 0.10 of the errors at an
        accuracy of 0.995 is 0.05 points.
    """

    absolute: float | None = None
    relative: float | None = None
    errors: float | None = None

    def __post_init__(self) -> None:
        """Refuse what allows nothing in particular, and what is below zero or no finite number."""
        said = {key: value for key in self.__struct_fields__ if (value := getattr(self, key)) is not None}
        if not said:
            raise ValueError("at least one of absolute, relative, errors, found an empty table")
        for key, value in said.items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"a finite number of at least 0 for {key}, found {value}")


class ContestSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a contest found, without its groups; see `qbench.measure.contest_records.ContestResult`.

    `low` and `high` are the ends of the confidence interval of `ratio`, None where it is open or there is none.
    `run_limited` says that what was left of the run's time was less than a contest may take. `groups_ns` are the
    nanoseconds per invoke of the baseline and of the candidate in each group, on `clock`, in the order of measurement.
    """

    finding: Literal["slower", "not slower", "inconclusive"]
    faster: bool
    ratio: float | None
    low: float | None
    high: float | None
    confidence: float
    other_clock_ratio: float | None
    clock: Literal["cpu", "wall"]
    decided_pass_at: float | None
    decided_fail_at: float | None
    groups: int
    rounds: tuple[str, ...]
    baseline_ns: float | None
    candidate_ns: float | None
    seconds: float
    starting_s: float
    needed_s: float | None
    seed: int
    run_limited: bool = False
    groups_ns: tuple[tuple[float, float], ...] = ()


class PairedSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What predictions on the same examples say of a drop beyond those examples; see `qbench.judge.paired`.

    `lost` went from right to wrong, `won` the other way. `low` and `high` are the ends of the confidence interval of
    the drop. `finding` says where the tolerance lies, `needed` how many examples would decide, None if no number does.
    `found` is the smallest true drop that the gate fails in four of five cases: its power.
    """

    examples: int
    lost: int
    won: int
    p_value: float
    low: float
    high: float
    confidence: float
    finding: Literal["within", "beyond", "inconclusive"]
    needed: int | None
    found: float


class BootstrapSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What the same examples say of a metric that is no share of right answers; see `qbench.judge.bootstrap`.

    `low` and `high` are the ends of the confidence interval of how much worse the metric is, in its unit. `finding`,
    `needed` and `found` are as in `PairedSummary`. `resamples` are those that gave a value.
    """

    examples: int
    resamples: int
    low: float
    high: float
    confidence: float
    finding: Literal["within", "beyond", "inconclusive"]
    needed: int | None
    found: float


class SliceChange(msgspec.Struct, frozen=True, kw_only=True):
    """How the answers to the examples of one slice changed: `lost` from right to wrong, `won` the other way.

    `p_value` is McNemar's of this slice alone, `corrected_p_value` the same after correction for all that were tested.
    """

    name: str
    examples: int
    lost: int
    won: int
    p_value: float
    corrected_p_value: float

    @property
    def drop(self) -> float:
        """Loss of accuracy in this slice, as a share of its examples; negative if it gained."""
        return (self.lost - self.won) / self.examples


class SlicesSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Accuracy by class, or by the dataset's groups; see `qbench.judge.slices`.

    Attributes
    ----------
    by
        What a slice is: ``class``, or the name that the dataset gives its groups.
    slices
        How many there are.
    tested
        How many of them had flips enough to show anything; the others cannot be told from chance.
    worst
        Where most was lost among those that are surely worse, else the one with the most evidence of a loss.
    worse
        Those that are surely worse after correction, the largest drop first.
    """

    by: str
    slices: int
    tested: int
    worst: SliceChange
    worse: tuple[SliceChange, ...]


class MetricVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one metric of one subject, with everything a reader needs to believe it.

    `change` has the unit of the tolerance: a share for relative metrics, the metric's unit otherwise;
    positive means worse. `allowance` is what `tolerance` came from, where it was not declared as a number.
    `unit` is the metric's.
    """

    subject: Subject
    metric: str
    verdict: Verdict
    against: Against = "baseline"
    now: float | None = None
    reference: float | None = None
    change: float | None = None
    tolerance: float | None = None
    allowance: Allowance | None = None
    unit: str = ""
    reason: str = ""
    advice: str = ""
    contest: ContestSummary | None = None
    paired: PairedSummary | None = None
    bootstrap: BootstrapSummary | None = None
    slices: SlicesSummary | None = None

    @property
    def against_accepted(self) -> bool:
        """Whether it compares with what was accepted, which accepting replaces."""
        return self.against in {"baseline", "anchor"}


class MeasuringTest(msgspec.Struct, frozen=True, kw_only=True):
    """A test that measured something: its id, and the file and line (from 1) where it stands."""

    id: str
    file: str
    line: int


class SubjectResult(msgspec.Struct, kw_only=True):
    """What one run measured of one subject and what was said about it; it crosses from worker to controller.

    Attributes
    ----------
    measured
        Kinds of measurement that were made.
    metrics
        Values by metric name, in the metric's unit.
    counted
        Names of what a metric of the structure counts, by metric.
    latency_percentiles_ns
        Percentiles 0, 1, ... 100 of the timed rounds, of one invoke each.
    tests
        What measured it, by kind.
    causes
        Why a kind failed, as a line.
    predictions
        Per-example predictions as the bytes of an `.npy` file, empty if there are none.
    dataset_digest, examples
        Of what it was evaluated on, and how many there are.
    problems
        Why this result must not become a baseline: crashes, failed tests.
    reruns
        What was measured again because the first try ended in an error, as sentences.
    """

    subject: Subject
    artifact: Artifact | None = None
    measured: set[str] = msgspec.field(default_factory=set)
    metrics: dict[str, float] = msgspec.field(default_factory=dict)
    operators: dict[str, int] = msgspec.field(default_factory=dict)
    counted: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    weight_bytes_by_dtype: dict[str, int] = msgspec.field(default_factory=dict)
    latency: LatencySample | None = None
    latency_percentiles_ns: tuple[float, ...] = ()
    tests: dict[str, MeasuringTest] = msgspec.field(default_factory=dict)
    causes: dict[str, str] = msgspec.field(default_factory=dict)
    predictions: bytes = b""
    dataset_digest: str = ""
    examples: int = 0
    calibration_digest: str = ""
    verdicts: list[MetricVerdict] = msgspec.field(default_factory=list)
    problems: list[str] = msgspec.field(default_factory=list)
    reruns: list[str] = msgspec.field(default_factory=list)

    def absorb(self, other: SubjectResult) -> None:
        """Add what another process measured of the same subject."""
        self.artifact = self.artifact or other.artifact
        self.measured |= other.measured
        self.metrics |= other.metrics
        self.operators = self.operators or other.operators
        self.counted = self.counted or other.counted
        self.weight_bytes_by_dtype = self.weight_bytes_by_dtype or other.weight_bytes_by_dtype
        self.latency = self.latency or other.latency
        self.latency_percentiles_ns = self.latency_percentiles_ns or other.latency_percentiles_ns
        self.tests = {**other.tests, **self.tests}
        self.causes = {**other.causes, **self.causes}
        self.predictions = self.predictions or other.predictions
        self.dataset_digest = self.dataset_digest or other.dataset_digest
        self.examples = self.examples or other.examples
        self.calibration_digest = self.calibration_digest or other.calibration_digest
        # What keeps an artifact from being used is found by each process that tries.
        self.verdicts += [verdict for verdict in other.verdicts if verdict not in self.verdicts]
        self.problems += [problem for problem in other.problems if problem not in self.problems]
        self.reruns += other.reruns
