"""From declared subjects to artifacts that are known to be whole and to run."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qbench.errors import ArtifactError, DatasetError, InvalidArtifactError, QbenchError, QbenchWarning
from qbench.models.artifact_checks import (
    check_float,
    check_quantized,
    check_weights_present,
    warn_of_saturated_biases,
)
from qbench.models.cache import ArtifactCache, cache_folder
from qbench.models.convert import Builder, BuiltArtifact
from qbench.models.dataset_files import SUFFIX, read_dataset
from qbench.models.datasets import Dataset
from qbench.models.recipes import REFERENCE_RECIPE
from qbench.models.sources import import_function
from qbench.models.structure import read_structure
from qbench.records import Subject
from qbench.runtime.preflight import Preflight, PreflightWorker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qbench.models.config import Config
    from qbench.models.structure import Structure
    from qbench.progress import Progress
    from qbench.records import Artifact


_TENSORFLOW = "tensorflow"


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """An artifact that ran once in a worker process and passed its checks."""

    artifact: Artifact
    content: bytes
    structure: Structure
    preflight: Preflight


class Datasets:
    """The datasets of a configuration's models, each loaded once.

    Parameters
    ----------
    loaded
        Datasets by what declares them, which need not be loaded.
    """

    def __init__(self, config: Config, loaded: Mapping[str, Dataset] | None = None) -> None:
        self._config = config
        self._loaded: dict[str, Dataset] = dict(loaded or {})

    def of(self, model: str) -> Dataset | None:
        """The dataset of `model`, None if it declares none.

        Raises
        ------
        ConfigError
            If ``module:function`` cannot be imported, or the file is no `.npz`.
        DatasetError
            If the function raises, or gives something else than a `Dataset`, or the file does not hold one.
        """
        declared = self._config.models[model].dataset
        if declared is None:
            return None
        if declared not in self._loaded:
            key = f"tool.qbench.models.{model}.dataset"
            of_file = declared.endswith(SUFFIX)
            self._loaded[declared] = (
                read_dataset(self._config.root / declared, key) if of_file else self._load(declared, key)
            )
        return self._loaded[declared]

    def _load(self, declared: str, key: str) -> Dataset:
        before = _TENSORFLOW in sys.modules
        function = import_function(declared, key=key, root=self._config.root)
        try:
            dataset = function()
        except QbenchError:
            raise
        except Exception as error:
            raise DatasetError(f"{declared} raised {type(error).__name__}: {error}") from error
        if _TENSORFLOW in sys.modules and not before:
            warnings.warn(
                f"{declared} imported TensorFlow into the process that measures latency; its threads disturb timing. "
                "Save the arrays once with numpy and load those",
                QbenchWarning,
                stacklevel=2,
            )
        if not isinstance(dataset, Dataset):
            raise DatasetError(f"{declared} returned {type(dataset).__name__}; expected a qbench.Dataset")
        return dataset


def with_references(config: Config, subjects: Sequence[Subject]) -> tuple[Subject, ...]:
    """`subjects` and the fp32 of each of their models, which comes first: the others are compared with it."""
    references: dict[Subject, None] = {}
    for subject in subjects:
        model = config.models[subject.model]
        if not model.source.given_recipes or REFERENCE_RECIPE in model.source.given_recipes:
            references[Subject(model=subject.model, recipe=REFERENCE_RECIPE)] = None
    return tuple({**references, **dict.fromkeys(subjects)})


def prepare(
    config: Config,
    subjects: Sequence[Subject],
    datasets: Datasets,
    progress: Progress,
    *,
    known: Mapping[Subject, Prepared | QbenchError],
    convert: bool = True,
) -> dict[Subject, Prepared | QbenchError]:
    """Build, run once and check the artifacts of `subjects`; what cannot be used is an error in its place.

    Parameters
    ----------
    known
        What was prepared before. The fp32 of a model has to be there or among `subjects`, in front of the
        model's other recipes (see `with_references`): whether those changed anything is checked against it.
    convert
        Whether to convert what is not in the cache; it is an error otherwise.
    """
    cache = ArtifactCache(cache_folder(config.cache))
    with progress.task("converting") as report, Builder(config, cache, datasets.of) as builder:
        built = builder.build(subjects, report, convert=convert)
    prepared: dict[Subject, Prepared | QbenchError] = {}
    with (
        progress.task("checking") as report,
        PreflightWorker(config.options, limit_s=config.preflight_timeout_s) as worker,
    ):
        for done, (subject, result) in enumerate(built.items()):
            report(done, len(built), subject.id)
            if isinstance(result, QbenchError):
                prepared[subject] = result
                continue
            fp32 = Subject(model=subject.model, recipe=REFERENCE_RECIPE)
            reference = prepared.get(fp32) or known.get(fp32)
            try:
                prepared[subject] = check_built(config, result, reference, worker)
            except QbenchError as error:
                prepared[subject] = error
    return prepared


def check_built(
    config: Config, built: BuiltArtifact, reference: Prepared | QbenchError | None, worker: PreflightWorker
) -> Prepared:
    """Run a built artifact once and check that it holds what its recipe promises.

    Parameters
    ----------
    reference
        The fp32 of the same model, with which the checks compare, where there is one.

    Raises
    ------
    ArtifactError
        If the artifact cannot be read, is damaged, or is not what it claims to be.
    WorkerError
        If it crashes or hangs its process.
    """
    artifact = built.artifact
    subject = artifact.subject
    try:
        content = artifact.path.read_bytes()
        if not content:
            raise InvalidArtifactError(f"found an empty file ({artifact.path.name}), expected a .tflite")
        # The runtime verifies the file before this process reads it.
        preflight = worker.check(content, name=subject.id)
        structure = read_structure(content)
        _check_content(config, built, structure, reference)
    except OSError as error:
        raise ArtifactError(f"{subject.id}: the artifact cannot be read: {error}") from error
    except ArtifactError as error:
        raise type(error)(_named(subject, error)) from error
    return Prepared(artifact=artifact, content=content, structure=structure, preflight=preflight)


def _check_content(
    config: Config, built: BuiltArtifact, structure: Structure, reference: Prepared | QbenchError | None
) -> None:
    subject = built.artifact.subject
    if len(structure.signatures) > 1:
        raise ArtifactError(
            f"it has the signatures {list(structure.signatures)}; qbench measures artifacts with one: "
            "export each signature as a model of its own"
        )
    check_weights_present(structure, built.artifact.size_bytes, built.weight_elements)
    if subject.recipe == REFERENCE_RECIPE:
        check_float(structure)
    elif isinstance(reference, Prepared) and config.recipes[subject.recipe].quantizes:
        check_quantized(structure, reference.structure, subject.recipe)
    warn_of_saturated_biases(structure, subject.id)


def _named(subject: Subject, error: Exception) -> str:
    text = str(error)
    return text if text.startswith(subject.id) else f"{subject.id}: {text}"
