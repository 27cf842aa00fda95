"""The history of a model as tables and sentences, for a terminal of 80 columns or more."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.table import Table
from rich.text import Text

from qbench.judge.change_points import FEWEST_VALUES
from qbench.judge.gate import worsening
from qbench.records import Subject
from qbench.report.amounts import format_amount, with_unit
from qbench.report.drift import drift_sentence
from qbench.report.plain_text import plain
from qbench.report.wording import format_time, format_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from qbench.baseline.history import AcceptedChange
    from qbench.history.records import HistoryRecord, SubjectHistory
    from qbench.records import Metric

#: Shown where no metric is asked for.
_OVERVIEW = ("size_bytes", "accuracy")
_COMMIT_DIGITS = 10
_MOST_AUTHOR = 14
_LEAST_REASON = 10
#: Between two columns.
_GAP = 2


def print_history(record: HistoryRecord, console: Console, *, metric: str, folder: str) -> None:
    """Print one table for each subject, and below it what has drifted and what else is to be said.

    Parameters
    ----------
    metric
        The one to show with its steps; empty for an overview.
    folder
        Of the baselines, as a command in the project names it.
    """
    for number, history in enumerate(record.subjects):
        if number:
            console.print()
        console.print(Text(_headline(history), style="bold"))
        if history.changes:
            console.print(
                _of_metric(history, record.metrics[metric], width=console.width)
                if metric
                else _overview(history, width=console.width)
            )
        for word, sentence in _sentences(record, history):
            console.print(
                Text(f"{word}: ", style="bold red" if word == "drift" else "yellow").append(sentence, "default")
            )
        for line in _commands(history, folder):
            # Lines to be copied must not be wrapped.
            console.print(Text(line), soft_wrap=True)


def _headline(history: SubjectHistory) -> str:
    shown = history.changes[history.shown_from :]
    name = f"{history.model}, {history.recipe}"
    if not shown:
        return f"{name}: nothing was accepted yet"
    count = "1 accepted change" if len(shown) == 1 else f"{len(shown)} accepted changes"
    days = dict.fromkeys((shown[0].committed_on, shown[-1].committed_on))
    return f"{name}: {count}, {' to '.join(days)}"


def _overview(history: SubjectHistory, *, width: int) -> Table:
    names = [name for name in _OVERVIEW if any(name in change.metrics for change in history.changes)]
    rows = [
        [*_who(change), *(format_value(name, change.metrics.get(name)) for name in names), _reason(change)]
        for change in history.changes[history.shown_from :]
    ]
    return _table([name.removesuffix("_bytes") for name in names], rows, width=width)


def _of_metric(history: SubjectHistory, metric: Metric, *, width: int) -> Table:
    """Each value with the step that led to it, and how far it is from the anchor; + is worse."""
    drift = next((drift for drift in history.drifts if drift.metric.name == metric.name), None)
    rows = []
    before: float | None = None
    for number, change in enumerate(history.changes):
        value = change.metrics.get(metric.name)
        step = _worse(metric, value, before)
        since = _worse(metric, value, drift.reference) if drift and number > drift.anchor else ""
        if drift and number == drift.anchor:
            since = "anchor"
        before = value if value is not None else before
        if number >= history.shown_from:
            shown = with_unit(metric.name, _exact(metric, value), metric.unit)
            rows.append([*_who(change), shown, step, since, _reason(change)])
    return _table([metric.name, "step", "drift"], rows, width=width)


def _table(metrics: list[str], rows: list[list[str]], *, width: int) -> Table:
    """A table of commit, day, author, metrics and reason; only the reason is shortened where there is no room."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    names = ["commit", "day", "who", *metrics]
    room = width
    for number, name in enumerate(names):
        table.add_column(name, justify="right" if name in metrics else "left", no_wrap=True)
        room -= max(cell_len(text) for text in [name, *(row[number] for row in rows)]) + _GAP
    table.add_column("reason", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, [*row[:-1], _shortened(row[-1], max(room, _LEAST_REASON))]))
    return table


def _shortened(text: str, cells: int) -> str:
    return text if cell_len(text) <= cells else f"{set_cell_size(text, cells - 1).rstrip()}…"


def _who(change: AcceptedChange) -> tuple[str, str, str]:
    author = plain(change.author) or "-"
    return (
        change.commit[:_COMMIT_DIGITS] or "(not yet)",
        change.committed_on,
        _shortened(author, _MOST_AUTHOR),
    )


def _reason(change: AcceptedChange) -> str:
    return plain(" ".join(change.reason.split()))


def _exact(metric: Metric, value: float | None) -> str:
    """A value to the last digit: steps of a few bytes are what drift is made of."""
    return f"{value:,.0f}" if value is not None and metric.unit == "B" else format_value(metric.name, value)


def _worse(metric: Metric, now: float | None, before: float | None) -> str:
    if now is None or before is None:
        return ""
    change = worsening(metric, now=now, reference=before)
    if change == 0:
        return "="
    return f"{'+' if change > 0 else '-'}{format_amount(metric.name, abs(change), metric.unit).removesuffix(' points')}"


def _sentences(record: HistoryRecord, history: SubjectHistory) -> Iterator[tuple[str, str]]:
    subject = Subject(model=history.model, recipe=history.recipe)
    for drift in history.drifted:
        limit = format_amount(drift.metric.name, drift.limit, drift.metric.unit)
        whose = "declared" if drift.declared else "three times the tolerance of a step"
        said = drift_sentence(subject, drift, history.changes)
        if began := history.began.get(drift.metric.name):
            change = history.changes[began]
            said += f" Changes make it worse faster than before since {change.label} of {change.committed_on}."
        yield "drift", f"{said} Its limit is {limit} ({whose})."
    for level in history.levels:
        first, last = history.changes[level.first], history.changes[level.last]
        span = f"{first.label} to {last.label}" if level.first != level.last else first.label
        yield "latency", f"{format_time(level.median_ns)} on {plain(level.cpu)} ({level.fingerprint}), {span}."
    if history.drifted and not record.change_points and len(history.changes) > FEWEST_VALUES:
        yield "note", "where drift began is not looked for: install qbench[history]"
    for note in (*history.notes, *filter(None, [history.gap])):
        yield "note", f"{plain(note)}."


def _commands(history: SubjectHistory, folder: str) -> Iterator[str]:
    """How to hold the anchor's artifact against the last: a latency, above all, is judged by running both."""
    drifted = history.drifted
    if not drifted:
        return
    anchor, last = history.changes[drifted[0].anchor], history.changes[-1]
    if not anchor.commit or anchor.artifact_sha256 == last.artifact_sha256:
        return
    path = shlex.quote(f"{anchor.commit[:_COMMIT_DIGITS]}:./{folder}/artifacts/{anchor.artifact_sha256}.tflite")
    yield "Side by side with the anchor's artifact, latency too:"
    yield f"    git show {path} > anchor.tflite"
    yield f"    qbench compare anchor.tflite {shlex.quote(f'{folder}/artifacts/{last.artifact_sha256}.tflite')}"
