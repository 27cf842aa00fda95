"""`--qbench-seed`: the order of blocks can be drawn again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from small_project import told

if TYPE_CHECKING:
    from small_project import Project


def _seeds(project: Project, *arguments: str) -> list[str]:
    result = project.run("--benchmark-compare", "--qbench-always-contest", "-k", "latency", "-v", *arguments)
    return [match[1] for line in told(result) if (match := re.search(r"Seed (\d+)\.$", line))]


def test_the_same_seed_gives_each_subject_the_seed_it_had(accepted_project: Project):
    first, again = (_seeds(accepted_project, "--qbench-seed=7") for _ in range(2))
    assert first == again
    assert len(set(first)) == 2


def test_without_it_every_run_draws_its_own(accepted_project: Project):
    assert _seeds(accepted_project) != _seeds(accepted_project)
