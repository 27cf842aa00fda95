"""`--benchmark-compare`: the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Project


def test_unchanged_is_green_and_latency_is_not(project: Project):
    project.accept()
    result = project.run("--benchmark-compare")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["gate: 2 not comparable, * unchanged"])
