"""The command line: ``qbench trial``. The gate itself is pytest's command line."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from qbench.errors import ConfigError, QbenchError
from qbench.trial.command import add_options, run_command

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
    parser = argparse.ArgumentParser(prog="qbench", description="Judges quantized TensorFlow Lite / LiteRT models.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    trial = commands.add_parser(
        "trial",
        help="test the instrument: contests of a subject against itself, with and without a slowdown",
        description="Runs contests of subjects against themselves, as they are and slowed down by a known share, and "
        "counts false alarms and misses.",
    )
    add_options(trial)
    options = parser.parse_args(arguments)
    try:
        return run_command(options)
    except QbenchError as error:
        sys.stderr.write(f"qbench {options.command}: {error}\n")
        return _USAGE if isinstance(error, ConfigError) else _FAILED


if __name__ == "__main__":
    sys.exit(main())
