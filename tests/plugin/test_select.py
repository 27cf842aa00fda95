"""`--qbench-model`, `--qbench-recipe` and `-k`: which models and recipes a run is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from small_project import outcomes, rows

if TYPE_CHECKING:
    from small_project import Project

_TESTS = """
    def test_size(artifact, gate):
        gate.size(artifact)

    def test_pair(fp32_interpreter, int8_interpreter):
        assert fp32_interpreter is not int8_interpreter

    def test_neither():
        pass
"""


_ALL = (
    "test_size[tiny-fp32] test_size[tiny-int8] test_size[big-fp32] test_size[big-int8] test_pair[tiny] test_pair[big] "
    "test_neither"
)


@pytest.mark.parametrize(
    ("arguments", "selected"),
    [
        (
            [],
            _ALL,
        ),
        (["--qbench-model=tiny"], "test_size[tiny-fp32] test_size[tiny-int8] test_pair[tiny] test_neither"),
        (
            ["--qbench-recipe=int8"],
            "test_size[tiny-int8] test_size[big-int8] test_pair[tiny] test_pair[big] test_neither",
        ),
        (["--qbench-model=big", "--qbench-recipe=fp32"], "test_size[big-fp32] test_pair[big] test_neither"),
        (
            ["--qbench-model=big", "--qbench-model=tiny", "--qbench-recipe=fp32", "-k", "size"],
            "test_size[tiny-fp32] test_size[big-fp32]",
        ),
        (["-k", "tiny and int8"], "test_size[tiny-int8]"),
    ],
    ids=["all", "model", "recipe", "both", "several", "k"],
)
def test_selects_by_readable_ids(project: Project, arguments: list[str], selected: str):
    project.declare("tiny", "big")
    project.write("benchmarks/test_models.py", _TESTS)
    result = project.run("--collect-only", "-q", *arguments)
    assert result.ret == 0
    found = [line.partition("::")[2] for line in result.outlines if "::" in line]
    assert sorted(found) == sorted(selected.split())


def test_what_was_not_selected_is_measured_by_nobody_and_not_green(accepted_project: Project):
    project = accepted_project
    result = project.run("--benchmark-compare", "--qbench-recipe=int8", "-v")
    assert result.ret == 0
    assert set(outcomes(result)) == {f"test_{kind}[tiny-int8]" for kind in ("latency", "size", "structure", "accuracy")}
    assert rows(result) == {
        "tiny-fp32": "missing (accuracy latency size structure)",
        "tiny-int8": "pass",
    }
    result.stdout.fnmatch_lines(["gate: not green: 4 not judged (fails in CI)"])


def test_unknown_names_are_refused_and_the_known_are_listed(project: Project):
    project.declare("tiny", "big")
    wrong = {
        "--qbench-model=small": "--qbench-model: found 'small', expected one of tiny, big",
        "--qbench-recipe=int4": "--qbench-recipe: found 'int4', expected one of fp32, fp16, dynamic, int8,",
    }
    for argument, message in wrong.items():
        result = project.run(argument)
        assert result.ret == 4
        assert message in result.stderr.str()
