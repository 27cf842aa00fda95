"""A scratch repository with a model, and pull requests to it."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import models_zoo
from ai_edge_litert import schema_py_generated as schema
from small_project import Project, plugins_off

from pull_request.workflow import Ran, Runner, action_steps, steps
from qbench.tflite.builder import Graph

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

#: A size may grow by 1%, but fp32's by anything: what is slower is larger too, and has to fail for being slower.
#: Latency may double, which nothing here does but what is many times slower: no verdict depends on this machine.
_SETTINGS = """
    tolerance.latency = 1.0
    tolerance.recipes.fp32.size = 1000.0
    contest = {alpha = 0.05, limit_s = 60.0}
"""

#: What action.yml takes where a workflow says nothing.
_INPUTS = {"accept-label": "qbench-accept", "arguments": "", "base": "main", "benchmarks": "benchmarks/"}

#: As in every other small project, without plugins that only happen to be installed here.
_OPTIONS = " ".join([*plugins_off(), "-pno:cacheprovider", "--benchmark-max-time=0.001", "--benchmark-min-rounds=2"])


class Shop:
    """The repository: `project` is a clone in which pull requests are made, `origin` what a runner checks out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.origin = folder / "origin.git"
        (folder / "project").mkdir()
        self.project = Project(folder / "project")
        self._runners = 0
        self._pulls: dict[Callable[[Project], object], str] = {}
        text = (self.project.path / "pyproject.toml").read_text()
        lines = [line for line in text.splitlines() if not line.startswith(("tolerance", "contest"))]
        settings = "\n".join(line.strip() for line in _SETTINGS.strip().splitlines())
        self.project.write("pyproject.toml", "\n".join([*lines[:2], settings, *lines[2:]]) + "\n")

    def publish(self) -> None:
        """Accept what there is and make it the branch `main`."""
        self.project.accept()
        self.project.write(".gitignore", "/cache/\n__pycache__/\n.lock\n.benchmarks/\n.pytest_cache/\nqbench-report/\n")
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", self.origin], check=True)
        self.project.git("init", "--quiet", "--initial-branch=main")
        self.commit("main")
        self.project.git("remote", "add", "origin", str(self.origin))
        self.project.git("push", "--quiet", "origin", "main")

    def commit(self, message: str) -> None:
        """Commit everything in the working tree."""
        self.project.git("add", "--all")
        self.project.git("commit", "--quiet", "--allow-empty", f"--message={message}")

    def propose(self, change: Callable[[Project], object]) -> str:
        """Make a branch of main with `change`, push it and return its name; the same again for the same change."""
        if change in self._pulls:
            return self._pulls[change]
        branch = self._pulls[change] = f"change-{len(self._pulls) + 1}"
        self.project.git("switch", "--quiet", "--create", branch, "main")
        change(self.project)
        self.commit(branch)
        self.project.git("push", "--quiet", "origin", branch)
        self.project.git("switch", "--quiet", "main")
        return branch

    def check_out(self, branch: str) -> Path:
        """What GitHub checks out for a pull request: the merge of its branch into main, which no branch is."""
        self._runners += 1
        checkout = self.folder / "runners" / str(self._runners) / "shop"
        self.project.git("clone", "--quiet", str(self.origin), str(checkout))
        inside = ("-C", str(checkout))
        self.project.git(*inside, "checkout", "--quiet", "--detach", "origin/main")
        self.project.git(*inside, "merge", "--quiet", "--no-ff", "--message=merge", f"origin/{branch}")
        return checkout

    def judge(
        self, change: Callable[[Project], object], *, labelled: bool = False, action: Mapping[str, str] | None = None
    ) -> Judged:
        """Play a pull request with `change` through: the commands of the workflow, on what would be merged.

        Parameters
        ----------
        labelled
            Whether it has the label of an accepted one.
        action
            Inputs of action.yml, whose commands are run in place of the workflow's.
        """
        branch = self.propose(change)
        checkout = self.check_out(branch)
        temporary = checkout.parent / "temp"
        runner = Runner(
            checkout.parent / "runner",
            {
                "contains(github.event.pull_request.labels.*.name, 'qbench-accept')": str(labelled).lower(),
                "github.base_ref": "main",
                "runner.temp": str(temporary),
                "contains(github.event.pull_request.labels.*.name, inputs.accept-label)": str(labelled).lower(),
                **{f"inputs.{name}": value for name, value in {**_INPUTS, **(action or {})}.items()},
            },
        )
        bytecode = str(self.folder / "bytecode")
        step = steps("github", "judge")["Judge"] if action is None else action_steps()["Judge"]
        ran = runner.run(step, checkout, PYTEST_ADDOPTS=_OPTIONS, PYTHONPYCACHEPREFIX=bytecode)
        return Judged(ran, checkout, runner.summary.read_text("utf-8"))


class Judged:
    """What became of a pull request."""

    def __init__(self, ran: Ran, checkout: Path, summary: str) -> None:
        self.status, self.printed = ran.status, ran.printed
        self.report = checkout / "qbench-report"
        self.summary = summary

    @property
    def headline(self) -> str:
        """The line with the verdict."""
        (found,) = (line for line in self.summary.splitlines() if line.startswith("### "))
        return found

    @property
    def told(self) -> str:
        """What stands before everything folded."""
        return self.summary.partition("<details>")[0]


def slow_float(pairs: int = 150) -> bytes:
    """`dense_float` with its result negated an even number of times: the same values to the bit, many times slower."""
    weights, bias = models_zoo.dense_weights()
    graph = Graph()
    x, y = graph.tensor("x", [1, 4]), graph.tensor("dense", [1, 3])
    operands = [x, graph.constant("weights", weights), graph.constant("bias", bias)]
    graph.operator("FULLY_CONNECTED", operands, [y], schema.FullyConnectedOptionsT())
    for number in range(2 * pairs):
        negated = graph.tensor("y" if number == 2 * pairs - 1 else f"negated{number}", [1, 3])
        graph.operator("NEG", [y], [negated], schema.NegOptionsT())
        y = negated
    return graph.build([x], [y])


def remove_tree(path: Path) -> None:
    """Remove a folder with everything in it."""
    shutil.rmtree(path)
