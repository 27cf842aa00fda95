"""A small project of its own on disk, in which pytest runs with the plugin in a second or two."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import time
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import models_zoo
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

#: A run that takes longer than this hangs; no test depends on how long one takes.
_HANGS_S = 300.0

#: Wide enough that no sentence is wrapped.
_COLUMNS = "500"

#: What would change a run from outside: CI, colours, and the pytest and git around the tests.
_FOREIGN = ("CI", "GITHUB_", "NO_COLOR", "FORCE_COLOR", "PYTEST_", "GIT_", "PYTHONDONTWRITEBYTECODE")

#: No verdict may depend on how fast this machine is: any latency is tolerated, and a little evidence is enough.
_CONTESTS = "tolerance.latency = 1000.0\ncontest = {alpha = 0.4, limit_s = 60.0}"

#: Plugins that a run has beside pytest's own. What else happens to be installed would change what it prints, and in
#: which order it runs; hypothesis' imports all of hypothesis at its end, which takes longer than the run.
_PLUGINS = ("benchmark", "platformdirs", "qbench", "xdist", "xdist.looponfail")

_POWER = "power: "

_OPTIONS = ("--benchmark-max-time=0.001", "--benchmark-min-rounds=2")

#: 64 examples that the float model classifies; labels are what it says, so its accuracy is 1.
DATASET = """
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter
    from qbench import Dataset

    EXAMPLES = 64

    def inputs(seed, count):
        return np.random.default_rng(seed).uniform(-1, 1, (count, 4)).astype(np.float32)

    def predict(images):
        interpreter = Interpreter(model_path="tiny.fp32.tflite")
        interpreter.allocate_tensors()
        (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()
        rows = []
        for image in images:
            interpreter.set_tensor(given["index"], image[np.newaxis])
            interpreter.invoke()
            rows.append(interpreter.get_tensor(made["index"])[0].argmax())
        return np.array(rows)

    def examples():
        images = inputs(0, EXAMPLES)
        return Dataset(inputs=images, labels=predict(images), calibration=inputs(1, 16), name="tiny")
"""

#: The four tests that a project needs.
TESTS = """
    def test_latency(benchmark, interpreter, gate):
        benchmark(interpreter.invoke)
        gate.latency(benchmark)

    def test_size(artifact, gate):
        gate.size(artifact)

    def test_structure(artifact, gate):
        gate.structure(artifact)

    def test_accuracy(interpreter, dataset, gate):
        gate.accuracy(interpreter, dataset)
"""


class Project:
    """A project with a float and an int8 model of one layer called `tiny`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._plugins = list(_PLUGINS)
        self.declare("tiny")
        self.write("data.py", DATASET)
        self.write("benchmarks/test_models.py", TESTS)

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file; text loses its common indentation."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
        return path

    def declare(self, *models: str, settings: str = "", datasets: Mapping[str, str] | None = None) -> None:
        """Declare models with an fp32 and an int8 artifact, and write the artifacts that are not there yet.

        Parameters
        ----------
        settings
            TOML lines of `[tool.qbench]`.
        datasets
            Functions of data.py by model, for models whose dataset is not `examples`.
        """
        tables = ["[tool.qbench]", 'recipes = ["fp32", "int8"]', _CONTESTS, textwrap.dedent(settings)]
        for model in models:
            for recipe, make in (("fp32", models_zoo.dense_float), ("int8", models_zoo.dense_int8)):
                if not (self.path / f"{model}.{recipe}.tflite").exists():
                    self.write(f"{model}.{recipe}.tflite", make())
            tables += [
                f"[tool.qbench.models.{model}]",
                f'source = {{fp32 = "{model}.fp32.tflite", int8 = "{model}.int8.tflite"}}',
                f'dataset = "data:{(datasets or {}).get(model, "examples")}"',
            ]
        self.write("pyproject.toml", "\n".join(tables) + "\n")

    def use_plugin(self, name: str, distribution: str) -> None:
        """Have runs load another pytest plugin, by its entry point; skip the test if it is not installed."""
        if name not in _installed_plugins():
            missing = f"needs {distribution}: pip install -c constraints.txt {distribution}"
            # Continuous integration has all of them: there a skip would be a test that got lost.
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
        self._plugins.append(name)

    def run(self, *arguments: str, folder: str = "benchmarks", **environment: str) -> pytest.RunResult:
        """Run pytest on `folder` with short benchmarks, in a process of its own."""
        return self.run_plain(*_OPTIONS, *([folder] if folder else []), *arguments, **environment)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start what `run` runs."""
        return self._start(*_OPTIONS, "benchmarks", *arguments, **environment)

    def run_plain(self, *arguments: str, **environment: str) -> pytest.RunResult:
        """Run pytest with nothing but `arguments`, in a process of its own."""
        started = time.monotonic()
        with self._start(*arguments, **environment) as process:
            try:
                out, err = process.communicate(timeout=_HANGS_S)
            except BaseException:
                process.kill()
                raise
        print(out, err, sep="\n")  # noqa: T201 - pytest shows it if the test fails
        return pytest.RunResult(process.returncode, out.splitlines(), err.splitlines(), time.monotonic() - started)

    def run_on_a_terminal(self, *arguments: str, **environment: str) -> tuple[str, int]:
        """What `run` prints when it is connected to a terminal, and its exit status."""
        import pty  # noqa: PLC0415 - not on every system

        ours, theirs = pty.openpty()
        try:
            with self._start(*_OPTIONS, "benchmarks", *arguments, terminal=theirs, **environment) as process:
                os.close(theirs)
                printed = b""
                try:
                    while part := os.read(ours, 1 << 16):
                        printed += part
                except OSError:
                    pass  # Linux's way to say that the other end is closed.
                except BaseException:
                    process.kill()
                    raise
        finally:
            os.close(ours)
        text = printed.decode(errors="replace")
        print(text)  # noqa: T201 - pytest shows it if the test fails
        return text, process.returncode

    def _start(self, *arguments: str, terminal: int | None = None, **environment: str) -> subprocess.Popen[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        own = {
            "COLUMNS": _COLUMNS,
            "HOME": str(self.path),
            "PY_COLORS": "0",
            # Shared by all projects of a session: a run spends a third of its time on compiling what it imports.
            "PYTHONPYCACHEPREFIX": str(self.path.parent / "bytecode"),
            "QBENCH_CACHE": str(self.path / "cache"),
        }
        off = plugins_off(self._plugins)
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", *off, *arguments],
            cwd=self.path,
            env={**inherited, **own, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if terminal is None else terminal,
            stderr=subprocess.PIPE if terminal is None else terminal,
            encoding="utf-8",
            errors="replace",
        )

    def accept(self, reason: str = "first") -> pytest.RunResult:
        """Accept what the project measures now."""
        result = self.run(f"--qbench-accept={reason}")
        assert result.ret == 0, result.stdout.str()
        return result

    def git(self, *arguments: str) -> str:
        """Run git in the project and return what it prints."""
        name = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false"]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        environment = {**inherited, "HOME": str(self.path), "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(
            ["git", *name, *arguments], cwd=self.path, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    # --- what was accepted -------------------------------------------------------------------------------------

    @property
    def baselines(self) -> Path:
        """The folder of what was accepted."""
        return self.path / "baselines"

    def accepted(self) -> dict[str, bytes]:
        """Every file below `baselines/` but the lock, by its path relative to it."""
        files = (path for path in self.baselines.rglob("*") if path.is_file() and path.name != ".lock")
        return {path.relative_to(self.baselines).as_posix(): path.read_bytes() for path in files}

    def baseline(self, recipe: str, model: str = "tiny") -> dict[str, Any]:
        """The baseline of a model and recipe as its JSON says it."""
        document: dict[str, Any] = json.loads((self.baselines / model / f"{recipe}.json").read_bytes())
        return document

    def write_baseline(self, document: dict[str, Any]) -> None:
        """Write the JSON of a baseline, for the model and recipe that it names."""
        self.write(f"baselines/{document['model']}/{document['recipe']}.json", json.dumps(document))

    def copy_baselines(self, other: Path) -> None:
        """Take over another project's baselines."""
        shutil.copytree(other, self.baselines)


def plugins_off(kept: Iterable[str] = _PLUGINS) -> list[str]:
    """Options of pytest that keep every installed plugin from being loaded but those that are kept."""
    return [f"-pno:{name}" for name in _installed_plugins() if name not in kept]


def _installed_plugins() -> list[str]:
    return sorted({found.name for found in entry_points(group="pytest11")})


def rows(result: pytest.RunResult) -> dict[str, str]:
    """The verdict column of the table at the end of a run, by model and recipe."""
    return _table(result)[0]


def told(result: pytest.RunResult) -> list[str]:
    """What is said below the table, but for what so few examples cannot tell: see `poor_power`."""
    return [line for line in result.outlines[_table(result)[1] : -1] if not line.startswith(_POWER)]


def poor_power(result: pytest.RunResult) -> list[str]:
    """What is said of tolerances that the examples cannot resolve."""
    return [line.removeprefix(_POWER) for line in result.outlines[_table(result)[1] : -1] if line.startswith(_POWER)]


def _table(result: pytest.RunResult) -> tuple[dict[str, str], int]:
    """The verdicts of the only table, and the number of the line below it."""
    (header,) = (number for number, line in enumerate(result.outlines) if line.startswith("model, recipe"))
    column = result.outlines[header].index("verdict")
    found, model = {}, ""
    for number, line in enumerate(result.outlines[header + 1 :], header + 1):
        if line.startswith("  "):
            found[f"{model}-{line.split()[0]}"] = line[column:].strip()
        elif len(line.split()) == 1:
            model = line.strip()
        else:
            return found, number
    return found, len(result.outlines)


def failures(result: pytest.RunResult) -> dict[str, str]:
    """What is said about each failed test, by the test's name."""
    found: dict[str, str] = {}
    name = ""
    for line in result.outlines:
        if line.startswith("___") and line.endswith("___"):
            name = line.strip("_ ").removeprefix("ERROR at setup of ")
            found[name] = ""
        elif line.startswith(("===", "---")):
            name = ""
        elif name:
            found[name] = f"{found[name]}\n{line}".strip()
    return found


def sentences(said: str) -> list[str]:
    """What is said about a failed test, by metric: each with its evidence and its advice in one line again."""
    found: list[str] = []
    for line in said.splitlines():
        if not found or re.match(r"[\w.-]+-(fp32|int8): |Why: ", line):
            found.append(line)
        else:
            found[-1] += f" {line}"
    return found


def outcomes(result: pytest.RunResult) -> dict[str, str]:
    """The outcome of each test of a run with -v, by its name."""
    parts = (line.split() for line in result.outlines if "::" in line and line.endswith("%]"))
    return {words[0].partition("::")[2]: words[1] for words in parts}
