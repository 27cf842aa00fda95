"""Verdicts as sentences."""

from __future__ import annotations

import msgspec
import pytest

from qbench.judge.gate import judge, judge_contest, not_judged
from qbench.judge.metrics import ACCURACY_DROP, METRICS_BY_KIND, TOP_K_DROP
from qbench.records import Metric, Subject
from qbench.report.wording import failure_message, format_size, format_time, format_value, sentence
from qbench.verdicts import Allowance, ContestSummary, MetricVerdict, Verdict

SUBJECT = Subject(model="mnist-mlp", recipe="int8")
METRICS = {gated.metric.name: gated.metric for metrics in METRICS_BY_KIND.values() for gated in metrics}
ACCEPT = (
    'What to do: if this is meant, accept it with --qbench-accept "why"; '
    "else undo what changed, or widen the tolerance."
)
IMPROVED = 'What to do: accept it with --qbench-accept "why", or a later regression down to the old value hides.'
BETTER_RECIPE = "What to do: try a recipe that loses less, more calibration samples, or widen the tolerance."


def judged(
    metric: str | Metric, reference: float, now: float, tolerance: float | Allowance, **options
) -> MetricVerdict:
    found = METRICS[metric] if isinstance(metric, str) else metric
    return judge(SUBJECT, found, now=now, reference=reference, tolerance=tolerance, **options)


def reasoned(verdict: MetricVerdict, reason: str) -> MetricVerdict:
    fields = {name: getattr(verdict, name) for name in verdict.__struct_fields__}
    return MetricVerdict(**{**fields, "reason": reason})


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (
            judged("accuracy", 0.985, 0.981, 0.002),
            "accuracy is 0.9810, 0.4 points worse than 0.9850 of the baseline (beyond the tolerance of 0.2 points). "
            + ACCEPT,
        ),
        (
            judged("accuracy", 0.985, 0.984, 0.002),
            "accuracy is 0.9840, 0.1 points worse than 0.9850 of the baseline (tolerance 0.2 points).",
        ),
        (
            judged("accuracy", 0.985, 0.986, 0.002),
            "accuracy is 0.9860, 0.1 points better than 0.9850 of the baseline (tolerance 0.2 points).",
        ),
        (
            judged("accuracy", 0.9, 0.95, 0.002),
            f"accuracy is 0.9500, 5 points better than 0.9000 of the baseline (tolerance 0.2 points). {IMPROVED}",
        ),
        (
            reasoned(judged("accuracy", 0.985, 0.985, 0.002, same_artifact=True), "all predictions are the same"),
            "accuracy is 0.9850, as the baseline. All predictions are the same.",
        ),
        (
            judged(ACCURACY_DROP, 0.985, 0.975, 0.005, against="fp32"),
            (
                "accuracy_drop: accuracy is 0.9750, 1 points worse than 0.9850 of fp32 of the same run "
                f"(beyond the tolerance of 0.5 points). {BETTER_RECIPE}"
            ),
        ),
        (
            judged(TOP_K_DROP, 0.985, 0.985, 0.005, against="fp32"),
            "top_k_accuracy_drop: top_k_accuracy is 0.9850, as fp32 of the same run.",
        ),
        (
            judged("size_bytes", 100_000, 102_000, 0.01),
            "size_bytes is 102.0 kB, 2.00% worse than 100.0 kB of the baseline (beyond the tolerance of 1.00%). "
            + ACCEPT,
        ),
        (
            judged("float_islands", 0, 1, 0),
            "float_islands is 1, 1 worse than 0 of the baseline (beyond the tolerance of 0). " + ACCEPT,
        ),
        (
            judged(Metric(name="psnr", unit="dB", direction="higher"), 31.25, 31.0, 0.5),
            "psnr is 31 dB, 0.25 dB worse than 31.25 dB of the baseline (tolerance 0.5 dB).",
        ),
        (
            judged("accuracy", 0.985, 0.981, Allowance(errors=0.10)),
            "accuracy is 0.9810, 0.4 points worse than 0.9850 of the baseline "
            "(beyond the tolerance of 10% more errors, 0.15 points here). " + ACCEPT,
        ),
        (
            judged("accuracy", 0.76, 0.758, Allowance(relative=0.01)),
            (
                "accuracy is 0.7580, 0.2 points worse than 0.7600 of the baseline "
                "(tolerance 1% of that, 0.76 points here)."
            ),
        ),
        (
            judged(ACCURACY_DROP, 0.985, 0.975, Allowance(absolute=0.01, errors=0.5), against="fp32"),
            (
                "accuracy_drop: accuracy is 0.9750, 1 points worse than 0.9850 of fp32 of the same run "
                f"(beyond the tolerance of 1 points and 50% more errors, 0.75 points here). {BETTER_RECIPE}"
            ),
        ),
        (
            judged("accuracy", 1.0, 0.999, Allowance(errors=0.10)),
            "accuracy is 0.9990, 0.1 points worse than 1.0000 of the baseline "
            "(beyond the tolerance of 10% more errors, 0 points here, as it has no errors). " + ACCEPT,
        ),
        (
            judged("accuracy", 1.0, 0.999, Allowance(absolute=0.0, errors=0.10)),
            "accuracy is 0.9990, 0.1 points worse than 1.0000 of the baseline "
            "(beyond the tolerance of 0 points and 10% more errors, 0 points here). " + ACCEPT,
        ),
        (
            judged("accuracy", 0.985, 0.984, Allowance(errors=0.0)),
            "accuracy is 0.9840, 0.1 points worse than 0.9850 of the baseline "
            "(beyond the tolerance of 0% more errors, 0 points here). " + ACCEPT,
        ),
        (
            judged("accuracy", 0.985, 0.984, Allowance(absolute=0.002)),
            "accuracy is 0.9840, 0.1 points worse than 0.9850 of the baseline (tolerance 0.2 points).",
        ),
        (
            judged(Metric(name="psnr", unit="dB", direction="higher"), -20.0, -20.1, Allowance(relative=0.01)),
            "psnr is -20.1 dB, 0.1 dB worse than -20 dB of the baseline (tolerance 1% of that, 0.2 dB here).",
        ),
        (
            not_judged(SUBJECT, "size", Verdict.MISSING, "there is no baseline", advice="accept one"),
            "size: there is no baseline. What to do: accept one.",
        ),
        (
            not_judged(SUBJECT, "latency_ns", Verdict.NOT_COMPARABLE, "times are no evidence", now=1400.0),
            "latency_ns: times are no evidence.",
        ),
        (
            MetricVerdict(subject=SUBJECT, metric="latency_ns", verdict=Verdict.INCONCLUSIVE),
            "latency_ns: inconclusive.",
        ),
    ],
    ids=lambda value: value.verdict.name.lower() if isinstance(value, MetricVerdict) else "",
)
def test_sentence(verdict: MetricVerdict, expected: str):
    assert sentence(verdict) == f"mnist-mlp-int8: {expected}"


def test_a_failing_test_says_of_each_metric_what_is_worse_and_below_that_how_it_is_known():
    verdicts = [judged("accuracy", 0.9, 0.8, 0), judged("float_islands", 0, 1, 0)]
    said = failure_message(verdicts).split("\n")
    # Nothing of the sentences is lost, and each begins with a line of its own.
    assert " ".join(said) == " ".join(sentence(verdict) for verdict in verdicts)
    assert [line.partition(" is ")[0] for line in said if " worse than " in line] == [
        f"{SUBJECT.id}: accuracy",
        f"{SUBJECT.id}: float_islands",
    ]
    assert [line.startswith("What to do: ") for line in said] == [False, True, False, True]


@pytest.mark.parametrize(
    ("nanoseconds", "expected"),
    [
        (0.5, "0.5 ns"),
        (1.0, "1 ns"),
        (999.4, "999 ns"),
        (999.7, "1 us"),
        (1400, "1.4 us"),
        (12_345, "12.3 us"),
        (999_600, "1 ms"),
        (1.5e6, "1.5 ms"),
        (2.5e9, "2.5 s"),
        (1.2345e12, "1234 s"),
    ],
)
def test_format_time(nanoseconds: float, expected: str):
    assert format_time(nanoseconds) == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (101_234, "101.2 kB"),
        (999_949, "999.9 kB"),
        (999_960, "1.0 MB"),
        (1_000_000, "1.0 MB"),
        (23_456_789, "23.5 MB"),
    ],
)
def test_format_size(size: float, expected: str):
    assert format_size(size) == expected


@pytest.mark.parametrize(
    ("metric", "value", "expected"),
    [
        ("accuracy", None, "-"),
        ("accuracy", 0.98765, "0.9877"),
        ("top_k_accuracy", 1, "1.0000"),
        ("latency_ns", 1400, "1.4 us"),
        ("arena_bytes", 2048, "2.0 kB"),
        ("peak_memory_bytes", 2048, "2.0 kB"),
        ("flips", 12, "12"),
        ("sqnr_db", 31.23456789, "31.2346"),
    ],
)
def test_format_value(metric: str, value: float | None, expected: str):
    assert format_value(metric, value) == expected


CONTEST = ContestSummary(
    finding="slower",
    faster=False,
    ratio=1.1034,
    low=1.091,
    high=1.1126,
    confidence=0.95,
    other_clock_ratio=1.2,
    clock="cpu",
    decided_pass_at=1.13,
    decided_fail_at=1.07,
    groups=34,
    rounds=("slower", "slower"),
    baseline_ns=2800.0,
    candidate_ns=3090.0,
    seconds=0.74,
    starting_s=0.3,
    needed_s=0.0,
    seed=42,
)


def test_a_contest_says_what_it_measured():
    verdict = judge_contest(SUBJECT, "latency_ns", CONTEST, tolerance=0.05, against="baseline", reason="It changed")
    assert sentence(verdict) == (
        f"{SUBJECT.id}: latency_ns is 3.09 us, 10.34% worse than 2.8 us of the baseline (beyond the tolerance of "
        "5.00%). It changed. Side by side the ratio is 1.103 (95% interval 1.091 to 1.113) in processor time, 1.200 in "
        "wall clock; 34 groups in 2 rounds, 0.7 s. Seed 42. What to do: if this is meant, accept it with "
        '--qbench-accept "why"; else undo what changed, or widen the tolerance.'
    )


def test_an_undecided_contest_says_what_it_would_have_taken():
    undecided = msgspec.structs.replace(CONTEST, finding="inconclusive", rounds=("inconclusive",), needed_s=31.7)
    verdict = judge_contest(SUBJECT, "latency_ns", undecided, tolerance=0.1, against="baseline")
    assert (
        "That decides nothing within limit_s; a tolerance of 13.0% or more would pass; one of 7.0% or less would fail; "
        "at this rate it takes about 32 s. Seed 42."
    ) in sentence(verdict)
    nothing = msgspec.structs.replace(
        undecided, ratio=None, low=None, high=None, decided_pass_at=None, decided_fail_at=None, run_limited=True
    )
    said = sentence(judge_contest(SUBJECT, "latency_ns", nothing, tolerance=0.1, against="baseline"))
    assert "No blocks were measured side by side. That decides nothing within what is left of run_limit_s;" in said


@pytest.mark.parametrize(("finding", "word"), [("slower", "below"), ("not slower", "with")])
def test_a_speedup_is_told_as_one(finding, word):
    contest = msgspec.structs.replace(CONTEST, finding=finding, ratio=0.5)
    said = sentence(judge_contest(SUBJECT, "speedup", contest, tolerance=1.5, against="fp32"))
    assert said.startswith(
        f"{SUBJECT.id}: speedup is 2 times fp32 of the same run ({word} a min_speedup of 1.5). Side by"
    )
