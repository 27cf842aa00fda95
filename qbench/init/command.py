"""`qbench init`: its options, and what it does with them."""

from __future__ import annotations

import shlex
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from qbench.errors import ConfigError
from qbench.files import write_output
from qbench.init.answers import CI_CHOICES, NO_DATA, gather
from qbench.init.declaration import declared
from qbench.init.plan import plan_files
from qbench.init.project import ignored_by_git
from qbench.init.pytest_settings import obstacles
from qbench.init.terminal import Terminal

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from qbench.init.answers import Answers
    from qbench.init.plan import PlannedFile

#: What a shell calls a program that Ctrl-C ended.
_INTERRUPTED = 130
_FAILED = 1
_REASON = "first baseline"

HELP = "write what a project needs to have its models judged, and accept a first baseline"
DESCRIPTION = (
    "Writes what a project needs to have its models judged: [tool.qbench] in pyproject.toml, benchmarks, and a "
    "workflow for CI. Then it runs the benchmarks once and accepts what they measure as the first baseline. On a "
    "terminal it asks for what no option says. What is there already is never overwritten."
)

_WORDS = {"new": "writes", "more": "adds to", "same": "has", "kept": "keeps, although it says something else:"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qbench init`."""
    add = parser.add_argument
    add(
        "--model",
        nargs="+",
        metavar="PATH",
        help="a .keras file, a SavedModel folder, a .tflite file, or finished .tflite files: a.tflite b.tflite, or "
        "fp32=a.tflite int8=b.tflite where their recipes cannot be told",
    )
    add("--data", metavar="DATA", help=f"examples: an .npz file, module:function, or {NO_DATA} for no accuracy")
    add("--name", metavar="NAME", help="of the model (default: what its files begin with)")
    add("--recipes", metavar="NAMES", help="to make of a model to convert, with commas between (fp32,int8)")
    add("--benchmarks", default="benchmarks", metavar="FOLDER", help="where the benchmarks are (%(default)s)")
    add("--ci", choices=CI_CHOICES, help="whose workflow to write (default: that which the project uses)")
    add("--add", action="store_true", help="add a model to a [tool.qbench] that is there")
    add("--no-run", action="store_true", help="write files, and do not run the benchmarks")
    add("--dry-run", action="store_true", help="show what would be written, and write nothing")


def run_command(options: argparse.Namespace) -> int:
    """Set up what the options and answers say, and return the exit status.

    Raises
    ------
    ConfigError
        If something that was said cannot be used, or a file cannot be written.
    """
    terminal = Terminal()
    try:
        answers = gather(options, terminal)
        files = plan_files(answers, add=options.add)
        terminal.say(f"In {answers.root}:")
        for file in files:
            terminal.say(f"  {_WORDS[file.state]} {file.path}")
        if options.dry_run:
            _show(files, terminal)
            return 0
        if any(file.written for file in files) and not terminal.confirm("Write them?"):
            terminal.say("Nothing was written.")
            return _FAILED
    except KeyboardInterrupt:
        terminal.say("\nInterrupted: nothing was written." if terminal.can_ask else "Interrupted: nothing was written.")
        return _INTERRUPTED
    _write(answers, files)
    return _first_run(answers, files, terminal, run=not options.no_run)


def _show(files: Sequence[PlannedFile], terminal: Terminal) -> None:
    for file in files:
        if file.written:
            terminal.say()
            terminal.say(f"--- {file.path}")
            for line in file.content.decode(errors="replace").splitlines():
                terminal.say(line)


def _write(answers: Answers, files: Sequence[PlannedFile]) -> None:
    written: list[str] = []
    for file in files:
        if not file.written:
            continue
        path = answers.root / file.path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_output(path, file.content)
        except OSError as error:
            said = f"written before it: {', '.join(written)}" if written else "nothing was written"
            found = f"{path}, which cannot be written ({error}; {said})"
            raise ConfigError(
                "init", found=found, expected="a project that may be written; then run it again"
            ) from error
        written.append(file.path)


def _first_run(answers: Answers, files: Sequence[PlannedFile], terminal: Terminal, *, run: bool) -> int:
    """Run the benchmarks and accept what they measure, unless that was done; say what comes next."""
    root = answers.root
    config = declared((root / "pyproject.toml").read_bytes(), root)
    missing = [
        subject
        for subject in config.subjects
        if subject.model == answers.name and not (config.baselines / subject.model / f"{subject.recipe}.json").exists()
    ]
    folder = shlex.quote(f"{answers.folder}/")
    accept = f'pytest {folder} --qbench-accept "{_REASON}"'
    if missing and not run:
        terminal.say(f"Next: {accept}")
        return 0
    if missing:
        terminal.say(f"Runs {accept}")
        status = _run_pytest(answers)
        if status:
            _say_failed(status, accept, terminal, _in_the_way(answers, files))
            return _INTERRUPTED if status == _INTERRUPTED else _FAILED
    ignored = ignored_by_git(root, _kept_files(answers, files, config.baselines.name))
    if ignored:
        terminal.say(f"git ignores {', '.join(ignored[:3])}: the gate needs it in every checkout. Change .gitignore.")
    paths = dict.fromkeys([*(_first_part(file.path) for file in files if file.state != "kept"), config.baselines.name])
    given = [name for name in (*answers.source.paths, answers.dataset) if name and ":" not in name]
    terminal.say("Next:")
    terminal.say(f"  git add {shlex.join(dict.fromkeys([*paths, *given]))}")
    terminal.say('  git commit -m "Models are judged"')
    terminal.say(f"  pytest {folder} --benchmark-compare")
    if answers.ci == "none":
        terminal.say("  and for CI: qbench init again, with --ci github or --ci gitlab")
    if answers.ci == "gitlab":
        terminal.say("  and have .gitlab-ci.yml include .gitlab/qbench.yml, as its head says")
    return 0


def _run_pytest(answers: Answers) -> int:
    """The exit status of the first run, whose output goes where this one's does; 130 after Ctrl-C."""
    command = [sys.executable, "-m", "pytest", f"{answers.folder}/", "--qbench-accept", _REASON]
    if find_spec("xdist") is not None:
        # A latency is not measured beside others, whatever the project's own options say.
        command += ["-n", "0"]
    with subprocess.Popen(command, cwd=answers.root) as process:  # noqa: S603 - a list of arguments, no shell
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.wait()  # pytest was interrupted as well, and ends by itself.
            return _INTERRUPTED


def _in_the_way(answers: Answers, files: Sequence[PlannedFile]) -> list[str]:
    tests = [file.path for file in files if file.path.startswith(f"{answers.folder}/")]
    return obstacles(answers.root, answers.folder, tests)


def _say_failed(status: int, accept: str, terminal: Terminal, reasons: Sequence[str]) -> None:
    interrupted = status == _INTERRUPTED
    why = "" if reasons else ", for the reason above"
    terminal.say(
        "The first run was interrupted." if interrupted else f"The first run failed (exit status {status}){why}."
    )
    for reason in reasons if not interrupted else ():
        terminal.say(f"{reason}.")
    terminal.say("The files are written; what failed has no baseline. When it is put right:")
    terminal.say(f"  {accept}")


def _kept_files(answers: Answers, files: Sequence[PlannedFile], baselines: str) -> list[str]:
    """What a checkout must have for the gate to judge."""
    accepted = (answers.root / baselines).rglob("*")
    kept = [path.relative_to(answers.root).as_posix() for path in accepted if path.is_file() and path.name != ".lock"]
    given = [name for name in (*answers.source.paths, answers.dataset) if name and ":" not in name]
    return [*(file.path for file in files), *given, *kept]


def _first_part(path: str) -> str:
    """The folder of the project that a file is in, or the file itself; of a hidden folder the file alone."""
    first = path.partition("/")[0]
    return path if first.startswith(".") else f"{first}/" if "/" in path else path
