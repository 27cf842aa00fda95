"""`--benchmark-compare`: the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import models_zoo
from small_project import TESTS, failures, outcomes, rows, told

from qbench.plugin_outcome import EXIT_INCOMPLETE

if TYPE_CHECKING:
    from small_project import Project


def test_unchanged_is_green(accepted_project: Project):
    project = accepted_project
    before = project.accepted()
    result = project.run("--benchmark-compare")
    assert result.ret == 0
    result.assert_outcomes(passed=8)
    assert rows(result) == {
        "tiny-fp32": "unchanged",
        # Its accuracy is also judged against fp32, which is another artifact.
        "tiny-int8": "pass",
    }
    assert told(result) == ["gate: 1 pass, 14 unchanged"]
    assert project.accepted() == before, "only --qbench-accept writes"


def test_each_regression_fails_its_own_test_with_one_message(project: Project):
    models = ("steady", "heavy", "wrong", "floaty", "lean")
    project.declare("tiny", *models)
    floaty, size = models_zoo.dense_fp16(), len(models_zoo.dense_int8())
    project.write("floaty.int8.tflite", models_zoo.dense_int8() + bytes(len(floaty) - size))
    project.write("lean.int8.tflite", models_zoo.dense_int8() + bytes(40))
    project.accept()
    project.write("heavy.int8.tflite", models_zoo.dense_int8() + bytes(40))
    project.write("wrong.int8.tflite", models_zoo.dense_int8(seed=1))
    project.write("floaty.int8.tflite", floaty)
    project.write("lean.int8.tflite", models_zoo.dense_int8())
    result = project.run("--benchmark-compare", "-v")

    assert result.ret == 1
    failed = {test for test, outcome in outcomes(result).items() if outcome != "PASSED"}
    assert len(outcomes(result)) == 48
    assert failed == {
        "test_size[heavy-int8]",
        "test_accuracy[wrong-int8]",
        "test_structure[floaty-int8]",
    }
    advice = (
        'What to do: if this is meant, accept it with --qbench-accept "why"; else undo what changed, or widen '
        "the tolerance."
    )
    messages = failures(result)
    assert set(messages) == failed
    assert messages["test_size[heavy-int8]"] == (
        f"heavy-int8: size_bytes is {size + 40} B, {40 / size:.2%} worse than {size} B of the baseline "
        f"(beyond the tolerance of 1.00%).\n{advice}"
    )
    assert messages["test_structure[floaty-int8]"] == (
        "floaty-int8: integer_compute is 0.0000, 100 points worse than 1.0000 of the baseline "
        f"(beyond the tolerance of 0 points).\n{advice}\n"
        "Why: since it was accepted: 2 DEQUANTIZE, accepted 0. More: qbench explain floaty int8"
    )
    *said, why = messages["test_accuracy[wrong-int8]"].splitlines()
    second = next(number for number, line in enumerate(said) if "accuracy_drop: " in line)
    against_baseline, against_fp32 = said[:second], said[second:]
    assert against_baseline[0].endswith("worse than 1.0000 of the baseline (beyond the tolerance of 0.2 points).")
    assert "of 64 predictions differ from the baseline's" in against_baseline[1]
    assert against_baseline[-1] == advice
    assert against_fp32[0].endswith("worse than 1.0000 of fp32 of the same run (beyond the tolerance of 0.5 points).")
    assert against_fp32[-1].startswith("What to do: try a recipe that loses less")
    # What stands below the table is shorter, and says why too.
    (short,) = (line for line in told(result) if line.startswith("why wrong-int8 accuracy: "))
    assert short.partition("accuracy: ")[2] == why.removeprefix("Why: ")
    assert why.startswith("Why: FULLY_CONNECTED int8 'y': weights differ: ")
    assert why.endswith("More: qbench explain wrong int8")

    verdicts = rows(result)
    assert verdicts["heavy-int8"].startswith("fail (size)")
    assert verdicts["wrong-int8"].startswith("fail (accuracy accuracy_drop)")
    assert verdicts["floaty-int8"].startswith("fail (integer_compute), ")
    assert verdicts["lean-int8"] == "improved"
    assert verdicts["steady-int8"] == verdicts["tiny-int8"] == "pass"
    assert told(result)[-1].startswith("gate: 4 fail, 1 improved, ")


def test_a_verdict_stands_although_its_test_is_allowed_to_fail(accepted_project: Project):
    project = accepted_project
    artifact = project.path / "tiny.int8.tflite"
    artifact.write_bytes(artifact.read_bytes() + bytes(40))
    project.write(
        "benchmarks/test_models.py",
        TESTS.replace("    def test_size", "    import pytest\n\n    @pytest.mark.xfail\n    def test_size"),
    )
    result = project.run("--benchmark-compare")
    result.assert_outcomes(passed=6, xfailed=1, xpassed=1)
    assert rows(result)["tiny-int8"].startswith("fail (size)")
    assert result.ret == 1


def test_no_baseline_is_missing_and_fails_in_ci(project: Project):
    for environment, status, hint in (({}, 0, "fails in CI"), ({"CI": "true"}, EXIT_INCOMPLETE, "exit status 8")):
        result = project.run("--benchmark-compare", **environment)
        assert result.ret == status
        result.assert_outcomes(passed=8)
        verdict = "missing (accuracy latency size structure)"
        assert rows(result) == {"tiny-fp32": verdict, "tiny-int8": f"{verdict}, pass"}
        said = told(result)
        missing = [line for line in said if line.startswith("missing: ")]
        advice = 'What to do: run `pytest benchmarks/ --qbench-accept "why"` and commit baselines/.'
        assert all("baselines/ has no baseline" in line and line.endswith(advice) for line in missing)
        assert all(any(subject in line for line in missing) for subject in rows(result))
        assert said[-2:] == [
            "gate: 8 missing, 1 pass",
            f"gate: not green: 8 not judged ({hint})",
        ]


def test_what_no_test_measured_is_named_by_kind_and_fails_in_ci(accepted_project: Project):
    project = accepted_project
    project.write(
        "benchmarks/test_models.py",
        """
        import pytest

        def test_latency(benchmark, interpreter, gate):
            benchmark(interpreter.invoke)
            gate.latency(benchmark)

        def test_another_name_than_before(artifact, gate):
            gate.size(artifact)

        def test_accuracy(interpreter, dataset, gate, recipe):
            if recipe == "int8":
                pytest.skip("no device")
            gate.accuracy(interpreter, dataset)
        """,
    )
    result = project.run("--benchmark-compare", "--deselect=benchmarks/test_models.py::test_latency[tiny-fp32]", CI="1")
    assert result.ret == EXIT_INCOMPLETE
    result.assert_outcomes(passed=4, skipped=1, deselected=1)
    assert rows(result) == {
        "tiny-fp32": "missing (latency structure), unchanged",
        "tiny-int8": "missing (accuracy structure), unchanged",
    }
    why = {"tiny-fp32": "deselected", "tiny-int8": "skipped: benchmarks/test_models.py::test_accuracy[tiny-int8]"}
    for subject, reason in why.items():
        said = [line for line in told(result) if line.startswith(f"missing: {subject}: ")]
        assert said
        assert all("not measured" in line and reason in line for line in said)
        assert all("What to do: run the whole folder of benchmarks" in line for line in said)
    assert told(result)[-1] == "gate: not green: 4 not judged (exit status 8)"


def test_an_accepted_model_or_recipe_does_not_disappear_in_silence(accepted_project: Project):
    project = accepted_project
    # Its artifact is the old one under a new name; of the recipes, one is gone and one is retired.
    project.write(
        "pyproject.toml",
        """
        [tool.qbench]
        retired = {tiny-int8 = "replaced by int16x8"}
        models.small = {source = {fp32 = "tiny.fp32.tflite"}, dataset = "data:examples"}
        """,
    )
    project.write_baseline({**project.baseline("int8"), "recipe": "int16x8"})
    result = project.run("--benchmark-compare", CI="true")
    assert result.ret == EXIT_INCOMPLETE
    result.assert_outcomes(passed=4)
    assert rows(result) == {
        "small-fp32": "missing (accuracy latency size structure)",
        "tiny-fp32": "missing (declaration)",
        "tiny-int16x8": "missing (declaration)",
    }
    said = told(result)
    (renamed,) = (line for line in said if line.startswith("missing: tiny-fp32"))
    assert "tiny-fp32 has a baseline and is no longer declared; small-fp32 has the same artifact: was it renamed?" in (
        renamed
    )
    assert "What to do: declare it, move or remove baselines/tiny/fp32.json, or say why it is gone" in renamed
    (removed,) = (line for line in said if line.startswith("missing: tiny-int16x8"))
    assert "tiny-int16x8 has a baseline and is no longer declared" in removed
    assert "renamed" not in removed
    assert "tiny-int8 is retired: replaced by int16x8" in said
