"""`--qbench-accept`: the only writer of baselines."""

from __future__ import annotations

import models_zoo
import pytest
from small_project import Project, rows, told


def test_accepts_what_was_measured_even_if_it_is_worse(project: Project):
    first = project.run("--qbench-accept=  first ")
    assert first.ret == 0
    assert told(first) == [
        "accept: 2 baselines written to baselines/; review them with `git diff baselines/` and commit them"
    ]
    before = project.accepted()
    old = project.baseline("int8")
    assert old["provenance"]["reason"] == "first"
    assert old["metrics"]["size_bytes"] == old["artifact"]["size_bytes"] == len(models_zoo.dense_int8())
    assert set(before) == {
        f"artifacts/{old['artifact']['sha256']}.tflite",
        f"artifacts/{project.baseline('fp32')['artifact']['sha256']}.tflite",
        *(f"tiny/{recipe}.json" for recipe in ("fp32", "int8")),
        *(f"tiny/{project.baseline(recipe)['predictions']['file']}" for recipe in ("fp32", "int8")),
    }
    assert before[f"artifacts/{old['artifact']['sha256']}.tflite"] == models_zoo.dense_int8()

    heavier = models_zoo.dense_int8() + bytes(40)
    project.write("tiny.int8.tflite", heavier)
    second = project.run("--qbench-accept=padded for alignment", "--benchmark-compare")
    assert second.ret == 0, "what is being accepted does not fail"
    second.assert_outcomes(passed=8)
    assert rows(second)["tiny-int8"].startswith("fail (size)"), "but it is said"
    new = project.baseline("int8")
    assert new["metrics"]["size_bytes"] == len(heavier)
    assert new["provenance"]["reason"] == "padded for alignment"
    after = project.accepted()
    assert after[f"artifacts/{new['artifact']['sha256']}.tflite"] == heavier
    assert f"artifacts/{old['artifact']['sha256']}.tflite" not in after, "nothing names it any more"
    assert len(after) == len(before)

    third = project.run("--benchmark-compare")
    assert third.ret == 0
    assert "unchanged" in rows(third)["tiny-fp32"]
    assert "fail" not in rows(third)["tiny-int8"]


def test_refuses_what_failed_crashed_or_is_nan_and_accepts_the_rest(project: Project):
    project.write("wrong.int8.tflite", models_zoo.dense_int8(seed=1))
    project.write("crash.int8.tflite", models_zoo.aborting())
    project.write("nan.fp32.tflite", models_zoo.nan_output())
    project.declare("tiny", "wrong", "crash", "nan", "doubted")
    project.write(
        "benchmarks/test_doubt.py",
        """
        def test_doubt(artifact, model, recipe):
            assert (model, recipe) != ("doubted", "int8"), "it looks odd"
        """,
    )
    result = project.run("--qbench-accept=first")
    assert result.ret == 1
    accepted = {name.removesuffix(".json") for name in project.accepted() if name.endswith(".json")}
    assert accepted == {"tiny/fp32", "tiny/int8", "wrong/fp32", "crash/fp32", "doubted/fp32"}
    refused = {line.split()[2]: line for line in told(result) if line.startswith("accept: refused: ")}
    assert set(refused) == {"wrong-int8", "crash-int8", "nan-fp32", "nan-int8", "doubted-int8"}
    assert "accuracy_drop fails against fp32" in refused["wrong-int8"]
    assert "SIGABRT" in refused["crash-int8"]
    assert "NaN" in refused["nan-fp32"]
    assert "test_doubt[doubted-int8] failed: it looks odd" in refused["doubted-int8"]
    assert told(result)[-1].startswith("accept: 5 baselines written")


def test_takes_over_what_was_not_measured_only_for_the_same_artifact(accepted_project: Project):
    project = accepted_project
    project.declare("tiny", "new")
    before = {recipe: project.baseline(recipe) for recipe in ("fp32", "int8")}
    result = project.run("--qbench-accept=second", "-k", "size")
    assert result.ret == 1
    refused = [line for line in told(result) if line.startswith("accept: refused")]
    assert [line.split()[2] for line in refused] == ["new-fp32", "new-int8"]
    assert "accuracy, latency, structure was not measured" in refused[0]
    assert not (project.baselines / "new").exists()
    for recipe, old in before.items():
        now = project.baseline(recipe)
        assert now["provenance"].pop("reason") == "second"
        assert old["provenance"].pop("reason") == "first"
        assert now == old


def test_what_was_only_compared_with_keeps_its_baseline(accepted_project: Project):
    project = accepted_project
    before = project.accepted()
    result = project.run("--qbench-accept=second", "--qbench-recipe=int8")
    assert result.ret == 0
    assert told(result)[-1].startswith("accept: 1 baselines written")
    changed = {name for name, content in project.accepted().items() if before.get(name) != content}
    assert changed == {"tiny/int8.json"}


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--qbench-accept= "], 4, "ERROR: --qbench-accept: found no reason"),
        (["--qbench-accept=why", "-k", "nothing"], 1, "accept: nothing was measured, so nothing is accepted"),
    ],
    ids=["no reason", "nothing measured"],
)
def test_says_why_nothing_is_accepted(project: Project, arguments: list[str], status: int, message: str):
    result = project.run(*arguments)
    assert result.ret == status
    assert message in result.stdout.str() + result.stderr.str()
    assert not project.accepted()


def test_a_full_disk_leaves_what_was_accepted(accepted_project: Project):
    project = accepted_project
    before = project.accepted()
    project.write("tiny.int8.tflite", models_zoo.dense_int8() + bytes(4))
    project.write(
        "conftest.py",
        """
        import errno
        import os

        def full(descriptor):
            raise OSError(errno.ENOSPC, "No space left on device")

        os.fsync = full
        """,
    )
    result = project.run("--qbench-accept=second")
    assert result.ret == 1
    refused = [line for line in told(result) if line.startswith("accept: refused")]
    assert len(refused) == 2
    assert all(
        "No space left on device" in line and "what was accepted before is unchanged" in line for line in refused
    )
    assert project.accepted() == before
