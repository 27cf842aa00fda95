"""Commands of GitHub Actions: what is escaped, what is grouped, and that no more are printed than are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_records import a_run, a_subject, a_verdict

from qbench.records import Subject
from qbench.report.annotations import MOST_SHOWN, annotation_lines
from qbench.verdicts import MeasuringTest, Verdict

if TYPE_CHECKING:
    from qbench.run_record import RunRecord

_text = st.text(max_size=20) | st.sampled_from(["\n::error::x", "\r::set-env name=A::b", "a,b:c%0A", "::", "%", "\r\n"])


def _reads(line: str) -> tuple[str, dict[str, str], str]:
    """Level, properties and message as the runner reads them (actions/runner, ActionCommand.TryParseV2)."""
    command, _, message = line[2:].partition("::")
    level, _, rest = command.partition(" ")
    properties = dict(part.split("=", 1) for part in rest.split(",") if part)
    for escape, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        properties = {name: value.replace(escape, character) for name, value in properties.items()}
        if character not in ":,":
            message = message.replace(escape, character)
    return level, properties, message


def _fails(model: str = "tiny", recipe: str = "int8", word: Verdict = Verdict.FAIL, **changed: object):
    return a_verdict(subject=Subject(model=model, recipe=recipe), verdict=word, reason=f"{model} is odd", **changed)


def _red(*verdicts, **changed: object) -> RunRecord:
    subjects = dict.fromkeys((verdict.subject.model, verdict.subject.recipe) for verdict in verdicts)
    made = tuple(
        a_subject(model=model, recipe=recipe, declared_at=number) for number, (model, recipe) in enumerate(subjects, 1)
    )
    return a_run(**{"verdict": "fail", "exit_status": 1, "subjects": made, "verdicts": verdicts, **changed})


@given(model=_text, reason=_text, file=_text, problem=_text, cause=_text)
def test_whatever_a_text_holds_a_command_is_a_line(model, reason, file, problem, cause):
    test = MeasuringTest(id="t", file=file, line=3)
    subjects = (
        a_subject(model=model, tests={"size": test}, causes={"size": cause}, declared_at=1),
        a_subject(model=f"{model}2", problems=(problem,)),
    )
    verdict = a_verdict(subject=Subject(model=model, recipe="int8"), reason=reason)
    lines = annotation_lines(_red(verdict, subjects=subjects), folder=file)
    assert len(lines) == 3
    for line in lines:
        assert line.startswith("::error ")
        assert "\n" not in line
        assert "\r" not in line
        level, properties, _ = _reads(line)
        assert level == "error"
        assert set(properties) <= {"file", "line", "title"}
    assert _reads(lines[0])[1]["title"] == "qbench: size: 1 fail"
    assert _reads(lines[1])[1]["title"] == f"qbench: {model}: 1 fail"


def test_files_are_named_from_the_root_of_the_repository():
    test = MeasuringTest(id="t", file="benchmarks/test_a.py", line=3)
    record = _red(_fails(), subjects=(a_subject(tests={"size": test}, declared_at=7),))
    for folder, prefix in (("", ""), ("models/edge", "models/edge/")):
        at_test, at_declaration = (_reads(line)[1] for line in annotation_lines(record, folder=folder))
        assert (at_test["file"], at_test["line"]) == (f"{prefix}benchmarks/test_a.py", "3")
        assert (at_declaration["file"], at_declaration["line"]) == (f"{prefix}pyproject.toml", "7")


@pytest.mark.parametrize(("models", "printed"), [(MOST_SHOWN, MOST_SHOWN), (MOST_SHOWN + 1, MOST_SHOWN), (40, 10)])
@pytest.mark.parametrize("word", [Verdict.FAIL, Verdict.MISSING])
def test_no_more_than_github_shows(models: int, printed: int, word: Verdict):
    record = _red(*(_fails(f"m{number}", word=word) for number in range(models)), verdict="not judged")
    lines = annotation_lines(record)
    assert len(lines) == printed
    if models > printed:
        level, properties, message = _reads(lines[-1])
        assert properties == {"title": f"qbench: {models - MOST_SHOWN + 1} more"}
        assert message.startswith(f"m{MOST_SHOWN - 1}: 1 {word}; ")
        assert message.endswith(f"m{models - 1}: 1 {word}")
        assert level == ("error" if word == Verdict.FAIL else "warning")


@pytest.mark.parametrize(
    ("word", "level"),
    [
        (Verdict.FAIL, "error"),
        (Verdict.ERROR, "error"),
        (Verdict.MISSING, "warning"),
        (Verdict.INCONCLUSIVE, "warning"),
        (Verdict.NOT_COMPARABLE, "warning"),
        (Verdict.PASS, None),
        (Verdict.UNCHANGED, None),
        (Verdict.IMPROVED, None),
    ],
)
def test_levels(word: Verdict, level: str | None):
    lines = annotation_lines(_red(_fails(word=word), verdict="not judged"))
    assert [_reads(line)[0] for line in lines] == ([level] if level else [])


def test_what_is_being_accepted_is_no_error():
    accepted, kept = _fails("accepted"), _fails("kept", against="fp32")
    lines = annotation_lines(_red(accepted, kept, accepting="why", verdict="measured"))
    assert [_reads(line)[1]["title"] for line in lines] == ["qbench: kept: 1 fail"]


def test_a_red_run_always_says_why():
    lost = "qbench: 1 pytest-xdist workers ended without handing over what they measured"
    for record, expected in (
        (_red(notes=(lost,)), lost),
        (
            _red(problems=("test_a.py could not be collected",), verdict="interrupted"),
            "test_a.py could not be collected",
        ),
        (_red(), "the run ended with exit status 1"),
    ):
        (line,) = annotation_lines(record)
        assert _reads(line) == ("error", {"title": "qbench"}, expected)


def test_many_sentences_are_three_and_how_many_more():
    verdicts = [_fails(metric=f"m{number}", reference=1.0) for number in range(5)]
    (line,) = annotation_lines(_red(*verdicts))
    assert _reads(line)[2].split("\n")[-1] == "And 2 more in the log."
