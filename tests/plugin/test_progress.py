"""Progress of long work: only where it is long, readable with and without a terminal, silent under -q."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from small_project import Project

#: What a line of progress looks like, whatever it is about.
_STEP = re.compile(r"(\w[\w -]*): (\d+) of (\d+)(, now [\w-]+)?(, about \d+ s left|, \d+ s so far)?")
_END = re.compile(r"(\w[\w -]*): done in [0-9.]+ s")


def _with_thresholds(project: Project, seconds: float) -> None:
    """Make work long, or short, whatever it takes on this machine."""
    project.write(
        "conftest.py",
        f"""
        from qbench.report import progress

        for name in ("SILENT_S", "REWRITE_S", "PLAIN_S"):
            assert hasattr(progress, name)
            setattr(progress, name, {seconds})
        # No tick comes between: which there are depends on how long something takes.
        progress.TICK_S = 1e6
        """,
    )


def test_a_line_a_step_without_a_terminal(project: Project):
    _with_thresholds(project, 0)
    result = project.run()
    assert result.ret == 0
    steps = [match for line in result.outlines if (match := _STEP.fullmatch(line))]
    assert {step[1] for step in steps} == {"checking", "evaluating tiny-fp32", "evaluating tiny-int8"}
    assert [step.groups()[1:4] for step in steps if step[1] == "checking"] == [
        ("0", "2", ", now tiny-fp32"),
        ("1", "2", ", now tiny-int8"),
    ]
    for task in ("evaluating tiny-fp32", "evaluating tiny-int8"):
        assert [step.groups()[1:3] for step in steps if step[1] == task][-1] == ("64", "64")
    ends = [match[1] for line in result.outlines if (match := _END.fullmatch(line))]
    assert set(ends) == {"checking", "evaluating tiny-fp32", "evaluating tiny-int8"}
    assert "\r" not in result.stdout.str()
    assert "\x1b" not in result.stdout.str()
    # Tests are captured, and progress goes around that without losing anything of them.
    result.assert_outcomes(passed=8)


_STANDING = re.compile(r"contest of tiny-int8: evidence (\d+)%, at most (\d+) s left, ratio \d\.\d{3}, (\d+) groups?")


def test_a_contest_tells_how_far_it_is(project: Project):
    project.accept()
    _with_thresholds(project, 0)
    result = project.run("--benchmark-compare", "--qbench-always-contest", "-k", "latency and int8")
    told = [match for line in result.outlines if (match := _STANDING.fullmatch(line))]
    assert [int(each[3]) for each in told] == list(range(1, len(told) + 1))
    assert int(told[-1][1]) == 100
    assert 0 <= int(told[-1][2]) <= int(told[0][2]) <= 60
    assert [line for line in result.outlines if line.startswith("contest of tiny-int8: done in ")]


def test_workers_of_xdist_show_nothing(project: Project):
    _with_thresholds(project, 0)
    result = project.run("-n1", "-k", "accuracy and int8")
    result.assert_outcomes(passed=1)
    assert not [line for line in result.outlines if _STEP.fullmatch(line) or _END.fullmatch(line)]


@pytest.mark.parametrize(("seconds", "arguments"), [(0, ["-q"]), (1e9, [])], ids=["under -q", "without need"])
def test_nothing_is_shown(project: Project, seconds: float, arguments: list[str]):
    _with_thresholds(project, seconds)
    result = project.run(*arguments)
    assert result.ret == 0
    assert not [line for line in result.outlines if _STEP.fullmatch(line) or _END.fullmatch(line)]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
def test_one_line_that_is_rewritten_on_a_terminal(project: Project):
    _with_thresholds(project, 0)
    printed, status = project.run_on_a_terminal()
    assert status == 0
    (line,) = (line for line in re.split(r"\r?\n", printed) if "checking: " in line)
    # Each step starts at the left again, and wipes out what is left of a longer one.
    before, *steps = line.split("\r")
    assert before == ""
    assert [_STEP.fullmatch(step.rstrip())[2] for step in steps[:-1]] == ["0", "1"]
    assert _END.fullmatch(steps[-1].rstrip())
    assert len(steps[-1].rstrip()) < len(steps[-2].rstrip()) <= len(steps[-1])
    assert "8 passed" in printed


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
def test_a_narrow_terminal_sees_no_line_wrapped(project: Project):
    _with_thresholds(project, 0)
    printed, status = project.run_on_a_terminal("-k", "accuracy and int8", COLUMNS="24", TERM="xterm", FORCE_COLOR="1")
    assert status == 0
    shown = [step for line in re.split(r"\r?\n", printed) for step in line.split("\r") if " of 64" in step]
    assert shown
    assert max(map(len, shown)) < 24


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
def test_a_dumb_terminal_gets_lines(project: Project):
    _with_thresholds(project, 0)
    printed, status = project.run_on_a_terminal("-k", "accuracy and int8", TERM="dumb")
    assert status == 0
    assert [line for line in re.split(r"\r?\n", printed) if _STEP.fullmatch(line)]
