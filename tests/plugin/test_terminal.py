"""The table and the sentences at the end of a run, on narrow terminals, without colour, -q and -v."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import models_zoo
import pytest
from small_project import failures, told

if TYPE_CHECKING:
    from small_project import Project

_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
_LONG = "mobilenet-edge-224"
_COLUMNS = 80


@pytest.fixture
def mixed(accepted_project: Project) -> Project:
    """A project of which one model is fine, one has no baseline and one got larger."""
    project = accepted_project
    project.declare("tiny", _LONG)
    project.write("tiny.int8.tflite", models_zoo.dense_int8() + bytes(40))
    return project


def _ours(lines: list[str]) -> list[str]:
    """Our part of the output: from our headline to pytest's last line."""
    (start,) = (number for number, line in enumerate(lines) if "= qbench: against baselines/ =" in line)
    return lines[start:-1]


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [([], {"NO_COLOR": "1", "PY_COLORS": ""}), (["-v", "--color=no"], {})],
    ids=["NO_COLOR", "-v --color=no"],
)
def test_narrow_and_without_colour(mixed: Project, arguments: list[str], environment: dict[str, str]):
    result = mixed.run("--benchmark-compare", *arguments, COLUMNS=str(_COLUMNS), **environment)
    assert result.ret == 1
    assert "\x1b" not in result.stdout.str()
    assert result.stdout.str().isascii()
    ours = _ours(result.outlines)
    assert max(len(line) for line in ours) <= _COLUMNS
    # Names and numbers are whole, in one line; only verdicts wrap, in their column.
    (header,) = (line for line in ours if line.startswith("model, recipe"))
    column = header.index("verdict")
    assert re.fullmatch(r"model, recipe +size +accuracy +latency +vs fp32 +verdict *", header)
    table = ours[ours.index(header) + 1 :]
    assert _LONG in [line.strip() for line in table]
    float_row, int8_row = (next(line for line in table if line.startswith(f"  {name} ")) for name in ("fp32", "int8"))
    time = r"\d[\d.]* [num]?s"
    assert re.fullmatch(rf"  fp32 +592 B +1\.0000 +{time} +1\.00x +1\.00x +unchanged *", float_row)
    assert re.fullmatch(rf"  int8 +824 B +1\.0000 +{time} +1\.39x +\d+\.\d\dx +fail \(size\).*", int8_row)
    rest = table[table.index(int8_row) + 1 :]
    missing = next(number for number, line in enumerate(rest) if line[column:].startswith("missing ("))
    assert rest[missing + 1][:column].strip() == ""
    assert rest[missing + 1][column:].strip()
    # The sentences wrap between words.
    said = " ".join(line.strip() for line in rest)
    size = len(models_zoo.dense_int8())
    assert (
        f"fail: tiny-int8: size_bytes is {size + 40} B, 5.10% worse than {size} B of the baseline (beyond the "
        'tolerance of 1.00%). What to do: if this is meant, accept it with --qbench-accept "why"; else undo'
    ) in said
    assert re.search(rf"missing: {_LONG}-fp32[^.]*: baselines/ has no baseline\.", said)
    # Green verdicts have a sentence under -v alone.
    assert ("unchanged: tiny-fp32: size_bytes is 592 B, as the baseline." in said) == ("-v" in arguments)
    assert any(line.startswith("gate: 1 fail, 8 missing, ") for line in ours)


def test_under_q_green_is_a_line_and_red_is_what_fails(accepted_project: Project):
    project = accepted_project
    green = project.run("--benchmark-compare", "-q")
    assert green.ret == 0
    dots, gate, summary = (line for line in green.outlines if line)
    assert dots.startswith("........ ")
    assert gate == "gate: 1 pass, 14 unchanged"
    assert summary.startswith("8 passed in ")
    project.write("tiny.int8.tflite", models_zoo.dense_int8(seed=1) + bytes(40))
    red = project.run("--benchmark-compare", "-q", "-k", "not latency")
    assert red.ret == 1
    end = red.outlines[red.outlines.index(next(line for line in red.outlines if line.startswith("fail: "))) :]
    labels = [line.split(": ")[0] for line in end[:-1] if not line.startswith(" ")]
    why = ["why tiny-int8 size", "why tiny-int8 accuracy"]
    assert labels == ["fail", "fail", "fail", *why, "missing", "missing", "gate"]
    assert not [line for line in red.outlines if line.startswith(("model, recipe", "power: "))]


def test_a_failure_is_short_below_the_table_and_whole_where_its_test_failed(accepted_project: Project):
    project = accepted_project
    project.write("tiny.int8.tflite", models_zoo.dense_int8(seed=1))
    short, whole = (project.run("--benchmark-compare", "-k", "accuracy and int8", *more) for more in ([], ["-v"]))
    said = failures(short)["test_accuracy[tiny-int8]"]
    assert said == failures(whole)["test_accuracy[tiny-int8]"], "all there is to know"
    (brief,) = (line for line in told(short) if line.startswith("fail: tiny-int8: accuracy is "))
    full = " ".join(line.strip() for line in told(whole))
    for evidence in ("of 64 predictions differ", "(McNemar)", "Worst slice: "):
        assert evidence in said
        assert evidence in full
        assert evidence not in brief
    interval = r"On other examples like these it is [\d.]+ to [\d.]+ points worse \(90% interval\)\. What to do: "
    assert re.search(r"the tolerance of 0\.2 points\)\. " + interval, brief)
    # pytest's own summary has the first sentence, and not the name of the model a second time.
    (summary,) = (line for line in short.outlines if line.startswith("FAILED "))
    assert re.search(r"test_accuracy\[tiny-int8\] - accuracy is \S+, \S+ points worse than .* points\)\.$", summary)


def test_colours_say_nothing_that_words_do_not(mixed: Project):
    result = mixed.run("--benchmark-compare", "--color=yes", "-k", "not latency")
    printed = "\n".join(_ours(result.outlines))
    assert "\x1b[1;31mfail" in printed, "bold red"
    assert "\x1b[33mmissing" in printed, "yellow"
    assert "\x1b[32munchanged" in printed, "green"
    words = _ESCAPE.sub("", printed)
    assert "\x1b" not in words
    assert "fail (size), missing (latency), pass" in words


def test_an_encoding_without_the_letters_of_a_message(project: Project):
    project.write(
        "data.py",
        """
        def examples():
            raise ValueError("größer als erwartet")
        """,
    )
    result = project.run("--benchmark-compare", PYTHONIOENCODING="ascii")
    assert result.ret == 1
    printed = result.stdout.str() + result.stderr.str()
    errors = [line for line in told(result) if line.startswith("error: ")]
    assert all("data:examples raised ValueError: gr\\xf6\\xdfer als erwartet" in line for line in errors)
    assert any("tiny-int8" in line for line in errors)
    assert "UnicodeEncodeError" not in printed
    assert any(line.startswith("gate: ") for line in result.outlines)


def test_no_table_where_nothing_is_judged(project: Project):
    project.write("tests/test_other.py", "def test_other():\n    pass\n")
    result = project.run_plain("tests")
    assert result.ret == 0
    assert not any(line.startswith("=") and " qbench" in line for line in result.outlines)
    # Asked to judge, it says what it did not.
    judging = project.run_plain("tests", "--benchmark-compare")
    assert judging.ret == 0
    judging.stdout.fnmatch_lines(["gate: 8 missing", "gate: not green: 8 not judged (fails in CI)"])
