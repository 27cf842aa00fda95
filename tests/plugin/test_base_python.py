"""`--qbench-base-python`: what was accepted runs in the Python that it was accepted in."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from small_project import rows, told

if TYPE_CHECKING:
    from small_project import Project


@pytest.fixture
def upgraded(accepted_project: Project) -> Project:
    """A project whose baselines say that they were accepted in another version of the runtime."""
    for recipe in ("fp32", "int8"):
        document = accepted_project.baseline(recipe)
        document["provenance"]["tools"]["ai-edge-litert"] = "1.4.0"
        accepted_project.write_baseline(document)
    return accepted_project


def test_an_upgraded_runtime_is_not_comparable_without_it_and_fails_in_ci(upgraded: Project):
    result = upgraded.run("--benchmark-compare", CI="true")
    assert result.ret == 8
    assert rows(result)["tiny-int8"].removesuffix(", pass") == "not comparable (latency)"
    (line,) = [line for line in told(result) if line.startswith("not comparable")]
    assert "tiny-fp32, tiny-int8: latency_ns: the runtime changed: ai-edge-litert was 1.4.0 and is " in line
    assert "give --qbench-base-python PATH" in line


def test_a_python_with_another_runtime_than_the_baseline_is_refused(upgraded: Project):
    result = upgraded.run("--benchmark-compare", f"--qbench-base-python={sys.executable}")
    (line,) = [line for line in told(result) if line.startswith("not comparable")]
    assert f"the baseline was accepted with ai-edge-litert 1.4.0, and {sys.executable} has " in line


def test_the_accepted_side_runs_in_it(accepted_project: Project):
    base = accepted_project.write("base-python", f'#!/bin/sh\necho ran >> ran.txt\nexec "{sys.executable}" "$@"\n')
    base.chmod(0o755)
    artifact = accepted_project.path / "tiny.int8.tflite"
    artifact.write_bytes(artifact.read_bytes() + bytes(4))
    result = accepted_project.run("--benchmark-compare", f"--qbench-base-python={base}", "-k", "latency", "-v")
    assert any(line.startswith("pass: tiny-int8: latency_ns") for line in told(result))
    assert (accepted_project.path / "ran.txt").exists()


def test_what_cannot_be_built_is_an_error_with_what_to_do(upgraded: Project):
    result = upgraded.run(
        "--benchmark-compare",
        "--qbench-base-python=auto",
        "-k",
        "latency and int8",
        PIP_NO_INDEX="1",
        PIP_FIND_LINKS="",
    )
    assert result.ret == 1
    (line,) = [line for line in told(result) if line.startswith("error: tiny-int8: latency")]
    assert "ai-edge-litert==1.4.0" in line
    assert "--qbench-base-python PATH" in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--qbench-base-python=python3"], "--qbench-base-python says how to judge; it needs --benchmark-compare"),
        (
            ["--benchmark-compare", "--qbench-base-python=/no/such/python"],
            "--qbench-base-python: found '/no/such/python', expected a Python that can be run, or `auto`",
        ),
    ],
)
def test_what_cannot_be_used_is_a_usage_error(accepted_project: Project, arguments: list[str], said: str):
    result = accepted_project.run(*arguments)
    assert result.ret == 4
    assert any(said in line for line in result.errlines)
