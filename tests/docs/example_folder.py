"""A folder in which the examples of one page are run, in their order, as a reader would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from docs.example_output import difference
from docs.pages import read_commands
from hypothesis import is_hypothesis_test, settings

import qbench
from qbench.models.config import load_config, parse_config

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docs.pages import Block, Command

#: A command that takes longer hangs; no test depends on how long one takes.
_HANGS_S = 300.0

#: What would change a command from outside: CI, colours, and the pytest and git around the tests.
_FOREIGN = ("CI", "NO_COLOR", "FORCE_COLOR", "PYTEST_", "GIT_", "QBENCH_", "GITHUB_")

#: What lets a run of pytest measure no longer than it must; hypothesis' plugin imports all of it at the end of a run.
_QUICK = "-p no:hypothesispytest --benchmark-max-time=0.001 --benchmark-min-rounds=2"

#: What a table of [tool.qbench] on a page is a part of.
_BASE = """
[models.my-model]
source = {fp32 = "model.fp32.tflite", int8 = "model.int8.tflite"}
dataset = "my_package.data:examples"
"""

_MODEL = "my-model"

#: Modules that pages import as the reader's own.
_MODULES = {
    "my_accelerator.py": "from qbench.quant.kernels.convolution import conv_2d as convolve\n",
    "my_runtime.py": """
from ai_edge_litert.interpreter import Interpreter, OpResolverType

def run(content, inputs):
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    for detail, array in zip(interpreter.get_input_details(), inputs):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
""",
}

#: Files that pages speak of as the reader's own.
_FILES = (
    *("model.fp32.tflite", "model.int8.tflite", "model.fp16.tflite", "models/my_model.keras", "models/float.tflite"),
    *("my_package/__init__.py", "my_package/models.py", "my_package/data.py"),
)


class ExampleFolder:
    """A folder with what pages take for granted, and the names that their Python uses.

    Parameters
    ----------
    path
        An empty folder.
    at
        The folder in it that commands begin in.
    names
        What the page's Python calls by these names, if not what it is on other pages.
    """

    def __init__(self, path: Path, at: str = ".", names: Mapping[str, Any] | None = None) -> None:
        self.path = path
        self._at = path / at
        self._names = _names() | dict(names or {})
        for name, content in _MODULES.items():
            (path / name).write_text(content, encoding="utf-8")

    @property
    def place(self) -> str:
        """The folder that the next command runs in, relative to `path`."""
        return self._at.relative_to(self.path).as_posix()

    def run(self, block: Block) -> str:
        """Run a block by its language and return what is wrong, empty if nothing is."""
        try:
            if block.language == "console":
                return self._console(block)
            if block.title and block.language != "text":
                self._write(block)
            if block.language == "python":
                return self._python(block)
            return self._data(block)
        except Exception as error:  # noqa: BLE001 - an example may fail in every way
            return f"{type(error).__name__}: {error}"

    def _write(self, block: Block) -> None:
        path = self._at / block.title
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.content, encoding="utf-8")

    def _python(self, block: Block) -> str:
        code = compile(block.content, str(block), "exec")
        if block.title:
            return ""  # The commands that follow run it.
        before = set(self._names)
        few = settings(max_examples=10, deadline=None, derandomize=True, database=None)
        exec(code, self._names)
        for name in [name for name in self._names if name not in before]:
            # What is a property needs nothing but itself; other tests ask for fixtures.
            if is_hypothesis_test(self._names[name]):
                few(self._names[name])()
        return ""

    def _data(self, block: Block) -> str:
        if block.language == "toml":
            return self._toml(block)
        if block.language == "json":
            json.loads(block.content)
        elif block.language in {"yaml", "yml"}:
            yaml.safe_load(block.content)
        elif not block.title:
            return f"nobody knows how to run {block.language or 'a block without a language'!r}"
        return ""

    def _toml(self, block: Block) -> str:
        if block.title == "pyproject.toml":
            return "" if load_config(self._at / "pyproject.toml") else "it has no [tool.qbench]"
        table = tomllib.loads(block.content)
        tool = table.get("tool", {}).get("qbench")
        if tool is None:
            return "it has no [tool.qbench]"
        for name in _FILES:
            (self._at / name).parent.mkdir(parents=True, exist_ok=True)
            (self._at / name).touch()
        base = tomllib.loads(_BASE)
        for name in tool.get("models", {}):
            base["models"][name] = base["models"][_MODEL]
        parse_config(_merged(base, tool), root=self._at)
        return ""

    # --- commands -------------------------------------------------------------------------------------------------

    def _console(self, block: Block) -> str:
        commands = read_commands(block)
        for command in commands:
            wanted = block.exit_status if command is commands[-1] else 0
            if wrong := self._command(command, wanted, figures_differ=block.figures_differ):
                return wrong
        return ""

    def _command(self, command: Command, wanted: int, *, figures_differ: bool) -> str:
        place = self.path / ".where"
        script = f'{command.text}\nstatus=$?\npwd > "{place}"\nexit $status'
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self._at,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_HANGS_S,
            encoding="utf-8",
            check=False,
        )
        self._at = Path(place.read_text(encoding="utf-8").strip())
        place.unlink()
        if done.returncode != wanted:
            printed = f"{done.stdout}{done.stderr}"
            return f"`{command.text}` ended with exit status {done.returncode}, not {wanted}:\n\n{printed}"
        if not command.output:
            return ""
        wrong = difference(list(command.output), done.stdout, figures_differ=figures_differ)
        return f"`{command.text}`: {wrong}" if wrong else ""

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        ours = Path(sys.executable).parent
        return {
            **inherited,
            "COLUMNS": "100",
            "HOME": str(self.path),
            "PATH": f"{ours}{os.pathsep}{os.environ['PATH']}",
            "PYTEST_ADDOPTS": _QUICK,
            "PY_COLORS": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Reader",
            "GIT_AUTHOR_EMAIL": "reader@example.org",
            "GIT_COMMITTER_NAME": "Reader",
            "GIT_COMMITTER_EMAIL": "reader@example.org",
        }


def _merged(base: Any, other: Any) -> Any:
    if isinstance(base, dict) and isinstance(other, dict):
        return {
            key: _merged(base[key], other[key]) if key in base and key in other else {**base, **other}[key]
            for key in {**base, **other}
        }
    return other


def _names() -> dict[str, Any]:
    """What pages call by a name without saying where it comes from."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (20, 4, 4), np.uint8)
    training_images = generator.integers(0, 256, (10, 4, 4), np.uint8)
    return {
        "__name__": "example",
        "np": np,
        "qbench": qbench,
        "Dataset": qbench.Dataset,
        "TrainingSet": qbench.TrainingSet,
        "images": images,
        "test_images": images,
        "labels": generator.integers(0, 3, 20),
        "test_labels": generator.integers(0, 3, 20),
        "cameras": generator.integers(0, 2, 20),
        "training_images": training_images,
        "some_training_images": training_images,
    }
