"""`qbench trial`: its options, and what it does with them."""

from __future__ import annotations

import argparse
import random
import sys
from importlib.metadata import version
from pathlib import Path
from typing import cast, get_args

from rich.console import Console

from qbench.argument_types import count, positive, probability, share, shares
from qbench.errors import ConfigError
from qbench.files import write_output
from qbench.report.progress import ConsoleProgress
from qbench.runtime.fingerprint import take_fingerprint
from qbench.session.subjects import find_contestants
from qbench.trial.plot import plot_trial, require_plot
from qbench.trial.records import Noise, Trial, TrialSettings, decode_trial, encode_trial
from qbench.trial.run import run_trial
from qbench.trial.tables import print_trial

#: What a shell calls a program that Ctrl-C ended.
_INTERRUPTED = 130

_SEED_BITS = 32
_COLUMNS = 130


HELP = "test the instrument: contests of a subject against itself, with and without a slowdown"
DESCRIPTION = (
    "Runs contests of subjects against themselves, as they are and slowed down by a known share, and "
    "counts false alarms and misses."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qbench trial`."""
    defaults = TrialSettings(subjects=())
    add = parser.add_argument
    add("subjects", nargs="*", metavar="SUBJECT_OR_FILE", help="ids such as mnist-mlp-int8, or paths of .tflite files")
    add("--tolerance", type=share, default=defaults.tolerance, help="of every contest, as a share (%(default)s)")
    add(
        "--slowdown",
        type=shares,
        action="append",
        metavar="SHARE[,SHARE...]",
        help="how much slower the candidate is made (0.1); 0 is always tried too",
    )
    add(
        "--contests",
        type=count,
        default=defaults.contests,
        metavar="N",
        help="for each noise and slowdown, spread evenly over the subjects (%(default)s)",
    )
    add(
        "--noise",
        action="append",
        choices=get_args(Noise),
        help="a busy neighbour: none, on the contest's processor, on the way to memory (quiet); repeatable",
    )
    add("--clock", choices=("auto", "cpu", "wall"), default="auto", help="that contests believe (%(default)s)")
    add("--limit", type=positive, default=defaults.limit_s, metavar="S", help="seconds of a contest (%(default)s)")
    add("--alpha", type=probability, default=defaults.alpha, help="chance of each wrong finding (%(default)s)")
    add("--seed", type=int, help="of the order and of all lots; drawn and printed if it is not given")
    add(
        "--stored-runs",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also compare stored runs of the same subjects, as pytest-benchmark and a U test do",
    )
    add("--stored-seconds", type=positive, default=defaults.stored_s, metavar="S", help="of a run (%(default)s)")
    add("--json", type=Path, metavar="PATH", help="keep everything here, after each contest")
    add("--plot", type=Path, metavar="PATH.svg", help="draw ratios and findings against slowdowns")
    add("--from", type=Path, dest="kept", metavar="JSON", help="print and draw what --json kept; measure nothing")
    add("-v", "--verbose", action="store_true", help="also by subject, and what the other clock says")


def run_command(options: argparse.Namespace) -> int:
    """Do what the options say, and return the exit status.

    Raises
    ------
    ConfigError
        If they cannot be used.
    QbenchError
        If a subject cannot be measured.
    """
    if bool(options.subjects) == bool(options.kept):
        found = "both" if options.kept else "neither"
        raise ConfigError("qbench trial", found=found, expected="subjects to measure, or --from a file of measurements")
    if options.plot:
        require_plot()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _COLUMNS)
    trial, status = (_read(options.kept), 0) if options.kept else _measure(options)
    if trial is not None:
        print_trial(trial, console, verbose=options.verbose)
        if options.plot:
            write_output(options.plot, plot_trial(trial))
    return status


def settings_of(options: argparse.Namespace, subjects: tuple[str, ...]) -> TrialSettings:
    """The settings that the options say; 0 is among the slowdowns, and nothing is there twice."""
    slowdowns = {0.0, *(share for shares in options.slowdown or [[0.1]] for share in shares)}
    return TrialSettings(
        subjects=subjects,
        tolerance=options.tolerance,
        slowdowns=tuple(sorted(slowdowns)),
        contests=options.contests,
        noises=cast("tuple[Noise, ...]", tuple(dict.fromkeys(options.noise or ["quiet"]))),
        clock=None if options.clock == "auto" else options.clock,
        limit_s=options.limit,
        alpha=options.alpha,
        seed=random.SystemRandom().getrandbits(_SEED_BITS) if options.seed is None else options.seed,
        stored_s=options.stored_seconds if options.stored_runs else 0.0,
    )


def _read(path: Path) -> Trial:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"--from {path}", found=f"no readable file ({error.strerror})", expected="one") from error
    return decode_trial(content, name=f"--from {path}")


def _measure(options: argparse.Namespace) -> tuple[Trial | None, int]:
    """What was measured, which Ctrl-C may cut short, and the exit status."""
    contestants = find_contestants(tuple(dict.fromkeys(options.subjects)), Path("pyproject.toml"))
    settings = settings_of(options, tuple(contestants))
    measured: Trial | None = None
    # Drawn between contests alone: a thread that draws while something is timed would be one more neighbour.
    with ConsoleProgress(Console(stderr=True)).task(f"trial, seed {settings.seed}", timed=True) as report:

        def keep(trial: Trial, total: int) -> None:
            nonlocal measured
            measured = trial
            if options.json:
                write_output(options.json, encode_trial(trial))
            report(len(trial.contests), total)

        try:
            run_trial(
                contestants,
                settings,
                machine=take_fingerprint(next(iter(contestants.values())).options),
                version=version("qbench"),
                on_contest=keep,
            )
        except KeyboardInterrupt:
            return measured, _INTERRUPTED
    return measured, 0
