"""Records of runs that no run has to be made for, with every part of a page, and names that a test chooses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from qbench.baseline.history import AcceptedChange
from qbench.diagnose.evidence.records import OperatorTime
from qbench.diagnose.operators.records import OperatorReport, TensorError
from qbench.diagnose.records import Finding
from qbench.records import Fingerprint, LatencySample, Metric, RuntimeOptions, Subject
from qbench.report.gallery import Confusion, FlipPicture, SubjectGallery
from qbench.report.png import encode_png
from qbench.run_record import AcceptedRecord, RunRecord, SubjectRecord, VerdictRecord
from qbench.verdicts import ContestSummary, MeasuringTest, PairedSummary, Verdict

RECIPES = ("fp32", "fp16", "dynamic", "int8")


def run(
    *, word: str = "", models: tuple[str, ...] = ("net",), recipes: tuple[str, ...] = RECIPES, red: bool = True
) -> RunRecord:
    """A run whose int8 subjects fail, if `red`; every text that comes from outside ends with `word`."""
    subjects = [Subject(model=f"{model}{word}", recipe=recipe) for model in models for recipe in recipes]
    verdicts = [verdict for subject in subjects for verdict in _verdicts(subject, word, red=red)]
    verdicts.sort(key=lambda verdict: list(Verdict).index(verdict.verdict))
    return RunRecord(
        verdict="fail" if red else "pass",
        exit_status=int(red),
        headline=f"{len(verdicts)} verdicts",
        gated=True,
        baselines=f"baselines/{word}",
        commit=f"0123456789abcdef{word}",
        started_at="2026-11-24T12:00:00Z",
        seconds=31.5,
        fingerprint=_fingerprint(word),
        options=RuntimeOptions(delegate=f"lib.so{word}"),
        metrics={"accuracy": Metric(name="accuracy", unit="", direction="higher")},
        subjects=tuple(_subject(subject, index, word, red=red) for index, subject in enumerate(subjects)),
        verdicts=tuple(verdicts),
        power=(f"too few examples {word}",),
        notes=(f"a note {word}",),
        problems=(f"a problem {word}",),
        declared_changes=(f"a tolerance was widened {word}",),
        project=f"project{word}",
        qbench_version=f"1.0{word}",
    )


def gallery(record: RunRecord, *, word: str = "", flips: int = 3, side: int = 8) -> list[SubjectGallery]:
    """Everything that can be shown of each subject of a run, with pictures of `side` pixels."""
    return [_shown(subject, word, flips, side) for subject in record.subjects]


def contest(**changes: Any) -> ContestSummary:
    """A contest of four groups that found nothing slower."""
    given: dict[str, Any] = {
        "finding": "not slower",
        "faster": False,
        "ratio": 1.01,
        "low": 0.99,
        "high": 1.03,
        "confidence": 0.95,
        "other_clock_ratio": 1.0,
        "clock": "cpu",
        "decided_pass_at": None,
        "decided_fail_at": None,
        "groups": 4,
        "rounds": ("not slower",),
        "baseline_ns": 100.0,
        "candidate_ns": 101.0,
        "seconds": 1.0,
        "starting_s": 0.1,
        "needed_s": None,
        "seed": 7,
        "groups_ns": ((100.0, 101.0), (100.0, 99.0), (100.0, 103.0), (100.0, 112.0)),
    }
    return ContestSummary(**(given | changes))


def latency(median_ns: float = 1000.0) -> LatencySample:
    """What pytest-benchmark would have measured."""
    return LatencySample(
        median_ns=median_ns,
        mean_ns=median_ns,
        stddev_ns=1.0,
        min_ns=0.9 * median_ns,
        max_ns=2 * median_ns,
        q1_ns=0.98 * median_ns,
        q3_ns=1.05 * median_ns,
        whisker_low_ns=0.9 * median_ns,
        whisker_high_ns=1.1 * median_ns,
        rounds=100,
        iterations=1,
        outliers="1;2",
    )


def error(decibels: float | None = 30.0) -> TensorError:
    """An operator's error."""
    return TensorError(
        values=100,
        rmse=0.1,
        mean_error=0.0,
        rmse_in_steps=0.4,
        mean_error_in_steps=0.0,
        max_error_in_steps=2.0,
        sqnr_db=decibels,
        saturated=0.0,
        range_use=0.9,
        channels=4,
        dead_channels=0,
        not_finite=0,
        float_not_finite=0,
    )


def verdict(subject: Subject, metric: str = "accuracy", **changes: Any) -> VerdictRecord:
    """A verdict that passes, unless `changes` say otherwise."""
    given: dict[str, Any] = {"verdict": Verdict.PASS, "kind": "accuracy", "sentence": f"{subject.id}: {metric}."}
    return VerdictRecord(**{"subject": subject, "metric": metric, **given, **changes})


def paired(low: float, high: float) -> PairedSummary:
    """What predictions on a thousand examples say."""
    return PairedSummary(
        examples=1000,
        lost=5,
        won=2,
        p_value=0.4,
        low=low,
        high=high,
        confidence=0.9,
        finding="within",
        needed=None,
        found=0.01,
    )


def _fingerprint(word: str) -> Fingerprint:
    return Fingerprint(
        cpu=f"a cpu{word}",
        instruction_sets=("avx2",),
        system=f"Linux{word}",
        python="3.11",
        runtime="litert",
        runtime_version=f"2.0{word}",
        threads=1,
        kernels="builtin",
    )


def _verdicts(subject: Subject, word: str, *, red: bool) -> list[VerdictRecord]:
    failed = red and subject.recipe == "int8"
    accuracy = verdict(
        subject,
        verdict=Verdict.FAIL if failed else Verdict.PASS,
        now=0.93 if failed else 0.97,
        reference=0.96,
        change=0.03 if failed else -0.01,
        tolerance=0.002,
        paired=paired(0.01, 0.05) if failed else paired(-0.02, 0.0),
        sentence=f"{subject.id}: accuracy is 0.93 {word}. What to do: undo it {word}.",
        advice=f"undo it {word}",
        reason=f"a reason {word}",
    )
    drop = verdict(
        subject, "accuracy_drop", against="fp32", change=0.001, tolerance=0.005, paired=paired(-0.001, 0.003)
    )
    time = verdict(subject, "latency_ns", kind="latency", change=0.01, tolerance=0.05, contest=contest())
    return [accuracy, drop, time] if subject.recipe != "fp32" else [accuracy]


def _subject(subject: Subject, index: int, word: str, *, red: bool) -> SubjectRecord:
    median = 1000.0 * (1 + index % 5)
    failed = red and subject.recipe == "int8"
    return SubjectRecord(
        model=subject.model,
        recipe=subject.recipe,
        verdict=Verdict.FAIL if failed else Verdict.PASS,
        artifact_sha256="ab" * 32,
        size_bytes=100_000 // (1 + index % 4),
        metrics={"accuracy": 0.93 if failed else 0.97, f"own{word}": 1.5},
        operators={f"CONV_2D{word}": 2},
        counted={"undelegated_operators": (f"SOFTMAX{word}",)},
        latency=latency(median),
        latency_percentiles_ns=tuple(median * (0.9 + math.expm1(step / 100) / 5) for step in range(101)),
        tests={"accuracy": MeasuringTest(id=f"test_it.py::test[{subject.id}]", file=f"test_it{word}.py", line=3)},
        causes={"accuracy": f"Why: an operator {word}"} if failed else {},
        accepted=AcceptedRecord(
            artifact_sha256="cd" * 32,
            metrics={"accuracy": 0.96},
            reason=f"accepted because {word}",
            commit=f"fedcba{word}",
            accepted_on=f"2026-11-01{word}",
        ),
        problems=(f"crashed {word}",) if failed else (),
    )


def _shown(subject: SubjectRecord, word: str, flips: int, side: int) -> SubjectGallery:
    noise = np.random.default_rng(len(subject.id)).integers(0, 256, (flips, side, side), dtype=np.uint8)
    names = ("cat", f"dog{word}", "owl")
    return SubjectGallery(
        subject=Subject(model=subject.model, recipe=subject.recipe),
        flips=tuple(
            FlipPicture(
                example=index, label=1, before=1, now=2 + index % 2, png=encode_png(image), width=side, height=side
            )
            for index, image in enumerate(noise)
        ),
        flips_total=flips + 9,
        confusion=Confusion(
            classes=names,
            before=((9, 1, 0), (0, 9, 1), (0, 0, 9)),
            now=((9, 1, 0), (0, 7, 3), (1, 0, 8)),
            left_out=2,
        ),
        operators=tuple(
            OperatorReport(
                number=number,
                operator=f"CONV_2D int8{word}",
                output=f"layer/{number}{word}",
                float_number=number,
                float_output="x",
                isolated=error(40.0 - number),
                cumulative=error(30.0 - 2 * number),
                flips_alone=number,
                note=f"noted {word}" if number else "",
            )
            for number in range(3)
        ),
        times=tuple(
            OperatorTime(number=number, kernel=f"kernel{word}", delegated=bool(number), nanoseconds=900.0 + number)
            for number in (-1, 0, 1, 2)
        ),
        float_times=(OperatorTime(number=0, kernel="float", delegated=True, nanoseconds=2000.0),),
        findings=(
            Finding(
                cause="saturation", where=f"layer/1{word}", severity=0.5, evidence=f"seen {word}", advice=f"try {word}"
            ),
        ),
        history=tuple(
            AcceptedChange(
                commit=f"{number}" * 40 + word,
                author=f"Ada{word}",
                committed_on=f"2026-11-0{number}",
                reason=f"because {word}",
                artifact_sha256="ab" * 32,
                metrics={"accuracy": 0.95 + number / 100, "size_bytes": 1000.0 * number},
            )
            for number in (1, 2)
        ),
        drift=(f"it drifts {word}",),
        notes=(f"no time for more {word}",),
    )
