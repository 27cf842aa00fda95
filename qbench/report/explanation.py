"""A diagnosis as sentences and tables: for a terminal, for a page, and as the one line of a failing test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.text import Text

from qbench.diagnose.evidence.slowdown import is_floor
from qbench.report.operator_table import COLUMNS, LEGEND, kernel_rows, operator_rows, print_rows
from qbench.report.wording import format_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from qbench.diagnose.evidence.records import OperatorTime
    from qbench.diagnose.records import Diagnosis, Finding
    from qbench.report.operator_table import Rows

#: Below this, a cause is worth knowing and no reason to act.
ALARMING = 0.25
_MOST_OPERATORS = 8
_MOST_RANGES, _MOST_NAMES = 3, 3
#: Of a sum of times, the share that may be what the profiler cannot tell from nothing.
_FLOORS = 0.1
NOTHING = "nothing stands out"


def headline(diagnosis: Diagnosis) -> str:
    """The worst cause in one sentence; that nothing stands out if there is none, of what there was time for."""
    left = _left(diagnosis)
    if not diagnosis.findings:
        return f"{left}; else {NOTHING}: {_split(diagnosis)}." if left else f"{NOTHING}: {_split(diagnosis)}."
    worst = diagnosis.findings[0]
    cause = f"{worst.where}: {worst.cause}: {worst.evidence}"
    if worst.severity >= ALARMING:
        return f"{cause}; {left}." if left else f"{cause}."
    return f"{f'{left}; else ' if left else ''}nothing alarming; the largest is {cause}."


def print_diagnosis(diagnosis: Diagnosis, console: Console, *, verbose: bool = False) -> None:
    """Print causes in order, then what they were found by; all operators and kernels if `verbose`."""
    console.print(Text(_title(diagnosis), style="bold"))
    for line in _overview(diagnosis):
        console.print(Text(line))
    console.print()
    if not diagnosis.findings:
        console.print(Text(_no_causes(diagnosis), style="" if diagnosis.out_of_time else "green"))
    for number, finding in enumerate(diagnosis.findings, 1):
        style = "bold red" if finding.severity >= ALARMING else "bold"
        console.print(Text(f"{number}. {finding.cause}: {finding.where}", style=style))
        console.print(Padding(Text(f"{_sentence(finding.evidence)}\nTry: {_sentence(finding.advice)}"), (0, 0, 0, 3)))
    for title, rows in _tables(diagnosis, verbose=verbose):
        console.print()
        console.print(Text(title, style="bold"))
        print_rows(rows, console)
        if rows[0] == COLUMNS:
            console.print(Text(f"{LEGEND}.", style="dim"))
    console.print()
    for remark in _remarks(diagnosis, verbose=verbose):
        console.print(Text(remark))


def markdown(diagnosis: Diagnosis) -> str:
    """The same as a page in Markdown, with all operators."""
    lines = [f"**{_title(diagnosis)}**", "", *(f"- {line}" for line in _overview(diagnosis)), ""]
    if not diagnosis.findings:
        lines.append(_no_causes(diagnosis))
    lines += [_markdown_finding(number, finding) for number, finding in enumerate(diagnosis.findings, 1)]
    for title, (names, rows) in _tables(diagnosis, verbose=True):
        lines += ["", f"**{title}**", "", _line(names), _line(["---"] * len(names)), *(_line(row) for row in rows)]
        lines += ["", f"{LEGEND}."] if names == COLUMNS else []
    remarks = [f"- {remark}" for remark in _remarks(diagnosis, verbose=True)]
    return "\n".join([*lines, "", *remarks]).rstrip() + "\n"


def _title(diagnosis: Diagnosis) -> str:
    return f"{diagnosis.subject.recipe} of {diagnosis.subject.model} against its float model"


def _overview(diagnosis: Diagnosis) -> Iterator[str]:
    yield f"{_split(diagnosis)}."
    flip = f", {diagnosis.flips:,} of which flip" if diagnosis.evaluated else ""
    yield f"{diagnosis.examples:,} examples looked at closely{flip}."
    if diagnosis.times:
        both = _is_told(diagnosis.times) and _is_told(diagnosis.float_times)
        against = f", {_total(diagnosis.float_times)} in float" if both else ""
        yield f"Time in operators: {_total(diagnosis.times)} for an example{against}."
    if diagnosis.changes:
        yield f"Since it was accepted: {'; '.join(diagnosis.changes)}."


def _split(diagnosis: Diagnosis) -> str:
    """What quantization flips, and what other kernels do with the same artifact."""
    if not diagnosis.classes:
        return f"no row of classes: nothing flips{_off_by(diagnosis)}"
    if not diagnosis.evaluated:
        return f"quantization: nobody compared predictions{_off_by(diagnosis)}"
    flips = f"quantization: {diagnosis.evaluated_flips:,} of {diagnosis.evaluated:,} predictions flip"
    if not diagnosis.families:
        return flips
    worst = max(diagnosis.families, key=lambda family: family.flips)
    where = f" ({worst.family})" if worst.flips else ""
    return f"{flips}; kernels: {worst.flips:,} of {worst.examples:,} flip on others{where}"


def _off_by(diagnosis: Diagnosis) -> str:
    """How far the output is from the float model's, as the end of a sentence."""
    error = diagnosis.output_error
    if error is None:
        return ""
    steps = "" if error.rmse_in_steps is None else f", {error.rmse_in_steps:.3g} steps"
    below = "" if error.sqnr_db is None else f", {error.sqnr_db:.0f} dB below the values"
    return f"; its output is off by {error.rmse:.3g} (rms{steps}{below})"


def _no_causes(diagnosis: Diagnosis) -> str:
    left = _left(diagnosis)
    return f"Causes: {left}; else {NOTHING}." if left else f"Causes: {NOTHING}."


def _left(diagnosis: Diagnosis) -> str:
    """What was not looked at because the time was over, as a clause; empty if nothing was left."""
    return f"{' and '.join(diagnosis.out_of_time)} not looked at: no time" if diagnosis.out_of_time else ""


def _is_told(times: Sequence[OperatorTime]) -> bool:
    """Whether a sum of times says something: not one of what the profiler cannot tell from nothing."""
    floors = sum(each.nanoseconds for each in times if is_floor(each))
    return bool(times) and floors <= _FLOORS * sum(each.nanoseconds for each in times)


def _total(times: Sequence[OperatorTime]) -> str:
    if _is_told(times):
        return format_time(sum(each.nanoseconds for each in times))
    return f"<{format_time(sum(2 * each.resolution_ns if is_floor(each) else each.nanoseconds for each in times))}"


def _tables(diagnosis: Diagnosis, *, verbose: bool) -> Iterator[tuple[str, Rows]]:
    if diagnosis.operators:
        most = len(diagnosis.operators) if verbose else _MOST_OPERATORS
        shown = min(most, len(diagnosis.operators))
        which = "All" if shown == len(diagnosis.operators) else f"The {shown} worst of {len(diagnosis.operators)}"
        yield f"{which} operators", operator_rows(diagnosis, most)
    if verbose and diagnosis.times:
        yield "Kernels that ran", kernel_rows(diagnosis)


def _remarks(diagnosis: Diagnosis, *, verbose: bool) -> Iterator[str]:
    calibration = diagnosis.calibration
    if calibration is not None:
        text = f"Calibration: {calibration.examples:,} examples, {calibration.digest[:12]}"
        if calibration.ranges:
            worst = calibration.ranges[0]
            text += f"; ranges move by up to {worst.moved_by_subset:.0%} from one half to the other"
        yield f"{text}."
        for each in calibration.ranges[: _MOST_RANGES if verbose else 0]:
            yield (
                f"  {each.tensor.partition(';')[0]}: {each.low:.4g}..{each.high:.4g}, moves by "
                f"{each.moved_by_subset:.0%} by subset, by {each.moved_by_order:.0%} by order of a moving average"
            )
    natural = [name for name in diagnosis.undelegated if name not in diagnosis.fallen]
    if natural:
        more = f" and {len(natural) - _MOST_NAMES} more" if natural[_MOST_NAMES:] else ""
        yield f"Not in the delegate, which takes nothing like it: {', '.join(natural[:_MOST_NAMES])}{more}."
    for unmatched in diagnosis.unmatched:
        yield f"Not compared: {unmatched}"
    for note in diagnosis.notes:
        yield f"Not known: {note}"


def _sentence(clause: str) -> str:
    return f"{clause[:1].upper()}{clause[1:]}."


def _markdown_finding(number: int, finding: Finding) -> str:
    return (
        f"{number}. **{finding.cause}: {finding.where}**  \n   {_sentence(finding.evidence)}  \n"
        f"   Try: {_sentence(finding.advice)}"
    )


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
