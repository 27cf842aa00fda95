"""What was said of a model, as the `source` of `[tool.qbench.models.<name>]`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from qbench.errors import ArtifactError, ConfigError, NotFloatError
from qbench.init.project import from_root
from qbench.models.artifact_checks import check_float
from qbench.models.recipes import BUILTIN_RECIPES, REFERENCE_RECIPE
from qbench.models.sources import read_source
from qbench.models.structure import Structure, read_structure

if TYPE_CHECKING:
    from collections.abc import Sequence

OPTION = "--model"

_EXPECTED = (
    "a .keras file, a SavedModel folder, a .tflite file, or .tflite files of one model such as a.fp32.tflite "
    "b.int8.tflite, or fp32=a.tflite int8=b.tflite where their recipes cannot be told"
)
_SUFFIX = ".tflite"
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")


class ModelSource(msgspec.Struct, frozen=True, kw_only=True):
    """A model's source.

    Attributes
    ----------
    declared
        As TOML says it: a path, or paths by recipe; relative to the project.
    name
        What the model may be called.
    converts
        Whether recipes have to be made of it, which needs TensorFlow or litert-quantizer.
    structure
        What is inside its float, or else its first, `.tflite`; None if it has none.
    """

    declared: str | dict[str, str]
    name: str
    converts: bool
    structure: Structure | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """All of its files."""
        return (self.declared,) if isinstance(self.declared, str) else tuple(self.declared.values())


def find_source(given: Sequence[str], root: Path) -> ModelSource:
    """The source that the paths `given` mean, each alone or behind its recipe and ``=``.

    Raises
    ------
    ConfigError
        If one is missing, outside the project, or of no kind that can be a source, or if recipes cannot be told.
    """
    if not given:
        raise ConfigError(OPTION, found="nothing", expected=_EXPECTED)
    named = [_split(each) for each in given]
    artifacts = {path: _structure(path) for recipe, path in named if recipe or path.suffix == _SUFFIX}
    if len(named) == 1 and not named[0][0]:
        path = named[0][1]
        structure = artifacts.get(path)
        if structure is None or _recipe_of(structure) == REFERENCE_RECIPE:
            declared = from_root(path, root, OPTION)
            try:
                read_source(declared, (), key=OPTION, root=root)
            except ConfigError as error:
                raise ConfigError(OPTION, found=error.found, expected=_EXPECTED) from error
            return ModelSource(declared=declared, name=_name([path]), converts=True, structure=structure)
    by_recipe: dict[str, Path] = {}
    for recipe, path in named:
        if path not in artifacts:
            raise ConfigError(OPTION, found=f"{path} beside others", expected=_EXPECTED)
        told = recipe or _recipe_of(artifacts[path])
        if told in by_recipe:
            both = f"{by_recipe[told]} and {path}, both of the recipe {told!r}"
            raise ConfigError(OPTION, found=both, expected="a recipe of its own for each: fp32=a.tflite int8=b.tflite")
        by_recipe[told] = path
    ordered = sorted(by_recipe, key=lambda recipe: recipe != REFERENCE_RECIPE)
    return ModelSource(
        declared={recipe: from_root(by_recipe[recipe], root, OPTION) for recipe in ordered},
        name=_name(list(by_recipe.values())),
        converts=False,
        structure=artifacts[by_recipe[ordered[0]]],
    )


def _split(given: str) -> tuple[str, Path]:
    """A recipe, empty if none is said, and an existing path."""
    recipe, equals, rest = given.partition("=")
    path = Path(given)
    if equals and not path.exists():
        if recipe not in BUILTIN_RECIPES:
            raise ConfigError(OPTION, found=f"the recipe {recipe!r}", expected=f"one of {', '.join(BUILTIN_RECIPES)}")
        path = Path(rest)
    else:
        recipe = ""
    if not path.exists():
        raise ConfigError(OPTION, found=f"{str(path)!r}, which does not exist", expected=_EXPECTED)
    return recipe, path


def _structure(path: Path) -> Structure:
    try:
        return read_structure(path.read_bytes())
    except (OSError, ArtifactError) as error:
        raise ConfigError(OPTION, found=f"{path} ({error})", expected="a whole .tflite file") from error


def _recipe_of(structure: Structure) -> str:
    """The recipe that a `.tflite` looks like, as far as its content tells."""
    try:
        check_float(structure)
    except NotFloatError:
        pass
    else:
        return REFERENCE_RECIPE
    if structure.integer_compute_ratio:
        inner = any("int16" in key for key in structure.operators)
        return "int16x8" if inner else "int8"
    if structure.hybrid_compute_ratio:
        return "dynamic"
    return "fp16" if "float16" in structure.weight_bytes else "int8"


def _name(paths: Sequence[Path]) -> str:
    """What files of these names are of: what they begin with, without their recipe."""
    stems = [path.stem if path.suffix else path.name for path in paths]
    common = stems[0]
    for stem in stems[1:]:
        while not stem.startswith(common):
            common = common[:-1]
    for recipe in sorted(BUILTIN_RECIPES, key=len, reverse=True):
        common = re.sub(rf"[._-]+{re.escape(recipe)}$", "", common)
    return _NOT_A_NAME.sub("_", common).strip("._-") or "model"
