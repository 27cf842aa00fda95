"""A small project without pytest: models from the zoo, a dataset, and sessions over them."""

from __future__ import annotations

import sys
import types
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import models_zoo as zoo
import msgspec
import numpy as np

from qbench.baseline.sources import FolderFiles
from qbench.baseline.store import BaselineReader
from qbench.errors import QbenchError
from qbench.measure.evaluate import evaluate
from qbench.models.config import Config, parse_config
from qbench.models.datasets import Dataset
from qbench.records import RuntimeOptions, Subject
from qbench.session import Session, SessionOptions
from qbench.session.acceptance import Acceptance, accept_results

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pytest

    from qbench.baseline.schema import Baseline
    from qbench.session.inventory import Inventory
    from qbench.verdicts import MetricVerdict

FP32 = Subject(model="tiny", recipe="fp32")
INT8 = Subject(model="tiny", recipe="int8")

KINDS = ("size", "structure", "accuracy", "latency")

_MODULE = "qbench_lab_data"


def stats(median_s: float = 2e-6) -> SimpleNamespace:
    """What pytest-benchmark would have measured."""
    return SimpleNamespace(
        data=[median_s],
        median=median_s,
        mean=median_s,
        stddev=0.0,
        min=median_s,
        max=median_s,
        q1=median_s,
        q3=median_s,
        ld15iqr=median_s,
        hd15iqr=median_s,
        rounds=1,
        outliers="0;0",
    )


def examples(count: int = 64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, 4)).astype(np.float32)


def labels_of(content: bytes, inputs: np.ndarray) -> np.ndarray:
    """What an artifact predicts, as labels that make it right every time."""
    return evaluate(content, Dataset(inputs=inputs), RuntimeOptions()).outputs[0].argmax(axis=1)


class Lab:
    """A project in a folder of its own; tests change `table`, `dataset` and files between sessions."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.dataset = Dataset(inputs=examples(), labels=labels_of(zoo.dense_float(), examples()), name="lab")
        module = types.ModuleType(_MODULE)
        module.__dict__["examples"] = lambda: self.dataset
        monkeypatch.setitem(sys.modules, _MODULE, module)
        self.module = module
        self.source("fp32", zoo.dense_float())
        self.source("int8", zoo.dense_int8())
        self.model: dict[str, Any] = {
            "source": {"fp32": "fp32.tflite", "int8": "int8.tflite"},
            "dataset": f"{_MODULE}:examples",
        }
        # No verdict may depend on how fast this machine is: any latency is tolerated, and a little evidence is enough.
        self.table: dict[str, Any] = {
            "models": {"tiny": self.model},
            "tolerance": {"latency": 1000.0},
            "contest": {"alpha": 0.4, "limit_s": 60.0},
        }

    def source(self, recipe: str, content: bytes) -> None:
        """Write the artifact that the model's source gives for a recipe."""
        (self.root / f"{recipe}.tflite").write_bytes(content)

    @property
    def config(self) -> Config:
        """What is declared now."""
        return parse_config(self.table, root=self.root)

    @property
    def baselines(self) -> Path:
        """Where accepted results lie."""
        return self.root / "baselines"

    def session(self, *, gate: bool = True, accept: str | None = None, base_ref: str | None = None) -> Session:
        """A new session over what is declared now."""
        return Session(self.config, SessionOptions(gate=gate, accept=accept, base_ref=base_ref))

    def run(
        self, session: Session, subjects: Iterable[Subject] | None = None, kinds: Iterable[str] = KINDS
    ) -> list[MetricVerdict]:
        """Measure as the fixture `gate` does: an error becomes the verdict, and the run goes on."""
        verdicts: list[MetricVerdict] = []
        for subject in session.config.subjects if subjects is None else subjects:
            for kind in kinds:
                if kind in session.config.expected_kinds(subject):
                    try:
                        verdicts += self._measure(session, subject, kind)
                    except QbenchError as error:
                        verdicts.append(session.note_error(subject, kind, error))
        return verdicts

    def _measure(self, session: Session, subject: Subject, kind: str) -> list[MetricVerdict]:
        if kind == "latency":
            session.open(subject)
            return session.measure_latency(subject, stats(), iterations=1)
        return getattr(session, f"measure_{kind}")(subject)

    def gate(
        self, subjects: Iterable[Subject] | None = None, kinds: Iterable[str] = KINDS, **options: Any
    ) -> Inventory:
        """Measure and judge in a new session."""
        session = self.session(**options)
        self.run(session, subjects, kinds)
        return session.finish()

    def accept(
        self,
        reason: str = "first",
        subjects: Iterable[Subject] | None = None,
        kinds: Iterable[str] = KINDS,
        *,
        gate: bool = False,
    ) -> Acceptance:
        """Measure in a new session and accept that."""
        session = self.session(gate=gate, accept=reason)
        self.run(session, subjects, kinds)
        return self.accept_results(session, reason)

    def accept_results(self, session: Session, reason: str = "first", *, cpu: str = "") -> Acceptance:
        """Accept what a session has measured, on a machine with another processor if one is named."""
        fingerprint = msgspec.structs.replace(session.fingerprint, cpu=cpu) if cpu else session.fingerprint
        return accept_results(session.config, session.results, reason=reason, fingerprint=fingerprint)

    def baseline(self, subject: Subject) -> Baseline:
        """The accepted baseline of a subject, which there must be."""
        found = BaselineReader(FolderFiles(self.baselines)).read(subject)
        assert found is not None
        return found

    def files(self) -> dict[str, bytes]:
        """Everything below the folder of baselines."""
        return {
            path.relative_to(self.baselines).as_posix(): path.read_bytes()
            for path in self.baselines.rglob("*")
            if path.is_file() and path.name != ".lock"
        }


def of(verdicts: Iterable[MetricVerdict], subject: Subject, metric: str) -> MetricVerdict:
    """The only verdict on a metric of a subject."""
    (found,) = [verdict for verdict in verdicts if (verdict.subject, verdict.metric) == (subject, metric)]
    return found
