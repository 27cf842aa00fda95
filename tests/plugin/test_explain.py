"""The line of a failing gate that says why, and that it never decides anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import models_zoo
import pytest
from small_project import failures

if TYPE_CHECKING:
    from small_project import Project

ACCURACY = "test_accuracy[tiny-int8]"
COMMAND = "More: qbench explain tiny int8"


@pytest.fixture
def wrong_project(accepted_project: Project) -> Project:
    """A project whose int8 artifact has weights of another model than its float one."""
    accepted_project.write("tiny.int8.tflite", models_zoo.dense_int8(seed=1))
    return accepted_project


def why(result: pytest.RunResult, test: str) -> list[str]:
    return [line for line in failures(result)[test].splitlines() if line.startswith("Why: ")]


def run(project: Project) -> pytest.RunResult:
    return project.run("--benchmark-compare", "--qbench-recipe=int8", "-k", "accuracy or structure")


def test_a_drop_of_accuracy_names_the_operator_and_the_command(wrong_project: Project):
    result = run(wrong_project)
    assert result.ret == 1
    (line,) = why(result, ACCURACY)
    assert line.startswith("Why: FULLY_CONNECTED int8 'y': weights differ: 'weights' is ")
    assert "alone it flips " in line
    assert line.endswith(COMMAND)
    assert failures(result)[ACCURACY].splitlines()[-1] == line


def test_what_fails_for_its_structure_is_held_against_what_was_accepted(accepted_project: Project):
    accepted_project.write("tiny.int8.tflite", models_zoo.dense_fp16())
    (line,) = why(run(accepted_project), "test_structure[tiny-int8]")
    assert line == f"Why: since it was accepted: 2 DEQUANTIZE, accepted 0. {COMMAND}"


def test_a_diagnosis_that_fails_is_said_to_and_changes_no_verdict(wrong_project: Project):
    healthy = failures(run(wrong_project))[ACCURACY].splitlines()
    wrong_project.write(
        "conftest.py",
        """
        import qbench.session.blame

        def broken(*arguments):
            raise ZeroDivisionError("no luck")

        qbench.session.blame.diagnose = broken
        """,
    )
    result = run(wrong_project)
    assert result.ret == 1
    broken = failures(result)[ACCURACY].splitlines()
    assert broken[:-1] == healthy[:-1]
    assert broken[-1] == "Why: not found out (ZeroDivisionError: no luck). More: qbench explain tiny int8"


def test_nothing_is_explained_where_that_is_switched_off(wrong_project: Project):
    wrong_project.declare("tiny", settings="explain = false")
    result = run(wrong_project)
    assert result.ret == 1
    assert why(result, ACCURACY) == []
