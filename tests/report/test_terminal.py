"""The table and the sentences at the end of a run."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from qbench.judge.gate import judge, not_judged
from qbench.judge.metrics import METRICS_BY_KIND
from qbench.records import LatencySample, Subject
from qbench.report.terminal import headline, render
from qbench.report.wording import sentence
from qbench.verdicts import MetricVerdict, SubjectResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

ACCURACY, SIZE = METRICS_BY_KIND["accuracy"][0].metric, METRICS_BY_KIND["size"][0].metric
MODELS = ("mnist-mlp", "mnist-dscnn")
RECIPES = ("fp32", "int8", "int8-per-tensor")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def latency(median_ns: float) -> LatencySample:
    times = dict.fromkeys(
        ("mean_ns", "stddev_ns", "min_ns", "max_ns", "q1_ns", "q3_ns", "whisker_low_ns", "whisker_high_ns"), 1.0
    )
    return LatencySample(median_ns=median_ns, rounds=1, iterations=1, outliers="", **times)


def result_of(subject: Subject, size: float = 101_234, median_ns: float = 14_000) -> SubjectResult:
    if subject.recipe == "fp32":
        size, median_ns = size * 4, median_ns * 2
    return SubjectResult(subject=subject, metrics={"size_bytes": size, "accuracy": 0.98127}, latency=latency(median_ns))


def verdicts_of(subject: Subject) -> list[MetricVerdict]:
    return [
        judge(subject, SIZE, now=100, reference=100, tolerance=0.01, same_artifact=True),
        judge(subject, ACCURACY, now=0.97, reference=0.98, tolerance=0.002),
        not_judged(subject, "latency_ns", Verdict.NOT_COMPARABLE, "a recorded time is no evidence"),
        not_judged(subject, "structure", Verdict.MISSING, f"structure of {subject.id} was not measured"),
    ]


def shown(
    results: Sequence[SubjectResult],
    verdicts: Sequence[MetricVerdict],
    *,
    width: int = 120,
    colour: bool = False,
    verbose: bool = False,
) -> str:
    stream = io.StringIO()
    by_subject = {result.subject: result for result in results}
    render(by_subject, verdicts, width=width, colour=colour, verbose=verbose, stream=stream)
    return stream.getvalue()


@pytest.fixture(autouse=True)
def _ordinary_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


SUBJECTS = [Subject(model=model, recipe=recipe) for model in MODELS for recipe in RECIPES]
RESULTS = [result_of(subject) for subject in SUBJECTS]
VERDICTS = [verdict for subject in SUBJECTS for verdict in verdicts_of(subject)]


# --- every width, with and without colour -----------------------------------------------------------------


@pytest.mark.parametrize("width", [60, 80, 99, 100, 120, 200])
@pytest.mark.parametrize("colour", [False, True])
def test_no_line_is_wider_than_the_terminal(width: int, *, colour: bool):
    text = shown(RESULTS, VERDICTS, width=width, colour=colour)
    lines = ANSI.sub("", text).split("\n")
    assert max(cell_len(line) for line in lines) <= width


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("colour", [False, True])
def test_the_numbers_are_whole_at_usual_widths(width: int, *, colour: bool):
    text = ANSI.sub("", shown(RESULTS, VERDICTS, width=width, colour=colour))
    for recipe, numbers in {
        "fp32": ("404.9 kB", "0.9813", "28 us", "1.00x 1.00x"),
        "int8": ("101.2 kB", "0.9813", "14 us", "0.25x 0.50x"),
        "int8-per-tensor": ("101.2 kB", "0.9813", "14 us", "0.25x 0.50x"),
    }.items():
        rows = [line for line in text.split("\n") if line.startswith(f"  {recipe} ")]
        assert len(rows) == len(MODELS)
        for row in rows:
            assert all(number in row for number in numbers)
            assert "fail (accuracy)" in row
    assert "…" not in text


@pytest.mark.parametrize("width", [80, 120])
def test_columns_stand_below_their_names(width: int):
    lines = shown(RESULTS, VERDICTS, width=width).split("\n")
    (row,) = [line for line in lines if line.startswith("  fp32 ")][:1]
    for name, number in (("size", "404.9 kB"), ("accuracy", "0.9813"), ("latency", "28 us")):
        # Numbers stand flush right.
        assert lines[0].index(f" {name} ") + len(name) + 1 == row.index(number) + len(number)


@pytest.mark.parametrize("width", [80, 120])
def test_colour_changes_nothing_but_colour(width: int):
    plain, coloured = (shown(RESULTS, VERDICTS, width=width, colour=colour) for colour in (False, True))
    assert "\x1b" not in plain
    assert ANSI.sub("", coloured) == plain
    # Red for a failure, whatever the shade.
    assert re.search(r"\x1b\[1;31mfail", coloured)


def test_no_colour_holds_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLORTERM", "truecolor")
    assert "\x1b" not in shown(RESULTS, VERDICTS)


@pytest.mark.parametrize("width", [80, 120])
def test_a_long_name_takes_no_number_away(width: int):
    subject = Subject(model="a-model-with-a-name-as-long-as-some-people-like-them-to-be", recipe="int8-symmetric")
    text = shown([result_of(subject)], verdicts_of(subject), width=width)
    assert max(cell_len(line) for line in text.split("\n")) <= width
    (row,) = [line for line in text.split("\n") if "101.2 kB" in line]
    assert "0.9813" in row
    assert "14 us" in row
    names = "".join(line[: line.index("  ")] if "  " in line else line for line in text.split("\n")[1:4])
    assert names.startswith(subject.model[:10])


# --- rows -------------------------------------------------------------------------------------------------


def test_each_model_is_a_heading_above_its_recipes():
    lines = [line.rstrip() for line in shown(RESULTS, []).split("\n")]
    assert [line for line in lines if line in MODELS] == list(MODELS)
    assert [line.split()[0] for line in lines[1:] if line.startswith("  ")] == [*RECIPES, *RECIPES]


def test_recipes_of_a_model_stand_together_however_they_come():
    shuffled = [RESULTS[index] for index in (3, 0, 4, 1)]
    lines = [line.split()[0] for line in shown(shuffled, []).split("\n")[1:] if line]
    assert lines == ["mnist-dscnn", "fp32", "int8", "mnist-mlp", "fp32", "int8"]


def test_what_was_not_measured_has_a_row_of_dashes():
    subject = Subject(model="mnist-mlp", recipe="int8")
    verdict = not_judged(subject, "size", Verdict.MISSING, "no test did")
    (row,) = [line for line in shown([], [verdict]).split("\n") if line.startswith("  int8")]
    assert row.split() == ["int8", "-", "-", "-", "-", "missing", "(size)"]


def test_what_was_measured_in_part_has_dashes_for_the_rest():
    subject = Subject(model="mnist-mlp", recipe="int8")
    result = SubjectResult(subject=subject, metrics={"accuracy": 0.5})
    (row,) = [line for line in shown([result], []).split("\n") if line.startswith("  int8")]
    assert row.split() == ["int8", "-", "0.5000", "-", "-", "-", "measured"]


# --- verdicts ---------------------------------------------------------------------------------------------


def test_a_row_has_its_verdicts_the_worst_first():
    subject = Subject(model="m", recipe="int8")
    every = [not_judged(subject, f"metric{index}", verdict, "why") for index, verdict in enumerate(Verdict)]
    text = shown([], list(reversed(every)), width=400)
    (row,) = [line.rstrip() for line in text.split("\n") if line.startswith("  int8")]
    assert row.endswith(
        "fail (metric0), error (metric1), missing (metric2), inconclusive (metric3), not comparable (metric4), improved"
    )


def test_a_row_names_each_metric_once_and_without_its_unit():
    subject = Subject(model="m", recipe="int8")
    names = ("latency_ns", "size_bytes", "latency_ns")
    verdicts = [not_judged(subject, name, Verdict.MISSING, "why") for name in names]
    assert "missing (latency size)" in shown([], verdicts)


def test_sentences_are_those_of_what_is_not_green_the_worst_first():
    order = [Verdict.MISSING, Verdict.PASS, Verdict.FAIL, Verdict.UNCHANGED, Verdict.ERROR, Verdict.NOT_COMPARABLE]
    verdicts = [
        not_judged(Subject(model="m", recipe=f"r{index}"), "x", verdict, f"why {index}")
        for index, verdict in enumerate(order)
    ]
    lines = shown([], verdicts).split("\n")
    said = [line for line in lines if re.match(r"[a-z ]+: ", line)]
    assert said == [
        f"{verdicts[index].verdict}: {sentence(verdicts[index])}" for index in (2, 4, 0, 5)
    ]  # fail, error, missing, not comparable
    verbose = shown([], verdicts, verbose=True)
    assert "pass: m-r1: x: why 1." in verbose
    assert "unchanged: m-r3: x: why 3." in verbose


def test_what_is_so_for_the_same_reason_is_told_once():
    verdicts = [
        not_judged(
            Subject(model="m", recipe=f"r{index}"), "latency_ns", Verdict.NOT_COMPARABLE, "a time is no evidence"
        )
        for index in range(3)
    ]
    ninth = Subject(model="m", recipe="r9")
    others = [
        not_judged(ninth, "accuracy", Verdict.NOT_COMPARABLE, "the artifact is gone"),
        not_judged(ninth, "accuracy", Verdict.NOT_COMPARABLE, "a time is not one either"),
        not_judged(ninth, "latency_ns", Verdict.NOT_COMPARABLE, "the artifact is gone"),
    ]
    text = shown([], [verdicts[0], *others, *verdicts[1:]])
    assert text.count("a time is no evidence") == 1
    assert "not comparable: m-r0, m-r1, m-r2: latency_ns: a time is no evidence." in text
    # What holds of several metrics for one reason is one sentence, and another reason is another.
    assert "not comparable: m-r9: accuracy, latency_ns: the artifact is gone." in text
    assert f"not comparable: {sentence(others[1])}" in text


def test_many_of_one_reason_are_counted_and_their_metrics_listed():
    verdicts = [
        not_judged(Subject(model="m", recipe=f"r{index}"), metric, Verdict.MISSING, "no baseline", advice="accept one")
        for index in range(5)
        for metric in ("size", "accuracy")
    ]
    text = shown([], verdicts, width=400)
    assert "missing: m-r0, m-r1, m-r2 and 2 more: size, accuracy: no baseline. What to do: accept one." in text


def test_what_has_a_number_or_another_advice_is_told_one_by_one():
    subject = Subject(model="m", recipe="int8")
    verdicts = [
        judge(subject, SIZE, now=now, reference=100, tolerance=0.01, same_artifact=False) for now in (200, 300)
    ] + [not_judged(subject, "x", Verdict.MISSING, "gone", advice=advice) for advice in ("look", "listen")]
    text = shown([], verdicts, width=400)
    assert text.count("fail: m-int8: size_bytes is ") == 2
    assert "missing: m-int8: x: gone. What to do: look." in text
    assert "missing: m-int8: x: gone. What to do: listen." in text


def test_everything_measured_is_listed_when_asked_for():
    result = result_of(Subject(model="m", recipe="int8"))
    result.metrics |= {"flips": 7, "arena_bytes": 1688}
    result.operators, result.weight_bytes_by_dtype = {"CONV_2D int8": 2}, {"int8": 1234}
    expected = "flips 7; size_bytes 1"
    assert expected not in shown([result], [], width=400)
    text = shown([result], [], width=400, verbose=True)
    assert expected in text
    assert "arena_bytes 1.7 kB" in text
    assert "weights: 1,234 B int8; operators: 2 CONV_2D int8." in text


def test_headline_counts_the_worst_first():
    subject = Subject(model="m", recipe="int8")
    kinds = [Verdict.PASS, Verdict.FAIL, Verdict.PASS, Verdict.NOT_COMPARABLE]
    assert headline([not_judged(subject, "x", verdict, "") for verdict in kinds]) == "1 fail, 1 not comparable, 2 pass"
    assert headline([]) == ""


# --- what names may hold ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["[red]x", "[/]", "[bold]", ":warning:", "[link=file:x]y", "\\[x]"])
@pytest.mark.parametrize("width", [80, 120])
def test_markup_in_names_is_text(name: str, width: int):
    # Folders below baselines/ may be called like this, and reasons quote whatever a runtime says.
    subject = Subject(model=name, recipe=f"{name}r")
    verdicts = [
        not_judged(subject, f"{name}m", Verdict.ERROR, f"{name} was found"),
        not_judged(subject, "latency_ns", Verdict.NOT_COMPARABLE, f"{name} in many"),
        not_judged(subject, "latency_ns", Verdict.NOT_COMPARABLE, f"{name} in many"),
    ]
    text = shown([result_of(subject)], verdicts, width=width)
    lines = [line.rstrip() for line in text.split("\n")]
    assert name in lines
    assert any(line.startswith(f"  {name}r ") for line in lines)
    unwrapped = " ".join(text.split())
    assert f"error ({name}m)" in unwrapped
    assert f"error: {name}-{name}r: {name}m: {name} was found." in unwrapped
    assert f"{name}-{name}r: latency_ns: {name} in many." in unwrapped


# --- paragraphs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_verdict_begins_at_the_left_and_its_other_lines_stand_further_in(width: int):
    lines = shown(RESULTS, VERDICTS, width=width).split("\n")
    said = lines[next(number for number, line in enumerate(lines) if line.startswith("fail: ")) :]
    beginnings = [line for line in said if line and not line.startswith(" ")]
    assert {line.partition(":")[0] for line in beginnings} == {"fail", "missing", "not comparable"}
    assert all(re.match(r"  \S", line) for line in said if line.startswith(" "))
    assert all(any(line.startswith(f"fail: {subject.id}: accuracy") for line in beginnings) for subject in SUBJECTS)


def test_why_is_said_of_what_fails_alone():
    subject = SUBJECTS[1]
    result = result_of(subject)
    result.causes |= {"accuracy": "Why: channels share one scale. More: qbench explain", "latency": "Why: it is slow."}
    failing = [judge(subject, ACCURACY, now=0.97, reference=0.98, tolerance=0.002)]
    text = shown([result], failing, width=200)
    assert f"\nwhy {subject.id} accuracy: channels share one scale. More: qbench explain\n" in text
    assert "it is slow" not in text
    green = [judge(subject, ACCURACY, now=0.98, reference=0.98, tolerance=0.002)]
    assert "why " not in shown([result], green, width=200, verbose=True)


def test_quiet_shows_what_is_not_green_alone():
    stream = io.StringIO()
    render(
        {result.subject: result for result in RESULTS},
        VERDICTS,
        width=120,
        colour=False,
        verbose=False,
        quiet=True,
        stream=stream,
    )
    assert "model, recipe" not in stream.getvalue()
    assert stream.getvalue().startswith("fail: ")
