"""`qbench explain`: its options, and what it does with them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console

from qbench.argument_types import count
from qbench.diagnose.case import Case, Effort
from qbench.diagnose.evidence.calibration import has_ranges
from qbench.diagnose.run import diagnose
from qbench.errors import ConfigError
from qbench.files import write_output
from qbench.models.config import load_config
from qbench.models.dataset_files import read_dataset
from qbench.records import RuntimeOptions, Subject
from qbench.report.explanation import markdown, print_diagnosis
from qbench.report.progress import ConsoleProgress
from qbench.runtime.preflight import PreflightWorker
from qbench.session import Session, SessionOptions
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    import argparse

    from qbench.diagnose.records import Diagnosis
    from qbench.progress import Progress

#: What a shell calls a program that Ctrl-C ended.
_INTERRUPTED = 130
_SUFFIX = ".tflite"
#: What is shown where nobody's terminal says how wide it is.
_COLUMNS = 80
_PREFLIGHT_S = 60.0


HELP = "say why a quantized model answers differently: which operator, and what is wrong with it"
DESCRIPTION = (
    "Holds each operator of a quantized artifact against the float model's, its weights, ranges, "
    "calibration and kernels, and prints the causes in order, each with its evidence and what to try."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qbench explain`."""
    defaults = Effort()
    add = parser.add_argument
    add("model", metavar="MODEL", help="a model of [tool.qbench.models], or the path of a float .tflite")
    add("recipe", metavar="RECIPE", help="a recipe of it, or the path of the .tflite that was made of it")
    add("--data", type=Path, metavar="FILE.npz", help="with files: arrays `inputs`, and `labels` and `calibration`")
    add(
        "--examples",
        type=count,
        default=defaults.examples,
        metavar="N",
        help="to look at closely, those that flip first (%(default)s)",
    )
    add("--json", type=Path, metavar="PATH", help="write everything that was found")
    add("--markdown", type=Path, metavar="PATH", help="write the explanation as a page")
    add("-v", "--verbose", action="store_true", help="all operators, the kernels that ran, ranges of the calibration")


def run_command(options: argparse.Namespace) -> int:
    """Explain what the options name, and return 0; 130 after Ctrl-C.

    Raises
    ------
    ConfigError
        If they name nothing that can be explained.
    QbenchError
        If an artifact cannot be built or read, or the dataset does not fit.
    """
    for option, path in (("--json", options.json), ("--markdown", options.markdown)):
        if path is not None and path.is_dir():
            raise ConfigError(option, found=f"the folder {path}", expected="a file to write to")
    progress = ConsoleProgress(Console(stderr=True))
    effort = Effort(examples=options.examples)
    explain = _of_files if options.model.endswith(_SUFFIX) else _of_subject
    try:
        found = explain(options, effort, progress)
    except KeyboardInterrupt:
        return _INTERRUPTED
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _COLUMNS)
    print_diagnosis(found, console, verbose=options.verbose)
    if options.json:
        write_output(options.json, msgspec.json.format(msgspec.json.encode(found), indent=2))
    if options.markdown:
        write_output(options.markdown, markdown(found).encode())
    return 0


def _of_subject(options: argparse.Namespace, effort: Effort, progress: Progress) -> Diagnosis:
    config = load_config(Path("pyproject.toml"))
    if config is None:
        raise ConfigError(
            "MODEL", found=f"{options.model!r} and no [tool.qbench] in ./pyproject.toml", expected=f"a {_SUFFIX} file"
        )
    if options.data is not None:
        raise ConfigError("--data", found="it with a declared model", expected="it with files: a model has its dataset")
    model = config.models.get(options.model)
    if model is None:
        raise ConfigError("MODEL", found=repr(options.model), expected=f"one of {', '.join(config.models)}")
    if options.recipe not in model.recipes:
        raise ConfigError("RECIPE", found=repr(options.recipe), expected=f"one of {', '.join(model.recipes)}")
    session = Session(config, SessionOptions(), progress)
    return session.diagnose(Subject(model=options.model, recipe=options.recipe), effort)


def _of_files(options: argparse.Namespace, effort: Effort, progress: Progress) -> Diagnosis:
    if options.data is None:
        raise ConfigError("--data", found="files without it", expected="an .npz file with an array `inputs`")
    config = load_config(Path("pyproject.toml"))
    runtime = config.options if config else RuntimeOptions()
    paths = Path(options.model), Path(options.recipe)
    contents = tuple(_read(path) for path in paths)
    with PreflightWorker(runtime, limit_s=_PREFLIGHT_S) as worker:
        # In a process of its own, so that a crash has a name.
        preflights = [worker.check(content, name=path.name) for path, content in zip(paths, contents, strict=True)]
    has_own = [has_ranges(read_model(content).subgraphs[0]) for content in contents]
    if has_own[0]:
        raise ConfigError("MODEL", found=f"{paths[0]}: the first file is quantized", expected="the float model there")
    case = Case(
        subject=Subject(model=paths[0].stem, recipe=paths[1].stem),
        float_content=contents[0],
        content=contents[1],
        dataset=read_dataset(options.data, "--data"),
        options=runtime,
        calibrated=has_own[1],
        undelegated=preflights[1].undelegated,
    )
    return diagnose(case, effort, progress)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            str(path), found=f"a path that cannot be read ({error.strerror})", expected=f"a {_SUFFIX} file"
        ) from error
