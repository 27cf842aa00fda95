"""From a finished run to its record, which every report is made of."""

from __future__ import annotations

from datetime import datetime, timezone
from importlib.metadata import version
from typing import TYPE_CHECKING

import msgspec

from qbench.baseline.sources import current_commit
from qbench.errors import BaselineError, QbenchError
from qbench.judge.metrics import LATENCY_METRIC, METRICS_BY_KIND, verdict_kind
from qbench.models.declared_lines import declared_lines
from qbench.report.power import power_sentences
from qbench.report.terminal import headline
from qbench.report.wording import sentence
from qbench.run_record import AcceptedRecord, RunRecord, RunVerdict, SubjectRecord, VerdictRecord
from qbench.session.own_metrics import own_metrics
from qbench.verdicts import MetricVerdict, SubjectResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from qbench.records import Metric, Subject
    from qbench.session.inventory import Inventory
    from qbench.session.run import Session

#: Exit statuses of pytest: interrupted, which a file that cannot be collected is too; internal error; usage error.
_CUT_SHORT = frozenset({2, 3, 4})


def run_record(
    session: Session,
    inventory: Inventory,
    *,
    exit_status: int,
    started: datetime,
    interrupted: bool = False,
    incomplete: bool = False,
    notes: Iterable[str] = (),
    problems: Iterable[str] = (),
) -> RunRecord:
    """Make the record of a run.

    Parameters
    ----------
    exit_status
        With which the run ends.
    started
        When it began; with a time zone.
    interrupted
        Whether it was cut short.
    incomplete
        Whether something that the run was to judge was not, and no verdict says so.
    notes
        What else was said, beside the inventory's own notes.
    problems
        What failed and belongs to no subject.
    """
    config = session.config
    subjects = dict.fromkeys([*inventory.results, *(verdict.subject for verdict in inventory.verdicts)])
    known = known_metrics(session, {subject.model for subject in subjects})
    lines = declared_lines(config.root / "pyproject.toml", config.models)
    ordered = sorted(inventory.verdicts, key=lambda verdict: list(Verdict).index(verdict.verdict))
    records = tuple(_subject(session, inventory, subject, lines.get(subject.model, 0), known) for subject in subjects)
    return RunRecord(
        qbench_version=version("qbench"),
        project=config.root.name,
        verdict=_run_verdict(session, inventory, exit_status, interrupted=interrupted, incomplete=incomplete),
        exit_status=exit_status,
        headline=headline(inventory.verdicts),
        gated=inventory.gated,
        baselines=inventory.baselines,
        commit=current_commit(config.root),
        started_at=started.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        seconds=(datetime.now(timezone.utc) - started).total_seconds(),
        fingerprint=session.fingerprint,
        options=config.options,
        metrics={name: metric for name, metric in known.items() if name in _valued(records)},
        subjects=records,
        verdicts=tuple(_verdict(verdict) for verdict in ordered),
        power=tuple(power_sentences(inventory.verdicts)),
        notes=(*inventory.notes, *notes),
        problems=tuple(problems),
        declared_changes=inventory.declared_changes,
        accepting=(session.options.accept or "").strip(),
        fingerprint_id=session.fingerprint_id,
    )


def with_exit_status(record: RunRecord, exit_status: int) -> RunRecord:
    """The record of a run that something else ended with another status, after the record was made."""
    verdict = record.verdict
    if exit_status == 1 and verdict != "interrupted":
        verdict = "fail"
    elif exit_status and verdict == "pass":
        verdict = "not judged"
    return msgspec.structs.replace(record, exit_status=exit_status, verdict=verdict)


def _run_verdict(
    session: Session, inventory: Inventory, exit_status: int, *, interrupted: bool, incomplete: bool
) -> RunVerdict:
    """How the run ended; what got worse and is being accepted fails nothing, as it does not fail its test."""
    if interrupted or exit_status in _CUT_SHORT:
        return "interrupted"
    accepting = session.options.accept is not None
    if exit_status == 1 or (inventory.failed and not accepting):
        return "fail"
    if not inventory.gated or inventory.failed:
        return "measured"
    # Nothing is green by absence: not even a gate that had nothing to say.
    unjudged = incomplete or inventory.incomplete or not inventory.verdicts
    return "not judged" if unjudged or exit_status else "pass"


def known_metrics(session: Session, models: Collection[str]) -> dict[str, Metric]:
    """Definitions of everything that may have been measured of `models`; the metrics of others are not loaded."""
    known = {gated.metric.name: gated.metric for kind in METRICS_BY_KIND.values() for gated in kind}
    known[LATENCY_METRIC.name] = LATENCY_METRIC
    for model in session.config.models:
        if model not in models:
            continue
        try:
            known |= {name: own.metric for name, own in own_metrics(session.config, model).items()}
        except QbenchError:
            continue  # Said where the accuracy is judged.
    return known


def _valued(subjects: Iterable[SubjectRecord]) -> set[str]:
    """Names of the metrics that have a value in `subjects`, be it an accepted one."""
    names: set[str] = set()
    for subject in subjects:
        names |= set(subject.metrics) | set(subject.accepted.metrics if subject.accepted else ())
        if subject.latency or (subject.accepted and subject.accepted.latency):
            names.add(LATENCY_METRIC.name)
    return names


def _subject(
    session: Session, inventory: Inventory, subject: Subject, line: int, known: Mapping[str, Metric]
) -> SubjectRecord:
    result = inventory.results.get(subject, SubjectResult(subject=subject))
    artifact = result.artifact
    return SubjectRecord(
        model=subject.model,
        recipe=subject.recipe,
        verdict=inventory.verdict_of(subject) if inventory.of(subject) else None,
        artifact_sha256=artifact.sha256 if artifact else "",
        size_bytes=artifact.size_bytes if artifact else None,
        metrics={name: value for name, value in result.metrics.items() if name in known},
        examples=result.examples,
        dataset_sha256=result.dataset_digest,
        operators=result.operators,
        counted=result.counted,
        weight_bytes_by_dtype=result.weight_bytes_by_dtype,
        latency=result.latency,
        latency_percentiles_ns=result.latency_percentiles_ns,
        tests=result.tests,
        causes=result.causes,
        declared_at=line,
        accepted=_accepted(session, subject),
        problems=tuple(result.problems),
    )


def _accepted(session: Session, subject: Subject) -> AcceptedRecord | None:
    try:
        baseline = session.references.baseline(subject)
    except BaselineError:
        return None  # Said where the baseline is judged.
    if baseline is None:
        return None
    here = baseline.latency.get(session.fingerprint_id)
    return AcceptedRecord(
        artifact_sha256=baseline.artifact.sha256,
        metrics=baseline.metrics,
        reason=baseline.provenance.reason,
        commit=baseline.provenance.commit,
        accepted_on=baseline.provenance.accepted_on,
        latency=here.sample if here else None,
    )


def _verdict(verdict: MetricVerdict) -> VerdictRecord:
    fields = {name: getattr(verdict, name) for name in verdict.__struct_fields__}
    return VerdictRecord(**fields, kind=verdict_kind(verdict.metric), sentence=sentence(verdict))
