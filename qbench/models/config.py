"""`[tool.qbench]` of pyproject.toml, read into frozen records.

Everything that can be refused is refused here, with the dotted path of the key, what was found and
what is expected, so that a typing error never turns into a gate that silently measures less.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from qbench.errors import ConfigError
from qbench.judge.tolerance import DEFAULT_TOLERANCE, Tolerance, resolve_tolerance
from qbench.models.dataset_files import SUFFIX
from qbench.models.recipes import BUILTIN_RECIPES, REFERENCE_RECIPE, RecipeSpec
from qbench.models.sources import Source, existing_path, read_source
from qbench.models.tables import check_function, check_name, convert_table, convert_value, describe
from qbench.records import KernelSet, RuntimeName, RuntimeOptions, Subject
from qbench.verdicts import Evidence

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT_KEY = "tool.qbench"

#: The kinds of measurement that each model and recipe is expected to have.
METRIC_KINDS = ("accuracy", "latency", "size", "structure")

_RECIPES_KEY = "recipes"


class ContestConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[tool.qbench.contest]`: how sure and how patient a verdict on latency is.

    Attributes
    ----------
    alpha
        Largest probability that any contest of a run fails a subject that is no slower than its tolerance allows,
        and largest probability that any passes one that is slower.
    limit_s
        Seconds that one contest may take.
    run_limit_s
        Seconds that all contests of a run may take.
    clock
        ``cpu``, ``wall``, or ``auto`` to choose by what the subject does.
    """

    alpha: float = 0.001
    limit_s: float = 5.0
    run_limit_s: float = 300.0
    clock: Literal["auto", "cpu", "wall"] = "auto"


class ModelConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[tool.qbench.models.<name>]`, with everything that it inherits filled in.

    `reference` is the recipe that agreement and output errors of the others are measured against. `anchor` is the
    commit or day whose accepted values drift is counted from; empty for the best since the last decision.
    """

    name: str
    source: Source
    recipes: tuple[str, ...]
    dataset: str | None = None
    training_set: str | None = None
    metrics: tuple[str, ...] = ()
    top_k: int = 1
    output: str | int | None = None
    tolerance: Tolerance = Tolerance()
    tolerance_by_recipe: dict[str, Tolerance] = {}
    reference: str = REFERENCE_RECIPE
    anchor: str = ""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """`[tool.qbench]`: what is declared, and where things are kept.

    `default_tolerance` holds where nothing is declared.
    """

    root: Path
    models: dict[str, ModelConfig]
    recipes: dict[str, RecipeSpec]
    metric_kinds: tuple[str, ...] = METRIC_KINDS
    tolerance: Tolerance = Tolerance()
    tolerance_by_recipe: dict[str, Tolerance] = {}
    default_tolerance: Tolerance = DEFAULT_TOLERANCE
    options: RuntimeOptions = RuntimeOptions()
    contest: ContestConfig = ContestConfig()
    accuracy_evidence: Evidence = "exact"
    explain: bool = True
    baselines: Path
    cache: Path | None = None
    retired: dict[str, str] = {}
    preflight_timeout_s: float = 60.0
    conversion_timeout_s: float = 600.0

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """Every declared model under every recipe of it, in the order of declaration."""
        return tuple(
            Subject(model=model.name, recipe=recipe) for model in self.models.values() for recipe in model.recipes
        )

    def expected_kinds(self, subject: Subject) -> tuple[str, ...]:
        """Which kinds of measurement `subject` must have; accuracy needs a dataset."""
        without = () if self.models[subject.model].dataset else ("accuracy",)
        return tuple(kind for kind in self.metric_kinds if kind not in without)

    def tolerance_of(self, subject: Subject, marked: Tolerance | None = None) -> Tolerance:
        """Resolve tolerances: all models, recipe, model, recipe of the model, marker; the last that speaks wins."""
        model = self.models[subject.model]
        return resolve_tolerance(
            self.tolerance,
            self.tolerance_by_recipe.get(subject.recipe, Tolerance()),
            model.tolerance,
            model.tolerance_by_recipe.get(subject.recipe, Tolerance()),
            marked or Tolerance(),
            default=self.default_tolerance,
        )


class _ToolTable(msgspec.Struct, kw_only=True):
    """`[tool.qbench]` as written."""

    models: dict[str, Any]
    recipes: tuple[str, ...] = ("fp32", "int8")
    recipe: dict[str, Any] = {}
    metrics: tuple[str, ...] = METRIC_KINDS
    tolerance: dict[str, Any] = {}
    runtime: RuntimeName = "litert"
    threads: int = 1
    kernels: KernelSet = "builtin"
    delegate: str = ""
    contest: dict[str, Any] = {}
    accuracy_evidence: Evidence = "exact"
    explain: bool = True
    baselines: str = "baselines"
    cache: str | None = None
    retired: dict[str, str] = {}
    anchor: str = ""
    preflight_timeout_s: float = 60.0
    conversion_timeout_s: float = 600.0


class _ModelTable(msgspec.Struct, kw_only=True):
    """`[tool.qbench.models.<name>]` as written."""

    source: Any = None
    dataset: str | None = None
    training_set: str | None = None
    recipes: list[str] | None = None
    metrics: list[str] = []
    source_files: list[str] = []
    top_k: int = 1
    output: str | int | None = None
    tolerance: dict[str, Any] = {}
    anchor: str | None = None


def load_config(pyproject: Path) -> Config | None:
    """Read `[tool.qbench]` from the file `pyproject`; None if the file or the table is not there.

    Raises
    ------
    ConfigError
        If the file is not TOML, or the table says something that cannot be used.
    """
    try:
        document = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(pyproject.name, found=f"text that is not TOML ({error})", expected="a TOML file") from error
    tool = document.get("tool")
    table = tool.get("qbench") if isinstance(tool, dict) else None
    return None if table is None else parse_config(table, root=pyproject.parent)


def parse_config(table: object, *, root: Path) -> Config:
    """Turn the table `[tool.qbench]` of a project in the folder `root` into a `Config`.

    Raises
    ------
    ConfigError
        If the table says something that cannot be used.
    """
    tool = convert_table(table, _ToolTable, ROOT_KEY)
    recipes = dict(BUILTIN_RECIPES)
    for name, raw in tool.recipe.items():
        key = f"{ROOT_KEY}.recipe.{name}"
        check_name(name, key)
        recipes[name] = convert_table(raw, RecipeSpec, key)
    _check_some_of(tool.recipes, recipes, f"{ROOT_KEY}.recipes")
    _check_some_of(tool.metrics, METRIC_KINDS, f"{ROOT_KEY}.metrics")
    _check_positive(tool, ("threads", "preflight_timeout_s", "conversion_timeout_s"))
    if not tool.models:
        raise ConfigError(f"{ROOT_KEY}.models", found="no model", expected="at least one [tool.qbench.models.<name>]")
    tolerance, by_recipe = _read_tolerance(tool.tolerance, f"{ROOT_KEY}.tolerance", recipes)
    models = {name: _read_model(name, raw, tool, recipes, root) for name, raw in tool.models.items()}
    config = Config(
        root=root,
        models=models,
        recipes=recipes,
        metric_kinds=tuple(tool.metrics),
        tolerance=tolerance,
        tolerance_by_recipe=by_recipe,
        options=_read_options(tool),
        contest=_read_contest(tool.contest, f"{ROOT_KEY}.contest"),
        accuracy_evidence=tool.accuracy_evidence,
        explain=tool.explain,
        baselines=root / tool.baselines,
        cache=None if tool.cache is None else root / Path(tool.cache).expanduser(),
        retired=tool.retired,
        preflight_timeout_s=tool.preflight_timeout_s,
        conversion_timeout_s=tool.conversion_timeout_s,
    )
    _check_distinct_ids(config)
    return config


def _read_options(tool: _ToolTable) -> RuntimeOptions:
    delegate = Path(tool.delegate)
    if len(delegate.parts) > 1 and not delegate.is_absolute():
        # It is part of what is accepted, and must mean the same in every folder that pytest is started from.
        raise ConfigError(
            f"{ROOT_KEY}.delegate",
            found=f"the relative path {tool.delegate!r}",
            expected="the name of a library that the system finds, or an absolute path",
        )
    return RuntimeOptions(runtime=tool.runtime, threads=tool.threads, kernels=tool.kernels, delegate=tool.delegate)


def _read_contest(raw: Mapping[str, Any], key: str) -> ContestConfig:
    contest = convert_table(raw, ContestConfig, key)
    if not 0 < contest.alpha < 1:
        raise ConfigError(f"{key}.alpha", found=str(contest.alpha), expected="a number between 0 and 1")
    for name in ("limit_s", "run_limit_s"):
        if not 0 < (value := getattr(contest, name)) < math.inf:
            raise ConfigError(f"{key}.{name}", found=str(value), expected="a number above 0")
    return contest


def _read_model(name: str, raw: object, tool: _ToolTable, recipes: Mapping[str, RecipeSpec], root: Path) -> ModelConfig:
    key = f"{ROOT_KEY}.models.{name}"
    check_name(name, key)
    if name == "artifacts":
        raise ConfigError(key, found="the name 'artifacts'", expected="another name: baselines/artifacts is taken")
    table = convert_table(raw, _ModelTable, key)
    source = read_source(table.source, tuple(table.source_files), key=key, root=root)
    if table.recipes is not None:
        _check_some_of(table.recipes, recipes, f"{key}.recipes")
    chosen = tuple(table.recipes or tool.recipes)
    if source.given_recipes:
        _check_names(source.given_recipes, recipes, f"{key}.source")
        if missing := [recipe for recipe in table.recipes or [] if recipe not in source.given_recipes]:
            raise ConfigError(f"{key}.recipes", found=f"{missing}", expected="recipes that `source` gives a file for")
        chosen = source.given_recipes
    if table.dataset is not None:
        _check_dataset(table.dataset, f"{key}.dataset", root)
    if table.training_set is not None:
        check_function(table.training_set, f"{key}.training_set")
    for metric in table.metrics:
        check_function(metric, f"{key}.metrics")
    if table.top_k < 1:
        raise ConfigError(f"{key}.top_k", found=str(table.top_k), expected="a whole number of at least 1")
    tolerance, by_recipe = _read_tolerance(table.tolerance, f"{key}.tolerance", recipes)
    return ModelConfig(
        name=name,
        source=source,
        recipes=chosen,
        dataset=table.dataset,
        training_set=table.training_set,
        metrics=tuple(table.metrics),
        top_k=table.top_k,
        output=table.output,
        tolerance=tolerance,
        tolerance_by_recipe=by_recipe,
        anchor=tool.anchor if table.anchor is None else table.anchor,
    )


def _check_dataset(declared: str, key: str, root: Path) -> None:
    expected = "'module:function', or an .npz file"
    if declared.endswith(SUFFIX):
        existing_path(root / declared, key, found=declared, expected=expected)
    else:
        check_function(declared, key, expected=expected)


def _read_tolerance(
    raw: Mapping[str, Any], key: str, recipes: Mapping[str, RecipeSpec]
) -> tuple[Tolerance, dict[str, Tolerance]]:
    """Split a tolerance table into what holds for all recipes and its sub-table `recipes`."""
    general = {name: value for name, value in raw.items() if name != _RECIPES_KEY}
    by_recipe = convert_value(raw.get(_RECIPES_KEY, {}), dict[str, Any], f"{key}.{_RECIPES_KEY}")
    _check_names(by_recipe, recipes, f"{key}.{_RECIPES_KEY}")
    check_tolerances(raw, key)
    return convert_table(general, Tolerance, key, also_known=(_RECIPES_KEY,)), {
        recipe: convert_table(table, Tolerance, f"{key}.{_RECIPES_KEY}.{recipe}") for recipe, table in by_recipe.items()
    }


def check_tolerances(raw: Mapping[str, Any], key: str) -> None:
    """Refuse a tolerance that is below zero or not finite, by its key; its type is checked elsewhere.

    Raises
    ------
    ConfigError
        If there is one.
    """
    for name, value in raw.items():
        if isinstance(value, Mapping):
            check_tolerances(value, f"{key}.{name}")
        elif isinstance(value, (int, float)) and not (math.isfinite(value) and value >= 0):
            raise ConfigError(f"{key}.{name}", found=describe(value), expected="a finite number of at least 0")


def _check_some_of(names: Any, known: Any, key: str) -> None:
    # A gate over nothing would be green.
    if not names:
        raise ConfigError(key, found="an empty array", expected=f"at least one of {', '.join(known)}")
    _check_names(names, known, key)


def _check_names(names: Any, known: Any, key: str) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(key, found=repr(name), expected=f"one of {', '.join(known)}")
    if len(set(names)) != len(list(names)):
        raise ConfigError(key, found=f"a name twice in {list(names)}", expected="each name once")


def _check_positive(tool: _ToolTable, names: tuple[str, ...]) -> None:
    for name in names:
        if not (value := getattr(tool, name)) > 0:  # NaN is not above 0 either
            raise ConfigError(f"{ROOT_KEY}.{name}", found=str(value), expected="a number above 0")


def _check_distinct_ids(config: Config) -> None:
    """`a-b` under `c` and `a` under `b-c` would be one test id and one row."""
    seen: dict[str, Subject] = {}
    for subject in config.subjects:
        if other := seen.get(subject.id):
            raise ConfigError(
                f"{ROOT_KEY}.models.{subject.model}",
                found=f"the test id {subject.id!r}, which model {other.model!r} with recipe {other.recipe!r} has too",
                expected="names that give each model and recipe an id of its own",
            )
        seen[subject.id] = subject
