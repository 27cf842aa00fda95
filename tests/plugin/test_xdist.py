"""pytest-xdist: exact metrics run in parallel; latency refuses to, instead of being switched off."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import models_zoo
import pytest
from small_project import failures, rows, told

if TYPE_CHECKING:
    from small_project import Project

pytest.importorskip("xdist")


def test_exact_metrics_are_judged_and_latency_is_an_error(accepted_project: Project):
    project = accepted_project
    project.write("tiny.int8.tflite", models_zoo.dense_int8() + bytes(40))
    result = project.run("--benchmark-compare", "-n", "2")
    assert result.ret == 1
    result.assert_outcomes(passed=5, failed=3)
    said = failures(result)
    assert set(said) == {"test_latency[tiny-fp32]", "test_latency[tiny-int8]", "test_size[tiny-int8]"}
    for subject in ("tiny-fp32", "tiny-int8"):
        assert f"{subject}: latency: latency cannot be measured under pytest-xdist" in said[f"test_latency[{subject}]"]
        assert "Run latency without -n (-n 0)" in said[f"test_latency[{subject}]"]
    # One table, from the controller, about what both workers measured.
    assert rows(result) == {
        "tiny-fp32": "error (latency), unchanged",
        "tiny-int8": "fail (size), error (latency), pass",
    }
    assert told(result)[-1] == "gate: 1 fail, 2 error, 6 pass, 6 unchanged"


def test_accepts_what_the_workers_measured(accepted_project: Project):
    project = accepted_project
    serial = {recipe: project.baseline(recipe) for recipe in ("fp32", "int8")}
    before = project.accepted()
    shutil.rmtree(project.baselines)
    project.declare("tiny", settings='metrics = ["accuracy", "size", "structure"]')
    project.write("benchmarks/test_models.py", _without_latency(project))
    result = project.run("--qbench-accept=second", "-n", "2")
    assert result.ret == 0
    result.assert_outcomes(passed=6)
    assert told(result) == [
        "accept: 2 baselines written to baselines/; review them with `git diff baselines/` and commit them"
    ]
    # The same as without workers, but for the reason and the latency.
    for recipe, expected in serial.items():
        baseline = project.baseline(recipe)
        assert baseline["provenance"].pop("reason") == "second"
        assert expected["provenance"].pop("reason") == "first"
        assert expected.pop("latency")
        assert baseline.pop("latency") == {}
        assert baseline == expected
    after = project.accepted()
    assert set(after) == set(before)
    assert all(after[name] == before[name] for name in before if not name.endswith(".json"))


def test_a_worker_that_dies_takes_no_result_along_in_silence(accepted_project: Project):
    project = accepted_project
    before = project.accepted()
    project.write("benchmarks/test_models.py", _without_latency(project))
    # The worker dies after it has measured something.
    project.write("benchmarks/test_zz_crash.py", "import os\n\ndef test_crash():\n    os.abort()\n")
    result = project.run("--benchmark-compare", "--qbench-accept=second", "-n", "1", "-p", "no:faulthandler")
    assert result.ret == 1
    result.assert_outcomes(passed=6, failed=1)
    said = told(result)
    (lost,) = (line for line in said if line.startswith("qbench: 1 pytest-xdist workers ended without handing over"))
    assert "run again without -n" in lost
    assert "accept: results were lost, so nothing is accepted" in said
    assert rows(result)["tiny-int8"] == "missing (accuracy latency size structure)"
    assert project.accepted() == before


def _without_latency(project: Project) -> str:
    text = (project.path / "benchmarks/test_models.py").read_text()
    return text[text.index("def test_size") :]
