"""The log of a search on the disk: what was measured once is not measured again."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import msgspec

from qbench.errors import ConfigError
from qbench.files import digest_parts, replace_file
from qbench.models.cache import cache_folder, tool_versions
from qbench.records import Subject
from qbench.runtime.fingerprint import fingerprint_id, runtime_version, take_fingerprint
from qbench.tune.records import Outcome, TrialLog, decode_log, encode_log, recipe_digest

if TYPE_CHECKING:
    from pathlib import Path

    from qbench.models.config import Config
    from qbench.models.datasets import Dataset
    from qbench.models.recipes import RecipeSpec

_SHOWN_DIGITS = 12


class Log:
    """Outcomes by recipe, kept in a file after each trial.

    Parameters
    ----------
    path
        The file, which need not exist.
    key
        What the outcomes depend on besides the recipe (see `log_key`); it is part of the file's name.

    Raises
    ------
    ConfigError
        If the file is damaged, of another version or of another key.
    """

    def __init__(self, path: Path, *, key: str, model: str) -> None:
        self.path = path
        self._kept = TrialLog(key=key, model=model, qbench=version("qbench"))
        if path.exists():
            self._kept = decode_log(path.read_bytes(), name=str(path))
            if self._kept.key != key:
                raise ConfigError(str(path), found="a log of something else", expected="that of this model, or no file")
        self._places = {recipe_digest(each.recipe): place for place, each in enumerate(self._kept.outcomes)}

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """All outcomes, in the order of their first measurement."""
        return tuple(self._kept.outcomes)

    def find(self, recipe: RecipeSpec) -> Outcome | None:
        """The outcome of a recipe, None if it was not measured."""
        place = self._places.get(recipe_digest(recipe))
        return None if place is None else self._kept.outcomes[place]

    def of_bytes(self, sha256: str) -> Outcome | None:
        """The outcome of an artifact, whichever recipe made it."""
        return next((each for each in self._kept.outcomes if each.sha256 == sha256 and each.measured), None)

    def timed(self, kernels: str) -> Outcome | None:
        """An outcome with a latency that holds for these kernels."""
        return next((each for each in self._kept.outcomes if each.kernels == kernels and each.latency), None)

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome in place of an older one of the same recipe."""
        key = recipe_digest(outcome.recipe)
        if key in self._places:
            self._kept.outcomes[self._places[key]] = outcome
        else:
            self._places[key] = len(self._kept.outcomes)
            self._kept.outcomes.append(outcome)
        replace_file(self.path, encode_log(self._kept))


def open_log(config: Config, model: str, dataset: Dataset, *, recipe: str, training: str = "") -> Log:
    """The log of a model in the cache, to be gone on with.

    Parameters
    ----------
    recipe
        The name of what is searched for, whose tolerances hold.
    training
        Digest of the training set, if one is used.

    Raises
    ------
    ConfigError
        As `Log`.
    """
    key = log_key(config, model, dataset, recipe=recipe, training=training)
    path = cache_folder(config.cache) / "tune" / f"{model}-{key[:_SHOWN_DIGITS]}.json"
    return Log(path, key=key, model=model)


def log_key(config: Config, model: str, dataset: Dataset, *, recipe: str, training: str = "") -> str:
    """Digest of everything that an outcome depends on besides its recipe."""
    declared = config.models[model]
    judged = {
        "tolerance": config.tolerance_of(Subject(model=model, recipe=recipe)),
        "evidence": config.accuracy_evidence,
        "contest": config.contest,
        "options": config.options,
        "metrics": declared.metrics,
        "top_k": declared.top_k,
        "output": declared.output,
    }
    return digest_parts(
        [
            declared.source.digest(),
            dataset.digest,
            dataset.calibration_digest,
            training,
            msgspec.json.encode(judged, order="sorted").decode(),
            fingerprint_id(take_fingerprint(config.options)),
            runtime_version(config.options) or "",
            version("qbench"),
            *(f"{name}=={tool}" for name, tool in tool_versions().items()),
        ]
    )
