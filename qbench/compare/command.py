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
from qbench.files import write_output, write_summary
from qbench.judge.tolerance import Tolerance
from qbench.models.config import ContestConfig, check_tolerances
from qbench.models.tables import check_function, convert_table
from qbench.records import KernelSet, RuntimeOptions
from qbench.report.markdown import markdown_report
from qbench.report.plain_text import plain
from qbench.report.progress import ConsoleProgress
from qbench.run_json import encode_record

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from qbench.compare.run import Comparison
    from qbench.progress import Progress

#: What a shell calls a program that Ctrl-C ended.
_INTERRUPTED = 130
_USAGE = 2
#: What is shown where nobody's terminal says how wide it is.
_COLUMNS = 100
_SEED_BITS = 31

#: Seconds that a page may look at operators.
_LOOKING_S = 20.0

HELP = "the whole verdict for two .tflite files, without a project"
DESCRIPTION = (
    "Judges B as a pull request that replaces A by it would be judged: size, structure, accuracy on the examples of "
    "--data, and latency by a contest of both side by side. If A is float and B is not, accuracy is judged as what "
    "quantizing costs. Nothing is written unless an option says so."
)

EPILOG = (
    "Exit status: 0 if nothing got worse, 1 if something did or B cannot be used, 8 if something that can be "
    "judged was not, 2 if A, the examples or an option cannot be used."
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
        help="examples: an array `inputs` (of several inputs, arrays called as they are), `labels` where known, and "
        "for integers such as pixels the `input_scale` that makes real values of them, such as 1/255",
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
    add("--no-latency", action="store_true", help="no contest of latencies, which takes some seconds")
    add(
        "--limit",
        type=positive,
        default=ContestConfig().limit_s,
        metavar="SECONDS",
        help="how long the contest of latencies may take (%(default)g)",
    )
    add("--threads", type=count, default=defaults.threads, metavar="N", help="threads of the runtime (%(default)s)")
    add(
        "--kernels",
        choices=get_args(KernelSet),
        default=defaults.kernels,
        help="which kernels of the runtime run both (%(default)s)",
    )
    add(
        "--seed",
        type=natural,
        metavar="N",
        help="of the order in which the contest runs the two (default: another one each time)",
    )
    add("--json", type=Path, metavar="PATH", help="write everything that was measured and judged, as JSON")
    add("--markdown", type=Path, metavar="PATH", help="write the verdict as Markdown")
    add("--html", type=Path, metavar="PATH", help="write a page, with examples whose predictions flip, and operators")
    add("-v", "--verbose", action="store_true", help="all metrics, and a sentence for green verdicts too")


def run_command(options: argparse.Namespace) -> int:
    """Compare what the options name, print that, and return the exit status.

    Raises
    ------
    ConfigError
        If an option cannot be used.
    """
    paths = _report_paths(options)
    settings = _settings(options)
    progress = ConsoleProgress(Console(stderr=True))
    try:
        comparison = compare(settings, progress)
        console = Console(highlight=False, width=None if sys.stdout.isatty() else _COLUMNS)
        names = str(options.baseline), str(options.candidate)
        print_comparison(comparison.record, names, console, verbose=options.verbose)
        return _written(comparison, paths, progress)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except QbenchError as error:
        # What got worse has a status of its own: a file that cannot be judged by is no verdict.
        sys.stderr.write(f"qbench compare: {plain(str(error))}\n")
        return _USAGE


def _report_paths(options: argparse.Namespace) -> dict[str, Path]:
    """The files to write, by their form; said to be unusable before anything is measured."""
    paths = {form: path for form in _FORMS if (path := getattr(options, form)) is not None}
    taken = {path.resolve(): name for path, name in ((options.baseline, "A"), (options.candidate, "B"))}
    if options.data is not None:
        taken[options.data.resolve()] = "--data"
    for form, path in paths.items():
        option = f"--{form}"
        if path.is_dir() or not path.absolute().parent.is_dir():
            found = f"the folder {path}" if path.is_dir() else f"{path}, whose folder does not exist"
            raise ConfigError(option, found=found, expected="a file to write to")
        other = taken.setdefault(path.resolve(), option)
        if other != option and (path.is_file() or not path.exists()):
            raise ConfigError(option, found=f"{path}, which is also {other}", expected="another file")
    return paths


def _written(comparison: Comparison, paths: Mapping[str, Path], progress: Progress) -> int:
    """Write the files that were asked for, and return the exit status: one that cannot be written is a failure."""
    status = comparison.record.exit_status
    for form, path in paths.items():
        try:
            write = write_summary if form == "markdown" else write_output
            write(path, _FORMS[form](comparison, progress))
        except OSError as error:
            sys.stderr.write(f"qbench compare: --{form}: {path} cannot be written ({error})\n")
            status = status or 1
    return status


def _json(comparison: Comparison, _: Progress) -> bytes:
    return encode_record(comparison.record)


def _markdown(comparison: Comparison, _: Progress) -> bytes:
    return markdown_report(comparison.record).encode()


def _html(comparison: Comparison, progress: Progress) -> bytes:
    from qbench.report.html.page import render_page  # noqa: PLC0415 - templates are read by who writes a page alone
    from qbench.session.gallery import gallery  # noqa: PLC0415 - as above

    shown = gallery(comparison.session, comparison.inventory, progress=progress, limit_s=_LOOKING_S)
    return render_page(comparison.record, shown).encode()


#: Each option that writes a file, with what makes its content.
_FORMS: Mapping[str, Callable[[Comparison, Progress], bytes]] = {"json": _json, "markdown": _markdown, "html": _html}


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
