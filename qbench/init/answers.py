"""What has to be known of a project before anything is written: from options, and from whoever sits at the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from qbench.errors import ConfigError, DatasetError, QbenchError
from qbench.init.model_source import OPTION as MODEL_OPTION
from qbench.init.model_source import ModelSource, find_source
from qbench.init.project import find_root, from_root, likely_ci
from qbench.measure.inputs import input_encoders, unscaled_bytes, wanted_inputs
from qbench.models.dataset_files import SUFFIX, read_dataset
from qbench.models.recipes import BUILTIN_RECIPES
from qbench.models.tables import check_function, check_name

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from qbench.init.terminal import Terminal

_T = TypeVar("_T")

CI_CHOICES = ("github", "gitlab", "none")
NO_DATA = "none"
_RECIPES = "fp32,int8"
_UNCALIBRATED = "fp32,dynamic"


class _Examples(msgspec.Struct, frozen=True, kw_only=True):
    """Examples as TOML says them, None for none; and what is missing in them where a recipe has to be calibrated."""

    declared: str | None
    uncalibrated: str = ""


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What is written about.

    Attributes
    ----------
    root
        The folder of pyproject.toml.
    dataset
        As TOML says it; None if accuracy is not to be measured.
    recipes
        Those to make of a source; empty for finished artifacts.
    folder
        Of the benchmarks, relative to the project.
    ci
        One of `CI_CHOICES`.
    """

    root: Path
    source: ModelSource
    name: str
    dataset: str | None
    recipes: tuple[str, ...]
    folder: str
    ci: str


def gather(options: argparse.Namespace, terminal: Terminal) -> Answers:
    """Take from the options what they say, and ask for the rest.

    Raises
    ------
    ConfigError
        If an option says something that cannot be used, or one is missing and nobody can be asked.
    """
    root = find_root(Path.cwd())
    source = _said_or_asked(
        " ".join(options.model) if options.model else None,
        lambda said: find_source(options.model or said.split(), root),
        terminal,
        MODEL_OPTION,
        "The model (.keras, SavedModel, .tflite, or .tflite files of its recipes)",
    )
    examples = _said_or_asked(
        options.data,
        lambda said: _dataset(said, source, root, terminal),
        terminal,
        "--data",
        f"Examples to judge it on (an .npz file, module:function, or {NO_DATA})",
    )
    name = _said_or_asked(options.name, _name, terminal, "--name", "Its name", default=source.name)
    recipes: tuple[str, ...] = ()
    if source.converts:
        recipes = _said_or_asked(
            options.recipes,
            lambda said: _recipes(said, examples),
            terminal,
            "--recipes",
            "Recipes to judge",
            default=_RECIPES,
        )
    elif options.recipes:
        raise ConfigError("--recipes", found="it with finished artifacts", expected="it with a model to convert")
    ci = _said_or_asked(options.ci, _ci, terminal, "--ci", "CI (github, gitlab, none)", default=likely_ci(root))
    return Answers(
        root=root,
        source=source,
        name=name,
        dataset=examples.declared,
        recipes=recipes,
        folder=_folder(options.benchmarks),
        ci=ci,
    )


def _said_or_asked(
    said: str | None,
    understand: Callable[[str], _T],
    terminal: Terminal,
    option: str,
    question: str,
    *,
    default: str = "",
) -> _T:
    """What an option says, else what is answered; an answer that cannot be used is asked for again."""
    if said is not None:
        return understand(said)
    if not terminal.can_ask:
        if default:
            return understand(default)
        raise ConfigError(
            option, found="neither it nor a terminal to ask on", expected=f"{question[0].lower()}{question[1:]}"
        )
    while True:
        try:
            return understand(terminal.ask(question, default))
        except QbenchError as error:
            terminal.say(str(error))


def _dataset(said: str, source: ModelSource, root: Path, terminal: Terminal) -> _Examples:
    if said == NO_DATA:
        return _Examples(declared=None, uncalibrated=f"--data {NO_DATA}")
    if not said.endswith(SUFFIX):
        check_function(said, "--data", expected=f"an .npz file, 'module:function', or {NO_DATA}")
        return _Examples(declared=said)
    declared = from_root(Path(said), root, "--data")
    dataset = read_dataset(Path(said), "--data")
    if source.structure is not None:
        try:
            input_encoders(dataset, source.structure.inputs)
            doubt = unscaled_bytes(dataset, source.structure.inputs)
        except DatasetError as error:
            raise DatasetError(f"{error}. The model wants {wanted_inputs(source.structure.inputs)}") from error
        if doubt:
            terminal.say(f"Look at the examples: {doubt}")
    return _Examples(
        declared=declared, uncalibrated="" if dataset.calibration_arrays else f"{said} without `calibration`"
    )


def _name(said: str) -> str:
    check_name(said, "--name")
    if said == "artifacts":
        raise ConfigError("--name", found="'artifacts'", expected="another name: baselines/artifacts is taken")
    return said


def _recipes(said: str, examples: _Examples) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in said.split(",") if name.strip()))
    if not names or (wrong := [name for name in names if name not in BUILTIN_RECIPES]):
        found = repr(wrong[0]) if names else "none"
        raise ConfigError("--recipes", found=found, expected=f"names with commas between: {', '.join(BUILTIN_RECIPES)}")
    calibrated = [name for name in names if BUILTIN_RECIPES[name].calibrated]
    if calibrated and examples.uncalibrated:
        raise ConfigError(
            "--recipes",
            found=f"{calibrated[0]}, which is calibrated, and {examples.uncalibrated}",
            expected="an array `calibration` beside `inputs`: some hundred examples of the training set; or recipes "
            f"that need none, as --recipes {_UNCALIBRATED}",
        )
    return names


def _ci(said: str) -> str:
    if said not in CI_CHOICES:
        raise ConfigError("--ci", found=repr(said), expected=f"one of {', '.join(CI_CHOICES)}")
    return said


def _folder(said: str) -> str:
    path = Path(said)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ConfigError("--benchmarks", found=repr(said), expected="a folder in the project, such as benchmarks")
    return path.as_posix()
