"""From a finished run to its record, which every report is made of."""

from __future__ import annotations

from datetime import datetime, timezone
from importlib.metadata import version
from typing import TYPE_CHECKING

import msgspec

from qbench.baseline.sources import current_commit
from qbench.errors import BaselineError, QbenchError
from qbench.judge.metrics import LATENCY_METRIC, METRICS_BY_KIND, kind_of
from qbench.models.config import METRIC_KINDS
from qbench.models.declared_lines import declared_lines
from qbench.report.power import power_sentences
from qbench.report.terminal import headline
from qbench.report.wording import sentence
from qbench.run_record import AcceptedRecord, RunRecord, RunVerdict, SubjectRecord, VerdictRecord
from qbench.session.inventory import DECLARATION
from qbench.session.own_metrics import own_metrics
from qbench.verdicts import MetricVerdict, SubjectResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qbench.records import Metric, Subject
    from qbench.session.inventory import Inventory
    from qbench.session.run import Session


def run_record(
    session: Session,
    inventory: Inventory,
    *,
    exit_status: int,
    started: datetime,
    interrupted: bool = False,
    notes: Iterable[str] = (),
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
    notes
        What else was said, beside the inventory's own notes.
    """
    config = session.config
    subjects = dict.fromkeys([*inventory.results, *(verdict.subject for verdict in inventory.verdicts)])
    lines = declared_lines(config.root / "pyproject.toml", config.models)
    ordered = sorted(inventory.verdicts, key=lambda verdict: list(Verdict).index(verdict.verdict))
    return RunRecord(
        verdict=_run_verdict(inventory, exit_status=exit_status, interrupted=interrupted),
        exit_status=exit_status,
        headline=headline(inventory.verdicts),
        gated=inventory.gated,
        baselines=inventory.baselines,
        commit=current_commit(config.root),
        started_at=started.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        seconds=(datetime.now(timezone.utc) - started).total_seconds(),
        fingerprint=session.fingerprint,
        options=config.options,
        metrics=_metrics(session, subjects),
        subjects=tuple(_subject(session, inventory, subject, lines.get(subject.model, 0)) for subject in subjects),
        verdicts=tuple(_verdict(verdict) for verdict in ordered),
        power=tuple(power_sentences(inventory.verdicts)),
        notes=(*inventory.notes, *notes),
        project=config.root.name,
        qbench_version=version("qbench"),
    )


def verdict_kind(metric: str) -> str:
    """The kind of measurement that a verdict on `metric` is about; a verdict on a whole kind is called as the kind."""
    if metric in {*METRIC_KINDS, DECLARATION}:
        return metric
    return "latency" if metric == LATENCY_METRIC.name else kind_of(metric)


def _run_verdict(inventory: Inventory, *, exit_status: int, interrupted: bool) -> RunVerdict:
    if interrupted:
        return "interrupted"
    if inventory.failed or exit_status == 1:
        return "fail"
    if not inventory.gated:
        return "measured"
    return "not judged" if inventory.incomplete or exit_status else "pass"


def _metrics(session: Session, subjects: Iterable[Subject]) -> dict[str, Metric]:
    """Definitions of everything that may have been measured of the subjects."""
    known = {gated.metric.name: gated.metric for kind in METRICS_BY_KIND.values() for gated in kind}
    known[LATENCY_METRIC.name] = LATENCY_METRIC
    for model in dict.fromkeys(subject.model for subject in subjects if subject.model in session.config.models):
        try:
            known |= {name: own.metric for name, own in own_metrics(session.config, model).items()}
        except QbenchError:
            continue  # Said where the accuracy is judged.
    return known


def _subject(session: Session, inventory: Inventory, subject: Subject, line: int) -> SubjectRecord:
    result = inventory.results.get(subject, SubjectResult(subject=subject))
    artifact = result.artifact
    return SubjectRecord(
        model=subject.model,
        recipe=subject.recipe,
        verdict=inventory.verdict_of(subject) if inventory.of(subject) else None,
        artifact_sha256=artifact.sha256 if artifact else "",
        size_bytes=artifact.size_bytes if artifact else None,
        metrics=result.metrics,
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


def encode_record(record: RunRecord) -> bytes:
    """The JSON text of a run's record, indented, ending with a newline."""
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
