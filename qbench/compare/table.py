"""A comparison on a terminal: one table of both files, sentences, and how it ended. Record in, text out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from qbench.compare.pair import BASELINE
from qbench.judge.metrics import ACCURACY, AGREEMENT, CONVERSIONS, FLOAT_ISLANDS, LATENCY, SPEEDUP, UNDELEGATED
from qbench.report.amounts import format_amount
from qbench.report.plain_text import plain
from qbench.report.wording import format_value, sentences
from qbench.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rich.console import Console

    from qbench.run_record import RunRecord, SubjectRecord, VerdictRecord

#: What the table shows whether or not it is judged.
_ALWAYS = (
    *("size_bytes", ACCURACY, AGREEMENT, "flips", "sqnr_db", LATENCY),
    *(FLOAT_ISLANDS, CONVERSIONS, UNDELEGATED, "integer_compute"),
)
_HIDDEN = frozenset({f"{SPEEDUP}_low", f"{SPEEDUP}_high"})
_DROP = "_drop"

#: Where a verdict on a whole kind of measurement stands.
_ROWS_OF_KIND = {
    "size": ("size_bytes",),
    "structure": (FLOAT_ISLANDS, CONVERSIONS, UNDELEGATED, "integer_compute"),
    "latency": (LATENCY,),
}


def print_comparison(record: RunRecord, names: tuple[str, str], console: Console, *, verbose: bool = False) -> None:
    """Print a table of both files, a sentence for each verdict that is not green, and the headline.

    Parameters
    ----------
    names
        Of the baseline and of the candidate, as the user gave them.
    verbose
        Whether all metrics are listed, and green verdicts get their sentence too.
    """
    accepted, judged = record.subjects
    for word, name, subject in zip(("baseline ", "candidate"), names, record.subjects, strict=True):
        console.print(Text(f"{word}  {plain(name)}  {subject.artifact_sha256[:12] or '(unusable)'}"))
    console.print(_table(record, accepted, judged, verbose=verbose))
    if verbose or accepted.recipe == BASELINE:  # Of a float baseline, quantizing replaces every operator.
        for line in _operators(accepted, judged):
            console.print(Text(plain(line)))
    shown = [verdict for verdict in record.verdicts if verbose or not verdict.verdict.green]
    for word, text in sentences(shown):
        said = _with_names(text, record, names)
        console.print(Text(f"{word}: ", style=_style(word)).append(plain(said), style="default not bold"))
    for text in judged.causes.values():
        console.print(Text(plain(_with_names(text, record, names))))
    for text in record.power:
        console.print(Text("power: ", style="yellow").append(plain(text), style="default"))
    for text in record.notes:
        console.print(Text(plain(text)))
    style = {"pass": "bold green", "fail": "bold red"}.get(record.verdict, "bold yellow")
    console.print(Text(f"{record.verdict}: {record.headline}", style=style))


def _with_names(text: str, record: RunRecord, names: tuple[str, str]) -> str:
    """A sentence that calls files as the user does, and not as the subjects that stand for them."""
    for subject, name in zip(record.subjects, names, strict=True):
        text = text.replace(f"{subject.model}-{subject.recipe}", name)
    return text


def _style(verdict: Verdict) -> str:
    if verdict.green:
        return "green"
    return "bold red" if verdict in {Verdict.FAIL, Verdict.ERROR} else "yellow"


def _table(record: RunRecord, accepted: SubjectRecord, judged: SubjectRecord, *, verbose: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for name in ("baseline", "candidate", "change", "allowed"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    verdicts = _by_row(record.verdicts)
    for metric in _metrics(accepted, judged, verdicts, verbose=verbose):
        table.add_row(*_row(metric, accepted, judged, verdicts.get(metric)))
    return table


def _by_row(verdicts: Iterable[VerdictRecord]) -> dict[str, VerdictRecord]:
    """Verdicts by the metric whose row shows them, the worst first; one on a whole kind stands in all of its rows."""
    found: dict[str, VerdictRecord] = {}
    for verdict in verdicts:
        rows = _ROWS_OF_KIND.get(verdict.metric, (verdict.metric.removesuffix(_DROP),))
        for row in rows:
            found.setdefault(row, verdict)
    return found


def _metrics(
    accepted: SubjectRecord, judged: SubjectRecord, verdicts: Mapping[str, VerdictRecord], *, verbose: bool
) -> Iterator[str]:
    """What the table shows: what is judged, what is always of interest, and all of it if `verbose`."""
    found = dict.fromkeys([*accepted.metrics, *judged.metrics, *verdicts])
    order = dict.fromkeys([*_ALWAYS, *found])
    for metric in order:
        known = metric in found or (metric == LATENCY and judged.latency is not None)
        interesting = verbose or metric in verdicts or metric in _ALWAYS
        if known and interesting and metric not in _HIDDEN:
            yield metric


def _row(
    metric: str, accepted: SubjectRecord, judged: SubjectRecord, verdict: VerdictRecord | None
) -> tuple[str | Text, ...]:
    was, now = accepted.metrics.get(metric), judged.metrics.get(metric)
    change, allowed, word = "", "", Text("")
    if verdict is not None:
        word = Text(str(verdict.verdict), style=_style(verdict.verdict))
        change, allowed = _change(verdict), _allowed(verdict)
    if metric == LATENCY:
        was, now = _latency(accepted, judged, verdict)
    name = metric.removesuffix("_ns").removesuffix("_bytes")
    return plain(name), format_value(metric, was), format_value(metric, now), change, allowed, word


def _latency(
    accepted: SubjectRecord, judged: SubjectRecord, verdict: VerdictRecord | None
) -> tuple[float | None, float | None]:
    """Both latencies side by side where there was a contest, else as sampled one after the other."""
    contest = verdict.contest if verdict is not None else None
    if contest is not None and contest.baseline_ns is not None:
        return contest.baseline_ns, contest.candidate_ns
    return _median_ns(accepted), _median_ns(judged)


def _median_ns(subject: SubjectRecord) -> float | None:
    return None if subject.latency is None else subject.latency.median_ns


def _change(verdict: VerdictRecord) -> str:
    if verdict.contest is not None and verdict.contest.ratio is not None:
        low = "0" if verdict.contest.low is None else f"{verdict.contest.low:.3f}"
        high = "any" if verdict.contest.high is None else f"{verdict.contest.high:.3f}"
        return f"{verdict.contest.ratio:.3f}x ({low} to {high})"
    if verdict.now is None or verdict.reference is None or verdict.change is None:
        return ""
    difference = verdict.now - verdict.reference
    if difference == 0:
        return "0"
    sign = "+" if difference > 0 else "-"
    amount = format_amount(verdict.metric, abs(verdict.change), verdict.unit)
    return f"{sign}{amount}"


def _allowed(verdict: VerdictRecord) -> str:
    return "" if verdict.tolerance is None else format_amount(verdict.metric, verdict.tolerance, verdict.unit)


def _operators(accepted: SubjectRecord, judged: SubjectRecord) -> Iterator[str]:
    """Operators of which there are more or fewer than in the baseline, as a line."""
    names = sorted(accepted.operators.keys() | judged.operators.keys())
    counts = {name: (accepted.operators.get(name, 0), judged.operators.get(name, 0)) for name in names}
    changed = [f"{name} {was} to {now}" for name, (was, now) in counts.items() if was != now]
    if changed and accepted.operators and judged.operators:
        yield f"operators: {', '.join(changed)}"
