"""Slow drift in a run: what was measured now held against anchors in the history of the baselines."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from qbench.baseline.history import AcceptedChange, History, read_histories
from qbench.errors import BaselineError, QbenchError
from qbench.files import rounded
from qbench.judge.drift import Drift, find_drifts, limited
from qbench.judge.gate import not_judged
from qbench.judge.metrics import DRIFT_SUFFIX, kind_of
from qbench.report.drift import drift_sentence, through_sentence
from qbench.session.own_metrics import own_metrics
from qbench.verdicts import MetricVerdict, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from qbench.judge.tolerance import Tolerance
    from qbench.models.config import Config
    from qbench.records import Metric, Subject
    from qbench.verdicts import SubjectResult

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")

#: More of them than this make a wall; `qbench history` has all.
_MOST_SENTENCES = 3

_ANCHOR_KEY = "[tool.qbench.models.{model}] anchor"
_COUNT_FROM = "or say with " + _ANCHOR_KEY + ' = "a commit, or a day as YYYY-MM-DD" from when on to count'


class Anchored(msgspec.Struct, frozen=True, kw_only=True):
    """What was accepted of a subject, the oldest first, with the number of the change that is declared its anchor.

    `gap` says why older changes cannot be seen, as that of `qbench.baseline.history.History`.
    """

    changes: tuple[AcceptedChange, ...]
    anchor: int | None = None
    gap: str = ""
    notes: tuple[str, ...] = ()


class Histories:
    """The histories of all declared subjects up to a commit; git is asked when the first is needed.

    Parameters
    ----------
    reference
        Where baselines are read from; None for what is checked out.
    anchor
        A commit, tag or day to count from in place of what is declared.
    subjects
        Whose histories these are, if not those of all that is declared.
    """

    def __init__(
        self, config: Config, reference: str | None, *, anchor: str = "", subjects: Iterable[Subject] | None = None
    ) -> None:
        self._config = config
        self._subjects = config.subjects if subjects is None else tuple(subjects)
        self._reference = reference or "HEAD"
        self._anchor = anchor
        self._read = cache(self._read_all)

    def of(self, subject: Subject) -> Anchored:
        """What was accepted of a subject.

        Raises
        ------
        BaselineError
            If git does not know the commit, or that of a declared anchor.
        """
        history = self._read(self._reference).get(subject, History())
        model = self._config.models.get(subject.model)
        declared = self._anchor or (model.anchor if model else "")
        plain = Anchored(changes=history.changes, gap=history.gap, notes=history.notes)
        if not declared or not history.changes:
            return plain
        if _DAY.fullmatch(declared):
            before = sum(change.committed_on <= declared for change in history.changes)
            # What came before the anchor is not asked for, so it need not be there.
            return msgspec.structs.replace(plain, anchor=before - 1, gap="") if before else plain
        try:
            anchored = self._read(declared).get(subject, History()).changes
        except BaselineError as error:
            where = "--since" if self._anchor else _ANCHOR_KEY.format(model=subject.model)
            raise BaselineError(f"{where}: {error}") from error
        if not anchored:
            return plain  # It is younger than the anchor.
        common = sum(1 for one, other in zip(anchored, history.changes, strict=False) if one == other)
        changes = (*anchored, *history.changes[common:])
        return msgspec.structs.replace(plain, changes=changes, anchor=len(anchored) - 1, gap="")

    def own(self, subject: Subject) -> Mapping[str, Metric]:
        """The metrics of the model's own; none if they cannot be loaded, which is said where they are measured."""
        try:
            return {name: own.metric for name, own in own_metrics(self._config, subject.model).items()}
        except (QbenchError, KeyError):
            return {}

    def drifts(self, subject: Subject, past: Anchored, tolerance: Tolerance) -> tuple[Drift, ...]:
        """How far each metric of a subject is from its anchor in `past`, be it beyond its limit or not."""
        return find_drifts(
            [change.metrics for change in past.changes],
            tolerance,
            datasets=[change.dataset for change in past.changes],
            own=self.own(subject),
            anchor=past.anchor,
        )

    def _read_all(self, reference: str) -> dict[Subject, History]:
        return read_histories(self._config.baselines, self._subjects, reference)


class Drifts:
    """The drift of a run's subjects."""

    def __init__(self, config: Config, reference: str | None) -> None:
        self._config = config
        self._histories = Histories(config, reference)

    def judge(self, result: SubjectResult, kind: str, tolerance: Tolerance) -> list[MetricVerdict]:
        """A verdict on each metric of a kind whose drift has a declared limit."""
        subject = result.subject
        if tolerance.drift is None:
            return []
        names = [
            f"{metric.name}{DRIFT_SUFFIX}"
            for metric in limited(tolerance, self._histories.own(subject))
            if kind_of(metric.name) == kind and metric.name in result.metrics
        ]
        try:
            past = self._histories.of(subject)
        except BaselineError as error:
            return [not_judged(subject, name, Verdict.ERROR, str(error), advice=_FETCH) for name in names]
        if not past.changes:
            return []  # Nothing was accepted, which is a verdict of its own.
        if kind == "accuracy" and result.dataset_digest != past.changes[-1].dataset:
            reason = "the dataset is another than that of what was accepted; once this is accepted, drift starts anew"
            return [not_judged(subject, name, Verdict.NOT_COMPARABLE, reason) for name in names]
        return [
            _verdict(subject, drift, changes, past.gap)
            for drift, changes in self._found(past, result, tolerance)
            if drift.declared and kind_of(drift.metric.name) == kind
        ]

    def notes(self, results: Mapping[Subject, SubjectResult], *, accepting: bool) -> list[str]:
        """Lines about what has drifted: where no limit is declared, and all of it where it is being accepted."""
        found: list[tuple[float, str, str]] = []
        gaps: dict[str, None] = {}
        errors: dict[str, None] = {}
        for subject, result in results.items():
            if not result.measured or subject not in self._config.subjects:
                continue
            tolerance = self._config.tolerance_of(subject)
            try:
                past = self._histories.of(subject)
            except BaselineError as error:
                if not tolerance.drift:  # Where there is a limit, it is a verdict.
                    errors[str(error)] = None
                continue
            if past.gap and past.changes and past.changes[0].commit:
                gaps[past.gap] = None
            for drift, changes in self._found(past, result, tolerance):
                if drift.beyond and (accepting or not drift.declared):
                    excess = drift.change / drift.limit if drift.limit else float("inf")
                    found.append((excess, subject.model, drift_sentence(subject, drift, changes)))
        lines = _told(found, "accept: " if accepting else "drift: ")
        lines += [f"drift: not looked for: {error}" for error in errors]
        return lines + [f"drift: not looked for further back: {gap}" for gap in gaps]

    def _found(
        self, past: Anchored, result: SubjectResult, tolerance: Tolerance
    ) -> list[tuple[Drift, Sequence[AcceptedChange]]]:
        if not past.changes:
            return []
        changes = _with_now(past.changes, result)
        drifts = self._histories.drifts(result.subject, msgspec.structs.replace(past, changes=changes), tolerance)
        return [(drift, changes) for drift in drifts if drift.metric.name in result.metrics]


_FETCH = "fetch the commit (in GitHub Actions, checkout with `fetch-depth: 0`), or name one that is there"


def _with_now(changes: tuple[AcceptedChange, ...], result: SubjectResult) -> tuple[AcceptedChange, ...]:
    """The history with what was measured now as its last change."""
    last = changes[-1]
    now = msgspec.structs.replace(
        last,
        commit="",
        author="",
        committed_on="",
        reason="",
        artifact_sha256=result.artifact.sha256 if result.artifact else "",
        metrics={**last.metrics, **{name: rounded(value) for name, value in result.metrics.items()}},
        dataset=result.dataset_digest or last.dataset,
    )
    return changes if now.metrics == last.metrics else (*changes, now)


def _verdict(subject: Subject, drift: Drift, changes: Sequence[AcceptedChange], gap: str) -> MetricVerdict:
    name = f"{drift.metric.name}{DRIFT_SUFFIX}"
    if gap and not drift.beyond:
        reason = f"drift from before cannot be seen: {gap}"
        return not_judged(subject, name, Verdict.MISSING, reason, now=drift.now)
    advice = f"`qbench history {subject.model} {subject.recipe}` lists the changes; undo what is not meant, "
    return MetricVerdict(
        subject=subject,
        metric=name,
        verdict=Verdict.FAIL if drift.beyond else Verdict.PASS,
        against="anchor",
        now=drift.now,
        reference=drift.reference,
        change=drift.change,
        tolerance=drift.limit,
        unit=drift.metric.unit,
        reason=through_sentence(drift, changes),
        advice=advice + _COUNT_FROM.format(model=subject.model) if drift.beyond else "",
    )


def _told(found: Sequence[tuple[float, str, str]], word: str) -> list[str]:
    """The worst of what has drifted, and what to do."""
    ordered = sorted(found, key=lambda drift: -drift[0])
    lines = [f"{word}{sentence}" for _, _, sentence in ordered[:_MOST_SENTENCES]]
    more = len(ordered) - len(lines)
    if more:
        lines.append(f"{word}{more} more metrics have drifted")
    if ordered:
        model = ordered[0][1]
        advice = f"see `qbench history {model}`; undo what is not meant, {_COUNT_FROM.format(model=model)}"
        lines[-1] += f" What to do: {advice}."
    return lines
