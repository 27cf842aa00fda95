"""Runs the commands of a workflow as GitHub's runner does: the text of the template itself is what is tested."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from qbench.templates import workflow_template

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")

#: What would change a run from outside: the CI, the pytest and the git around the tests.
_FOREIGN = ("CI", "GITHUB_", "RUNNER_", "PYTEST_", "GIT_", "QBENCH_")

#: A command that takes longer hangs; no test depends on how long one takes.
_HANGS_S = 300.0


@dataclass
class Ran:
    """What a step did."""

    status: int
    printed: str
    outputs: dict[str, str]


@dataclass
class Runner:
    """A machine of GitHub's for one job.

    Attributes
    ----------
    folder
        Where everything of the machine lies.
    expressions
        What ``${{ }}`` stands for, by its text; any other expression is an error of the test.
    commands
        Programs in place of those of the machine, by name: lines of shell.
    """

    folder: Path
    expressions: dict[str, str]
    commands: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.programs = self.folder / "bin"
        self.programs.mkdir(parents=True)
        self.summary = self.folder / "summary.md"
        own = {"python": f'exec "{sys.executable}" "$@"', "qbench": f'exec "{sys.executable}" -m qbench.cli "$@"'}
        for name, lines in {**own, **self.commands}.items():
            program = self.programs / name
            program.write_text(f"#!/bin/bash\n{lines}\n")
            program.chmod(0o755)

    def run(self, step: Mapping[str, Any], checkout: Path, **environment: str) -> Ran:
        """Run the commands of a step in `checkout` with its own shell, its `env`, and a summary of its own."""
        self.summary.write_text("")
        output = self.folder / "output"
        output.write_text("")
        script = self.folder / "script.sh"
        script.write_text(step["run"])
        assert not _EXPRESSION.search(step["run"]), "an expression in a command is how text becomes code"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        done = subprocess.run(
            # Of a step that names no shell; `shell: bash` adds pipefail.
            ["bash", "-e", script]
            if "shell" not in step
            else ["bash", "--noprofile", "--norc", "-eo", "pipefail", script],
            cwd=checkout,
            env={
                **inherited,
                "CI": "true",
                "GITHUB_ACTIONS": "true",
                "GITHUB_OUTPUT": str(output),
                "GITHUB_REPOSITORY": "owner/shop",
                "GITHUB_STEP_SUMMARY": str(self.summary),
                "HOME": str(self.folder),
                "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
                **{name: self.filled(value) for name, value in step.get("env", {}).items()},
                **environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_HANGS_S,
        )
        print(done.stdout, done.stderr, sep="\n")  # noqa: T201 - pytest shows it if the test fails
        outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
        return Ran(status=done.returncode, printed=done.stdout + done.stderr, outputs=outputs)

    def filled(self, text: str) -> str:
        """`text` with the value of each expression in it."""
        return _EXPRESSION.sub(lambda match: self.expressions[match[1]], text)


def steps(template: str, job: str) -> dict[str, dict[str, Any]]:
    """The steps of a job of a template, by name."""
    document = yaml.safe_load(workflow_template(template))
    return {step["name"]: step for step in document["jobs"][job]["steps"]}


def action_steps() -> dict[str, dict[str, Any]]:
    """The steps of action.yml, by name."""
    document = yaml.safe_load((Path(__file__).parents[2] / "action.yml").read_text(encoding="utf-8"))
    return {step["name"]: step for step in document["runs"]["steps"]}
