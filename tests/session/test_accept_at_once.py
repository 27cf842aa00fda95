"""Two accepts at once: real processes, and nothing of either is lost."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING

import models_zoo as zoo
import pytest

from qbench.baseline.sources import FolderFiles
from qbench.baseline.store import BaselineReader
from qbench.files import digest_bytes
from qbench.measure.latency import latency_sample
from qbench.models.config import Config, parse_config
from qbench.records import Artifact, Fingerprint, Subject
from qbench.session.acceptance import accept_results
from qbench.verdicts import SubjectResult
from session.lab import stats

if TYPE_CHECKING:
    from pathlib import Path

_PROCESSES = 3
_ROUNDS = 6
_RECIPES = ("fp32", "int8", "dynamic")


def config_of(root: Path) -> Config:
    sources = dict.fromkeys(_RECIPES, "model.tflite")
    return parse_config({"models": {"tiny": {"source": sources}}, "metrics": ["size", "latency"]}, root=root)


def result_of(root: Path, recipe: str, median_s: float) -> SubjectResult:
    subject = Subject(model="tiny", recipe=recipe)
    path = root / "model.tflite"
    content = path.read_bytes()
    return SubjectResult(
        subject=subject,
        artifact=Artifact(subject=subject, path=path, sha256=digest_bytes(content), size_bytes=len(content)),
        measured={"size", "latency"},
        metrics={"size_bytes": len(content)},
        latency=latency_sample(stats(median_s), iterations=1),
    )


def fingerprint_of(cpu: str) -> Fingerprint:
    return Fingerprint(
        cpu=cpu,
        instruction_sets=(),
        system="Linux-x86_64",
        python="3.11",
        runtime="litert",
        runtime_version="2.1",
        threads=1,
        kernels="builtin",
    )


def accept_rounds(root: Path, worker: int, recipes: tuple[str, ...], barrier) -> None:
    """Accept round after round at the same moment as the others, each time as another machine."""
    config = config_of(root)
    for number in range(_ROUNDS):
        results = {
            result.subject: result for result in (result_of(root, recipe, 1e-6 * (number + 1)) for recipe in recipes)
        }
        barrier.wait(timeout=60)
        acceptance = accept_results(
            config, results, reason=f"worker {worker}", fingerprint=fingerprint_of(f"{worker}/{number}")
        )
        assert acceptance.refused == {}


@pytest.mark.parametrize("same_recipe", [True, False])
def test_nothing_is_lost(tmp_path: Path, *, same_recipe: bool):
    (tmp_path / "model.tflite").write_bytes(zoo.dense_float())
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(_PROCESSES)
    recipes = [("int8",) if same_recipe else (_RECIPES[worker],) for worker in range(_PROCESSES)]
    processes = [
        context.Process(target=accept_rounds, args=(tmp_path, worker, recipes[worker], barrier))
        for worker in range(_PROCESSES)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)
    assert [process.exitcode for process in processes] == [0] * _PROCESSES

    reader = BaselineReader(FolderFiles(tmp_path / "baselines"))
    for subject in {Subject(model="tiny", recipe=recipe) for (recipe,) in recipes}:
        workers = [worker for worker in range(_PROCESSES) if recipes[worker] == (subject.recipe,)]
        found = reader.read(subject)
        assert found is not None
        kept = {entry.fingerprint.cpu: entry.sample.median_ns for entry in found.latency.values()}
        assert kept == pytest.approx(
            {f"{worker}/{number}": 1000 * (number + 1) for worker in workers for number in range(_ROUNDS)}
        )
        assert reader.artifact(found) == zoo.dense_float()
