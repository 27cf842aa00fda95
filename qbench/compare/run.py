"""Measures two artifacts and judges the second as a run of the gate would, with the first as what was accepted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import msgspec

from qbench.compare.accepted import MemoryFiles
from qbench.compare.pair import declare, read_named, read_pair
from qbench.compare.words import in_own_words
from qbench.errors import DatasetError, QbenchError
from qbench.measure.inputs import input_encoders, unscaled_bytes, wanted_inputs
from qbench.measure.latency import time_rounds
from qbench.models.dataset_files import read_dataset
from qbench.session import Session, SessionOptions
from qbench.session.latency import LatencyOptions
from qbench.session.preparation import Datasets
from qbench.session.record import run_record
from qbench.verdicts import Verdict

if TYPE_CHECKING:
    from qbench.compare.pair import Pair, Settings
    from qbench.models.config import Config
    from qbench.models.datasets import Dataset
    from qbench.progress import Progress
    from qbench.records import Subject
    from qbench.run_record import RunRecord
    from qbench.session.inventory import Inventory

#: Seconds in which the latency of one artifact is sampled, for people; the verdict comes from the contest.
_SAMPLE_S = 0.3

#: Exit status where nothing failed and something was not judged, as of a run of the gate in CI.
EXIT_INCOMPLETE = 8
_EXIT_FAILED = 1


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The record of a comparison, and what measured it, for who shows more than that."""

    record: RunRecord
    session: Session
    inventory: Inventory


def compare(settings: Settings, progress: Progress) -> Comparison:
    """Measure both files and judge the candidate.

    Raises
    ------
    ConfigError
        If a file is missing, or a tolerance cannot judge these two.
    QbenchError
        If the baseline or the examples cannot be used; what is wrong with the candidate is a verdict.
    """
    started = datetime.now(timezone.utc)
    pair = read_pair(settings)
    config = declare(settings, pair)
    dataset, doubt = _examples(settings)
    files = MemoryFiles(str(settings.baseline))
    session = Session(
        config,
        SessionOptions(gate=True, latency=LatencyOptions(seed=settings.seed)),
        progress,
        datasets=Datasets(config, {str(settings.data): dataset} if dataset is not None else {}),
        baselines=files,
    )
    session.prepare(pair.subjects)
    for kind in config.expected_kinds(pair.candidate):
        _measure(session, pair.baseline, kind)
    files.accept(session, pair.baseline, pair.candidate)
    _judge(session, config, pair, settings)
    inventory = session.finish()
    results = {subject: session.result(subject) for subject in pair.subjects}
    inventory = msgspec.structs.replace(
        inventory,
        results=results,
        verdicts=tuple(in_own_words(verdict) for verdict in inventory.verdicts),
    )
    record = run_record(
        session, inventory, exit_status=_exit_status(inventory), started=started, notes=_notes(settings, pair, doubt)
    )
    # It is declared nowhere, whatever project it is called in.
    subjects = tuple(msgspec.structs.replace(subject, declared_at=0) for subject in record.subjects)
    project = f"{settings.candidate.name} against {settings.baseline.name}"
    record = msgspec.structs.replace(record, subjects=subjects, project=project)
    return Comparison(record=record, session=session, inventory=inventory)


def _examples(settings: Settings) -> tuple[Dataset | None, str]:
    """The examples, if they fit the baseline, and what is odd about them.

    Raises
    ------
    QbenchError
        If they do not; the error says what the model wants.
    """
    if settings.data is None:
        return None, ""
    structure = read_named(settings.baseline.read_bytes(), settings.baseline)
    try:
        dataset = read_dataset(settings.data, "--data", inputs=[spec.name for spec in structure.inputs])
        input_encoders(dataset, structure.inputs)
        return dataset, unscaled_bytes(dataset, structure.inputs)
    except DatasetError as error:
        wanted = f"{settings.baseline.name} wants {wanted_inputs(structure.inputs)}"
        raise DatasetError(f"{error}. {wanted}") from error


def _measure(session: Session, subject: Subject, kind: str) -> list[Verdict]:
    """Measure one kind of a subject; what is declared is judged too."""
    if kind == "latency":
        interpreter = session.open(subject)
        rounds = time_rounds(interpreter.invoke, limit_s=_SAMPLE_S)
        verdicts = session.measure_latency(subject, rounds, iterations=1)
    elif kind == "size":
        verdicts = session.measure_size(subject)
    elif kind == "structure":
        verdicts = session.measure_structure(subject)
    else:
        verdicts = session.measure_accuracy(subject)
    return [verdict.verdict for verdict in verdicts]


def _judge(session: Session, config: Config, pair: Pair, settings: Settings) -> None:
    """Measure and judge the candidate; what cannot be measured of it is a verdict, and explained if it fails."""
    subject = pair.candidate
    for kind in config.expected_kinds(subject):
        try:
            failed = Verdict.FAIL in _measure(session, subject, kind)
        except QbenchError as error:
            session.note_error(subject, kind, error)
            continue
        # A quantized artifact differs from its float model in everything: only an accuracy has a cause there.
        if failed and (kind == "accuracy" or not pair.quantizes):
            cause = session.blame.cause(subject, kind)
            more = f" More: {_explain_command(settings)}" if pair.quantizes else ""
            if cause:
                session.result(subject).causes[kind] = f"Why: {cause}{more}"


def _explain_command(settings: Settings) -> str:
    return f"qbench explain {settings.baseline} {settings.candidate} --data {settings.data}"


def _exit_status(inventory: Inventory) -> int:
    if inventory.failed or any(verdict.verdict == Verdict.ERROR for verdict in inventory.verdicts):
        return _EXIT_FAILED
    return EXIT_INCOMPLETE if inventory.incomplete else 0


def _notes(settings: Settings, pair: Pair, doubt: str) -> list[str]:
    notes = [f"Look at the examples: {doubt}"] if doubt else []
    if pair.quantizes:
        notes.append(
            f"{settings.baseline.name} is float and {settings.candidate.name} is not: accuracy is judged as what "
            "quantizing costs (accuracy_drop)"
        )
    if settings.data is None:
        notes.append("accuracy was not measured: --data FILE.npz gives examples (inputs, and labels if there are any)")
    if not settings.latency:
        notes.append("latency was not measured: --no-latency")
    return notes
