"""Artifacts of declared models: found in the cache, given by the user, or converted in one child process."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from qbench.errors import ConversionError, QbenchError, WorkerError
from qbench.files import digest_file
from qbench.models.cache import ArtifactCache, CacheEntry, cache_key, tool_versions
from qbench.models.recipes import REFERENCE_RECIPE
from qbench.models.sources import find_module
from qbench.models.training_set import TrainingSets
from qbench.processes import ChildProcess, module_command
from qbench.records import Artifact, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from qbench.models.config import Config, ModelConfig
    from qbench.models.datasets import Dataset
    from qbench.progress import Report

    DatasetOf = Callable[[str], Dataset | None]

_CONVERTER = "qbench.conversion.converter"

#: TensorFlow's start-up messages fill a screen, and a GPU would make conversion depend on the machine.
_ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"}


class BuiltArtifact(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact and what only its conversion knew."""

    artifact: Artifact
    weight_elements: int | None = None


class Builder:
    """Makes the artifacts of a configuration; a context manager that ends its child.

    The child, and with it TensorFlow, starts with the first artifact that is not in the cache.

    Parameters
    ----------
    config
        What is declared.
    cache
        Where converted artifacts are kept.
    dataset_of
        Gives the dataset of a model by the model's name, None if it declares none; called only for
        recipes that are calibrated.
    """

    def __init__(self, config: Config, cache: ArtifactCache, dataset_of: DatasetOf) -> None:
        self._config = config
        self._cache = cache
        self._dataset_of = dataset_of
        self._child = ChildProcess(module_command(_CONVERTER), environment=_ENVIRONMENT)
        self._loaded = ""
        self._calibrated = self._taught = False
        self._training_sets = TrainingSets(config, dataset_of)
        self.converted: list[Subject] = []

    def __enter__(self) -> Builder:
        """Nothing is started yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the child."""
        self._child.stop(limit_s=0.0)

    def build(
        self, subjects: Sequence[Subject], progress: Report | None = None, *, convert: bool = True
    ) -> dict[Subject, BuiltArtifact | QbenchError]:
        """Find or make the artifact of each subject; what cannot be made is an error in its place.

        Parameters
        ----------
        convert
            Whether to make what is not in the cache; it is an error otherwise.
        """
        built: dict[Subject, BuiltArtifact | QbenchError] = {}
        waiting: list[tuple[Subject, str]] = []
        for subject in subjects:
            found = self._find(subject)
            if isinstance(found, str) and not convert:
                built[subject] = ConversionError(f"{subject.id} is not in the cache, and was not to be converted now")
            elif isinstance(found, str):
                waiting.append((subject, found))
            else:
                built[subject] = found
        for done, (subject, key) in enumerate(waiting):
            if progress is not None:
                progress(done, len(waiting), subject.id)
            try:
                built[subject] = self._convert_once(subject, key)
            except QbenchError as error:
                built[subject] = error
        if progress is not None and waiting:
            progress(len(waiting), len(waiting), "")
        return {subject: built[subject] for subject in subjects}

    def _model(self, subject: Subject) -> ModelConfig:
        return self._config.models[subject.model]

    def _find(self, subject: Subject) -> BuiltArtifact | QbenchError | str:
        """The artifact of a subject, why there can be none, or the key under which it has to be made."""
        try:
            return self._given(subject) or self._key_or_entry(subject)
        except QbenchError as error:
            return error
        except OSError as error:
            return ConversionError(f"{subject.id}: its source cannot be read: {error}")

    def _given(self, subject: Subject) -> BuiltArtifact | None:
        """The artifact of a subject that needs no conversion."""
        source = self._model(subject).source
        path = source.artifacts.get(subject.recipe)
        if path is None and source.kind == "tflite" and subject.recipe == REFERENCE_RECIPE:
            path = source.path
        if path is None and source.artifacts:
            raise ConversionError(
                f"{subject.id}: `source` gives finished artifacts for {', '.join(source.artifacts)}, and none for "
                f"{subject.recipe}"
            )
        if path is None:
            return None
        size = path.stat().st_size
        return BuiltArtifact(artifact=Artifact(subject=subject, path=path, sha256=digest_file(path), size_bytes=size))

    def _key_or_entry(self, subject: Subject) -> BuiltArtifact | str:
        """The cached artifact of a subject, or the key under which it has to be made."""
        spec = self._config.recipes[subject.recipe]
        dataset = self._dataset_of(subject.model) if spec.calibrated else None
        if spec.calibrated and (dataset is None or not dataset.calibration_arrays):
            raise ConversionError(
                f"{subject.id}: the recipe needs calibration samples and the model's dataset has none; "
                "give the Dataset a `calibration` array taken from the training set"
            )
        training_set = self._training_sets.of(subject)
        function_digest = ""
        if spec.function is not None:
            path = find_module(
                spec.function.partition(":")[0],
                key=f"tool.qbench.recipe.{subject.recipe}.function",
                root=self._config.root,
            )
            function_digest = digest_file(path)
        key = cache_key(
            self._model(subject).source,
            spec,
            calibration_digest=dataset.calibration_digest if dataset else "",
            function_digest=function_digest,
            training_digest=training_set.digest if training_set else "",
        )
        entry = self._cache.find(key)
        return key if entry is None else _built(subject, entry)

    def _convert_once(self, subject: Subject, key: str) -> BuiltArtifact:
        """Convert unless another process did so while this one waited for its turn."""
        with self._cache.locked(key):
            entry = self._cache.find(key) or self._convert(subject, key)
        return _built(subject, entry)

    def _convert(self, subject: Subject, key: str) -> CacheEntry:
        if not self._child.running:
            self._loaded = ""
            self._child.start()
        try:
            self._load(subject)
            answer = self._ask(
                {"do": "convert", "recipe": msgspec.to_builtins(self._config.recipes[subject.recipe])}, (), subject
            )
        except WorkerError as error:
            raise ConversionError(f"{subject.id}: {error}") from error
        header, blobs = answer
        self.converted.append(subject)
        return self._cache.store(key, blobs[0], weight_elements=header["weight_elements"])

    def _load(self, subject: Subject) -> None:
        """Give the child the source of the subject's model and, where needed, its calibration samples, once."""
        if self._loaded != subject.model:
            source = self._model(subject).source
            request = {
                "do": "load",
                "kind": source.kind,
                "path": str(source.path),
                "function": source.function,
                "root": str(self._config.root.absolute()),
            }
            self._loaded, self._calibrated, self._taught = "", False, False
            self._ask(request, (), subject)
            self._loaded = subject.model
        if self._config.recipes[subject.recipe].calibrated and not self._calibrated:
            dataset = self._dataset_of(subject.model)
            arrays = dataset.calibration_arrays if dataset else {}
            blobs = tuple(_npy(dataset.real_values(array)) for array in arrays.values()) if dataset else ()
            self._ask({"do": "calibrate", "names": list(arrays)}, blobs, subject)
            self._calibrated = True

        if (training_set := self._training_sets.of(subject)) is not None and not self._taught:
            taught = (*training_set.input_arrays.values(), np.asarray(training_set.labels))
            self._ask({"do": "teach", **training_set.described()}, tuple(map(_npy, taught)), subject)
            self._taught = True

    def _ask(
        self, request: dict[str, Any], blobs: tuple[bytes, ...], subject: Subject
    ) -> tuple[dict[str, Any], tuple[bytes, ...]]:
        answer = self._child.ask(
            request, blobs, doing=f"converting {subject.id}", limit_s=self._config.conversion_timeout_s
        )
        if error := answer[0].get("error"):
            raise ConversionError(f"{subject.id} cannot be converted: {error}{_missing_tool(str(error))}")
        return answer


def _built(subject: Subject, entry: CacheEntry) -> BuiltArtifact:
    artifact = Artifact(subject=subject, path=entry.path, sha256=entry.sha256, size_bytes=entry.size_bytes)
    return BuiltArtifact(artifact=artifact, weight_elements=entry.weight_elements)


def _npy(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _missing_tool(error: str) -> str:
    if "ModuleNotFoundError" not in error:
        return ""
    missing = [name for name, version in tool_versions().items() if not version]
    return (
        f"; not installed: {', '.join(missing)}. Install the extra: pip install 'qbench[tensorflow]'" if missing else ""
    )
