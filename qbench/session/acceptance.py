"""From results to baselines: what may be accepted, and what a baseline says about where it comes from."""

from __future__ import annotations

from datetime import datetime, timezone
from importlib.metadata import version
from typing import TYPE_CHECKING

import msgspec

from qbench.baseline.schema import (
    AcceptedArtifact,
    AcceptedLatency,
    Baseline,
    Provenance,
    load_predictions,
)
from qbench.baseline.sources import FolderFiles, current_commit
from qbench.baseline.store import BaselineReader, BaselineWriter
from qbench.errors import AcceptRefusedError, BaselineError
from qbench.files import digest_bytes
from qbench.judge.metrics import kind_of
from qbench.models.cache import tool_versions
from qbench.records import Subject
from qbench.runtime.fingerprint import fingerprint_id, python_version, runtime_package, runtime_version
from qbench.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qbench.models.config import Config
    from qbench.records import Fingerprint
    from qbench.verdicts import SubjectResult


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """What became a baseline, and what was refused and why."""

    accepted: tuple[Subject, ...]
    refused: dict[Subject, str]


def accept_results(
    config: Config, results: Mapping[Subject, SubjectResult], *, reason: str, fingerprint: Fingerprint
) -> Acceptance:
    """Write the baseline of every subject that was measured, except of those that must not have one.

    A subject that was only prepared, as the fp32 that others are compared with, keeps the baseline it has.

    Raises
    ------
    AcceptRefusedError
        If no reason is given, or the folder of baselines cannot be written at all.
    """
    if not reason.strip():
        raise AcceptRefusedError('--qbench-accept needs a reason, such as --qbench-accept "retrained on v2 data"')
    writer = BaselineWriter(config.baselines)
    reader = BaselineReader(FolderFiles(config.baselines))
    provenance = Provenance(
        reason=reason.strip(),
        commit=current_commit(config.root),
        accepted_on=datetime.now(timezone.utc).date().isoformat(),
        tools={name: found for name, found in tools_here().items() if found},
    )
    accepted, refused = [], {}
    with writer.locked():
        for subject, result in results.items():
            if not (result.measured or result.problems):
                continue
            try:
                _accept(config, reader, writer, result, provenance, fingerprint)
            except BaselineError as error:
                refused[subject] = str(error)
            else:
                accepted.append(subject)
        writer.sweep(reader)
    return Acceptance(accepted=tuple(accepted), refused=refused)


def tools_here() -> dict[str, str]:
    """What converted, ran and measured; enough to build the environment again that the runtime ran in."""
    here = {"qbench": version("qbench"), "numpy": version("numpy"), "python": python_version()}
    return {**tool_versions(), **here}


def _accept(
    config: Config,
    reader: BaselineReader,
    writer: BaselineWriter,
    result: SubjectResult,
    provenance: Provenance,
    fingerprint: Fingerprint,
) -> None:
    subject, artifact = result.subject, result.artifact
    _refuse_problems(result)
    if artifact is None:
        raise AcceptRefusedError(f"{subject.id} has no artifact")
    # Read inside the lock: another process may have accepted a part of this meanwhile.
    before = _kept(config, reader, result)
    latency = dict(before.latency) if before else {}
    if result.latency is not None:
        latency[fingerprint_id(fingerprint)] = AcceptedLatency(fingerprint=fingerprint, sample=result.latency)
    dataset = result.dataset_digest or (before.provenance.dataset if before else "")
    calibration = result.calibration_digest or (before.provenance.calibration if before else "")
    baseline = Baseline(
        model=subject.model,
        recipe=subject.recipe,
        artifact=AcceptedArtifact(sha256=artifact.sha256, size_bytes=artifact.size_bytes),
        options=config.options,
        provenance=msgspec.structs.replace(provenance, dataset=dataset, calibration=calibration),
        metrics={**_unmeasured_metrics(before, result), **result.metrics},
        operators=result.operators or (before.operators if before else {}),
        counted=result.counted or (before.counted if before else {}),
        weight_bytes_by_dtype=result.weight_bytes_by_dtype or (before.weight_bytes_by_dtype if before else {}),
        predictions=before.predictions if before and "accuracy" not in result.measured else None,
        latency=latency,
    )
    predictions = load_predictions(result.predictions, name=subject.id) if result.predictions else None
    writer.write(baseline, _content(result), predictions)


def _refuse_problems(result: SubjectResult) -> None:
    failed = [
        f"{verdict.metric} fails against {verdict.against}"
        for verdict in result.verdicts
        if verdict.verdict == Verdict.FAIL and not verdict.against_accepted
    ]
    # Errors of what was measured are among the problems; a verdict `error` alone says that the baseline
    # cannot be read, which accepting repairs.
    problems = list(dict.fromkeys([*result.problems, *failed]))
    if problems:
        raise AcceptRefusedError(f"{result.subject.id} is not accepted: {'; '.join(problems)}")


def _kept(config: Config, reader: BaselineReader, result: SubjectResult) -> Baseline | None:
    """The present baseline, if what was not measured now may be taken over from it.

    Raises
    ------
    AcceptRefusedError
        If something was not measured and there is nothing that it could be taken from.
    """
    subject = result.subject
    try:
        before = reader.read(subject)
    except BaselineError:
        before = None  # Damaged: what replaces it must be whole.
    same = (
        before is not None
        and result.artifact is not None
        and before.artifact.sha256 == result.artifact.sha256
        and before.options == config.options
    )
    package = runtime_package(config.options)
    same_runtime = before is not None and before.provenance.tools.get(package) == runtime_version(config.options)
    unmeasured = [kind for kind in config.expected_kinds(subject) if kind not in result.measured]
    if unmeasured and not (same and same_runtime):
        raise AcceptRefusedError(
            f"{subject.id} is not accepted: {', '.join(unmeasured)} was not measured, and there is no baseline of the "
            "same artifact in the same runtime to take it from; run all benchmarks of it"
        )
    return before if same else None


def _unmeasured_metrics(before: Baseline | None, result: SubjectResult) -> dict[str, float]:
    """What is taken over from `before`: of a kind that was measured now, a metric that is gone stays gone."""
    if before is None:
        return {}
    return {name: value for name, value in before.metrics.items() if kind_of(name) not in result.measured}


def _content(result: SubjectResult) -> bytes:
    assert result.artifact is not None  # noqa: S101 - checked by the caller
    try:
        content = result.artifact.path.read_bytes()
    except OSError as error:
        raise AcceptRefusedError(
            f"{result.subject.id} is not accepted: its artifact cannot be read any more ({error})"
        ) from error
    if digest_bytes(content) != result.artifact.sha256:
        raise AcceptRefusedError(f"{result.subject.id} is not accepted: its artifact changed during the run")
    return content
