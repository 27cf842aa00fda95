"""What the accuracy gate of a run cannot tell, as sentences."""

from __future__ import annotations

import io

from qbench.judge.gate import judge, not_judged, weigh
from qbench.judge.metrics import ACCURACY_DROP, METRICS_BY_KIND
from qbench.judge.paired import PairedCounts, summarize
from qbench.records import Subject
from qbench.report.power import power_sentences
from qbench.report.terminal import render
from qbench.verdicts import Allowance, MetricVerdict, Verdict

ACCURACY = METRICS_BY_KIND["accuracy"][0].metric


def verdict(
    subject: str,
    counted: tuple[int, int, int],
    tolerance: float | Allowance,
    *,
    reference: float = 0.98,
    fp32: bool = False,
) -> MetricVerdict:
    model, recipe = subject.split("/")
    pair = PairedCounts(examples=counted[0], lost=counted[1], won=counted[2])
    judged = judge(
        Subject(model=model, recipe=recipe),
        ACCURACY_DROP if fp32 else ACCURACY,
        now=reference - pair.drop,
        reference=reference,
        tolerance=tolerance,
        against="fp32" if fp32 else "baseline",
    )
    return weigh(judged, summarize(pair, judged.tolerance), "exact")


def test_a_gate_that_can_tell_is_left_alone():
    fine = [verdict("m/int8", (10_000, 5, 5), 0.005, fp32=fp32) for fp32 in (False, True)]
    assert power_sentences([*fine, not_judged(fine[0].subject, "accuracy", Verdict.MISSING, "why")]) == []


def test_noise():
    (said,) = power_sentences([verdict("m/int8", (500, 8, 7), 0.005)])
    assert said == (
        "accuracy_regression of m-int8: 500 examples with 15 flips are too few for a tolerance of 0.5 points: what is "
        "no worse does not pass in 25% of such sets; what is truly 2 points worse passes in 6%; a true drop of 1.25 "
        "points or more fails in four of five. What to do: evaluate on about 3,100, or widen the tolerance."
    )


def test_less_than_an_example():
    (said,) = power_sentences([verdict("m/int8", (64, 0, 0), 0.002, reference=1.0)])
    assert said == (
        "accuracy_regression of m-int8: 64 examples are too few for a tolerance of 0.2 points: one example is 1.56 "
        "points; what is truly 2 points worse passes in 27%; a true drop of 2.48 points or more fails in four of five. "
        "What to do: evaluate on about 500, or widen the tolerance."
    )


def test_flips_of_one_kind_do_not_say_that_there_are_no_false_alarms():
    (said,) = power_sentences([verdict("m/int8", (400, 249, 0), 0.002)])
    assert (
        "with 249 flips are too few for a tolerance of 0.2 points: one example is 0.25 points; what is truly " in said
    )


def test_so_few_that_nothing_is_found():
    (said,) = power_sentences([verdict("m/int8", (5, 2, 3), 0.005, reference=0.6)])
    assert "; no true drop fails in four of five. What to do: " in said


def test_a_coarse_tolerance():
    (said,) = power_sentences([verdict("m/int8", (10_000, 5, 5), 0.005, reference=0.996, fp32=True)])
    assert said == (
        "accuracy_drop of m-int8: the tolerance of 0.5 points is coarse: what is truly 0.4 points worse, with 100% "
        "more errors, passes in 93% of such sets. What to do: narrow it, such as to {errors = 0.5}, 0.2 points here."
    )


def test_a_coarse_tolerance_where_there_are_no_errors():
    (said,) = power_sentences([verdict("m/int8", (10_000, 5, 5), 0.005, reference=1.0)])
    assert "what is truly 0.1 points worse passes in more than 99% of such sets" in said
    assert said.endswith("What to do: narrow it, such as to 0.05 points.")


def test_how_the_tolerance_was_declared():
    (misunderstood,) = power_sentences([verdict("m/int8", (10_000, 5, 5), Allowance(relative=0.99))])
    assert "the tolerance of 99% of the reference, 97.02 points here is coarse" in misunderstood
    (few,) = power_sentences([verdict("m/int8", (10_000, 20, 20), Allowance(errors=0.10), reference=0.995)])
    assert "too few for a tolerance of 10% more errors, 0.05 points here: what" in few


def test_what_is_so_of_many_is_said_of_the_worst():
    recipes = {"fp32": (0, 0), "int8": (8, 7), "int16x8": (1, 1), "dynamic": (4, 4)}
    both = [
        verdict(f"{model}/{recipe}", (500, *flips), 0.002, fp32=fp32)
        for model in ("a", "b")
        for recipe, flips in recipes.items()
        for fp32 in (False, True)
    ]
    said = power_sentences(both)
    assert [text.partition(":")[0] for text in said] == [
        "accuracy_regression of a-int8 and 5 more",
        "accuracy_drop of a-int8 and 5 more",
    ]
    assert all("with 15 flips" in text for text in said)


def test_another_dataset_or_tolerance_is_another_sentence():
    few, fewer = verdict("a/int8", (500, 8, 7), 0.005), verdict("b/int8", (400, 8, 7), 0.005)
    narrower = verdict("c/int8", (500, 8, 7), Allowance(errors=0.1))
    coarse = verdict("d/int8", (500, 0, 0), 0.9)
    assert len(power_sentences([few, fewer, narrower, coarse])) == 4


def test_it_stands_below_the_verdicts_and_fits_the_terminal():
    stream = io.StringIO()
    green = verdict("m/int8", (500, 8, 7), 0.005)
    render({}, [green], width=80, colour=False, verbose=False, stream=stream)
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    below = " ".join(line.strip() for line in lines[3:])
    assert below == f"power: {power_sentences([green])[0]}"
