"""`qbench conform`: its options, and what it does with them."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from hypothesis.configuration import set_hypothesis_home_dir
from rich.console import Console

from qbench.argument_types import count, natural
from qbench.conform.generated import generated_operators
from qbench.conform.kernels import Workshop
from qbench.conform.records import Artifact, Conformance, Row
from qbench.conform.run import Settings, artifact_rows, generated_rows
from qbench.conform.tables import markdown, print_conformance
from qbench.conform.verdicts import Bench
from qbench.errors import ConfigError, InvalidArtifactError, WorkerPythonError
from qbench.files import digest_bytes, write_output
from qbench.records import RuntimeOptions
from qbench.report.progress import ConsoleProgress
from qbench.runtime.fingerprint import runtime_package, take_fingerprint
from qbench.runtime.process import ask_environment
from qbench.session.subjects import find_contestants
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

#: What a shell calls a program that Ctrl-C ended.
_INTERRUPTED = 130
_COLUMNS = 130
_ASKING_LIMIT_S = 60.0


HELP = "hold the runtime's kernels against the int8 specification, to the bit"
DESCRIPTION = (
    "Runs operators of generated models, or of artifacts, on the reference, builtin and XNNPACK "
    "kernels, and says for each whether the result is exactly what the specification wants, within one step of "
    "it, or wrong."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qbench conform`."""
    defaults = Settings()
    add = parser.add_argument
    add("artifacts", nargs="*", metavar="ARTIFACT", help="ids such as mnist-cnn-int8, or .tflite files; else generated")
    add("--operator", action="append", metavar="NAME", help="only this one of the generated; repeatable")
    add("--dtype", action="append", metavar="DTYPE", help="only int8 or int16 activations; repeatable")
    add("--cases", type=count, default=defaults.cases, metavar="N", help="for each operator (%(default)s)")
    add("--seed", type=natural, default=defaults.seed, help="makes the same cases again (%(default)s)")
    add("--threads", type=count, default=defaults.threads, metavar="N", help="to compare with 1; 1 for no comparison")
    add("--base-python", metavar="PATH", help="a Python whose runtime is compared with this one's")
    add(
        "--examples", type=Path, default=Path("conform-examples"), metavar="DIR", help="for failing cases (%(default)s)"
    )
    add("--json", type=Path, metavar="PATH", help="write everything that was found")
    add("--markdown", type=Path, metavar="PATH", help="write the tables as a page")


def run_command(options: argparse.Namespace) -> int:
    """Do what the options say; 0 if nothing has to be looked at, else 1.

    Raises
    ------
    ConfigError
        If they cannot be used.
    QbenchError
        If an artifact cannot be built or read, or a Python cannot be run.
    """
    _check_outputs(options)
    contents = _contents(options)
    chosen = [] if contents else _chosen(options)
    base_runtime = _base_runtime(options.base_python) if options.base_python else ""
    settings = Settings(
        cases=options.cases,
        seed=options.seed,
        threads=options.threads,
        base_python=options.base_python,
        examples=options.examples,
    )
    skipped: dict[str, dict[str, str]] = {name: {} for name in contents}
    with tempfile.TemporaryDirectory() as home, Workshop() as workshop:
        set_hypothesis_home_dir(home)  # It leaves notes even without a database, and not in the user's folder.
        bench = Bench(workshop)
        rows = _all_rows(bench, settings, contents, chosen, skipped)
        collected, complete = _collect(rows, total=None if contents else len(chosen))
    fingerprint = take_fingerprint(RuntimeOptions())
    found = Conformance(
        runtime=fingerprint.runtime_version,
        cpu=fingerprint.cpu,
        instruction_sets=fingerprint.instruction_sets,
        system=fingerprint.system,
        python=fingerprint.python,
        base_python=options.base_python or "",
        base_runtime=base_runtime,
        cases=settings.cases,
        seed=settings.seed,
        threads=settings.threads,
        artifacts={
            name: Artifact(sha256=digest_bytes(content), skipped=skipped[name]) for name, content in contents.items()
        },
        rows=tuple(collected),
        complete=complete,
    )
    print_conformance(found, Console(highlight=False, width=None if sys.stdout.isatty() else _COLUMNS))
    if options.json:
        write_output(options.json, msgspec.json.format(msgspec.json.encode(found), indent=2))
    if options.markdown:
        write_output(options.markdown, markdown(found).encode())
    return (0 if found.passed else 1) if complete else _INTERRUPTED


def _all_rows(
    bench: Bench,
    settings: Settings,
    contents: Mapping[str, bytes],
    chosen: list[tuple[str, str]],
    skipped: Mapping[str, dict[str, str]],
) -> Iterator[Row]:
    for name, content in contents.items():
        yield from artifact_rows(bench, settings, name, content, skipped=skipped[name])
    yield from generated_rows(bench, settings, chosen)


def _collect(rows: Iterator[Row], *, total: int | None) -> tuple[list[Row], bool]:
    """All rows, or those until Ctrl-C and False; with progress on standard error."""
    collected: list[Row] = []
    with ConsoleProgress(Console(stderr=True)).task("conform") as report:
        try:
            for row in rows:
                collected.append(row)
                report(len(collected), total or 0)
        except KeyboardInterrupt:
            return collected, False
    return collected, True


def _contents(options: argparse.Namespace) -> dict[str, bytes]:
    """The artifacts by name, each of them one that can be read."""
    contestants = find_contestants(tuple(dict.fromkeys(options.artifacts)), Path("pyproject.toml"), word="ARTIFACT")
    for name, contestant in contestants.items():
        try:
            read_model(contestant.content)
        except InvalidArtifactError as error:
            raise ConfigError(name, found="a file that is no model", expected=str(error)) from error
    if contestants and (options.operator or options.dtype):
        raise ConfigError(
            "--operator and --dtype", found="them with artifacts", expected="them without: they choose generated models"
        )
    return {name: contestant.content for name, contestant in contestants.items()}


def _chosen(options: argparse.Namespace) -> list[tuple[str, str]]:
    """The generated operators that the options leave, each with a dtype."""
    known = generated_operators()
    for name in options.operator or []:
        if name not in known:
            raise ConfigError("--operator", found=repr(name), expected=f"one of {', '.join(known)}")
    names = list(dict.fromkeys(options.operator or known))
    dtypes = dict.fromkeys(dtype for name in names for dtype in known[name])
    for dtype in options.dtype or []:
        if dtype not in dtypes:
            raise ConfigError("--dtype", found=repr(dtype), expected=" or ".join(dtypes))
    return [(name, dtype) for name in names for dtype in known[name] if dtype in (options.dtype or dtypes)]


def _base_runtime(python: str) -> str:
    """Version of the runtime in another Python.

    Raises
    ------
    WorkerPythonError
        If it has none, or no numpy.
    """
    package = runtime_package(RuntimeOptions())
    versions = ask_environment(python, (package, "numpy"), limit_s=_ASKING_LIMIT_S)
    for name in (package, "numpy"):
        if not versions[name]:
            raise WorkerPythonError(f"--base-python {python} has no {name}; install it there: pip install {name}")
    return versions[package]


def _check_outputs(options: argparse.Namespace) -> None:
    """Refuse, before anything is tried, what cannot be written to afterwards."""
    for option, path in (("--json", options.json), ("--markdown", options.markdown)):
        if path is not None and path.is_dir():
            raise ConfigError(option, found=f"the folder {path}", expected="a file to write to")
    for option, folder in (
        ("--examples", options.examples),
        ("--json", options.json and options.json.parent),
        ("--markdown", options.markdown and options.markdown.parent),
    ):
        existing = next((each for each in (folder, *folder.parents) if each.exists()), None) if folder else None
        if existing is not None and not existing.is_dir():
            raise ConfigError(
                option, found=f"{existing}, which is no folder", expected="a place that can be written to"
            )
