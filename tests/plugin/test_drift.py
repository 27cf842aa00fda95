"""Slow drift in a run: ten slips that each passed are named, fail beyond a limit, and are warned of in accepting."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from small_project import rows, told

if TYPE_CHECKING:
    from small_project import Project

_SLIPS = 10


def let_drift(project: Project, share: float = 0.0099) -> str:
    """Commit a history in which int8 grew by `share` each time until it was what it is; return the first commit."""
    project.git("init", "--quiet", "--initial-branch=main")
    now = project.baseline("int8")
    first = ""
    for step in range(_SLIPS, -1, -1):
        size = now["metrics"]["size_bytes"] / (1 + share) ** step
        project.write_baseline({**now, "metrics": {**now["metrics"], "size_bytes": size}})
        project.git("add", "--all", "baselines")
        project.git("commit", "--quiet", "--allow-empty", f"--message={step}")
        first = first or project.git("rev-parse", "HEAD")
    return first


def test_ten_slips_that_nobody_saw_are_named_in_a_run_that_is_green(accepted_project: Project):
    first = let_drift(accepted_project)
    result = accepted_project.run("--benchmark-compare", "--qbench-json=run.json")
    assert result.ret == 0
    assert rows(result)["tiny-int8"] == "pass"
    (line,) = (line for line in told(result) if line.startswith("drift: "))
    assert line.startswith("drift: tiny-int8: size_bytes is ")
    assert "10.35% worse than " in line
    assert f"of its anchor ({first[:12]} of " in line
    assert "through 10 changes, none larger than 0.99% (" in line
    assert "What to do: see `qbench history tiny`" in line
    notes = json.loads((accepted_project.path / "run.json").read_bytes())["notes"]
    assert line in notes


def test_a_step_of_today_counts_with_those_before(accepted_project: Project):
    let_drift(accepted_project, share=0.0029)
    content = (accepted_project.path / "tiny.int8.tflite").read_bytes()
    accepted_project.declare("tiny", settings="tolerance.size = 0.05")
    (accepted_project.path / "tiny.int8.tflite").write_bytes(content + bytes(round(0.049 * len(content))))
    result = accepted_project.run("--benchmark-compare", "-k", "size")
    assert not [line for line in told(result) if line.startswith("drift: ")]  # Three times 5% is the limit.
    accepted_project.declare("tiny", settings="tolerance.size = 0.05\ntolerance.drift.size = 0.06")
    result = accepted_project.run("--benchmark-compare", "-k", "size")
    assert result.ret == 1
    assert rows(result)["tiny-int8"].startswith("fail (size_bytes_drift)")


def test_with_a_limit_drift_fails_and_accepting_warns_of_it(accepted_project: Project):
    project = accepted_project
    first = let_drift(project)
    project.declare("tiny", settings="tolerance.drift.size = 0.05")
    result = project.run("--benchmark-compare", "--qbench-json=run.json")
    assert result.ret == 1
    result.assert_outcomes(passed=7, failed=1)
    assert rows(result)["tiny-int8"].startswith("fail (size_bytes_drift)")
    (line,) = (line for line in told(result) if line.startswith("fail: "))
    assert line.startswith("fail: tiny-int8: size_bytes is ")
    assert "of its anchor (beyond the tolerance of 5.00%); the anchor is" in line
    assert f"{first[:12]} of " in line
    assert "through 10 changes, none larger than 0.99%" in line
    assert '[tool.qbench.models.tiny] anchor = "a commit, or a day as YYYY-MM-DD"' in line
    assert not [line for line in told(result) if line.startswith("drift: ")]
    (verdict,) = (
        verdict
        for verdict in json.loads((project.path / "run.json").read_bytes())["verdicts"]
        if verdict["metric"] == "size_bytes_drift" and verdict["verdict"] == "fail"
    )
    assert (verdict["against"], verdict["kind"], verdict["tolerance"]) == ("anchor", "size", 0.05)

    result = project.run("--benchmark-compare", "--qbench-accept=it is meant")
    assert result.ret == 0
    assert [line for line in told(result) if line.startswith("accept: tiny-int8: size_bytes is ")]

    project.declare("tiny", settings='tolerance.drift.size = 0.05\nanchor = "main"')
    assert project.run("--benchmark-compare", "-k", "size").ret == 0


@pytest.mark.parametrize(
    ("settings", "verdict", "said"),
    [
        (
            "tolerance.drift.size = 0.5",
            "missing (size_bytes_drift)",
            "drift from before cannot be seen: history begins at",
        ),
        (
            'tolerance.drift.size = 0.5\nanchor = "v1"',
            "error (size_bytes_drift)",
            "anchor: git knows no commit 'v1' here",
        ),
    ],
)
def test_a_limit_that_cannot_be_judged_is_not_green(accepted_project: Project, settings: str, verdict: str, said: str):
    let_drift(accepted_project)
    head = accepted_project.git("rev-parse", "HEAD")
    # What a clone of depth 1 has.
    (accepted_project.path / ".git" / "shallow").write_text(f"{head}\n")
    accepted_project.declare("tiny", settings=settings)
    result = accepted_project.run("--benchmark-compare", CI="true")
    assert result.ret == 8
    assert rows(result)["tiny-int8"].startswith(verdict)
    assert [line for line in told(result) if said in line]
