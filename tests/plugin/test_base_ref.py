"""`--qbench-base-ref`: baselines that a pull request cannot edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import models_zoo
import pytest
from small_project import rows, told

if TYPE_CHECKING:
    from small_project import Project


def test_a_pull_request_cannot_bless_itself(accepted_project: Project):
    project = accepted_project
    tree = project.baselines
    # main knows `tiny` and `gone`; a baseline of `gone` is one of `tiny` under another name.
    for recipe in ("fp32", "int8"):
        project.write_baseline({**project.baseline(recipe), "model": "gone"})
    project.git("init", "--quiet", "--initial-branch=main")
    project.git("add", "baselines")
    project.git("commit", "--quiet", "--message=main")
    commit = project.git("rev-parse", "HEAD")

    # The pull request makes int8 larger, accepts that itself, removes the baselines that it does not like, and brings
    # a new model with baselines of its own.
    project.git("switch", "--quiet", "--create=change")
    project.write("tiny.int8.tflite", models_zoo.dense_int8() + bytes(40))
    project.declare("tiny", "new")
    project.accept("because I say so")
    for name in ("gone/fp32.json", "gone/int8.json", "tiny/fp32.json"):
        (tree / name).unlink()
    project.git("add", "--all", "baselines")
    project.git("commit", "--quiet", "--message=change")
    assert project.baseline("int8")["metrics"]["size_bytes"] == len(models_zoo.dense_int8()) + 40

    result = project.run("--benchmark-compare", "--qbench-base-ref=main")
    assert result.ret == 1
    result.assert_outcomes(passed=15, failed=1)
    verdicts = rows(result)
    assert verdicts["tiny-int8"].startswith("fail (size)")
    assert verdicts["tiny-fp32"] == "unchanged", "read from main, where it still is"
    assert verdicts["new-fp32"] == "unchanged", "main does not know it: the tree's is read"
    assert verdicts["new-int8"] == "pass"
    assert verdicts["gone-fp32"] == verdicts["gone-int8"] == "missing (declaration)"
    (failed,) = (line for line in told(result) if line.startswith("fail"))
    assert "5.10% worse than 784 B of the baseline" in failed
    result.stdout.fnmatch_lines([f"=* qbench: against baselines/ at main ({commit[:12]}) =*"])


@pytest.mark.parametrize(
    ("prepare", "arguments", "message"),
    [
        ("repository", ["--benchmark-compare", "--qbench-base-ref=nope"], "git knows no commit 'nope' here"),
        ("repository", ["--benchmark-compare", "--qbench-base-ref=--all"], "git knows no commit '--all' here"),
        ("folder", ["--benchmark-compare", "--qbench-base-ref=main"], "git knows no commit 'main' here"),
        ("repository", ["--qbench-base-ref=HEAD"], "--qbench-base-ref says what to compare with; it needs --benchmark"),
        (
            "repository",
            ["--benchmark-compare", "--qbench-base-ref=HEAD", "--qbench-accept=me"],
            "a run either accepts, or",
        ),
    ],
    ids=["unknown", "an option of git", "no repository", "without the gate", "accepting"],
)
def test_a_reference_that_cannot_be_used_is_refused(project: Project, prepare: str, arguments: list[str], message: str):
    if prepare == "repository":
        project.git("init", "--quiet", "--initial-branch=main")
        project.git("commit", "--quiet", "--allow-empty", "--message=first")
    result = project.run(*arguments)
    assert result.ret == 4
    assert message in result.stderr.str()
    assert "Traceback" not in result.stderr.str()


@pytest.mark.parametrize("option", ["--collect-only", "--help", "--markers", "--qbench-accept=me", "--version"])
def test_an_option_that_a_pull_request_adds_to_the_configuration_does_not_make_it_green(project: Project, option: str):
    project.git("init", "--quiet", "--initial-branch=main")
    project.git("commit", "--quiet", "--allow-empty", "--message=first")
    # A file that pytest prefers to pyproject.toml.
    project.write("pytest.ini", f"[pytest]\naddopts = {option}\n")
    result = project.run("--benchmark-compare", "--qbench-base-ref=HEAD", CI="true")
    assert result.ret == (8 if option == "--version" else 4)
    if result.ret == 4:
        assert "ERROR: --qbench-" in result.stderr.str()
