"""What a reader has to know first: how the run ended, and the verdicts that made it end so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qbench.report.amounts import format_amount, with_unit
from qbench.report.wording import format_value
from qbench.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qbench.report.html.places import Places
    from qbench.run_record import RunRecord, VerdictRecord

#: Cards at the top; the others stand in the table of all verdicts.
_MOST = 5
_WHY = "Why: "
_RED = (Verdict.FAIL, Verdict.ERROR)


@dataclass(frozen=True, kw_only=True)
class Card:
    """One verdict in full.

    Attributes
    ----------
    place
        Where the subject is shown; empty if it is not.
    figures
        Names and values, such as ``("now", "0.9612")``.
    statement
        Its sentence without what to do, which is `advice`.
    cause
        Why, as far as it is known.
    test
        Id of the test that measured it, and `where` that stands; empty if none did.
    """

    verdict: Verdict
    subject: str
    metric: str
    place: str
    figures: tuple[tuple[str, str], ...]
    statement: str
    cause: str
    advice: str
    test: str
    where: str


@dataclass(frozen=True, kw_only=True)
class Worst:
    """The top of the page: `title` in words, the cards, and how many there is no card for."""

    title: str
    heading: str
    cards: tuple[Card, ...]
    more: int


def worst(record: RunRecord, places: Places) -> Worst:
    """What stands at the top of the page about a run."""
    told = [verdict for verdict in record.verdicts if verdict.verdict in _RED]
    heading = "What got worse"
    if not told:
        told = [verdict for verdict in record.verdicts if not verdict.verdict.green]
        heading = "What was not judged"
    cards = tuple(card(record, verdict, places) for verdict in told[:_MOST])
    return Worst(title=_title(record), heading=heading, cards=cards, more=len(told) - len(cards))


def card(record: RunRecord, verdict: VerdictRecord, places: Places) -> Card:
    """A verdict with its cause and the test that measured it."""
    owner = next((each for each in record.subjects if each.id == verdict.subject.id), None)
    test = owner.tests.get(verdict.kind) if owner else None
    advice = f"What to do: {verdict.advice}."
    return Card(
        verdict=verdict.verdict,
        subject=verdict.subject.id,
        metric=verdict.metric,
        place=places.subjects.get(verdict.subject, ""),
        figures=tuple(_figures(verdict)),
        statement=verdict.sentence.removesuffix(advice).rstrip() if verdict.advice else verdict.sentence,
        cause=owner.causes.get(verdict.kind, "").removeprefix(_WHY) if owner and verdict.verdict in _RED else "",
        advice=f"{verdict.advice[0].upper()}{verdict.advice[1:]}." if verdict.advice else "",
        test=test.id if test else "",
        where=f"{test.file}:{test.line}" if test else "",
    )


def _figures(verdict: VerdictRecord) -> Iterable[tuple[str, str]]:
    if verdict.now is not None:
        yield "now", _value(verdict, verdict.now)
    if verdict.reference is not None:
        yield {"fp32": "fp32", "limit": "limit"}.get(verdict.against, "accepted"), _value(verdict, verdict.reference)
    if verdict.change is not None and verdict.metric != "speedup":
        word = "worse by" if verdict.change > 0 else "better by"
        yield word, format_amount(verdict.metric, abs(verdict.change), verdict.unit)
    if verdict.tolerance is not None and verdict.metric != "speedup":
        yield "tolerance", format_amount(verdict.metric, verdict.tolerance, verdict.unit)


def _value(verdict: VerdictRecord, value: float) -> str:
    return with_unit(verdict.metric, format_value(verdict.metric, value), verdict.unit)


def _title(record: RunRecord) -> str:
    failed, wrong = (sum(verdict.verdict == word for verdict in record.verdicts) for word in _RED)
    said = []
    if failed:
        said.append("1 metric got worse" if failed == 1 else f"{failed} metrics got worse")
    if wrong:
        said.append(f"{wrong} could not be measured")
    if said:
        return ", ".join(said)
    undecided = sum(not verdict.verdict.green for verdict in record.verdicts)
    return {
        "fail": "A test failed",
        "not judged": f"Nothing got worse, {undecided} of {len(record.verdicts)} not judged"
        if undecided
        else "Not everything was judged",
        "pass": "Nothing got worse",
        "measured": "Measured, and not judged",
        "interrupted": "The run was cut short",
    }[record.verdict]
