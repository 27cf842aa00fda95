"""Which tolerances a set of examples cannot resolve, and which let through what nobody means to."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from qbench.judge import resolution as module
from qbench.judge.gate import judge, weigh
from qbench.judge.metrics import ACCURACY_DROP, METRICS_BY_KIND
from qbench.judge.paired import ALPHA, PairedCounts, summarize
from qbench.judge.power import fail_probability
from qbench.judge.resolution import Resolution, finer_than_an_example, resolution
from qbench.records import Metric, Subject
from qbench.verdicts import Allowance, MetricVerdict

ACCURACY = METRICS_BY_KIND["accuracy"][0].metric
SUBJECT = Subject(model="m", recipe="int8")


def verdict(
    examples: int, lost: int, won: int, tolerance: float | Allowance, *, reference: float = 0.9, fp32: bool = False
) -> MetricVerdict:
    pair = PairedCounts(examples=examples, lost=lost, won=won)
    judged = judge(
        SUBJECT,
        ACCURACY_DROP if fp32 else ACCURACY,
        now=reference - pair.drop,
        reference=reference,
        tolerance=tolerance,
        against="fp32" if fp32 else "baseline",
    )
    return weigh(judged, summarize(pair, judged.tolerance), "exact")


def resolved(*arguments, **options) -> Resolution:
    found = resolution(verdict(*arguments, **options))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("examples", "flips", "tolerance", "reference", "finding"),
    [
        # What the table in docs/accuracy.md has: 500 examples do not tell half a point, and 10,000 do.
        (500, (8, 7), 0.005, 0.98, "too few examples"),
        (10_000, (80, 70), 0.005, 0.98, "sharp"),
        # Less than one example, and nothing known of flips.
        (64, (0, 0), 0.002, 1.0, "too few examples"),
        (500, (0, 0), 0.002, 0.98, "sharp"),
        # Enough for noise and not for a drop of two points.
        (60, (0, 0), 0.017, 0.9, "too few examples"),
        # The default of half a point, where it lets errors double, nearly double, and not.
        (10_000, (5, 5), 0.005, 0.996, "too coarse"),
        (10_000, (5, 5), 0.005, 0.9949, "too coarse"),
        (10_000, (5, 5), 0.005, 0.993, "sharp"),
        (10_000, (5, 5), Allowance(errors=0.5), 0.996, "sharp"),
        (10_000, (5, 5), Allowance(errors=1.5), 0.996, "too coarse"),
        # A tenth of five errors in a thousand is five examples in 10,000: a tenth of them flip as they like.
        (10_000, (5, 5), Allowance(errors=0.1), 0.995, "sharp"),
        (10_000, (20, 20), Allowance(errors=0.1), 0.995, "too few examples"),
        # MLPerf's 99%, and its 99% misunderstood.
        (10_000, (50, 50), Allowance(relative=0.01), 0.7646, "sharp"),
        (10_000, (50, 50), Allowance(relative=0.99), 0.7646, "too coarse"),
        # The usual point, on enough examples and on few; more than two are coarse on any number.
        (1_000, (10, 10), 0.01, 0.9, "sharp"),
        (200, (2, 2), 0.01, 0.9, "too few examples"),
        (10_000, (50, 50), 0.025, 0.9, "too coarse"),
        (100, (10, 10), 0.025, 0.9, "too coarse"),
        # Nothing allowed is meant so.
        (10_000, (5, 5), 0.0, 0.99, "sharp"),
    ],
)
def test_finding(examples: int, flips: tuple[int, int], tolerance: float | Allowance, reference: float, finding: str):
    assert resolved(examples, *flips, tolerance, reference=reference).finding == finding


def test_it_says_what_led_to_it():
    found = resolved(500, 9, 6, 0.005, reference=0.98, fp32=True)
    assert (found.subject, found.tolerance_key, found.examples, found.flips) == (SUBJECT, "accuracy_drop", 500, 15)
    assert (found.tolerance, found.allowance) == (0.005, None)
    assert found.errors == pytest.approx(0.02)
    assert found.serious == pytest.approx(0.02)
    churn = 12 / 500
    fails = {
        drop: fail_probability(500, 0.005, drop=drop, churn=churn, evidence="exact", alpha=ALPHA)
        for drop in (0.0, found.serious, found.found)
    }
    assert found.false_alarm == fails[0.0] > ALPHA
    assert found.serious_passes == pytest.approx(1 - fails[found.serious])
    assert fails[found.found] == pytest.approx(0.8, abs=1e-3)
    assert resolved(500, 9, 6, 0.005).tolerance_key == "accuracy_regression"


@pytest.mark.parametrize(
    ("examples", "reference", "serious"),
    [
        (10_000, 0.9, 0.02),
        (10_000, 0.99, 0.01),
        # Ten errors, even if there are fewer.
        (10_000, 0.9999, 0.001),
        (10_000, 1.0, 0.001),
        (64, 1.0, 0.02),
    ],
)
def test_what_must_not_pass_doubles_the_errors_and_is_two_points_at_most(
    examples: int, reference: float, serious: float
):
    assert resolved(examples, 1, 1, 0.01, reference=reference).serious == pytest.approx(serious)


def test_so_many_examples_are_enough():
    found = resolved(500, 8, 7, 0.005, reference=0.98)
    assert found.needed is not None
    assert found.needed > 500
    times = found.needed / 500
    enough = resolved(found.needed, round(8 * times), round(7 * times), 0.005, reference=0.98)
    assert enough.finding == "sharp"
    assert resolved(10_000, 5, 5, 0.005, reference=0.996).needed is None


def test_how_many_are_enough_is_found_in_few_steps(monkeypatch: pytest.MonkeyPatch):
    # A tolerance next to the serious drop, and many flips: more examples than anybody has.
    asked: list[int] = []

    def counted(examples: int, *arguments: float, **options: Any) -> float:
        asked.append(examples)
        return fail_probability(examples, *arguments, **options)

    monkeypatch.setattr(module, "fail_probability", counted)
    found = resolved(500, 75, 75, 0.0199, reference=0.5)
    assert found.needed is not None
    assert found.needed > 10**7
    assert len(asked) < 60
    assert resolved(500, 75, 75, 0.01999, reference=0.5).needed is None


def test_without_flips_nobody_knows_how_many_there_will_be():
    assert resolved(500, 0, 0, 0.005).false_alarm is None
    assert resolved(500, 1, 0, 0.005).false_alarm == 0.0
    assert resolved(500, 1, 1, 0.0).false_alarm is None


def test_all_flips_at_once_are_no_error():
    assert resolved(64, 32, 32, 0.01).serious_passes > 0.4
    assert resolved(64, 64, 0, 0.01, reference=1.0).finding == "too few examples"


def test_of_what_has_no_paired_predictions_there_is_nothing_to_say():
    paired = verdict(500, 8, 7, 0.005)
    assert resolution(msgspec.structs.replace(paired, paired=None)) is None
    assert resolution(msgspec.structs.replace(paired, metric="agreement")) is None
    assert resolution(msgspec.structs.replace(paired, tolerance=None)) is None
    own = Metric(name="iou", unit="", direction="higher")
    assert resolution(judge(SUBJECT, own, now=0.9, reference=0.9, tolerance=0.1)) is None


@pytest.mark.parametrize(("examples", "tolerance", "finer"), [(64, 0.002, True), (500, 0.002, False), (64, 0.0, False)])
def test_finer_than_an_example(examples: int, tolerance: float, finer: bool):  # noqa: FBT001 - a table's column
    assert finer_than_an_example(examples, tolerance) is finer
    assert resolved(examples, 1, 1, tolerance).finer_than_an_example is finer
