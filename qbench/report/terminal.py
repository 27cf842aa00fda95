"""The table and the sentences at the end of a run, for people at a terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from qbench.judge.metrics import verdict_kind
from qbench.records import Subject
from qbench.report.power import power_sentences
from qbench.report.wording import brief, details, format_size, format_time, sentence, sentences
from qbench.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import TextIO

    from qbench.verdicts import MetricVerdict, SubjectResult

_STYLES = {
    Verdict.PASS: "green",
    Verdict.UNCHANGED: "green",
    Verdict.IMPROVED: "cyan",
    Verdict.FAIL: "bold red",
    Verdict.ERROR: "bold red",
    Verdict.MISSING: "yellow",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.NOT_COMPARABLE: "yellow",
}

#: Below this width a row's name and its numbers do not fit beside each other.
_NARROW_COLUMNS = 100

_REFERENCE = "fp32"

#: Columns by which the second line of a paragraph and those below it are moved in.
_HANGING = 2


def render(
    results: Mapping[Subject, SubjectResult],
    verdicts: Sequence[MetricVerdict],
    *,
    width: int,
    colour: bool,
    verbose: bool,
    quiet: bool = False,
    stream: TextIO,
) -> None:
    """Print the table of a run, and a sentence for all that a reader has to know: verdicts, and what they cannot tell.

    Parameters
    ----------
    width
        Columns of the terminal.
    verbose
        Whether everything that was measured is listed, green verdicts get their sentence too, and all of them their
        whole evidence.
    quiet
        Whether nothing is printed but what is not green.
    """
    console = Console(
        file=stream, width=width, force_terminal=colour, no_color=not colour, highlight=False, soft_wrap=False
    )
    if not quiet:
        console.print(_table(results, verdicts, narrow=width < _NARROW_COLUMNS))
    for result in results.values() if verbose else ():
        console.print(Text(details(result)))
    shown = [verdict for verdict in verdicts if verbose or not verdict.verdict.green]
    shown.sort(key=lambda verdict: list(Verdict).index(verdict.verdict))
    failed = [verdict for verdict in shown if verdict.verdict == Verdict.FAIL]
    said = sentence if verbose else brief
    for word, text in sentences(failed, said):
        _hang(console, f"{word}: ", _STYLES[word], text)
    for label, cause in _causes(results, failed):
        _hang(console, f"{label}: ", "bold", cause)
    for word, text in sentences(shown[len(failed) :], said):
        _hang(console, f"{word}: ", _STYLES[word], text)
    for text in () if quiet else power_sentences(verdicts):
        _hang(console, "power: ", "yellow", text)


def _causes(results: Mapping[Subject, SubjectResult], failed: Sequence[MetricVerdict]) -> Iterator[tuple[str, str]]:
    """Why something failed, with a label that says what."""
    kinds = {(verdict.subject, verdict_kind(verdict.metric)) for verdict in failed}
    for subject, result in results.items():
        for kind, cause in result.causes.items():
            if (subject, kind) in kinds:
                yield f"why {subject.id} {kind}", cause.removeprefix("Why: ")


def _hang(console: Console, label: str, style: str, text: str) -> None:
    """Print a paragraph, its first word in colour and its other lines two columns in."""
    paragraph = Text(label, style=style).append(text, style="default not bold")
    for number, line in enumerate(paragraph.wrap(console, console.width - _HANGING)):
        line.rstrip()
        console.print(Text(" " * _HANGING * bool(number)).append_text(line))


def headline(verdicts: Sequence[MetricVerdict]) -> str:
    """How many verdicts of each kind there are, the worst first."""
    counted = Counter(verdict.verdict for verdict in verdicts)
    return ", ".join(f"{counted[verdict]} {verdict}" for verdict in Verdict if counted[verdict])


def _table(results: Mapping[Subject, SubjectResult], verdicts: Sequence[MetricVerdict], *, narrow: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", collapse_padding=narrow)
    table.add_column("model, recipe", overflow="fold", no_wrap=not narrow)
    for name in ("size", "accuracy", "latency"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("vs fp32" if narrow else "size and latency vs fp32", justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold", min_width=11)
    by_subject: dict[Subject, list[MetricVerdict]] = {}
    for verdict in verdicts:
        by_subject.setdefault(verdict.subject, []).append(verdict)
    model = ""
    for subject in sorted(dict.fromkeys([*results, *by_subject]), key=_by_model(results, by_subject)):
        if subject.model != model:
            model = subject.model
            table.add_row(Text(model, style="bold"))
        result = results.get(subject)
        reference = results.get(Subject(model=subject.model, recipe=_REFERENCE))
        table.add_row(
            Text(f"  {subject.recipe}"),
            *_cells(result, reference),
            _verdict_cell(by_subject.get(subject, []), measured=bool(result)),
        )
    return table


def _by_model(*mappings: Mapping[Subject, object]) -> Callable[[Subject], int]:
    """A sort key that keeps the given order and brings the recipes of a model together."""
    models = list(dict.fromkeys(subject.model for mapping in mappings for subject in mapping))
    return lambda subject: models.index(subject.model)


def _cells(result: SubjectResult | None, reference: SubjectResult | None) -> tuple[str, ...]:
    if result is None:
        return ("-", "-", "-", "-")
    size, accuracy = result.metrics.get("size_bytes"), result.metrics.get("accuracy")
    latency = result.latency.median_ns if result.latency else None
    float_size = reference.metrics.get("size_bytes") if reference else None
    float_latency = reference.latency.median_ns if reference and reference.latency else None
    return (
        "-" if size is None else format_size(size),
        "-" if accuracy is None else f"{accuracy:.4f}",
        "-" if latency is None else format_time(latency),
        f"{_ratio(size, float_size)} {_ratio(latency, float_latency)}",
    )


def _ratio(value: float | None, reference: float | None) -> str:
    return "    -" if value is None or not reference else f"{value / reference:.2f}x"


def _verdict_cell(verdicts: Iterable[MetricVerdict], *, measured: bool) -> Text:
    """Each verdict once, the worst first, with the metrics it is about; of the green ones the least alone."""
    cell = Text()
    by_verdict: dict[Verdict, list[str]] = {}
    for verdict in verdicts:
        by_verdict.setdefault(verdict.verdict, []).append(_short(verdict.metric))
    ordered = sorted(by_verdict, key=list(Verdict).index)
    green = [word for word in ordered if word.green]
    for word in [word for word in ordered if not word.green] + green[:1]:
        if cell:
            cell.append(", ")
        names = "" if word.green else f" ({' '.join(dict.fromkeys(by_verdict[word]))})"
        cell.append(f"{word}{names}", style=_STYLES[word])
    return cell or Text("measured" if measured else "-", style="dim")


def _short(metric: str) -> str:
    return metric.removesuffix("_ns").removesuffix("_bytes")
