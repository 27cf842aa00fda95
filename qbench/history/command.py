"""`qbench history`: its options, and what it does with them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console

from qbench.errors import ConfigError
from qbench.files import write_output
from qbench.history.run import look_back
from qbench.history.tables import print_history
from qbench.models.config import load_config

if TYPE_CHECKING:
    import argparse

#: What is shown where nobody's terminal says how wide it is.
_COLUMNS = 80

_DRIFTED = 1

HELP = "what was accepted of a model over time, by whom and why, and what has drifted"
DESCRIPTION = (
    "Lists the commits that changed the baselines of a model, with who accepted what and why, and names every metric "
    "that is further from its anchor than it may be, though each step passed. With --fail-on-drift the exit status is "
    "1 if there is one, or if older commits cannot be seen, as in a shallow clone."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qbench history`."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="a model of [tool.qbench.models]")
    add("recipes", nargs="*", metavar="RECIPE", help="recipes of it; all without any")
    add("--metric", default="", metavar="NAME", help="one metric with its steps, instead of size and accuracy")
    add("--since", default="", metavar="REF", help="begin at a commit, tag or day, and count drift from there")
    add("--json", type=Path, metavar="PATH", help="write everything that was found")
    add("--fail-on-drift", action="store_true", help="exit with status 1 if something has drifted")


def run_command(options: argparse.Namespace) -> int:
    """Print the history that the options ask for, and return 0, or 1 if it was to fail on drift.

    Raises
    ------
    ConfigError
        If they name nothing that is declared.
    BaselineError
        If git does not know a commit.
    """
    config = load_config(Path("pyproject.toml"))
    if config is None:
        raise ConfigError("qbench history", found="no [tool.qbench] in ./pyproject.toml", expected="a project's folder")
    if options.json is not None and options.json.is_dir():
        raise ConfigError("--json", found=f"the folder {options.json}", expected="a file to write to")
    record = look_back(config, options.model, options.recipes, since=options.since)
    if options.metric and options.metric not in record.metrics:
        known = sorted({name for one in record.subjects for change in one.changes for name in change.metrics})
        raise ConfigError("--metric", found=repr(options.metric), expected=f"one of {', '.join(known)}")
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else _COLUMNS)
    print_history(record, console, metric=options.metric, folder=os.path.relpath(config.baselines))
    if options.json:
        write_output(options.json, msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
    unseen = any(one.drifted or one.gap for one in record.subjects)
    return _DRIFTED if options.fail_on_drift and unseen else 0
