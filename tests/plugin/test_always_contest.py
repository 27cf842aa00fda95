"""`--qbench-always-contest`: latency is judged by a contest also where nothing has changed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from small_project import rows, told

if TYPE_CHECKING:
    from small_project import Project


def test_unchanged_subjects_are_contested_and_say_what_was_measured(accepted_project: Project):
    result = accepted_project.run("--benchmark-compare", "--qbench-always-contest", "-k", "latency", "-v")
    assert result.ret == 0
    assert rows(result)["tiny-int8"].startswith("missing (accuracy size structure)")
    lines = [line for line in told(result) if line.startswith("pass: tiny-int8: latency_ns")]
    assert len(lines) == 1
    assert "Nothing changed, so a fail is the measurement's fault." in lines[0]
    assert re.search(r"Side by side the ratio is \d+\.\d{3} \(95% interval .*\) in processor time", lines[0])
    assert re.search(r"\d+ groups in 2 rounds, \d+\.\d s\. Seed \d+\.$", lines[0])


def test_without_it_an_unchanged_subject_is_unchanged(accepted_project: Project):
    result = accepted_project.run("--benchmark-compare", "-k", "latency", "-v")
    assert any(
        line.startswith("unchanged: tiny-fp32, tiny-int8: latency_ns: the artifact, its") for line in told(result)
    )


def test_it_needs_the_gate(accepted_project: Project):
    result = accepted_project.run("--qbench-always-contest")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: --qbench-always-contest says how to judge; it needs --benchmark-compare"])
