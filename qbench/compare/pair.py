"""Two files as a model of which the first is accepted: what is compared with what, and by which tolerances."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from qbench.errors import ArtifactError, ConfigError, NotFloatError
from qbench.judge.tolerance import DEFAULT_TOLERANCE, Tolerance
from qbench.models.artifact_checks import check_float
from qbench.models.config import METRIC_KINDS, Config, ContestConfig, ModelConfig
from qbench.models.recipes import BUILTIN_RECIPES, REFERENCE_RECIPE, RecipeSpec
from qbench.models.sources import Source
from qbench.models.structure import Structure, read_structure
from qbench.records import RuntimeOptions, Subject

#: What the two are called in place of recipes, as the sides of a contest; a float baseline is called as its recipe.
BASELINE, CANDIDATE = "baseline", "candidate"

#: What stands in a name in place of anything that a test id or a file could not hold.
_OTHER = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 60


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What is compared, and how.

    Attributes
    ----------
    baseline, candidate
        The accepted file, and the one that is judged.
    data
        The `.npz` file of examples; None for no accuracy.
    tolerance
        What was said on the command line.
    output
        Name or index of the output that predictions are read from.
    metrics
        The user's own, as ``module:function``.
    latency
        Whether to contest latencies.
    limit_s
        Seconds that the contest may take.
    seed
        Of the order of its blocks.
    """

    baseline: Path
    candidate: Path
    data: Path | None = None
    tolerance: Tolerance = Tolerance()
    options: RuntimeOptions = RuntimeOptions()
    output: str | int | None = None
    metrics: tuple[str, ...] = ()
    latency: bool = True
    limit_s: float = ContestConfig().limit_s
    seed: int = 0


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """The two subjects.

    Attributes
    ----------
    quantizes
        Whether the baseline is float and the candidate is not: the candidate is then judged as a recipe of it.
    """

    baseline: Subject
    candidate: Subject
    quantizes: bool

    @property
    def subjects(self) -> tuple[Subject, Subject]:
        """The baseline and the candidate."""
        return self.baseline, self.candidate


def read_pair(settings: Settings) -> Pair:
    """Look into both files, and say what they are to each other.

    Raises
    ------
    ConfigError
        If a file cannot be read.
    ArtifactError
        If the baseline is no whole `.tflite`. What is wrong with the candidate is a verdict, and said later.
    """
    content = [_read(path) for path in (settings.baseline, settings.candidate)]
    accepted = read_named(content[0], settings.baseline)
    try:
        quantizes = _is_float(accepted) and not _is_float(read_structure(content[1]))
    except ArtifactError:
        quantizes = False
    name = _OTHER.sub("_", settings.candidate.stem)[:_LONGEST_NAME].lstrip("._-") or "model"
    return Pair(
        baseline=Subject(model=name, recipe=REFERENCE_RECIPE if quantizes else BASELINE),
        candidate=Subject(model=name, recipe=CANDIDATE),
        quantizes=quantizes,
    )


def read_named(content: bytes, path: Path) -> Structure:
    """What is inside the file `path`, whose bytes are `content`.

    Raises
    ------
    ArtifactError
        If it is no whole `.tflite`; the error begins with the path.
    """
    try:
        return read_structure(content)
    except ArtifactError as error:
        raise type(error)(f"{path}: {error}") from error


def declare(settings: Settings, pair: Pair) -> Config:
    """The pair as `[tool.qbench]` would declare it; the candidate is its only subject.

    Raises
    ------
    ConfigError
        If a tolerance cannot judge these two files.
    """
    _check_tolerance(settings.tolerance, pair, settings)
    model = ModelConfig(
        name=pair.candidate.model,
        source=Source(
            kind="artifacts",
            path=settings.baseline,
            artifacts={pair.baseline.recipe: settings.baseline, CANDIDATE: settings.candidate},
        ),
        recipes=(CANDIDATE,),
        dataset=None if settings.data is None else str(settings.data),
        metrics=settings.metrics,
        output=settings.output,
        tolerance=settings.tolerance,
        reference=pair.baseline.recipe,
    )
    # Nobody says how either was made; it says no more than whether it may be float.
    recipes = {**BUILTIN_RECIPES, BASELINE: RecipeSpec(base="fp32"), CANDIDATE: RecipeSpec(base="int8")}
    return Config(
        root=Path(),
        models={model.name: model},
        recipes=recipes,
        metric_kinds=tuple(kind for kind in METRIC_KINDS if settings.latency or kind != "latency"),
        default_tolerance=_default_tolerance(pair),
        options=settings.options,
        contest=ContestConfig(limit_s=settings.limit_s, run_limit_s=float("inf")),
        baselines=Path("baselines"),
    )


def _default_tolerance(pair: Pair) -> Tolerance:
    """What holds where nothing is said: of a float baseline what it loses, of any other what a pull request may."""
    default = DEFAULT_TOLERANCE
    if pair.quantizes:
        # Quantizing puts QUANTIZE operators in, and takes operators that only exist in float from the delegate.
        return msgspec.structs.replace(
            default, accuracy_regression=None, quantize_dequantize=None, undelegated_operators=None
        )
    return msgspec.structs.replace(default, accuracy_drop=None)


def _check_tolerance(tolerance: Tolerance, pair: Pair, settings: Settings) -> None:
    """Refuse what would judge nothing."""
    given = [key for key in tolerance.__struct_fields__ if getattr(tolerance, key) not in (None, {})]
    for key in given:
        option = f"--tolerance {key}"
        if key in _OTHER_KEY and not pair.quantizes:
            found = "it, and not a float A with a B that is quantized"
            raise ConfigError(option, found=found, expected=f"{_OTHER_KEY[key]}, which is against any A")
        if key in _OF_MORE_FILES:
            raise ConfigError(option, found="it with two files", expected=_OF_MORE_FILES[key])
        if key in _OF_ACCURACY and settings.data is None:
            raise ConfigError(option, found="it without --data", expected="--data FILE.npz with examples")
        if key in {"latency", "min_speedup"} and not settings.latency:
            raise ConfigError(option, found="it with --no-latency", expected="one of the two")


#: What two files have no two values of.
_OF_MORE_FILES = {
    "sqnr_db": "agreement_regression: the noise ratio is that of one file against the other",
    "drift": "a project with baselines, whose history it is about",
}

_OF_ACCURACY = frozenset(
    {
        *("accuracy_drop", "accuracy_regression", "agreement_regression"),
        *("slice_drop", "slice_regression", "metrics", "metrics_drop"),
    }
)

#: What is against the float model alone, and what says the same against any baseline.
_OTHER_KEY = {
    "accuracy_drop": "accuracy_regression",
    "slice_drop": "slice_regression",
    "min_speedup": "latency",
    "metrics_drop": "metrics.<name>",
}


def _is_float(structure: Structure) -> bool:
    try:
        check_float(structure)
    except NotFloatError:
        return False
    return True


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            str(path), found=f"a path that cannot be read ({error.strerror})", expected="a .tflite file"
        ) from error
