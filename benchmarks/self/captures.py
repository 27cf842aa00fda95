"""Screens of the terminal, taken from real runs, for docs/images.

    python -m benchmarks.self.captures [--columns 80] [--rows 40] [--only red-accuracy ...] [FOLDER]

Needs tmux. Each scenario is a project of its own in a temporary folder, whose model is the mnist-dscnn of this
repository, with the artifacts and baselines that are accepted here. pytest runs in a terminal of tmux; what is on it at
the end, with its colours, becomes an SVG.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[2]
MODEL = "mnist-dscnn"
GATE = "pytest benchmarks/ --benchmark-compare"

_TESTS = ("test_accuracy.py", "test_latency.py", "test_size.py", "test_structure.py")
#: A terminal of which nothing that was printed is lost.
_HISTORY = "5000"


class Scenario(NamedTuple):
    """What is on the screen, and how it comes to be there.

    Attributes
    ----------
    command
        What is typed.
    int8
        The recipe whose artifact stands where the int8 one did; empty for the accepted one itself.
    damage
        What is done to the bytes of the int8 artifact: ``pad``, ``cut``.
    settings
        Lines of `[tool.qbench]`.
    without
        A file of benchmarks that is gone.
    accepted
        Whether there are baselines.
    """

    command: str = GATE
    int8: str = ""
    damage: str = ""
    settings: str = ""
    without: str = ""
    accepted: bool = True


SCENARIOS = {
    "first": Scenario(accepted=False),
    "accept": Scenario('pytest benchmarks/ --qbench-accept "first"', accepted=False),
    "green": Scenario(),
    "green-q": Scenario(f"{GATE} -q"),
    "red-accuracy": Scenario(int8="int8-per-tensor", settings='metrics = ["accuracy", "size"]'),
    "red-latency": Scenario(int8="int16x8", settings='metrics = ["latency"]'),
    "red-q": Scenario(f"{GATE} -q", int8="int8-per-tensor", settings='metrics = ["accuracy", "size"]'),
    "inconclusive": Scenario(
        damage="pad", settings='metrics = ["latency"]\ntolerance.latency = 0.0001\ncontest.limit_s = 6.0'
    ),
    "missing": Scenario(without="test_size.py"),
    "crash": Scenario(damage="cut"),
}


def accepted_artifact(recipe: str) -> bytes:
    """The artifact of the model that is accepted for a recipe."""
    document = json.loads((ROOT / "baselines" / MODEL / f"{recipe}.json").read_bytes())
    return (ROOT / "baselines" / "artifacts" / f"{document['artifact']['sha256']}.tflite").read_bytes()


def build(folder: Path, scenario: Scenario) -> None:
    """Write the project of a scenario."""
    measured = [name for name in _TESTS if name.removeprefix("test_").removesuffix(".py") in _kinds(scenario)]
    (folder / "benchmarks").mkdir()
    for name in measured:
        if name != scenario.without:
            shutil.copy(ROOT / "benchmarks" / name, folder / "benchmarks" / name)
    content = accepted_artifact(scenario.int8 or "int8")
    content = {"pad": content + bytes(16), "cut": content[: len(content) // 2]}.get(scenario.damage, content)
    (folder / "dscnn.int8.tflite").write_bytes(content)
    (folder / "dscnn.fp32.tflite").write_bytes(accepted_artifact("fp32"))
    (folder / "mnist_data.py").write_text((ROOT / "benchmarks" / "data" / "__init__.py").read_text())
    (folder / "mnist").symlink_to(ROOT / "benchmarks" / "data" / "mnist")
    (folder / "pyproject.toml").write_text(
        "[tool.qbench]\n"
        'recipes = ["fp32", "int8"]\n'
        f"{scenario.settings}\n"
        f"[tool.qbench.models.{MODEL}]\n"
        'source = {fp32 = "dscnn.fp32.tflite", int8 = "dscnn.int8.tflite"}\n'
        'dataset = "mnist_data:mnist"\n'
    )
    if scenario.accepted:
        for recipe in ("fp32", "int8"):
            for path in (ROOT / "baselines" / MODEL).glob(f"{recipe}.*"):
                _copy(path, folder / "baselines" / MODEL / path.name)
            digest = json.loads((ROOT / "baselines" / MODEL / f"{recipe}.json").read_bytes())["artifact"]["sha256"]
            name = f"{digest}.tflite"
            _copy(ROOT / "baselines" / "artifacts" / name, folder / "baselines" / "artifacts" / name)


def _kinds(scenario: Scenario) -> str:
    return scenario.settings.partition("metrics = ")[2].partition("\n")[0] or "accuracy latency size structure"


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def capture(folder: Path, command: str, *, columns: int, rows: int, environment: dict[str, str]) -> str:
    """What a terminal shows after a command, with its escape sequences."""
    socket = f"qbench-captures-{os.getpid()}"
    tmux = ["tmux", "-L", socket, "-f", "/dev/null"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    variables = {"PATH": path, "QBENCH_CACHE": str(folder / "cache"), "PS1": "$ ", "PYTHONPATH": "", **environment}
    inherited = {name: value for name, value in os.environ.items() if name not in {"CI", "TMUX", "NO_COLOR"}}
    begin = ["new-session", "-d", "-x", str(columns), "-y", str(rows), "-c", str(folder), "bash --norc --noprofile"]
    subprocess.run([*tmux, *begin], check=True, env={**inherited, **variables})
    try:
        subprocess.run([*tmux, "set-option", "-g", "history-limit", _HISTORY], check=True)
        subprocess.run([*tmux, "send-keys", f"clear; {command}; tmux wait-for -S done", "Enter"], check=True)
        subprocess.run([*tmux, "wait-for", "done"], check=True)
        shown = subprocess.run([*tmux, "capture-pane", "-e", "-p", "-S", "-"], check=True, capture_output=True)
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
    lines = shown.stdout.decode().rstrip().splitlines()
    first = next((number for number, line in enumerate(lines) if "tmux wait-for" in line), -1)
    return "\n".join([f"$ {command}", *[line for line in lines[first + 1 :] if not line.startswith("$ ")]])


def drawn(shown: str, *, columns: int, rows: int) -> str:
    """The last rows of a screen as an SVG."""
    lines = [line for line in shown.splitlines() if "bash-" not in line]
    command, last = lines[0], lines[1:][-rows:]
    # The plain and the absolute colours that tmux writes mean the same on a page.
    text = Text.from_ansi("\n".join([command, *([] if len(lines) <= rows else ["..."]), *last]))
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True)
    console.print(text, no_wrap=True, overflow="ignore", crop=False)
    # Pages that show it load nothing from elsewhere: without the fonts that rich names, any of fixed width is taken.
    return re.sub(r"@font-face \{.*?\}", "", console.export_svg(title="qbench"), flags=re.DOTALL)


def main() -> None:
    """Run scenarios and write their screens."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "docs" / "images")
    parser.add_argument("--columns", type=int, default=80)
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--only", nargs="*", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--command", default="", help="instead of the scenarios' own")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="environment variables")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in options.only:
        scenario = SCENARIOS[name]
        with tempfile.TemporaryDirectory(prefix="dscnn-") as temporary:
            folder = Path(temporary) / "project"
            folder.mkdir()
            build(folder, scenario)
            command = options.command or scenario.command
            variables = dict(each.split("=", 1) for each in options.set)
            shown = capture(folder, command, columns=options.columns, rows=options.rows, environment=variables)
        target = options.folder / f"terminal-{name}.svg"
        target.write_text(drawn(shown, columns=options.columns, rows=options.rows), encoding="utf-8")
        print(target)


if __name__ == "__main__":
    main()
