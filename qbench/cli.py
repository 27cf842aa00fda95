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
    from types import ModuleType

_FAILED, _USAGE = 1, 2

#: In the order in which a user meets them. Each has HELP, DESCRIPTION, perhaps an EPILOG, `add_options`, `run_command`.
_COMMANDS: dict[str, ModuleType] = {
    "init": qbench.init.command,
    "compare": qbench.compare.command,
    "explain": qbench.explain,
    "tune": qbench.tune.command,
    "history": qbench.history.command,
    "report": qbench.report.command,
    "publish": qbench.publish,
    "conform": qbench.conform.command,
    "trial": qbench.trial.command,
}


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
    for name, command in _COMMANDS.items():
        of_command = commands.add_parser(
            name, help=command.HELP, description=command.DESCRIPTION, epilog=getattr(command, "EPILOG", None)
        )
        command.add_options(of_command)
        of_command.set_defaults(run=command.run_command)
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
