"""Everything that was declared or accepted, held against what was judged: nothing is green by absence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qbench.errors import BaselineError
from qbench.judge.gate import incomplete, not_judged, worst
from qbench.judge.metrics import DECLARATION, verdict_kind
from qbench.models.config import METRIC_KINDS
from qbench.records import Subject
from qbench.session.declared_changes import declared_changes
from qbench.verdicts import MetricVerdict, SubjectResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qbench.models.config import Config
    from qbench.session.references import References


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """The whole outcome of a run.

    Attributes
    ----------
    results
        What was measured, by subject, in the order of declaration.
    verdicts
        Every verdict: those of the measurements, and one for each that should have been made; by subject in the order
        of declaration and by kind, in whatever order tests ran.
    notes
        Sentences about what is no verdict, such as retired baselines.
    baselines
        Where baselines were read from.
    gated
        Whether the run was asked to judge.
    declared_changes
        What is declared otherwise than in the commit that baselines are read from, each as a sentence.
    """

    results: dict[Subject, SubjectResult]
    verdicts: tuple[MetricVerdict, ...]
    notes: tuple[str, ...]
    baselines: str
    gated: bool
    declared_changes: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[MetricVerdict, ...]:
        """Verdicts that say something got worse."""
        return tuple(verdict for verdict in self.verdicts if verdict.verdict == Verdict.FAIL)

    @property
    def incomplete(self) -> tuple[MetricVerdict, ...]:
        """Verdicts that say something was not judged although it should have been."""
        return incomplete(self.verdicts)

    def of(self, subject: Subject) -> tuple[MetricVerdict, ...]:
        """The verdicts of one subject."""
        return tuple(verdict for verdict in self.verdicts if verdict.subject == subject)

    def verdict_of(self, subject: Subject) -> Verdict:
        """The verdict that a subject's row shows."""
        return worst(verdict.verdict for verdict in self.of(subject))


def take_inventory(
    config: Config,
    results: Mapping[Subject, SubjectResult],
    references: References,
    absent: Mapping[Subject, str],
    *,
    gate: bool,
) -> Inventory:
    """Hold what was measured against what was declared and what was accepted.

    Parameters
    ----------
    absent
        Why a subject was not measured, where something is known.
    gate
        Whether the run was asked to judge; without that nothing is missing.
    """
    ordered = {subject: results[subject] for subject in config.subjects if subject in results}
    verdicts = [verdict for result in ordered.values() for verdict in result.verdicts]
    notes: list[str] = []
    if gate:
        for subject in config.subjects:
            verdicts += _unmeasured(config, subject, results.get(subject), absent.get(subject, ""))
        undeclared, notes = _undeclared(config, results, references)
        verdicts += [*undeclared, *_left_behind(references)]
    return Inventory(
        results=ordered,
        verdicts=tuple(sorted(verdicts, key=_place(config))),
        notes=tuple(notes),
        baselines=references.files.describe(),
        gated=gate,
        declared_changes=declared_changes(config, ordered, references),
    )


def _place(config: Config) -> Callable[[MetricVerdict], tuple[int, int]]:
    """A sort key: where a verdict stands among others, which no order of tests and no pytest-xdist worker changes."""
    subjects = {subject: number for number, subject in enumerate(config.subjects)}
    kinds = [*METRIC_KINDS, DECLARATION]
    return lambda verdict: (
        subjects.get(verdict.subject, len(subjects)),
        kinds.index(verdict_kind(verdict.metric)),
    )


def _unmeasured(config: Config, subject: Subject, result: SubjectResult | None, why: str) -> list[MetricVerdict]:
    """A `missing` for each kind of measurement that the subject should have and does not."""
    measured = result.measured if result else set()
    named = {verdict.metric for verdict in result.verdicts} if result else set()
    return [
        not_judged(
            subject,
            kind,
            Verdict.MISSING,
            f"not measured: {why or 'no test did'}",
            advice="run the whole folder of benchmarks, or take what is not wanted out of [tool.qbench]",
        )
        for kind in config.expected_kinds(subject)
        if kind not in measured and kind not in named
    ]


def _left_behind(references: References) -> list[MetricVerdict]:
    """A `missing` for each baseline of the project that the base commit has, if a change moved it: the declaration."""
    advice = "declare models where they were; what is meant to move has to be merged by who may accept baselines"
    return [
        not_judged(
            subject,
            DECLARATION,
            Verdict.MISSING,
            f"its baseline belongs to {file} of the commit that baselines are read from, and this run reads another "
            "pyproject.toml",
            advice=advice,
        )
        for subject, file in references.left_behind().items()
    ]


def _undeclared(
    config: Config, results: Mapping[Subject, SubjectResult], references: References
) -> tuple[list[MetricVerdict], list[str]]:
    """A `missing` for each baseline whose model or recipe is no longer declared, unless it is retired."""
    by_artifact = {
        result.artifact.sha256: subject for subject, result in results.items() if result.artifact is not None
    }
    verdicts, notes = [], []
    for subject in references.accepted_subjects():
        if subject in config.subjects:
            continue
        reason = config.retired.get(subject.id) or config.retired.get(subject.model)
        if reason:
            notes.append(f"{subject.id} is retired: {reason}")
            continue
        try:
            baseline = references.baseline(subject)
        except BaselineError:
            baseline = None
        renamed = by_artifact.get(baseline.artifact.sha256) if baseline else None
        said = f"; {renamed.id} has the same artifact: was it renamed?" if renamed else ""
        verdicts.append(
            not_judged(
                subject,
                DECLARATION,
                Verdict.MISSING,
                f"{subject.id} has a baseline and is no longer declared{said}",
                advice=f"declare it, move or remove baselines/{subject.model}/{subject.recipe}.json, or say why it is "
                f'gone: [tool.qbench.retired] {subject.id} = "..."',
            )
        )
    return verdicts, notes
