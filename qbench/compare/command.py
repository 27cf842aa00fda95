"""`qbench compare`: its options, and what it does with them."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from rich.console import Console

from qbench.argument_types import count, natural, positive
from qbench.compare.pair import Settings
from qbench.compare.run import compare
from qbench.compare.table import print_comparison
from qbench.errors import ConfigError, QbenchError
from qbench.files import write_output
from qbench.judge.tolerance import Tolerance
from qbench.models.config import ContestConfig, check_tolerances
from qbench.models.tables import check_function, convert_table
from qbench.records import KernelSet, RuntimeOptions
from qbench.report.progress import ConsoleProgress
from qbench.run_record import encode_record

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from qbench.run_record import RunRecord

#: What a shell calls a program that Ctrl-C ended.
_INTERRUPTED = 130
_USAGE = 2
#: What is shown where nobody's terminal says how wide it is.
_COLUMNS = 100
_SEED_BITS = 31

#: Each option that writes a file, with what makes its content.
_FORMS: Mapping[str, Callable[[RunRecord], bytes]] = {"json": encode_record}

DESCRIPTION = (
    "Judges B as a pull request that replaces A by it would be judged: size, structure, accuracy on the examples of "
    "--data, and latency by a contest of both side by side. If A is float and B is not, accuracy is judged as what "
    "quantizing costs. Exit status: 0 if all is green, 1 if something got worse or B cannot be used, 8 if something "
    "was not judged, 2 if A, the examples or an option cannot be used."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qbench compare`."""
    defaults = RuntimeOptions()
    add = parser.add_argument
    add("baseline", type=Path, metavar="A.tflite", help="what is accepted")
    add("candidate", type=Path, metavar="B.tflite", help="what is judged")
    add(
        "--data",
        type=Path,
        metavar="FILE.npz",
        help="examples: an array `inputs` (of several inputs, arrays called as they are), and `labels` where known",
    )
    add(
        "--tolerance",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="how much worse B may be, as in [tool.qbench.tolerance]: accuracy_regression=0.002; repeatable",
    )
    add("--metric", action="append", default=[], metavar="MODULE:FUNCTION", help="a metric of your own; repeatable")
    add("--output", metavar="NAME", help="name or index of the output that predictions are read from")
    add("--no-latency", action="store_true", help="no contest: about five seconds less")
    add(
        "--limit",
        type=positive,
        default=ContestConfig().limit_s,
        metavar="SECONDS",
        help="limit_s: how long the contest may take (%(default)g)",
    )
    add("--threads", type=count, default=defaults.threads, metavar="N", help="of the runtime (%(default)s)")
    add("--kernels", choices=get_args(KernelSet), default=defaults.kernels, help="(%(default)s)")
    add("--seed", type=natural, metavar="N", help="of the order of blocks, as an earlier run printed it")
    add("--json", type=Path, metavar="PATH", help="write everything that was measured and judged, as JSON")
    add("-v", "--verbose", action="store_true", help="all metrics, and a sentence for green verdicts too")


def run_command(options: argparse.Namespace) -> int:
    """Compare what the options name, print that, and return the exit status.

    Raises
    ------
    ConfigError
        If an option cannot be used.
    """
    written = {form: path for form in _FORMS if (path := getattr(options, form)) is not None}
    for form, path in written.items():
        if path.is_dir():
            raise ConfigError(f"--{form}", found=f"the folder {path}", expected="a file to write to")
    settings = _settings(options)
    try:
        record = compare(settings, ConsoleProgress(Console(stderr=True)))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except QbenchError as error:
        # What got worse has a status of its own: a file that cannot be judged by is no verdict.
        sys.stderr.write(f"qbench compare: {error}\n")
        return _USAGE
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _COLUMNS)
    names = str(options.baseline), str(options.candidate)
    print_comparison(record, names, console, verbose=options.verbose)
    return _written(record, written)


def _written(record: RunRecord, written: Mapping[str, Path]) -> int:
    """Write the files that were asked for, and return the exit status: one that cannot be written is a failure."""
    status = record.exit_status
    for form, path in written.items():
        try:
            write_output(path, _FORMS[form](record))
        except OSError as error:
            sys.stderr.write(f"qbench compare: --{form}: {path} cannot be written ({error})\n")
            status = status or 1
    return status


def _settings(options: argparse.Namespace) -> Settings:
    for metric in options.metric:
        check_function(metric, "--metric")
    output = int(options.output) if options.output and options.output.isdecimal() else options.output
    return Settings(
        baseline=options.baseline,
        candidate=options.candidate,
        data=options.data,
        tolerance=_tolerance(options.tolerance),
        options=RuntimeOptions(threads=options.threads, kernels=options.kernels),
        output=output,
        metrics=tuple(options.metric),
        latency=not options.no_latency,
        limit_s=options.limit,
        seed=secrets.randbits(_SEED_BITS) if options.seed is None else options.seed,
    )


def _tolerance(given: list[str]) -> Tolerance:
    """Tolerances as the command line says them, each a line of TOML."""
    try:
        table: dict[str, Any] = tomllib.loads("\n".join(given))
    except tomllib.TOMLDecodeError as error:
        found = f"{' '.join(given)!r} ({error})"
        raise ConfigError("--tolerance", found=found, expected="KEY=VALUE, such as size=0.05") from error
    check_tolerances(table, "--tolerance")
    return convert_table(table, Tolerance, "--tolerance")
