"""What was measured of the baseline, in the form in which accepted results are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.baseline.schema import (
    AcceptedArtifact,
    AcceptedPredictions,
    Baseline,
    Provenance,
    encode_baseline,
    load_predictions,
)
from qbench.files import digest_bytes
from qbench.judge.metrics import AGREEMENT
from qbench.session.acceptance import tools_here

if TYPE_CHECKING:
    from qbench.records import Subject
    from qbench.session import Session

FLIPS = "flips"


class MemoryFiles:
    """Accepted results that never reach a disk; it is a `qbench.baseline.sources.BaselineFiles`.

    Parameters
    ----------
    name
        How sentences call them.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._files: dict[str, bytes] = {}

    def describe(self) -> str:
        """Where they are, for a sentence."""
        return self._name

    def names(self) -> tuple[str, ...]:
        """All files, sorted."""
        return tuple(sorted(self._files))

    def read(self, name: str) -> bytes | None:
        """The content of a file, None if there is none of that name."""
        return self._files.get(name)

    def accept(self, session: Session, baseline: Subject, candidate: Subject) -> None:
        """Take what was measured of `baseline` for what was accepted of `candidate`."""
        result = session.result(baseline)
        prepared = session.prepared(baseline)
        metrics, predictions = dict(result.metrics), None
        if result.predictions:
            # Of an artifact and itself, which nobody measures.
            metrics |= {AGREEMENT: 1.0, FLIPS: 0.0}
            predictions = AcceptedPredictions(
                file="predictions.npy",
                sha256=digest_bytes(result.predictions),
                examples=len(load_predictions(result.predictions, name=baseline.id)),
            )
            self._files[f"{candidate.model}/{predictions.file}"] = result.predictions
        accepted = Baseline(
            model=candidate.model,
            recipe=candidate.recipe,
            artifact=AcceptedArtifact(sha256=prepared.artifact.sha256, size_bytes=prepared.artifact.size_bytes),
            options=session.config.options,
            provenance=Provenance(
                reason="", commit="", accepted_on="", tools=tools_here(), dataset=result.dataset_digest
            ),
            metrics=metrics,
            operators=result.operators,
            counted=result.counted,
            weight_bytes_by_dtype=result.weight_bytes_by_dtype,
            predictions=predictions,
        )
        self._files[f"artifacts/{prepared.artifact.sha256}.tflite"] = prepared.content
        self._files[f"{candidate.model}/{candidate.recipe}.json"] = encode_baseline(accepted)
