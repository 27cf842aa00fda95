"""Progress of long work in lines: when one is shown, what it says, and that nothing of one before it remains."""

from __future__ import annotations

import io
import os
import threading

import pytest
from rich.cells import cell_len
from rich.console import Console

from qbench.report import progress
from qbench.report.progress import ConsoleProgress, TaskLine, can_rewrite


class Screen:
    """A screen that keeps what is written, and shows it as a terminal that wraps would."""

    def __init__(self, *, rewrites, keeps=True, columns=80, encoding="utf-8"):
        self.rewrites, self.keeps, self.columns, self.encoding = rewrites, keeps, columns, encoding
        self.written, self.first = [], []

    def write(self, text, *, first):
        text.encode(self.encoding)
        self.written.append(text)
        self.first.append(first)

    def lines(self):
        """What is to be seen, by line; a character in two cells has an empty one behind it."""
        lines, column = [[]], 0
        for each in "".join(self.written):
            if each == "\r":
                column = 0
            elif each == "\n":
                lines.append([])
                column = 0
            else:
                cells = cell_len(each)
                if column + cells > self.columns:
                    lines.append([])
                    column = 0
                line = lines[-1]
                line.extend([" "] * (column + cells - len(line)))
                line[column : column + cells] = [each, *[""] * (cells - 1)]
                column += cells
        return ["".join(line).rstrip() for line in lines]


class Task:
    """A task on a screen, with a clock that a test moves."""

    def __init__(self, name="evaluating net-int8", **screen):
        self.screen, self.now = Screen(**screen), 100.0
        self.line = TaskLine(self.screen, name, lambda: self.now)

    def at(self, second, *step):
        """Say how far it is, or without a step let it tick."""
        self.now = 100.0 + second
        self.line(*step) if step else self.line.tick()
        return self

    def end(self, second):
        self.now = 100.0 + second
        self.line.end()
        return self.screen.lines()


@pytest.mark.parametrize("rewrites", [True, False])
@pytest.mark.parametrize("keeps", [True, False])
def test_what_takes_less_than_a_second_is_not_shown(rewrites, keeps):
    task = Task(rewrites=rewrites, keeps=keeps).at(0.5, 1, 2).at(0.99, 2, 2).at(0.99)
    assert task.end(0.999) == [""]
    assert not task.screen.written


def test_plain_lines_come_every_five_seconds():
    task = Task(rewrites=False)
    for second in range(13):
        task.at(second, second, 20, f"part {second}")
    assert task.end(12.5) == [
        "evaluating net-int8: 1 of 20, now part 1, about 19 s left",
        "evaluating net-int8: 6 of 20, now part 6, about 14 s left",
        "evaluating net-int8: 11 of 20, now part 11, about 9 s left",
        "evaluating net-int8: done in 12.5 s",
        "",
    ]
    assert task.screen.first == [True, False, False, False]


def test_a_terminal_is_not_written_to_more_often_than_can_be_read():
    task = Task(rewrites=True)
    for step in range(1000):
        task.at(1 + step / 1000, step, 1000)
    assert len(task.screen.written) in {5, 6}


def test_a_task_that_says_nothing_shows_how_long_it_takes():
    task = Task("converting", rewrites=False)
    for second in range(13):
        task.at(second)
    assert task.screen.lines() == [f"converting: {second} s so far" for second in (1, 6, 11)] + [""]


def test_what_was_said_just_now_stands_alone_and_ages():
    task = Task("contest of net-int8", rewrites=True).at(3, 0, 0, "24 groups, at most 2 s left")
    assert task.screen.lines() == ["contest of net-int8: 24 groups, at most 2 s left"]
    assert task.at(4).screen.lines() == ["contest of net-int8: 24 groups, at most 2 s left, 4 s so far"]


def test_a_long_step_shows_what_is_done_in_it():
    task = Task("converting", rewrites=True).at(0.0, 0, 3, "net-int8").at(3)
    assert task.screen.lines() == ["converting: 0 of 3, now net-int8, 3 s so far"]


def test_the_time_left_goes_down_while_nothing_is_reported_and_is_not_said_beyond_that():
    task = Task(rewrites=True).at(4, 2, 4).at(6)
    assert task.screen.lines() == ["evaluating net-int8: 2 of 4, about 2 s left"]
    task.at(9)
    assert task.screen.lines() == ["evaluating net-int8: 2 of 4, 9 s so far"]


def test_nothing_is_left_when_all_is_done():
    task = Task(rewrites=False).at(4, 4, 4)
    assert task.screen.lines()[0] == "evaluating net-int8: 4 of 4"


def test_a_line_over_a_longer_one_leaves_nothing_of_it():
    task = Task(rewrites=True).at(2, 0, 0, "something long \u6a21\u578b\u6a21\u578b").at(3, 0, 0, "short")
    assert task.screen.lines() == ["evaluating net-int8: short"]
    assert task.end(4) == ["evaluating net-int8: done in 4.0 s", ""]


def test_a_command_leaves_nothing_on_a_terminal():
    task = Task(rewrites=True, keeps=False).at(2, 1, 4, "CONV_2D")
    assert task.end(3) == [""]
    assert task.screen.written[-1].endswith("\r")


@pytest.mark.parametrize("columns", [1, 2, 3, 10, 40, 80])
@pytest.mark.parametrize(
    "name", ["contest of net-int8", "contest of " + "long-" * 40, "\u6a21\u578b" * 30, "e\u0301" * 50]
)
def test_a_rewritten_line_never_wraps(columns, name):
    task = Task(name, rewrites=True, columns=columns)
    for second, doing in enumerate(["24 groups, ratio 1.02, at most 34 s left", "\u91cf\u5316" * 50, "\u91cf", ""], 1):
        task.at(second, 0, 0, doing)
        assert len(task.screen.lines()) == 1
    assert len(task.end(9)) == 2


def test_a_long_name_is_cut_before_how_far_its_task_is():
    task = Task("evaluating " + "long-" * 40, rewrites=True, columns=60).at(2, 10, 20)
    assert task.screen.lines() == ["evaluating long-long-long-long...: 10 of 20, about 2 s left"]
    narrow = Task("contest of mobilenet-v3-int8", rewrites=True, columns=40).at(2, 0, 0, "24 groups, ratio 1.020, 45%")
    assert narrow.screen.lines() == ["contest of...: 24 groups, ratio 1.02..."]


@pytest.mark.parametrize("rewrites", [True, False])
def test_what_an_encoding_lacks_is_replaced_by_something_as_wide(rewrites):
    task = Task("evaluating \u6a21\u578b-\u00e9", rewrites=rewrites, encoding="cp1252").at(2, 1, 2, "\u2713")
    assert task.screen.lines()[0] == "evaluating ??-\u00e9: 1 of 2, now ?, about 2 s left"


@pytest.mark.parametrize("rewrites", [True, False])
def test_a_name_moves_no_cursor(rewrites):
    task = Task("evaluating a\x1b[2J\rb", rewrites=rewrites).at(2, 1, 2, "c\nd")
    assert task.screen.lines()[0] == "evaluating a\\x1b[2J\\rb: 1 of 2, now c\\nd, about 2 s left"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("is_terminal", "term", "rewrites"),
    [
        (True, "xterm", True),
        (True, None, True),
        (True, "dumb", False),
        (False, "xterm", False),
    ],
)
def test_only_a_terminal_that_can_is_written_over(monkeypatch, is_terminal, term, rewrites):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", term) if term else monkeypatch.delenv("TERM", raising=False)
    assert can_rewrite(is_terminal=is_terminal) == rewrites


def _on_a_console(monkeypatch, stream):
    """What a command writes of a task with one step."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "SILENT_S", 0)
    with ConsoleProgress(Console(file=stream, width=80)).task("explaining net-int8", timed=True) as report:
        report(1, 4, "CONV_2D int8")
        shown = stream.getvalue()
    return shown, stream.getvalue()


def test_a_command_shows_what_is_done_on_a_terminal_and_wipes_it_out(monkeypatch):
    shown, after = _on_a_console(monkeypatch, Terminal())
    assert shown.startswith("\rexplaining net-int8: 1 of 4, now CONV_2D int8")
    assert after.endswith("\r")
    assert "\n" not in after


def test_colours_that_are_forced_do_not_make_a_file_a_terminal(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown, after = _on_a_console(monkeypatch, io.StringIO())
    assert shown == after
    assert after.startswith("explaining net-int8: 1 of 4, now CONV_2D int8")
    assert after.endswith("\n")
    assert not {"\r", "\x1b"} & set(after)


def test_a_task_ticks_while_it_says_nothing_unless_something_is_timed_in_it(monkeypatch):
    monkeypatch.setattr(progress, "TICK_S", 0.001)
    monkeypatch.setattr(progress, "SILENT_S", 0)
    monkeypatch.setattr(progress, "PLAIN_S", 0)
    ours, theirs = os.pipe()
    with os.fdopen(ours) as reading, os.fdopen(theirs, "w") as stream:
        shows = ConsoleProgress(Console(file=stream))
        with shows.task("a contest", timed=True):
            assert "qbench progress" not in {each.name for each in threading.enumerate()}
        with shows.task("converting"):
            # However long it takes until it comes; the task says nothing by itself.
            assert reading.readline() == "converting: 0 s so far\n"
