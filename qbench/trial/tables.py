"""A trial as tables and sentences, for people at a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from qbench.trial.summary import Share, counted, summarize, summarize_stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from qbench.trial.records import Trial
    from qbench.trial.summary import Row, Seconds

_WRONG, _RIGHT = "bold red", "green"


def print_trial(trial: Trial, console: Console, *, verbose: bool) -> None:
    """Print what a trial found: by noise and slowdown, then stored runs beside it, then the sums.

    Parameters
    ----------
    verbose
        Whether contests are also listed by subject, and what the other clock would have found.
    """
    settings = trial.settings
    rows = summarize(trial)
    console.print(
        f"Contests of {counted(len(settings.subjects), 'subject')}, tolerance {_percent(settings.tolerance)}, "
        f"alpha {settings.alpha:g}, limit {settings.limit_s:g} s, seed {settings.seed}"
    )
    console.print(_contests(rows))
    if verbose:
        console.print(_contests(summarize(trial, by_subject=True)))
        console.print(_other_clock(trial))
    if trial.stored:
        console.print(
            f"\nStored runs of {settings.stored_s:g} s of the same subjects in the same minutes, each against the one "
            "before it"
        )
        console.print(_stored(trial))
    console.print()
    for sentence in sentences(rows):
        console.print(sentence)


def sentences(rows: Sequence[Row]) -> list[Text]:
    """False alarms, misses and undecided contests of all rows together."""
    tolerated, slowed = [row for row in rows if row.tolerated], [row for row in rows if not row.tolerated]
    said = []
    if tolerated:
        alarms = _sum(row.slower for row in tolerated)
        said.append(Text(f"False alarms: {share_text(alarms)}", style=_WRONG if alarms.count else _RIGHT))
    if slowed:
        misses = _sum(row.not_slower for row in slowed)
        said.append(Text(f"Misses: {share_text(misses)}", style=_WRONG if misses.count else _RIGHT))
        said.append(Text(f"Caught: {share_text(_sum(row.slower for row in slowed))}"))
    undecided = _sum(row.inconclusive for row in rows)
    said.append(Text(f"Inconclusive: {share_text(undecided)}"))
    if faster := [row for row in rows if row.faster.count]:
        said.append(Text(f"Found faster, and never is: {share_text(_sum(row.faster for row in faster))}", style=_WRONG))
    return said


def share_text(share: Share) -> str:
    """Such as ``3 of 300, 1.0% (0.2..2.9%)``."""
    low, high = share.interval
    return f"{share.count} of {share.of}, {share.rate * 100:.1f}% ({low * 100:.1f}..{high * 100:.1f}%)"


def _contests(rows: Sequence[Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    by_subject = any(row.subject for row in rows)
    for name in ("subject", "noise") if by_subject else ("noise",):
        table.add_column(name, no_wrap=True)
    names = ("slowdown", "contests", "slower", "not slower", "inconclusive", "groups", "seconds", "with start")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            *((row.subject, row.noise) if by_subject else (row.noise,)),
            _percent(row.slowdown),
            str(row.slower.of),
            _cell(row.slower, wrong=row.tolerated),
            _cell(row.not_slower, wrong=not row.tolerated),
            _cell(row.inconclusive, wrong=False),
            f"{row.groups:g}",
            _span(row.without_start),
            _span(row.with_start),
        )
    table.caption = "in brackets: exact 95% intervals; seconds per contest: median, 95th percentile"
    table.caption_justify = "left"
    return table


def _other_clock(trial: Trial) -> Table:
    """How often the clock that a contest did not use agrees with what it found."""
    table = Table(box=None, pad_edge=False)
    table.add_column("subject", no_wrap=True)
    for name in ("clock", "groups", "above", "above on the other", "same finding", "none yet", "opposite"):
        table.add_column(name, justify="right", no_wrap=True)
    for subject in trial.settings.subjects:
        for clock in ("cpu", "wall"):
            chosen = [each for each in trial.contests if (each.subject, each.clock) == (subject, clock)]
            if not chosen:
                continue
            groups = sum(each.groups for each in chosen)
            same = sum(each.other_clock_finding == each.finding for each in chosen)
            none = sum(each.other_clock_finding == "inconclusive" != each.finding for each in chosen)
            table.add_row(
                subject,
                clock,
                str(groups),
                _percent(Share(sum(each.above for each in chosen), groups).rate),
                _percent(Share(sum(each.other_above for each in chosen), groups).rate),
                *(str(count) for count in (same, none, len(chosen) - same - none)),
            )
    return table


def _stored(trial: Trial) -> Table:
    table = Table("noise", box=None, pad_edge=False)
    table.add_column("slowdown", justify="right")
    table.add_column("says that it became slower if", no_wrap=True)
    table.add_column("slower", justify="right", no_wrap=True)
    table.add_column("wrong", justify="right", no_wrap=True)
    for row in summarize_stored(trial):
        kind = "false alarms" if row.tolerated else "misses"
        table.add_row(
            row.noise,
            _percent(row.slowdown),
            row.name,
            f"{row.slower.count} of {row.slower.of}",
            Text(f"{kind}: {share_text(row.wrong)}", style=_WRONG if row.wrong.count else _RIGHT),
        )
    return table


def _cell(share: Share, *, wrong: bool) -> Text:
    low, high = share.interval
    return Text(f"{share.count} ({low * 100:.1f}..{high * 100:.1f}%)", style=_WRONG if wrong and share.count else "")


def _span(seconds: Seconds) -> str:
    return f"{seconds.median:.2f}, {seconds.p95:.2f}"


def _percent(share: float) -> str:
    return f"{share * 100:.3g}%"


def _sum(shares: Iterable[Share]) -> Share:
    listed = list(shares)
    return Share(sum(share.count for share in listed), sum(share.of for share in listed))
