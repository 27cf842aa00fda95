"""Verdicts as sentences: what got worse, by how much, against what, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.records import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qbench.records import MetricVerdict

_SHARES = frozenset(
    {"accuracy", "top_k_accuracy", "agreement", "accuracy_drop", "top_k_accuracy_drop", "integer_compute"}
)
_BYTES = frozenset({"size_bytes", "weight_bytes", "arena_bytes"})
_KILO = 1000.0


def sentence(verdict: MetricVerdict) -> str:
    """One verdict as a sentence with its advice."""
    parts = [_statement(verdict)]
    if verdict.reason and verdict.now is not None and verdict.reference is not None:
        parts.append(f"{verdict.reason}.")
    if verdict.advice:
        parts.append(f"What to do: {verdict.advice}.")
    return " ".join(parts)


def failure_message(verdicts: Iterable[MetricVerdict]) -> str:
    """What a failing test says: one line for each metric that got worse."""
    return "\n".join(sentence(verdict) for verdict in verdicts)


def format_value(metric: str, value: float | None) -> str:
    """A value as a table shows it, with its unit."""
    if value is None:
        return "-"
    if metric == "latency_ns":
        return format_time(value)
    if metric in _BYTES:
        return format_size(value)
    if metric in _SHARES:
        return f"{value:.4f}"
    return f"{value:.6g}"


def format_time(nanoseconds: float) -> str:
    """A duration in the unit that leaves one to three digits before the point."""
    value, unit = nanoseconds, "ns"
    for larger in ("us", "ms", "s"):
        if float(f"{value:.3g}") < _KILO:  # As it will be printed: 999.7 rounds up to the next unit.
            break
        value, unit = value / _KILO, larger
    return f"{value:.3g} {unit}" if float(f"{value:.3g}") < _KILO else f"{value:.0f} {unit}"


def format_size(size_bytes: float) -> str:
    """A number of bytes in kB or MB of a thousand, exact below."""
    if size_bytes < _KILO:
        return f"{size_bytes:.0f} B"
    kilobytes = round(size_bytes / _KILO, 1)
    return f"{kilobytes:.1f} kB" if kilobytes < _KILO else f"{size_bytes / _KILO**2:.1f} MB"


def _statement(verdict: MetricVerdict) -> str:
    name = f"{verdict.subject.id}: {verdict.metric}"
    if verdict.now is None or verdict.reference is None or verdict.change is None:
        return f"{name}: {verdict.verdict}: {verdict.reason}." if verdict.reason else f"{name}: {verdict.verdict}."
    against = "fp32 of the same run" if verdict.against == "fp32" else "the baseline"
    now = format_value(verdict.metric, verdict.now)
    reference = format_value(verdict.metric, verdict.reference)
    if verdict.change == 0:
        return f"{name} is {now}, as {against}."
    word = "worse" if verdict.change > 0 else "better"
    return (
        f"{name} is {now}, {_amount(verdict, abs(verdict.change))} {word} than {reference} of {against}"
        f"{_limit(verdict)}."
    )


def _limit(verdict: MetricVerdict) -> str:
    if verdict.tolerance is None:
        return ""
    beyond = "beyond" if verdict.verdict == Verdict.FAIL else "tolerance"
    amount = _amount(verdict, verdict.tolerance)
    return f" ({beyond} the tolerance of {amount})" if beyond == "beyond" else f" (tolerance {amount})"


def _amount(verdict: MetricVerdict, amount: float) -> str:
    """A change or tolerance in the metric's own terms."""
    if verdict.metric in {"size_bytes", "arena_bytes", "latency_ns"}:
        return f"{amount:.2%}"
    if verdict.metric in _SHARES:
        return f"{100 * amount:.4g} points"
    return f"{amount:.6g}"
