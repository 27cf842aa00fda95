"""The command line ``qbench`` and its commands. The gate itself is pytest's command line."""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import qbench.compare.command
import qbench.conform.command
import qbench.explain
import qbench.history.command
import qbench.init.command
import qbench.publish
import qbench.report.command
import qbench.trial.command
import qbench.tune.command
from qbench.errors import ConfigError, QbenchError

if TYPE_CHECKING:
    from collections.abc import Sequence

_FAILED, _USAGE = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 done, 1 failed, 2 for what cannot be used.

    Parameters
    ----------
    arguments
        The command line without the program's name; None for this process's own.
    """
    parser = argparse.ArgumentParser(
        prog="qbench",
        description="Judges quantized TensorFlow Lite / LiteRT models.",
        epilog="Begin with `qbench compare` if you have two files, with `qbench init` if you have a project; its gate "
        "is then `pytest --benchmark-compare`. `qbench COMMAND --help` has the options of a command.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    init = commands.add_parser(
        "init",
        help="write what a project needs to have its models judged, and accept a first baseline",
        description=qbench.init.command.DESCRIPTION,
    )
    qbench.init.command.add_options(init)
    init.set_defaults(run=qbench.init.command.run_command)
    compare = commands.add_parser(
        "compare",
        help="the whole verdict for two .tflite files, without a project",
        description=qbench.compare.command.DESCRIPTION,
        epilog=qbench.compare.command.EPILOG,
    )
    qbench.compare.command.add_options(compare)
    compare.set_defaults(run=qbench.compare.command.run_command)
    explain = commands.add_parser(
        "explain",
        help="say why a quantized model answers differently: which operator, and what is wrong with it",
        description="Holds each operator of a quantized artifact against the float model's, its weights, ranges, "
        "calibration and kernels, and prints the causes in order, each with its evidence and what to try.",
    )
    qbench.explain.add_options(explain)
    explain.set_defaults(run=qbench.explain.run_command)
    tune = commands.add_parser(
        "tune",
        help="search for the cheapest recipe of a model that passes",
        description="Tries ways to quantize a model, measures each as the gate does, and prints the cheapest that "
        "passes the model's tolerances, what it costs, and the lines of [tool.qbench] to paste.",
    )
    qbench.tune.command.add_options(tune)
    tune.set_defaults(run=qbench.tune.command.run_command)
    history = commands.add_parser(
        "history",
        help="what was accepted of a model over time, by whom and why, and what has drifted",
        description=qbench.history.command.DESCRIPTION,
    )
    qbench.history.command.add_options(history)
    history.set_defaults(run=qbench.history.command.run_command)
    report = commands.add_parser(
        "report",
        help="make the reports of a run again from its JSON",
        description=qbench.report.command.DESCRIPTION,
    )
    qbench.report.command.add_options(report)
    report.set_defaults(run=qbench.report.command.run_command)
    publish = commands.add_parser(
        "publish",
        help="send a run to MLflow or Weights & Biases",
        description="Sends what --qbench-json wrote to where experiments are kept: for each subject its parameters, "
        "metrics and verdicts, and the file itself.",
    )
    qbench.publish.add_options(publish)
    publish.set_defaults(run=qbench.publish.run_command)
    conform = commands.add_parser(
        "conform",
        help="hold the runtime's kernels against the int8 specification, to the bit",
        description="Runs operators of generated models, or of artifacts, on the reference, builtin and XNNPACK "
        "kernels, and says for each whether the result is exactly what the specification wants, within one step of "
        "it, or wrong.",
    )
    qbench.conform.command.add_options(conform)
    conform.set_defaults(run=qbench.conform.command.run_command)
    trial = commands.add_parser(
        "trial",
        help="test the instrument: contests of a subject against itself, with and without a slowdown",
        description="Runs contests of subjects against themselves, as they are and slowed down by a known share, and "
        "counts false alarms and misses.",
    )
    qbench.trial.command.add_options(trial)
    trial.set_defaults(run=qbench.trial.command.run_command)
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
    except QbenchError as error:
        sys.stderr.write(f"qbench {options.command}: {error}\n")
        status = _USAGE if isinstance(error, ConfigError) else _FAILED
    return status


def _version() -> str:
    try:
        return version("qbench")
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
