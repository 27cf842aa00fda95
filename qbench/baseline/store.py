"""Reading what was accepted, and the only code that writes it.

    baselines/<model>/<recipe>.json                        metrics and provenance
    baselines/<model>/<recipe>.predictions-<digest>.npy    per-example predictions
    baselines/artifacts/<sha256>.tflite                    accepted artifacts

A baseline's JSON is replaced last and names its other files by digest, so that whoever dies in the
middle of writing leaves the old baseline whole.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import msgspec
from filelock import FileLock

from qbench.baseline.schema import (
    AcceptedPredictions,
    Baseline,
    decode_baseline,
    decode_predictions,
    encode_baseline,
    encode_predictions,
)
from qbench.errors import AcceptRefusedError, BaselineError, BaselineFormatError
from qbench.files import digest_bytes, replace_file
from qbench.records import Subject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from qbench.baseline.sources import BaselineFiles

_ARTIFACTS = "artifacts"
_LOCK = ".lock"
_DIGEST_DIGITS = 12


class BaselineReader:
    """What was accepted, as `files` have it."""

    def __init__(self, files: BaselineFiles) -> None:
        self.files = files

    def subjects(self) -> tuple[Subject, ...]:
        """Every model and recipe that has a baseline."""
        paths = (name.split("/") for name in self.files.names() if name.endswith(".json"))
        return tuple(
            Subject(model=parts[0], recipe=parts[1].removesuffix(".json"))
            for parts in paths
            if len(parts) == 2 and parts[0] != _ARTIFACTS  # noqa: PLR2004 - model and recipe
        )

    def read(self, subject: Subject) -> Baseline | None:
        """The baseline of a subject, None if it has none.

        Raises
        ------
        BaselineFormatError
            If it is damaged, of another version, or of another subject.
        """
        name = _json_name(subject)
        content = self.files.read(name)
        if content is None:
            return None
        baseline = decode_baseline(content, name=name)
        if baseline.subject != subject:
            raise BaselineFormatError(f"{name} is the baseline of {baseline.subject.id}; expected {subject.id}")
        return baseline

    def predictions(self, baseline: Baseline) -> npt.NDArray[Any] | None:
        """The accepted predictions of shape (examples,), None if none were kept.

        Raises
        ------
        BaselineFormatError
            If the file is missing or is not the one that was accepted.
        """
        accepted = baseline.predictions
        if accepted is None:
            return None
        content = self.files.read(f"{baseline.model}/{accepted.file}")
        if content is None:
            raise BaselineFormatError(
                f"{baseline.model}/{accepted.file} is missing; restore it with `git checkout`, or accept again"
            )
        return decode_predictions(content, accepted)

    def artifact(self, baseline: Baseline) -> bytes | None:
        """The accepted artifact's bytes, None if they are missing or are not those that were accepted."""
        content = self.files.read(f"{_ARTIFACTS}/{baseline.artifact.sha256}.tflite")
        return content if content is not None and digest_bytes(content) == baseline.artifact.sha256 else None


class BaselineWriter:
    """The only code that writes below `folder`; several processes may write at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the only right to write; read what is there inside of it, so that nobody's work is lost.

        Raises
        ------
        AcceptRefusedError
            If the folder cannot be written.
        """
        lock = FileLock(self._folder / _LOCK)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except OSError as error:
            raise self._refusal(error) from error
        try:
            yield
        finally:
            lock.release()

    def write(self, baseline: Baseline, artifact: bytes, predictions: npt.NDArray[Any] | None) -> None:
        """Replace the baseline of one subject; call it inside `locked`.

        Raises
        ------
        AcceptRefusedError
            If the folder cannot be written, the disk is full, or a metric is NaN.
        """
        encoded = None if predictions is None else encode_predictions(predictions)
        if encoded is not None and predictions is not None:
            digest = digest_bytes(encoded)
            file = f"{baseline.recipe}.predictions-{digest[:_DIGEST_DIGITS]}.npy"
            accepted = AcceptedPredictions(file=file, sha256=digest, examples=len(predictions))
            baseline = msgspec.structs.replace(baseline, predictions=accepted)
        folder = self._folder / baseline.model
        try:
            text = encode_baseline(baseline)
            self._write_once(self._folder / _ARTIFACTS / f"{baseline.artifact.sha256}.tflite", artifact)
            if encoded is not None and baseline.predictions is not None:
                self._write_once(folder / baseline.predictions.file, encoded)
            replace_file(folder / f"{baseline.recipe}.json", text)
        except ValueError as error:
            raise AcceptRefusedError(f"{baseline.subject.id}: a metric is not a finite number ({error})") from error
        except OSError as error:
            raise self._refusal(error) from error

    def sweep(self, reader: BaselineReader) -> None:
        """Remove predictions and artifacts that no baseline names any more; call it inside `locked`.

        Nothing is removed while a baseline cannot be read: any file may be one that it names.
        """
        used: set[Path] = set()
        for subject in reader.subjects():
            try:
                baseline = reader.read(subject)
            except BaselineError:
                return
            if baseline is not None:
                used.add(self._folder / _ARTIFACTS / f"{baseline.artifact.sha256}.tflite")
            if baseline is not None and baseline.predictions is not None:
                used.add(self._folder / baseline.model / baseline.predictions.file)
        kept = [*self._folder.glob(f"{_ARTIFACTS}/*.tflite"), *self._folder.glob("*/*.predictions-*.npy")]
        for path in kept:
            if path not in used:
                with suppress(OSError):  # What cannot be removed now harms nobody, and is tried again.
                    path.unlink()

    def _write_once(self, path: Path, content: bytes) -> None:
        """A file named by its content is written only if it is not there, or is damaged."""
        if not path.exists() or path.read_bytes() != content:
            replace_file(path, content)

    def _refusal(self, error: OSError) -> AcceptRefusedError:
        return AcceptRefusedError(
            f"baselines cannot be written to {self._folder} ({error}); what was accepted before is unchanged. "
            "Make the folder writable or free space, and accept again"
        )


def _json_name(subject: Subject) -> str:
    return f"{subject.model}/{subject.recipe}.json"
