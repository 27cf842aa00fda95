"""Progress of long work on a console."""

from __future__ import annotations

import io

from rich.console import Console

from qbench.report.progress import ConsoleProgress


def shown(*, terminal):
    stream = io.StringIO()
    progress = ConsoleProgress(Console(file=stream, force_terminal=terminal, width=80))
    with progress.task("explaining net-int8") as report:
        report(1, 4, "CONV_2D int8")
    return stream.getvalue()


def test_a_terminal_shows_what_is_done_and_how_far_it_is():
    text = shown(terminal=True)
    assert "explaining net-int8: CONV_2D int8" in text
    assert "25%" in text


def test_where_nothing_can_be_rewritten_nothing_is_written():
    assert shown(terminal=False) == ""
