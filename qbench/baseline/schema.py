"""The record of what was accepted for one model and recipe, and its JSON form.

Versions of the form:
    1   the first
    2   names of what metrics of the structure count (`counted`); one of version 1 is read as one that has none
"""

from __future__ import annotations

import io
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from qbench.errors import BaselineFormatError
from qbench.files import canonical_json, digest_bytes
from qbench.records import Fingerprint, LatencySample, RuntimeOptions, Subject

SCHEMA_VERSION = 2
_READ_VERSIONS = (1, SCHEMA_VERSION)


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Who accepted what with which tools.

    Attributes
    ----------
    reason
        What was said to `--qbench-accept`.
    commit
        The commit that was checked out, with ``+`` behind it if files were changed; empty outside git.
    accepted_on
        The day, as YYYY-MM-DD (UTC).
    tools
        Versions of what converted, ran and measured.
    dataset
        SHA-256 of the evaluation examples; empty without a dataset.
    calibration
        SHA-256 of the calibration examples that the artifact depends on; empty if it depends on none, or was accepted
        before this was kept.
    """

    reason: str
    commit: str
    accepted_on: str
    tools: dict[str, str]
    dataset: str = ""
    calibration: str = ""


class AcceptedArtifact(msgspec.Struct, frozen=True, kw_only=True):
    """The artifact that was accepted; its bytes are in `artifacts/<sha256>.tflite`."""

    sha256: str
    size_bytes: int


class AcceptedPredictions(msgspec.Struct, frozen=True, kw_only=True):
    """The file of the per-example predictions, and the digest of its content."""

    file: str
    sha256: str
    examples: int


class AcceptedLatency(msgspec.Struct, frozen=True, kw_only=True):
    """Latency on one kind of machine: for people and for pytest-benchmark's table, never gated elsewhere."""

    fingerprint: Fingerprint
    sample: LatencySample


class Baseline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that was accepted for one model and recipe."""

    model: str
    recipe: str
    artifact: AcceptedArtifact
    options: RuntimeOptions
    provenance: Provenance
    metrics: dict[str, float]
    operators: dict[str, int] = {}
    counted: dict[str, tuple[str, ...]] = {}
    weight_bytes_by_dtype: dict[str, int] = {}
    predictions: AcceptedPredictions | None = None
    latency: dict[str, AcceptedLatency] = {}
    schema_version: int = SCHEMA_VERSION

    @property
    def subject(self) -> Subject:
        """The model and recipe that this is the baseline of."""
        return Subject(model=self.model, recipe=self.recipe)


class _Version(msgspec.Struct):
    schema_version: Any = None


def encode_baseline(baseline: Baseline) -> bytes:
    """The canonical JSON text of a baseline.

    Raises
    ------
    ValueError
        If a metric is NaN or infinite.
    """
    # A whole number is the same text whether it was counted, computed, or read from a baseline.
    metrics = {name: int(value) if float(value).is_integer() else value for name, value in baseline.metrics.items()}
    return canonical_json({**msgspec.to_builtins(baseline), "metrics": metrics})


def decode_baseline(content: bytes, *, name: str) -> Baseline:
    """Read the JSON text of a baseline; `name` is the file that errors speak of.

    Raises
    ------
    BaselineFormatError
        If it is damaged, or of another version.
    """
    advice = "restore it with `git checkout`, or make it again with --qbench-accept"
    try:
        version = msgspec.json.decode(content, type=_Version).schema_version
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BaselineFormatError(f"{name} is not a baseline ({error}); {advice}") from error
    if version not in _READ_VERSIONS:
        newer = isinstance(version, int) and version > SCHEMA_VERSION
        advice = "install the qbench that wrote it" if newer else advice
        raise BaselineFormatError(
            f"{name}: found schema_version {version!r}, this qbench reads 1 to {SCHEMA_VERSION}; {advice}"
        )
    try:
        return msgspec.json.decode(content, type=Baseline)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BaselineFormatError(f"{name} is not a baseline ({error}); {advice}") from error


def encode_predictions(predictions: npt.NDArray[Any]) -> bytes:
    """Per-example predictions of shape (examples,) as the bytes of an `.npy` file."""
    buffer = io.BytesIO()
    np.save(buffer, predictions.astype(predictions.dtype.newbyteorder("<"), copy=False), allow_pickle=False)
    return buffer.getvalue()


def decode_predictions(content: bytes, accepted: AcceptedPredictions) -> npt.NDArray[Any]:
    """Per-example predictions of shape (examples,).

    Raises
    ------
    BaselineFormatError
        If they are not those that were accepted.
    """
    if digest_bytes(content) != accepted.sha256:
        raise BaselineFormatError(
            f"{accepted.file} is not the file that was accepted (its SHA-256 differs); restore it with `git checkout`"
        )
    predictions = load_predictions(content, name=accepted.file)
    if predictions.shape != (accepted.examples,):
        raise BaselineFormatError(f"{accepted.file}: found shape {predictions.shape}, expected ({accepted.examples},)")
    return predictions


def load_predictions(content: bytes, *, name: str) -> npt.NDArray[Any]:
    """Per-example predictions of shape (examples,) from the bytes of an `.npy` file called `name`.

    Raises
    ------
    BaselineFormatError
        If it is no such file.
    """
    try:
        return np.asarray(np.load(io.BytesIO(content), allow_pickle=False))
    except (ValueError, OSError, EOFError) as error:
        raise BaselineFormatError(f"{name} is not an .npy file of predictions ({error})") from error
