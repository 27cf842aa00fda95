"""Numbers in, verdicts out."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qbench.files import rounded
from qbench.judge.gate import incomplete, judge, not_judged, worsening, worst
from qbench.records import Metric, Subject
from qbench.verdicts import Allowance, MetricVerdict, Verdict

SUBJECT = Subject(model="m", recipe="int8")
HIGHER = Metric(name="accuracy", unit="", direction="higher")
LOWER = Metric(name="islands", unit="", direction="lower")
RELATIVE = Metric(name="size_bytes", unit="B", direction="lower", relative=True)
RELATIVE_HIGHER = Metric(name="speed", unit="1/s", direction="higher", relative=True)


def verdict_of(metric: Metric, now: float, reference: float, tolerance: float | Allowance, **options) -> Verdict:
    return judge(SUBJECT, metric, now=now, reference=reference, tolerance=tolerance, **options).verdict


@pytest.mark.parametrize(
    ("metric", "reference", "now", "tolerance", "expected"),
    [
        # Exactly at the tolerance passes, although 0.985 - 0.983 > 0.002 in binary.
        (HIGHER, 0.985, 0.983, 0.002, Verdict.PASS),
        (HIGHER, 0.985, 0.9829, 0.002, Verdict.FAIL),
        (HIGHER, 0.985, 0.98299, 0.002, Verdict.FAIL),
        (HIGHER, 0.983, 0.985, 0.002, Verdict.PASS),
        (HIGHER, 0.983, 0.9851, 0.002, Verdict.IMPROVED),
        (HIGHER, 0.9, 0.9, 0.002, Verdict.PASS),
        # No tolerance is no tolerance.
        (HIGHER, 0.9, 0.8999999999, 0.0, Verdict.FAIL),
        (HIGHER, 0.9, 0.9, 0.0, Verdict.PASS),
        (LOWER, 0, 1, 0, Verdict.FAIL),
        (LOWER, 0, 0, 0, Verdict.PASS),
        (LOWER, 1, 0, 0, Verdict.IMPROVED),
        (LOWER, 2, 3, 1, Verdict.PASS),
        (LOWER, 2, 4, 1, Verdict.FAIL),
        # Relative: one per cent of the reference.
        (RELATIVE, 1000, 1010, 0.01, Verdict.PASS),
        (RELATIVE, 1000, 1011, 0.01, Verdict.FAIL),
        (RELATIVE, 1000, 990, 0.01, Verdict.PASS),
        (RELATIVE, 1000, 989, 0.01, Verdict.IMPROVED),
        (RELATIVE_HIGHER, 1000, 990, 0.01, Verdict.PASS),
        (RELATIVE_HIGHER, 1000, 989, 0.01, Verdict.FAIL),
        # A share of nothing: any growth from zero is too much, staying there is fine.
        (RELATIVE, 0, 0, 0.01, Verdict.PASS),
        (RELATIVE, 0, 1, 0.01, Verdict.FAIL),
        (RELATIVE_HIGHER, 0, 1, 0.01, Verdict.IMPROVED),
        # Metrics of a user's own may be of any magnitude.
        (LOWER, 4e-10, 5e-10, 1e-11, Verdict.FAIL),
        (LOWER, 4e-10, 4.1e-10, 1e-11, Verdict.PASS),
        (LOWER, 2e9, 2e9 + 1, 0, Verdict.FAIL),
        (LOWER, 1e9, 1e9 + 3, 2, Verdict.FAIL),
        (LOWER, 1e9, 1e9 + 2, 2, Verdict.PASS),
        (LOWER, -5.0, -4.0, 0.5, Verdict.FAIL),
        (RELATIVE, -100, -99, 0.02, Verdict.PASS),
        (RELATIVE, -100, -97, 0.02, Verdict.FAIL),
    ],
)
def test_verdict(metric: Metric, reference: float, now: float, tolerance: float, expected: Verdict):
    assert verdict_of(metric, now, reference, tolerance) is expected


@pytest.mark.parametrize("tolerance", ["0.001", "0.002", "0.005", "0.0001", "0.03"])
def test_every_decimal_boundary_passes_and_the_next_example_fails(tolerance: str):
    # All accuracies that 10,000 examples can give; the decimal arithmetic is exact.
    for reference in range(5000, 10001, 7):
        at_limit = Decimal(reference) / 10000 - Decimal(tolerance)
        beyond = at_limit - Decimal("0.0001")
        assert verdict_of(HIGHER, float(at_limit), reference / 10000, float(tolerance)) is Verdict.PASS
        assert verdict_of(HIGHER, float(beyond), reference / 10000, float(tolerance)) is Verdict.FAIL


def test_a_verdict_says_everything_that_led_to_it():
    verdict = judge(SUBJECT, RELATIVE, now=1020, reference=1000, tolerance=0.01)
    assert verdict == MetricVerdict(
        subject=SUBJECT,
        metric="size_bytes",
        verdict=Verdict.FAIL,
        against="baseline",
        now=1020,
        reference=1000,
        change=0.02,
        tolerance=0.01,
        unit="B",
        advice=verdict.advice,
    )
    assert "--qbench-accept" in verdict.advice


def test_advice_fits_what_it_was_compared_with():
    against_fp32 = judge(SUBJECT, HIGHER, now=0.8, reference=0.9, tolerance=0, against="fp32")
    assert "--qbench-accept" not in against_fp32.advice
    assert "calibration" in against_fp32.advice
    assert not judge(SUBJECT, HIGHER, now=0.9, reference=0.9, tolerance=0).advice


def test_only_a_baseline_can_be_improved_upon():
    assert verdict_of(HIGHER, 0.9, 0.8, 0.01, against="baseline") is Verdict.IMPROVED
    assert verdict_of(HIGHER, 0.9, 0.8, 0.01, against="fp32") is Verdict.PASS


@pytest.mark.parametrize(
    ("now", "same_artifact", "expected"),
    [
        (0.9, True, Verdict.UNCHANGED),
        (0.9, False, Verdict.PASS),
        (0.899, True, Verdict.PASS),
        (0.89, True, Verdict.FAIL),
        (0.95, True, Verdict.IMPROVED),
    ],
)
def test_unchanged_needs_the_same_bytes_and_the_same_value(now: float, same_artifact: bool, expected: Verdict):  # noqa: FBT001 - a table's column
    assert verdict_of(HIGHER, now, 0.9, 0.002, same_artifact=same_artifact) is expected


@pytest.mark.parametrize("metric", [HIGHER, LOWER, RELATIVE])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_an_error_and_never_green(metric: Metric, bad: float):
    for now, reference in ((bad, 1.0), (1.0, bad), (bad, bad)):
        verdict = judge(SUBJECT, metric, now=now, reference=reference, tolerance=0.1, same_artifact=True)
        assert verdict.verdict is Verdict.ERROR
        assert metric.name in verdict.reason


def test_worsening_is_positive_for_worse_in_either_direction():
    assert worsening(HIGHER, now=1, reference=3) == 2
    assert worsening(LOWER, now=3, reference=1) == 2
    assert worsening(RELATIVE, now=110, reference=100) == pytest.approx(0.1)
    assert worsening(RELATIVE, now=1, reference=0) == math.inf
    assert worsening(RELATIVE_HIGHER, now=1, reference=0) == -math.inf


def test_worst_is_what_must_be_seen_first():
    assert worst([Verdict.PASS, Verdict.NOT_COMPARABLE, Verdict.UNCHANGED]) is Verdict.NOT_COMPARABLE
    assert worst(list(Verdict)) is Verdict.FAIL
    assert worst([Verdict.MISSING, Verdict.ERROR]) is Verdict.ERROR
    assert worst([Verdict.UNCHANGED, Verdict.IMPROVED, Verdict.PASS]) is Verdict.IMPROVED
    assert worst([]) is Verdict.MISSING


def test_three_verdicts_are_green_and_no_other():
    green = {verdict for verdict in Verdict if verdict.green}
    assert green == {Verdict.PASS, Verdict.UNCHANGED, Verdict.IMPROVED}


def test_incomplete_is_what_should_have_been_judged():
    verdicts = [not_judged(SUBJECT, "size", verdict, "why") for verdict in Verdict]
    unanswered = {Verdict.MISSING, Verdict.ERROR, Verdict.INCONCLUSIVE}
    assert {verdict.verdict for verdict in incomplete(verdicts)} == unanswered
    latencies = [not_judged(SUBJECT, "latency_ns", verdict, "why") for verdict in Verdict]
    assert {verdict.verdict for verdict in incomplete(latencies)} == unanswered | {Verdict.NOT_COMPARABLE}


# --- tolerances that are no plain number ------------------------------------------------------------------

PSNR = Metric(name="psnr", unit="dB", direction="higher")
LOG_LOSS = Metric(name="log_likelihood", unit="nat", direction="higher")
ERROR_RATE = Metric(name="error_rate", unit="", direction="lower")


@pytest.mark.parametrize(
    ("metric", "reference", "now", "allowance", "expected"),
    [
        (HIGHER, 0.995, 0.9945, Allowance(errors=0.10), Verdict.PASS),
        (HIGHER, 0.995, 0.9944, Allowance(errors=0.10), Verdict.FAIL),
        (HIGHER, 0.995, 0.9956, Allowance(errors=0.10), Verdict.IMPROVED),
        (HIGHER, 1.0, 0.9999, Allowance(errors=5.0), Verdict.FAIL),
        (HIGHER, 1.0, 1.0, Allowance(errors=5.0), Verdict.PASS),
        (HIGHER, 0.0, 0.0, Allowance(relative=0.5), Verdict.PASS),
        (HIGHER, 0.9, 0.8999999999, Allowance(relative=0.0), Verdict.FAIL),
        (HIGHER, 0.76, 0.7524, Allowance(relative=0.01), Verdict.PASS),
        (HIGHER, 0.76, 0.7523, Allowance(relative=0.01), Verdict.FAIL),
        (HIGHER, 0.76, 0.7524, Allowance(relative=0.01, absolute=0.005), Verdict.FAIL),
        # A share of what is below zero, or better if lower: `result >= baseline * (1 - tolerance)` is wrong of both.
        (LOG_LOSS, -20.0, -20.0, Allowance(relative=0.01), Verdict.PASS),
        (LOG_LOSS, -20.0, -20.2, Allowance(relative=0.01), Verdict.PASS),
        (LOG_LOSS, -20.0, -20.3, Allowance(relative=0.01), Verdict.FAIL),
        (LOG_LOSS, -20.0, -19.7, Allowance(relative=0.01), Verdict.IMPROVED),
        (LOWER, 3.0, 3.03, Allowance(relative=0.01), Verdict.PASS),
        (LOWER, 3.0, 3.04, Allowance(relative=0.01), Verdict.FAIL),
        (LOWER, 3.0, 2.0, Allowance(relative=0.01), Verdict.IMPROVED),
        (LOWER, -3.0, -2.98, Allowance(relative=0.01), Verdict.PASS),
        (LOWER, -3.0, -2.96, Allowance(relative=0.01), Verdict.FAIL),
        (ERROR_RATE, 0.02, 0.022, Allowance(errors=0.1), Verdict.PASS),
        (ERROR_RATE, 0.02, 0.0221, Allowance(errors=0.1), Verdict.FAIL),
    ],
)
def test_an_allowance(metric: Metric, reference: float, now: float, allowance: Allowance, expected: Verdict):
    assert verdict_of(metric, now, reference, allowance) is expected


def test_the_verdict_has_what_was_declared_and_what_it_comes_to():
    verdict = judge(SUBJECT, HIGHER, now=0.99, reference=0.995, tolerance=Allowance(errors=0.10))
    assert verdict.allowance == Allowance(errors=0.10)
    assert verdict.tolerance == pytest.approx(0.0005)
    assert verdict.change == pytest.approx(0.005)
    assert judge(SUBJECT, HIGHER, now=0.99, reference=0.995, tolerance=0.1).allowance is None


@pytest.mark.parametrize(("now", "reference"), [(31.0, 0.9), (0.9, 31.0), (-0.1, 0.0), (1.5, 1.0)])
def test_errors_of_what_is_no_share_are_an_error_and_never_green(now: float, reference: float):
    verdict = judge(SUBJECT, PSNR, now=now, reference=reference, tolerance=Allowance(errors=0.1, absolute=9.0))
    assert verdict.verdict is Verdict.ERROR
    assert "only a share between 0 and 1 has errors that may grow" in verdict.reason
    assert "{relative = ...}" in verdict.advice


@pytest.mark.parametrize("examples", [64, 3_000, 10_000, 60_000])
@pytest.mark.parametrize("growth", ["0.1", "0.5", "1"])
def test_every_number_of_errors_that_may_grow_does_to_the_last_example(examples: int, growth: str):
    # Values as they are compared: rounded to ten digits. The arithmetic of the expectation is exact.
    for errors in {0, 1, 2, 3, 7, 10, 20, 47, 50, *range(60, examples // 3, max(examples // 100, 1))}:
        if errors > examples // 3:
            continue
        may_be = errors + math.floor(errors * Fraction(growth))
        reference, at_limit, beyond = (rounded(1 - wrong / examples) for wrong in (errors, may_be, may_be + 1))
        allowance = Allowance(errors=float(growth))
        assert verdict_of(HIGHER, at_limit, reference, allowance) is Verdict.PASS
        assert verdict_of(HIGHER, beyond, reference, allowance) is Verdict.FAIL


# --- properties -------------------------------------------------------------------------------------------

values = st.floats(min_value=-1e12, max_value=1e12)
tolerances = st.floats(min_value=0, max_value=1e6)
metrics = st.builds(
    Metric, name=st.just("x"), unit=st.just(""), direction=st.sampled_from(["higher", "lower"]), relative=st.booleans()
)
#: From the best to the worst.
RANK = [Verdict.IMPROVED, Verdict.PASS, Verdict.FAIL]


@settings(deadline=None)  # other work on the machine is no failure
@given(metrics, values, values, values, tolerances)
def test_a_worse_value_never_gets_a_better_verdict(metric: Metric, one: float, other: float, reference, tolerance):
    better, worse = (max(one, other), min(one, other)) if metric.direction == "higher" else sorted((one, other))
    first, second = (verdict_of(metric, now, reference, tolerance) for now in (better, worse))
    assert RANK.index(first) <= RANK.index(second)


@settings(deadline=None)
@given(metrics, values, values, tolerances, tolerances)
def test_a_wider_tolerance_never_fails_what_a_narrower_passes(metric: Metric, now, reference, one, other):
    narrow, wide = sorted((one, other))
    if verdict_of(metric, now, reference, wide) is Verdict.FAIL:
        assert verdict_of(metric, now, reference, narrow) is Verdict.FAIL


@settings(deadline=None)
@given(values, values, tolerances, st.booleans())
def test_the_other_direction_mirrors(now: float, reference: float, tolerance: float, relative: bool):  # noqa: FBT001
    higher = Metric(name="x", unit="", direction="higher", relative=relative)
    lower = Metric(name="x", unit="", direction="lower", relative=relative)
    up = judge(SUBJECT, higher, now=now, reference=reference, tolerance=tolerance)
    down = judge(SUBJECT, lower, now=-now, reference=-reference, tolerance=tolerance)
    assert (up.verdict, up.change) == (down.verdict, down.change)


@settings(deadline=None)
@given(values, values, tolerances)
def test_swapping_the_two_values_swaps_fail_and_improved(now: float, reference: float, tolerance: float):
    swapped = {Verdict.FAIL: Verdict.IMPROVED, Verdict.IMPROVED: Verdict.FAIL, Verdict.PASS: Verdict.PASS}
    assert verdict_of(LOWER, reference, now, tolerance) is swapped[verdict_of(LOWER, now, reference, tolerance)]


@settings(deadline=None)
@given(values, values, st.floats(min_value=0, max_value=10), st.integers(min_value=-30, max_value=30))
def test_a_relative_metric_does_not_see_its_unit(now: float, reference: float, tolerance: float, power: int):
    # Powers of two, so that changing the unit is exact.
    scaled_now, scaled_reference = math.ldexp(now, power), math.ldexp(reference, power)
    assume(math.ldexp(scaled_now, -power) == now)
    assume(math.ldexp(scaled_reference, -power) == reference)
    scaled = verdict_of(RELATIVE, scaled_now, scaled_reference, tolerance)
    assert scaled is verdict_of(RELATIVE, now, reference, tolerance)


relatives = st.floats(min_value=0, max_value=10).map(lambda share: Allowance(relative=share))


@settings(deadline=None)
@given(values, values, relatives)
def test_a_share_of_the_reference_mirrors_with_the_direction(now: float, reference: float, allowance: Allowance):
    up = judge(SUBJECT, HIGHER, now=now, reference=reference, tolerance=allowance)
    down = judge(SUBJECT, LOWER, now=-now, reference=-reference, tolerance=allowance)
    assert (up.verdict, up.change, up.tolerance) == (down.verdict, down.change, down.tolerance)


@settings(deadline=None)
@given(values, values, relatives, st.integers(min_value=-30, max_value=30))
def test_a_share_of_the_reference_does_not_see_the_unit(now: float, reference: float, allowance: Allowance, power: int):
    scaled_now, scaled_reference = math.ldexp(now, power), math.ldexp(reference, power)
    assume(math.ldexp(scaled_now, -power) == now)
    assume(math.ldexp(scaled_reference, -power) == reference)
    assume(allowance.relative * abs(reference) > 1e-250)  # what is denormal loses digits
    assert verdict_of(LOWER, scaled_now, scaled_reference, allowance) is verdict_of(LOWER, now, reference, allowance)
