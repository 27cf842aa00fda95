"""Operators of a diagnosis as rows of text: their errors, and the kernels that ran them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from qbench.diagnose.causes.operator_evidence import named
from qbench.diagnose.evidence.slowdown import time_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console, JustifyMethod

    from qbench.diagnose.evidence.records import OperatorTime
    from qbench.diagnose.operators.records import OperatorReport, TensorError
    from qbench.diagnose.records import Diagnosis

    #: Names of columns, and the cells below them.
    Rows = tuple[list[str], list[list[str]]]

_NAME = "operator"
COLUMNS = ["#", _NAME, "alone", "all", "dB", "max", "clip", "used", "dead", "flips", "time"]
_KERNEL_COLUMNS = ["#", "time", "float", "delegate", "kernel"]
#: What the columns of operators are.
LEGEND = (
    "alone, all: root mean square error in steps (r: in real values), fed the float model's values and as deployed; "
    "dB, max, clip, used, dead: alone; flips: predictions that it flips alone"
)
#: Of a name, its last parts: those in front are the same for all layers of a network.
_PARTS = 2
_TEN = 10
_YIELDING = frozenset({_NAME, "kernel"})
_LEFT = _YIELDING | {"delegate"}
_LEAST_NAME = 12


def operator_rows(diagnosis: Diagnosis, most: int) -> Rows:
    """The `most` worst operators in the artifact's order, those that are blamed first of all."""
    blamed = {finding.where for finding in diagnosis.findings}
    worst = sorted(diagnosis.operators, key=lambda report: (named(report) in blamed, *_harm(report)), reverse=True)
    chosen = sorted(worst[:most], key=lambda report: report.number)
    times = {time.number: time for time in diagnosis.times if time.number >= 0}
    return COLUMNS, [_row(report, times.get(report.number)) for report in chosen]


def kernel_rows(diagnosis: Diagnosis) -> Rows:
    """The kernels in the order of the profiler, and the time of the float operator where it is known."""
    matched = {report.number: report.float_number for report in diagnosis.operators}
    floats = {time.number: time for time in diagnosis.float_times}
    rows = []
    for time in diagnosis.times:
        float_time = floats.get(matched.get(time.number, -1)) if time.number >= 0 else None
        rows.append(
            [
                str(time.number) if time.number >= 0 else "",
                time_of(time),
                time_of(float_time) if float_time else "-",
                "yes" if time.delegated else "no",
                time.kernel,
            ]
        )
    return _KERNEL_COLUMNS, rows


def print_rows(rows: Rows, console: Console) -> None:
    """Print rows as a table; numbers are shown whole, and a name gives way to them. Columns of nothing are left out."""
    names, cells = rows
    widths = [
        max(len(cell) for cell in (name, *column)) for name, column in zip(names, zip(*cells, strict=True), strict=True)
    ]
    shown = [index for index in range(len(names)) if any(row[index] for row in cells)]
    numbers = sum(widths[index] + 1 for index in shown if names[index] not in _YIELDING)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for index in shown:
        room = max(_LEAST_NAME, console.width - numbers - 1) if names[index] in _YIELDING else widths[index]
        justify: JustifyMethod = "left" if names[index] in _LEFT else "right"
        table.add_column(
            Text(names[index]), justify=justify, no_wrap=True, overflow="ellipsis", width=min(widths[index], room)
        )
    for row in cells:
        table.add_row(*(Text(row[index]) for index in shown))
    console.print(table)


def _row(report: OperatorReport, time: OperatorTime | None) -> list[str]:
    error = report.isolated or report.cumulative
    return [
        str(report.number) if report.number >= 0 else "in",
        f"{report.operator.partition(' ')[0]} {_last_parts(report.output)}",
        _steps(report.isolated),
        _steps(report.cumulative),
        "-" if error is None or error.sqnr_db is None else f"{error.sqnr_db:.0f}",
        "-" if error is None or error.max_error_in_steps is None else _number(error.max_error_in_steps),
        "" if error is None else _share(error.saturated),
        "" if error is None or error.range_use is None else f"{error.range_use:.0%}",
        "" if error is None else str(error.dead_channels or ""),
        "" if report.flips_alone is None else str(report.flips_alone),
        "" if time is None else time_of(time),
    ]


def _harm(report: OperatorReport) -> tuple[int, float]:
    """What operators are ordered by: what they flip alone, then how large their own error is."""
    error = report.isolated or report.cumulative
    size = 0.0 if error is None else (error.rmse_in_steps or error.rmse)
    return report.flips_alone or 0, size


def _steps(error: TensorError | None) -> str:
    """Root mean square error in steps; where an output has none, in real values."""
    if error is None:
        return "-"
    if error.not_finite:
        return "NaN"
    return _number(error.rmse_in_steps) if error.rmse_in_steps is not None else f"{error.rmse:.1g}r"


def _number(value: float) -> str:
    """Two digits behind the point, or none where there are enough in front of it."""
    return f"{value:.2f}" if value < _TEN else f"{value:.0f}"


def _share(share: float) -> str:
    return f"{share:.1%}" if share else ""


def _last_parts(name: str) -> str:
    parts: Iterable[str] = name.partition(";")[0].split("/")[-_PARTS:]
    return "/".join(parts)
