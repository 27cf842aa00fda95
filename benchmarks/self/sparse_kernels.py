"""Whether a `.tflite` that leaves zeros out is faster than the same one with them, by contests of the two.

    python -m benchmarks.self.sparse_kernels [networks] [models]

The first table is of networks that are made for it (see `benchmarks.self.sparse_networks`), with 90% zeros. The second
is of this project's own, pruned by `training = {sparsity = 0.9}`. One thread; both sides get the same random or real
inputs. A ratio is the sparse artifact's time by the dense one's, with its 95% interval. `off` counts operators that
XNNPACK does not take of the sparse artifact, where it takes them of the dense one. There is no contest where the two
give different outputs: a kernel that takes what is left of the weights for all of them is fast, and wrong.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from qbench.errors import QbenchError, WorkerCrashedError
from qbench.measure.accuracy import top_k_accuracy
from qbench.measure.contest import run_contest
from qbench.measure.contest_records import ContestRules
from qbench.measure.evaluate import evaluate
from qbench.measure.footprint import compressed_bytes
from qbench.measure.inputs import fill_inputs
from qbench.measure.sides import Contestant, pair_opener
from qbench.models.cache import ArtifactCache, cache_folder
from qbench.models.config import load_config
from qbench.models.convert import Builder, BuiltArtifact
from qbench.models.recipes import RecipeSpec
from qbench.models.training import Training
from qbench.records import RuntimeOptions, Subject
from qbench.runtime.preflight import PreflightWorker
from qbench.runtime.process import RuntimeProcess, WorkerInterpreter
from qbench.session.preparation import Datasets
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qbench.models.config import Config
    from qbench.models.datasets import Dataset

Array = np.ndarray[Any, np.dtype[Any]]

SEED = 1
LIMIT_S = 30.0
WORKER_LIMIT_S = 60.0
#: Outputs that differ by no more than this share of the largest are the same: INT8 kernels round by a step otherwise.
SAME = 0.02
KERNELS = {
    "XNNPACK": RuntimeOptions(),
    "without delegate": RuntimeOptions(kernels="no-delegates"),
}
MODELS = ("mnist-cnn", "mnist-mlp")
PRUNED = {name: RecipeSpec(base=name, training=Training(sparsity=0.9)) for name in ("fp32", "dynamic")}


class Errors:
    """Why artifacts do not run, each reason once."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def note(self, error: QbenchError) -> str:
        """A cell that points to the reason."""
        reason = str(error)
        if reason not in self.reasons:
            self.reasons.append(reason)
        what = "crashes" if isinstance(error, WorkerCrashedError) else "does not load"
        return f"**{what}** [{self.reasons.index(reason) + 1}]"


def contest_cell(dense: bytes, sparse: bytes, options: RuntimeOptions, errors: Errors, given: Dataset | None) -> str:
    """What a contest of the two says, or that there can be none."""
    fed = inputs(dense, given)
    named = {"the dense one": dense, "the sparse one": sparse}
    try:
        right, found = (output(content, options, fed, name) for name, content in named.items())
        difference, largest = np.abs(found - right).max(), np.abs(right).max()
        if not difference <= SAME * largest:
            return f"**wrong**: off by {difference / largest:.0%} of the largest output"
        with PreflightWorker(options, limit_s=WORKER_LIMIT_S) as worker:
            off = [worker.check(content, name=name).undelegated or () for name, content in named.items()]
    except QbenchError as error:
        return errors.note(error)
    blobs = tuple(array.tobytes() for array in fed)
    sides = [Contestant(content=each, options=options, name=name, inputs=blobs) for name, each in named.items()]
    rules = ContestRules(threshold=1.05, improved_below=0.95, limit_s=LIMIT_S, seed=SEED)
    result = run_contest(pair_opener(sides[0], sides[1], seed=SEED), rules)
    if result.ratio is None or result.interval is None:
        return "not one group in time"
    times = " to ".join(microseconds(side or 0.0) for side in (result.baseline_ns, result.candidate_ns))
    lost = f"; {len(off[1]) - len(off[0])} off" if len(off[1]) > len(off[0]) else ""
    return f"{result.ratio:.2f} ({result.interval.low:.2f} to {result.interval.high:.2f}), {times} us{lost}"


def microseconds(nanoseconds: float) -> str:
    """Three digits."""
    us = nanoseconds / 1000
    return f"{us:,.0f}" if us >= 100 else f"{us:.3g}"


def inputs(content: bytes, given: Dataset | None) -> tuple[Array, ...]:
    """The first example of a dataset, else values from a seed: some kernels have little to do where all are 0."""
    process = RuntimeProcess(limit_s=WORKER_LIMIT_S)
    with WorkerInterpreter(content, RuntimeOptions(), name="the dense one", process=process) as interpreter:
        if given is not None:
            fill_inputs(interpreter, given)
            return tuple(interpreter.input_view(index) for index in range(len(interpreter.inputs)))
        rng = np.random.default_rng(SEED)
        return tuple(drawn(rng, spec.shape, spec.dtype) for spec in interpreter.inputs)


def output(content: bytes, options: RuntimeOptions, fed: tuple[Array, ...], name: str) -> Array:
    """What an artifact makes of its inputs, in stored values."""
    process = RuntimeProcess(limit_s=WORKER_LIMIT_S)
    with WorkerInterpreter(content, options, name=name, process=process) as interpreter:
        for index, array in enumerate(fed):
            interpreter.set_input(index, array)
        interpreter.invoke()
        return interpreter.output(0).astype(np.float64)


def drawn(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Array:
    """Normal values, or integers over all of their range."""
    if dtype == "float32":
        return rng.normal(size=shape).astype(np.float32)
    return rng.integers(-128, 128, shape).astype(dtype)


def sparse_tensors(content: bytes) -> str:
    """How many tensors leave zeros out, and whether operators unpack them."""
    graph = read_model(content).subgraphs[0]
    unpacked = sum(operator.name == "DENSIFY" for operator in graph.operators)
    return f"{sum(tensor.is_sparse for tensor in graph.tensors)}, {unpacked} DENSIFY"


def child(*arguments: str) -> None:
    """Let TensorFlow make files in a process of its own."""
    subprocess.run(
        [sys.executable, "-m", "benchmarks.self.sparse_networks", *arguments], check=True, capture_output=True
    )


def both(path: Path) -> tuple[bytes, bytes]:
    """The dense and the sparse artifact."""
    return Path(f"{path}.dense.tflite").read_bytes(), Path(f"{path}.sparse.tflite").read_bytes()


def network_rows(folder: Path, errors: Errors) -> Iterator[list[str]]:
    """A row for each network, recipe and size of blocks."""
    child(str(folder))
    for path in sorted(folder.glob("*.dense.tflite"), key=_order):
        network, block, recipe, *_ = path.name.split(".")
        dense, sparse = both(folder / f"{network}.{block}.{recipe}")
        where = "anywhere" if block == "1" else f"blocks of {block}"
        size = f"{len(dense) / 1000:.0f} to {len(sparse) / 1000:.0f}"
        cells = [contest_cell(dense, sparse, options, errors, None) for options in KERNELS.values()]
        yield [network, recipe, where, size, sparse_tensors(sparse), *cells]


def _order(path: Path) -> tuple[str, int, int]:
    network, block, recipe, *_ = path.name.split(".")
    return network, ("fp32", "dynamic", "int8").index(recipe), int(block)


def model_rows(folder: Path, errors: Errors) -> Iterator[list[str]]:
    """A row for each of the project's models, pruned."""
    config = load_config(Path("pyproject.toml"))
    if config is None:
        sys.exit("run it in the project's folder")
    datasets = Datasets(config)
    for subject, content in pruned(config, datasets).items():
        dataset = datasets.of(subject.model)
        assert dataset is not None
        (folder / f"{subject.id}.tflite").write_bytes(content)
        child(str(folder), "--of", str(folder / f"{subject.id}.tflite"))
        artifacts = both(folder / subject.id)
        size = " to ".join(f"{len(each):,}" for each in artifacts)
        compressed = " to ".join(f"{compressed_bytes(each):,}" for each in artifacts)
        accuracy = " to ".join(f"{accuracy_of(each, dataset):.2%}" for each in artifacts)
        cells = [contest_cell(*artifacts, options, errors, dataset) for options in KERNELS.values()]
        yield [subject.id, accuracy, size, compressed, sparse_tensors(artifacts[1]), *cells]


def pruned(config: Config, datasets: Datasets) -> dict[Subject, bytes]:
    """The dense artifacts of the pruning recipes, from the cache if they were made before."""
    recipes = {**config.recipes, **{f"{name}-pruned": recipe for name, recipe in PRUNED.items()}}
    config = msgspec.structs.replace(config, recipes=recipes)
    subjects = [Subject(model=model, recipe=f"{name}-pruned") for model in MODELS for name in PRUNED]
    made = {}
    with Builder(config, ArtifactCache(cache_folder(config.cache)), datasets.of) as builder:
        for subject, built in builder.build(subjects).items():
            if not isinstance(built, BuiltArtifact):
                raise built
            made[subject] = built.artifact.path.read_bytes()
    return made


def accuracy_of(content: bytes, dataset: Dataset) -> float:
    """Share of right answers, by the kernels that run all of them."""
    assert dataset.labels is not None
    return top_k_accuracy(evaluate(content, dataset, KERNELS["without delegate"]), 0, np.asarray(dataset.labels), 1)


def print_table(head: Sequence[str], rows: Iterator[list[str]]) -> None:
    """Markdown, each row as soon as it is known."""
    for row in (head, ["---"] * len(head)):
        print(f"| {' | '.join(row)} |", flush=True)
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)
    print()


def main() -> None:
    """Measure and print."""
    wanted, errors = sys.argv[1:] or ["networks", "models"], Errors()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "networks" in wanted:
            head = ["network", "recipe", "zeros", "kB", "sparse tensors", *KERNELS]
            print_table(head, network_rows(folder, errors))
        if "models" in wanted:
            head = ["subject", "accuracy", "bytes", "compressed", "sparse tensors", *KERNELS]
            print_table(head, model_rows(folder, errors))
    for number, reason in enumerate(errors.reasons, 1):
        print(f"[{number}] {reason}")


if __name__ == "__main__":
    main()
