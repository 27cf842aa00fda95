"""`qbench conform`: its options, and what it does with them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from qbench.argument_types import count
from qbench.conform.generated import generated_operators
from qbench.conform.kernels import Workshop
from qbench.conform.records import Conformance
from qbench.conform.run import Settings, conform_artifact, conform_generated
from qbench.conform.tables import markdown, print_conformance
from qbench.conform.verdicts import Bench
from qbench.errors import ConfigError
from qbench.files import replace_file
from qbench.records import RuntimeOptions
from qbench.runtime.fingerprint import take_fingerprint
from qbench.session.subjects import find_contestants

if TYPE_CHECKING:
    import argparse

_COLUMNS = 130


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qbench conform`."""
    defaults = Settings()
    add = parser.add_argument
    add("artifacts", nargs="*", metavar="ARTIFACT", help="ids such as mnist-cnn-int8, or .tflite files; else generated")
    add("--operator", action="append", metavar="NAME", help="only this one of the generated; repeatable")
    add("--dtype", action="append", metavar="DTYPE", help="only int8 or int16 activations; repeatable")
    add("--cases", type=count, default=defaults.cases, metavar="N", help="for each operator (%(default)s)")
    add("--seed", type=int, default=defaults.seed, help="makes the same cases again (%(default)s)")
    add("--threads", type=count, default=defaults.threads, metavar="N", help="to compare with 1; 1 for no comparison")
    add("--base-python", metavar="PATH", help="a Python whose runtime is compared with this one's")
    add(
        "--examples", type=Path, default=Path("conform-examples"), metavar="DIR", help="for failing cases (%(default)s)"
    )
    add("--json", type=Path, metavar="PATH", help="write everything that was found")
    add("--markdown", type=Path, metavar="PATH", help="write the tables as a page")


def run_command(options: argparse.Namespace) -> int:
    """Do what the options say; 0 if nothing is wrong, else 1.

    Raises
    ------
    ConfigError
        If they cannot be used.
    QbenchError
        If an artifact cannot be built or read, or a Python cannot be run.
    """
    chosen = _chosen(options)
    settings = Settings(
        cases=options.cases,
        seed=options.seed,
        threads=options.threads,
        base_python=options.base_python,
        examples=options.examples,
    )
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _COLUMNS)
    contestants = find_contestants(
        tuple(dict.fromkeys(options.artifacts)), Path("pyproject.toml"), command="qbench conform"
    )
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Workshop() as workshop, Progress(*columns, console=Console(stderr=True)) as progress:
        bench = Bench(workshop)
        task = progress.add_task("conform", total=len(contestants) or len(chosen))

        def done(what: str) -> None:
            progress.update(task, description=what, advance=0 if contestants else 1)

        if contestants:
            sections = []
            for name, contestant in contestants.items():
                sections.append(conform_artifact(bench, settings, name, contestant.content, on_row=done))
                progress.advance(task)
        else:
            sections = [conform_generated(bench, settings, chosen, on_row=done)]
    found = Conformance(
        environment=msgspec.to_builtins(take_fingerprint(RuntimeOptions()), str_keys=True),
        cases=settings.cases,
        seed=settings.seed,
        sections=tuple(sections),
    )
    print_conformance(found, console)
    if options.json:
        replace_file(options.json, msgspec.json.format(msgspec.json.encode(found), indent=2))
    if options.markdown:
        replace_file(options.markdown, markdown(found).encode())
    return 0 if found.passed else 1


def _chosen(options: argparse.Namespace) -> list[tuple[str, str]]:
    """The generated operators that the options leave, each with a dtype."""
    known = generated_operators()
    for name in options.operator or []:
        if name not in known:
            raise ConfigError("--operator", found=repr(name), expected=f"one of {', '.join(known)}")
    names = options.operator or list(known)
    dtypes = dict.fromkeys(dtype for name in names for dtype in known[name])
    for dtype in options.dtype or []:
        if dtype not in dtypes:
            raise ConfigError("--dtype", found=repr(dtype), expected=" or ".join(dtypes))
    return [(name, dtype) for name in names for dtype in known[name] if dtype in (options.dtype or dtypes)]
