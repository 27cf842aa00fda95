"""Baselines for tests: small, whole, and different where a test needs them to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.baseline.schema import AcceptedArtifact, AcceptedLatency, Baseline, Provenance
from qbench.baseline.sources import FolderFiles
from qbench.baseline.store import BaselineReader, BaselineWriter
from qbench.files import digest_bytes
from qbench.records import Fingerprint, LatencySample, RuntimeOptions, Subject

if TYPE_CHECKING:
    from pathlib import Path

SUBJECT = Subject(model="tiny", recipe="int8")

SAMPLE = LatencySample(
    median_ns=1400.5,
    mean_ns=1500.0,
    stddev_ns=100.0,
    min_ns=1300.0,
    max_ns=9000.0,
    q1_ns=1350.0,
    q3_ns=1450.0,
    whisker_low_ns=1300.0,
    whisker_high_ns=1600.0,
    rounds=100,
    iterations=10,
    outliers="3;4",
)


def fingerprint(cpu: str = "a processor") -> Fingerprint:
    return Fingerprint(
        cpu=cpu,
        instruction_sets=("avx2", "fma"),
        system="Linux-x86_64",
        python="3.11",
        runtime="litert",
        runtime_version="2.1",
        threads=1,
        kernels="builtin",
    )


def content(version: int = 1) -> bytes:
    """The bytes of an artifact."""
    return b"artifact %d" % version


def predictions(version: int = 1) -> np.ndarray:
    return (np.arange(50) * version % 10).astype(np.uint8)


def baseline(version: int = 1, subject: Subject = SUBJECT, **changed: Any) -> Baseline:
    """The baseline of version `version` of an artifact."""
    values = {
        "model": subject.model,
        "recipe": subject.recipe,
        "artifact": AcceptedArtifact(sha256=digest_bytes(content(version)), size_bytes=len(content(version))),
        "options": RuntimeOptions(),
        "provenance": Provenance(
            reason=f"version {version}",
            commit="0" * 40,
            accepted_on="2026-01-31",
            tools={"b": "2", "a": "1"},
            dataset="d",
        ),
        "metrics": {"size_bytes": 1000 + version, "accuracy": 0.9 + version / 1000},
        "operators": {"FULLY_CONNECTED int8": 1},
        "weight_bytes_by_dtype": {"int8": 12},
        "latency": {"here": AcceptedLatency(fingerprint=fingerprint(), sample=SAMPLE)},
    }
    return Baseline(**{**values, **changed})


def write(folder: Path, version: int = 1, subject: Subject = SUBJECT) -> None:
    """Accept version `version` of an artifact."""
    writer = BaselineWriter(folder)
    with writer.locked():
        writer.write(baseline(version, subject), content(version), predictions(version))
        writer.sweep(BaselineReader(FolderFiles(folder)))


def assert_whole(folder: Path, version: int, subject: Subject = SUBJECT) -> None:
    """What is in `folder` is version `version`, all three parts of it."""
    reader = BaselineReader(FolderFiles(folder))
    found = reader.read(subject)
    assert found is not None
    assert found.provenance.reason == f"version {version}"
    assert found.metrics == baseline(version).metrics
    assert reader.artifact(found) == content(version)
    np.testing.assert_array_equal(reader.predictions(found), predictions(version))
