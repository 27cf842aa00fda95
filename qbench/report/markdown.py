"""The record of a run as Markdown, for a job's summary and a comment on a pull request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qbench.report.markdown_text import code, text
from qbench.report.wording import alike, format_size, format_time, sentence_of_many
from qbench.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from qbench.run_record import RunRecord, SubjectRecord, VerdictRecord

#: GitHub refuses a comment of more than 65,536 characters; what is left is for who adds to it.
LIMIT_CHARACTERS = 65_000

#: How many verdicts are told before everything folded.
_WORST = 3

#: How many lines of anything else are.
_MOST_LINES = 8

#: How many of what a change declares otherwise; the rest is folded.
_MOST_CHANGES = 20

#: Characters of what stands before everything folded. The report of a real run has a tenth of it.
_MOST_TOLD = 45_000

#: A longer text is cut: no sentence of ours is as long, but a name or a message from outside may be.
_LONGEST_TEXT = 1500
_LONGEST_NAME = 200

_SIGNS = {"fail": "❌", "not judged": "⚠️", "pass": "✅", "measured": "ℹ️", "interrupted": "⚠️"}  # noqa: RUF001 - an emoji

_MEANINGS = {
    "fail": "",
    "not judged": "nothing failed, but not everything was judged",
    "pass": "",
    "measured": "nothing was to be judged",
    "interrupted": "the run ended before its end",
}

_ADVICE = " What to do: "

#: The first sentence says what got worse and by how much; a point in a number or a name is followed by no space.
_FIRST_SENTENCE = re.compile(r"(.*?\.) (?=[A-Z0-9])(.*)", re.DOTALL)


def markdown_report(record: RunRecord, *, limit: int = LIMIT_CHARACTERS) -> str:
    """The report of a run: its verdict in the first line, then what is worst, then all else folded.

    Parameters
    ----------
    limit
        Characters that it may have. What does not fit is left out, from the end of each folded part, and is counted.
    """
    groups = alike(verdict for verdict in record.verdicts if not verdict.verdict.green)
    head = [f"<!-- qbench {_marker(record.project)} -->", _headline(record), "", _circumstances(record)]
    told: set[str] = set()
    evidence: list[str] = []
    for group in groups[:_WORST]:
        first, advice, rest = _parts(_sentence_text(group))
        head += ["", f"{_bold(group)} {_cut(first)}", *_why(record, group, told)]
        head += [f"- What to do: {_cut(advice)}"] if advice else []
        evidence += [f"- {text(_name(group))}: {_cut(rest)}"] if rest else []
    head += _listed("Failed besides", record.problems)
    changes = record.declared_changes
    head += _listed("This change declares otherwise than what it is compared with", changes, most=_MOST_CHANGES)
    folds = [
        _Fold("More that this change declares otherwise", [f"- {_cut(line)}" for line in changes[_MOST_CHANGES:]]),
        _Fold("How sure this is", evidence),
        _Fold("More that is not green", [f"- {_bold(group)} {_sentence(group)}" for group in groups[_WORST:]]),
        _Fold("Every model and recipe", _rows(record), head=_TABLE),
        _Fold("What these examples cannot tell", [f"- {_cut(line)}" for line in record.power]),
        _Fold("Notes", [f"- {_cut(line)}" for line in record.notes]),
    ]
    written = _fitting(head, min(_MOST_TOLD, limit))
    room = limit - len(written)
    for fold in folds:
        part = fold.within(room)
        room -= len(part)
        written += part
    return written


def _fitting(lines: Sequence[str], room: int) -> str:
    """As many lines as there is room for. Only a record that somebody made up has more, or that much in one line."""
    written, said = "", "\nMore is left out here: the JSON of the run has it.\n"
    for line in lines:
        if len(written) + len(line) + 1 + len(said) > room:
            return written + said
        written += f"{line}\n"
    return written


def _marker(project: str) -> str:
    """What the comment of this project is found again by; nothing in it can end the HTML comment that it stands in."""
    return re.sub(r"[^A-Za-z0-9._]+", "_", project)[:60] or "_"


def _headline(record: RunRecord) -> str:
    said = record.headline or _MEANINGS[record.verdict] or f"exit status {record.exit_status}"
    return f"### {_SIGNS[record.verdict]} qbench: {record.verdict} ({_cut(said)})"


def _circumstances(record: RunRecord) -> str:
    """Against what, of what, and where, in one line."""
    machine = record.fingerprint
    parts = [
        code(record.project[:_LONGEST_NAME]),
        f"against {code(record.baselines[:_LONGEST_NAME])}" if record.gated else "not compared",
        f"commit {code(record.commit[:12] + record.commit[40:41])}" if record.commit else "",
        text(machine.cpu[:_LONGEST_NAME]),
        f"{text(machine.runtime[:_LONGEST_NAME])} {text(machine.runtime_version[:_LONGEST_NAME])}",
        f"{record.seconds:.0f} s",
    ]
    return ", ".join(part for part in parts if part.strip())


def _parts(sentence: str) -> tuple[str, str, str]:
    """What got worse, what to do, and what is known besides."""
    said, _, advice = sentence.rpartition(_ADVICE)
    if not said:
        said, advice = advice, ""
    match = _FIRST_SENTENCE.fullmatch(said)
    return (match[1], advice, match[2]) if match else (said, advice, "")


def _why(record: RunRecord, group: Sequence[VerdictRecord], told: set[str]) -> list[str]:
    """The cause of what got worse, unless it was `told` before, of another metric."""
    causes = {subject.id: subject.causes for subject in record.subjects}
    cause = causes.get(group[0].subject.id, {}).get(group[0].kind, "").removeprefix("Why: ")
    if len(group) > 1 or not cause or cause in told:
        return []
    told.add(cause)
    return [f"- Why: {_cut(cause)}"]


def _name(group: Sequence[VerdictRecord]) -> str:
    return f"{group[0].subject.id} {group[0].metric}"


def _bold(group: Sequence[VerdictRecord]) -> str:
    return f"**{group[0].verdict}:**"


def _sentence(group: Sequence[VerdictRecord]) -> str:
    return _cut(_sentence_text(group))


def _sentence_text(group: Sequence[VerdictRecord]) -> str:
    return group[0].sentence if len(group) == 1 else sentence_of_many(group)


def _listed(title: str, lines: Sequence[str], *, most: int = _MOST_LINES) -> list[str]:
    if not lines:
        return []
    more = [f"- and {len(lines) - most} more"] if len(lines) > most else []
    return ["", f"**{title}:**", "", *(f"- {_cut(line)}" for line in lines[:most]), *more]


def _cut(untrusted: str) -> str:
    return text(untrusted) if len(untrusted) <= _LONGEST_TEXT else f"{text(untrusted[:_LONGEST_TEXT])} …"


class _Fold:
    """A part that is shown when it is opened.

    Parameters
    ----------
    lines
        What may be left out from the end.
    head
        What stands above them.
    """

    def __init__(self, title: str, lines: Sequence[str], *, head: str = "") -> None:
        self._title, self._lines, self._head = title, lines, head

    def within(self, room: int) -> str:
        """The part in at most `room` characters; empty if there is nothing to show, or not even room to say so."""
        if not self._lines:
            return ""
        for count in self._counts(room):
            left = len(self._lines) - count
            missing = f"\n{left} of {len(self._lines)} left out here: the JSON of the run has them.\n" if left else ""
            body = self._head + "".join(f"{line}\n" for line in self._lines[:count]) if count else ""
            part = f"\n<details><summary>{self._title} ({len(self._lines)})</summary>\n\n{body}{missing}\n</details>\n"
            if len(part) <= room:
                return part
        return ""

    def _counts(self, room: int) -> Iterable[int]:
        """How many lines to try: all, then as many as fit beside a generous frame, then none."""
        fitting, used = 0, len(self._title) + len(self._head) + 200
        for line in self._lines:
            used += len(line) + 1
            if used > room:
                break
            fitting += 1
        return (len(self._lines), fitting, 0)


_TABLE = (
    "| model | recipe | size | accuracy | latency | verdict |\n"
    "| :-- | :-- | --: | --: | --: | :-- |\n"
)  # fmt: skip


def _rows(record: RunRecord) -> list[str]:
    """A row for each subject, also for those of which there are verdicts alone."""
    by_id: dict[tuple[str, str], list[VerdictRecord]] = {}
    for verdict in record.verdicts:
        by_id.setdefault((verdict.subject.model, verdict.subject.recipe), []).append(verdict)
    return [
        f"| {code(subject.model, cell=True)} | {code(subject.recipe, cell=True)} "
        f"| {_value(subject, 'size_bytes')} | {_value(subject, 'accuracy')} "
        f"| {_latency(subject, verdicts)} | {_verdicts(subject, verdicts)} |"
        for subject in record.subjects
        for verdicts in [by_id.get((subject.model, subject.recipe), [])]
    ]


def _value(subject: SubjectRecord, metric: str) -> str:
    """A value, and before it the accepted one where that is another."""
    now = subject.metrics.get(metric)
    before = subject.accepted.metrics.get(metric) if subject.accepted else None
    shown = [_shown(metric, value) for value in (before, now) if value is not None]
    if now is None or before is None or shown[0] == shown[1]:
        return shown[-1] if now is not None else "-"
    return f"{shown[0]} → **{shown[1]}**"


def _shown(metric: str, value: float) -> str:
    return format_size(value) if metric == "size_bytes" else f"{value:.4f}"


def _latency(subject: SubjectRecord, verdicts: Iterable[VerdictRecord]) -> str:
    """Today's latency, and its ratio to the accepted artifact's where both ran side by side: never to another day's."""
    if subject.latency is None:
        return "-"
    ratios = [verdict.contest.ratio for verdict in verdicts if verdict.kind == "latency" and verdict.contest]
    ratio = next((f" (**{ratio:.3f}x**)" for ratio in ratios if ratio is not None), "")
    return f"{format_time(subject.latency.median_ns)}{ratio}"


def _verdicts(subject: SubjectRecord, verdicts: Sequence[VerdictRecord]) -> str:
    """The worst verdict, with the metrics that it is about unless it is green."""
    if subject.verdict is None or not verdicts:
        return "measured"
    if subject.verdict.green:
        return str(subject.verdict)
    metrics = dict.fromkeys(verdict.metric for verdict in verdicts if verdict.verdict == subject.verdict)
    sign = "❌ " if subject.verdict in {Verdict.FAIL, Verdict.ERROR} else "⚠️ "
    return f"{sign}{subject.verdict} ({' '.join(code(metric, cell=True) for metric in metrics)})"
