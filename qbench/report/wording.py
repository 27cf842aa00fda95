"""Verdicts as sentences: what got worse, by how much, against what, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from qbench.judge.metrics import DRIFT_SUFFIX
from qbench.report.amounts import SHARES, format_amount, tolerance_phrase, with_unit
from qbench.report.certainty import certainty
from qbench.report.contests import contest_sentence, speedup_statement
from qbench.report.evidence import paired_sentence
from qbench.report.resamples import bootstrap_sentence
from qbench.report.slices import slices_sentence
from qbench.verdicts import MetricVerdict, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from qbench.verdicts import SubjectResult

#: A verdict and what is said of it.
Told = tuple[Verdict, str]

_Judged = TypeVar("_Judged", bound=MetricVerdict)

_BYTES = frozenset({"size_bytes", "compressed_bytes", "weight_bytes", "arena_bytes", "peak_memory_bytes"})
_KILO = 1000.0

#: Ends the name under which a metric is compared with fp32 of the same run.
_DROP = "_drop"

#: What is left of the name of the drop of a class or group, which is no metric of its own.
_SLICE = "slice"

#: More names than this make a sentence that nobody reads; all of them are in the table.
_MOST_NAMES = 3


def sentence(verdict: MetricVerdict) -> str:
    """One verdict as a sentence with its advice."""
    return " ".join(_parts(verdict))


def brief(verdict: MetricVerdict) -> str:
    """One verdict as a person reads it who has ten seconds: what got worse, how sure that is, and what to do."""
    parts = [statement(verdict)]
    if verdict.paired is None and verdict.contest is None:
        parts.append(_reason(verdict))  # Of what is exact, this names what there is now: it is all the evidence.
    return " ".join(part for part in (*parts, certainty(verdict), _what_to_do(verdict)) if part)


def _parts(verdict: MetricVerdict) -> list[str]:
    """All that is said of a verdict, a sentence or two for each kind of evidence."""
    parts = [statement(verdict)]
    if reason := _reason(verdict):
        parts.append(reason)
    if verdict.paired is not None and verdict.paired.lost + verdict.paired.won:
        parts.append(paired_sentence(verdict, verdict.paired))
    if verdict.bootstrap is not None:
        parts.append(bootstrap_sentence(verdict, verdict.bootstrap))
    if verdict.slices is not None:
        parts.append(slices_sentence(verdict.slices))
    if verdict.contest is not None:
        parts.append(contest_sentence(verdict, verdict.contest))
    if advice := _what_to_do(verdict):
        parts.append(advice)
    return parts


def _reason(verdict: MetricVerdict) -> str:
    """The reason as a sentence, where the statement is about numbers and does not give it."""
    if not verdict.reason or verdict.now is None or verdict.reference is None or verdict.against == "anchor":
        return ""
    return f"{verdict.reason[0].upper()}{verdict.reason[1:]}."


def _what_to_do(verdict: MetricVerdict) -> str:
    return f"What to do: {verdict.advice}." if verdict.advice else ""


def sentences(verdicts: Iterable[MetricVerdict], said: Callable[[MetricVerdict], str] = sentence) -> list[Told]:
    """Each verdict with its sentence, in the given order; what is true of many for one reason is said once.

    Slices are evidence of one subject, also where the same is wrong with many.

    Parameters
    ----------
    said
        What is said of a verdict that stands alone: `sentence`, or `brief`.
    """
    return [
        (group[0].verdict, said(group[0]) if len(group) == 1 else sentence_of_many(group)) for group in alike(verdicts)
    ]


def alike(verdicts: Iterable[_Judged]) -> list[list[_Judged]]:
    """The verdicts in groups of those that one reason without a number is true of, in the given order."""
    groups: dict[object, list[_Judged]] = {}
    for index, verdict in enumerate(verdicts):
        same = verdict.reference is None and verdict.slices is None and verdict.reason
        key = (verdict.verdict, verdict.reason, verdict.advice) if same else index
        groups.setdefault(key, []).append(verdict)
    return list(groups.values())


def sentence_of_many(group: Sequence[MetricVerdict]) -> str:
    """What is true of several verdicts for one reason, said once."""
    metrics = ", ".join(dict.fromkeys(verdict.metric for verdict in group))
    subjects = list(dict.fromkeys(verdict.subject.id for verdict in group))
    listed = ", ".join(subjects[:_MOST_NAMES])
    if len(subjects) > _MOST_NAMES:
        listed += f" and {len(subjects) - _MOST_NAMES} more"
    advice = f" What to do: {group[0].advice}." if group[0].advice else ""
    return f"{listed}: {metrics}: {group[0].reason}.{advice}"


def failure_message(verdicts: Iterable[MetricVerdict]) -> str:
    """What a failing test says of each metric that got worse: a line for that, and one for each kind of evidence."""
    return "\n".join(part for verdict in verdicts for part in _parts(verdict))


def details(result: SubjectResult) -> str:
    """Everything that was measured of one subject, as one sentence."""
    shown = [f"{name} {format_value(name, value)}" for name, value in sorted(result.metrics.items())]
    if result.weight_bytes_by_dtype:
        by_dtype = ", ".join(f"{size:,} B {dtype}" for dtype, size in sorted(result.weight_bytes_by_dtype.items()))
        shown.append(f"weights: {by_dtype}")
    if result.operators:
        counted = ", ".join(f"{count} {operator}" for operator, count in sorted(result.operators.items()))
        shown.append(f"operators: {counted}")
    return f"{result.subject.id}: {'; '.join(shown)}."


def format_value(metric: str, value: float | None) -> str:
    """A value as a table shows it, with its unit."""
    if value is None:
        return "-"
    metric = metric.removesuffix(DRIFT_SUFFIX)
    if metric == "latency_ns":
        return format_time(value)
    if metric in _BYTES:
        return format_size(value)
    if metric in SHARES:
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


def statement(verdict: MetricVerdict) -> str:
    """What is to be said of a verdict first: the metric, its value, by how much it changed, and against what."""
    metric = verdict.metric.removesuffix(DRIFT_SUFFIX) if verdict.against == "anchor" else verdict.metric
    name = f"{verdict.subject.id}: {metric}"
    if verdict.metric == "speedup":
        return speedup_statement(verdict)
    if verdict.now is None or verdict.reference is None or verdict.change is None:
        return f"{name}: {verdict.reason or verdict.verdict}."
    against = {"fp32": "fp32 of the same run", "anchor": "its anchor"}.get(verdict.against, "the baseline")
    now, reference = (
        with_unit(verdict.metric, format_value(verdict.metric, value), verdict.unit)
        for value in (verdict.now, verdict.reference)
    )
    name += _value_of(verdict, metric)
    if verdict.change == 0:
        return f"{name} {now}, as {against}."
    word = "worse" if verdict.change > 0 else "better"
    said = (
        f"{name} {now}, {_amount(verdict, abs(verdict.change))} {word} than {reference} of {against}{_limit(verdict)}"
    )
    # A distance from an anchor says nothing without when that was, and what came since.
    return f"{said}; {verdict.reason}." if verdict.against == "anchor" else f"{said}."


def _value_of(verdict: MetricVerdict, metric: str) -> str:
    """What comes between the name of a metric and its value.

    Against fp32 the name is that of the drop, which the tolerance is declared for; the value is the metric's own.
    """
    if verdict.against != "fp32":
        return " is"
    whole = metric.removesuffix(_DROP)
    return ":" if whole in {metric, _SLICE} else f": {whole} is"


def _limit(verdict: MetricVerdict) -> str:
    if verdict.tolerance is None:
        return ""
    said = tolerance_phrase(verdict.metric, verdict.tolerance, verdict.allowance, unit=verdict.unit)
    return f" (beyond the tolerance of {said})" if verdict.verdict == Verdict.FAIL else f" (tolerance {said})"


def _amount(verdict: MetricVerdict, amount: float) -> str:
    return format_amount(verdict.metric, amount, verdict.unit)
