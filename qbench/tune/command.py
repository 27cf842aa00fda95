"""`qbench tune`: its options, and what it does with them."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import msgspec
from rich.console import Console

from qbench.argument_types import count, natural, positive
from qbench.errors import ConfigError
from qbench.files import write_output
from qbench.models.config import load_config
from qbench.models.recipes import REFERENCE_RECIPE
from qbench.models.tables import check_name
from qbench.models.training_set import load_training_set
from qbench.records import Subject
from qbench.report.progress import ConsoleProgress
from qbench.runtime.fingerprint import take_fingerprint
from qbench.session.preparation import Datasets
from qbench.tune.bench import Bench, dataset_of
from qbench.tune.front import Prefer, cheapest
from qbench.tune.log import open_log
from qbench.tune.optimizer import require_optuna
from qbench.tune.plot import plot_tuning, require_plot
from qbench.tune.points import describe_recipe, point_of
from qbench.tune.ranking import Ranking
from qbench.tune.result import Tuning, conclude
from qbench.tune.run import Budget, Method, Question, Study, run_search
from qbench.tune.space import Only, restrict, whole_space
from qbench.tune.tables import markdown, print_tuning

if TYPE_CHECKING:
    import argparse

    from qbench.models.config import Config, ModelConfig
    from qbench.models.datasets import Dataset
    from qbench.models.recipes import RecipeSpec
    from qbench.tune.space import Space

#: What a shell calls a program that Ctrl-C ended.
_INTERRUPTED = 130
_COLUMNS = 150
_DEFAULT_SECONDS = 300.0


HELP = "search for the cheapest recipe of a model that passes"
DESCRIPTION = (
    "Tries ways to quantize a model, measures each as the gate does, and prints the cheapest that "
    "passes the model's tolerances, what it costs, and the lines of [tool.qbench] to paste."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qbench tune`."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="the name of a declared model, such as mnist-cnn")
    add("--from", dest="start", metavar="RECIPE", help="start from this recipe (the smallest that the model declares)")
    add(
        "--method",
        choices=get_args(Method),
        help="greedy repairs step by step, tpe and nsga2 are Optuna's, combined is greedy and then tpe (combined if "
        "Optuna is installed, else greedy)",
    )
    add("--prefer", choices=get_args(Prefer), default="latency", help="what cheapest means first (%(default)s)")
    add(
        "--fix",
        action="append",
        default=[],
        metavar="NAME=VALUE[,VALUE]",
        help="allow nothing else, such as granularity=tensor; repeatable",
    )
    add("--only", choices=get_args(Only), help="integer arithmetic alone: such activations and no float operator")
    add("--train", action="store_true", help="also try recipes that train on the training_set, which takes its time")
    add("--budget", type=positive, default=_DEFAULT_SECONDS, metavar="SECONDS", help="to search in (%(default)g)")
    add("--trials", type=count, metavar="N", help="recipes to try at most, those known from before among them")
    add("--seed", type=natural, default=0, help="of the points that are drawn (%(default)s)")
    add("--name", default="tuned", help="of the recipe in the lines to paste (%(default)s)")
    add("--json", type=Path, metavar="PATH", help="write everything that was found")
    add("--markdown", type=Path, metavar="PATH", help="write tables and sentences as a page")
    add("--plot", type=Path, metavar="PATH.svg", help="draw accuracy against size and latency")
    add("-v", "--verbose", action="store_true", help="list all trials, not the front alone")


def run_command(options: argparse.Namespace) -> int:
    """Search, and return the exit status: 0 if a recipe passes, 1 if none does, 130 after Ctrl-C.

    Raises
    ------
    ConfigError
        If the options or the declaration cannot be used.
    QbenchError
        If the model has no fp32 that can be used.
    """
    method: Method = options.method or ("combined" if find_spec("optuna") else "greedy")
    if method != "greedy":
        require_optuna(method)
    if options.plot:
        require_plot()
    config, model = _model(options.model)
    check_name(options.name, "--name")
    if options.name in config.recipes:
        raise ConfigError("--name", found=f"{options.name!r}, which is a recipe already", expected="another name")
    datasets = Datasets(config)
    dataset = dataset_of(datasets, model.name)
    question = Question(
        space=_space(options, dataset),
        declared=_declared(config, model, options.start),
        start=options.start,
        method=method,
        prefer=options.prefer,
        seed=options.seed,
    )
    tuning = _search(options, config, model, datasets, dataset, question)
    print_tuning(tuning, _console(), verbose=options.verbose)
    if options.json:
        write_output(options.json, msgspec.json.format(msgspec.json.encode(tuning), indent=2) + b"\n")
    if options.markdown:
        write_output(options.markdown, markdown(tuning).encode())
    if options.plot:
        write_output(options.plot, plot_tuning(tuning))
    if tuning.ended == "interrupted":
        return _INTERRUPTED
    return 1 if tuning.cheapest is None else 0


def _model(name: str) -> tuple[Config, ModelConfig]:
    config = load_config(Path("pyproject.toml"))
    if config is None:
        raise ConfigError("pyproject.toml", found="no [tool.qbench] in this folder", expected="one that declares MODEL")
    if name not in config.models:
        raise ConfigError("MODEL", found=repr(name), expected=f"one of {', '.join(config.models)}")
    model = config.models[name]
    if model.source.given_recipes:
        raise ConfigError(
            f"tool.qbench.models.{name}.source",
            found="finished artifacts",
            expected="a source that recipes can be applied to: .keras, SavedModel, float .tflite or module:function",
        )
    return config, model


def _declared(config: Config, model: ModelConfig, start: str | None) -> dict[str, RecipeSpec]:
    """The recipes to begin with: the one to start from, and all that the model declares besides fp32."""
    if start is not None and (start not in config.recipes or start == REFERENCE_RECIPE):
        known = ", ".join(name for name in config.recipes if name != REFERENCE_RECIPE)
        raise ConfigError("--from", found=repr(start), expected=f"one of {known}")
    names = dict.fromkeys((*([start] if start else []), *model.recipes))
    return {name: config.recipes[name] for name in names if name != REFERENCE_RECIPE}


def _space(options: argparse.Namespace, dataset: Dataset) -> Space:
    arrays = dataset.calibration_arrays.values()
    examples = min((len(array) for array in arrays), default=0)
    space = whole_space(calibration_examples=examples, trains=options.train)
    if not examples:
        # Without calibration examples no activation has a range.
        space = msgspec.structs.replace(space, values={**space.values, "activations": ("dynamic", "float")})
    return restrict(space, options.fix, options.only)


def _training_digest(config: Config, model: ModelConfig, question: Question, options: argparse.Namespace) -> str:
    """Digest of the training set, empty if nothing that is tried trains."""
    if not options.train and all(recipe.training is None for recipe in question.declared.values()):
        return ""
    return load_training_set(config, Subject(model=model.name, recipe=options.name)).digest


def _search(
    options: argparse.Namespace,
    config: Config,
    model: ModelConfig,
    datasets: Datasets,
    dataset: Dataset,
    question: Question,
) -> Tuning:
    log = open_log(
        config, model.name, dataset, recipe=options.name, training=_training_digest(config, model, question, options)
    )
    budget = Budget(trials=options.trials, seconds=options.budget)
    settings = {
        "method": question.method,
        "prefer": question.prefer,
        "seed": str(question.seed),
        "trials": str(options.trials or "unlimited"),
        "budget_s": f"{options.budget:g}",
        "fixed": ", ".join([*options.fix, *([f"--only {options.only}"] if options.only else [])]),
    }
    # Drawn between trials alone: a thread that draws while something is timed would disturb it.
    with (
        Bench(config, model.name, datasets, log, name=options.name, seed=options.seed) as bench,
        ConsoleProgress(Console(stderr=True)).task(f"tune {model.name}", timed=True) as report,
    ):

        def show(study: Study) -> None:
            report(0, 0, _progress_text(study, question, budget))

        ranking = Ranking(bench, dataset, config.options)
        study = run_search(bench, question, budget, rank=ranking, on_trial=show)
        said = {
            "notes": tuple(ranking.notes),
            "machine": take_fingerprint(config.options),
            "settings": settings,
            "log": str(log.path),
        }
        try:
            return conclude(bench, study, question, budget, model=model, name=options.name, **said)
        except KeyboardInterrupt:
            study.ended = "interrupted"
            return conclude(bench, study, question, budget, model=model, name=options.name, **said)


def _progress_text(study: Study, question: Question, budget: Budget) -> str:
    best = cheapest((each for each in study.outcomes if question.space.allows(point_of(each.recipe))), question.prefer)
    found = f"{best.size_bytes:,} B passes ({describe_recipe(best.recipe)})" if best else "none passes yet"
    of = f" of {budget.trials}" if budget.trials else ""
    left = "" if budget.left_s is None else f", {max(0.0, budget.left_s):.0f} s left"
    return f"{len(study.outcomes)}{of} tried, {found}{left}"


def _console() -> Console:
    return Console(highlight=False, width=None if sys.stdout.isatty() else _COLUMNS)
