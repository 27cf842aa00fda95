"""Which method of `qbench tune` finds the cheapest recipe with the fewest trials, on the MNIST networks.

    python -m benchmarks.self.tune_methods [MODEL ...]

Each method starts from int8 per tensor and is given the same number of trials. Nothing is declared besides, so that
all has to be found. What a recipe gives is measured once and remembered, also for the next run: seconds are the sum of
what each method's own trials took when they were measured. Methods that draw points are run with several seeds; shown
are medians. `first` is the first recipe that passes, `smallest` the smallest one. The hypervolume is the share of the
rectangle between nothing and (the bytes of fp32, the tolerated drop) that the method's recipes dominate.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from qbench.models.cache import cache_folder
from qbench.models.config import load_config
from qbench.session.preparation import Datasets
from qbench.tune.bench import Bench, dataset_of
from qbench.tune.front import hypervolume
from qbench.tune.log import Log, log_key
from qbench.tune.ranking import Ranking
from qbench.tune.run import Budget, Method, Question, run_search
from qbench.tune.space import restrict, whole_space

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.models.config import Config
    from qbench.tune.records import Outcome

MODELS = ("mnist-dscnn", "mnist-mlp", "mnist-cnn")
START = "int8-per-tensor"
METHODS: dict[Method, int] = {"greedy": 1, "combined": 3, "tpe": 3, "nsga2": 3}
TRIALS = 40
RESTRICTIONS: tuple[tuple[str, ...], ...] = ((), ("granularity=tensor",))


def measure(config: Config, model: str, fixes: Sequence[str], bench: Bench, ranking: Ranking) -> list[list[str]]:
    """A row for each method."""
    space = restrict(whole_space(calibration_examples=500), fixes, None)
    rows = []
    for method, seeds in METHODS.items():
        runs = []
        for seed in range(seeds):
            question = Question(
                space=space,
                declared={START: config.recipes[START]},
                start=START,
                method=method,
                prefer="size",
                seed=seed,
            )
            study = run_search(bench, question, Budget(trials=TRIALS), rank=ranking)
            allowed = [each for each in study.outcomes if not each.name]
            runs.append(figures(allowed, bench.reference.artifact.size_bytes))
            sys.stderr.write(f"{model} {fixes} {method} {seed}: {runs[-1]}\n")
        columns = [[each for each in column if each is not None] for column in zip(*runs, strict=True)]
        shown = [f"{statistics.median(column):,.4g}" if column else "-" for column in columns]
        found = f"{len(columns[0])} of {len(runs)}"
        rows.append([model, ", ".join(fixes), method, found, *shown])
    return rows


def figures(outcomes: Sequence[Outcome], reference_bytes: int) -> tuple[float | None, ...]:
    """Trials and seconds to the first that passes, its bytes; the same for the smallest; the hypervolume."""
    passing = [place for place, each in enumerate(outcomes) if each.passes]
    points = [(float(each.size_bytes), each.drop) for each in outcomes if each.passes]
    worst = next(each.worst for each in outcomes if each.worst is not None)
    volume = hypervolume(points, (float(reference_bytes), worst.tolerance or 0.0))
    if not passing:
        return (None,) * 6 + (volume,)
    smallest = min(passing, key=lambda place: outcomes[place].size_bytes)
    values: list[float] = []
    for place in (passing[0], smallest):
        seconds = sum(each.seconds for each in outcomes[: place + 1])
        values += [place + 1, seconds, outcomes[place].size_bytes / 1000]
    return (*values, volume)


def main() -> None:
    """Measure and print."""
    config = load_config(Path("pyproject.toml"))
    if config is None:
        sys.exit("run it in the project's folder")
    table = Table(
        "model",
        "fixed",
        "method",
        "found",
        "first: trials",
        "s",
        "kB",
        "smallest: trials",
        "s",
        "kB",
        "hypervolume",
        box=None,
    )
    datasets = Datasets(config)
    for model in sys.argv[1:] or MODELS:
        dataset = dataset_of(datasets, model)
        key = log_key(config, model, dataset, recipe="tuned")
        # A log of its own: what `qbench tune` keeps may include contests in its seconds.
        log = Log(cache_folder(config.cache) / "tune-methods" / f"{model}-{key[:12]}.json", key=key, model=model)
        with Bench(config, model, datasets, log, name="tuned", seed=0) as bench:
            ranking = Ranking(bench, dataset, config.options)
            for fixes in RESTRICTIONS:
                for row in measure(config, model, fixes, bench, ranking):
                    table.add_row(*row)
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
