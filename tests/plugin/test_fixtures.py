"""Fixtures and the marker, as a project's own tests use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import models_zoo
from small_project import failures, outcomes, rows

if TYPE_CHECKING:
    from small_project import Project


def test_what_fixtures_give(accepted_project: Project):
    project = accepted_project
    project.declare("tiny", "big")
    project.write(
        "benchmarks/test_models.py",
        """
        import hashlib
        from pathlib import Path

        import numpy as np
        import pytest
        import qbench

        def test_names(model, recipe, artifact):
            assert model in {"tiny", "big"}
            assert recipe in {"fp32", "int8"}
            content = Path(f"{model}.{recipe}.tflite").read_bytes()
            assert artifact.path.read_bytes() == content
            assert artifact.sha256 == hashlib.sha256(content).hexdigest()
            assert artifact.size_bytes == len(content)

        def test_interpreter_holds_the_first_example(interpreter, dataset, recipe):
            assert isinstance(dataset, qbench.Dataset)
            (spec,) = interpreter.inputs
            held = interpreter.input_view(0)[0]
            first = dataset.inputs[0]
            if recipe == "int8":
                first = np.rint(first / np.float32(0.02)) + 3
                assert held.dtype == np.int8
            assert first.any()
            assert np.array_equal(held, first)

        def test_invoke_is_the_runtimes_own(interpreter):
            assert type(interpreter.invoke.__self__).__module__.startswith("ai_edge_litert")
            interpreter.invoke()

        def test_both_sides_of_a_model(model, fp32_interpreter, int8_interpreter, dataset):
            assert fp32_interpreter.inputs[0].dtype == "float32"
            assert int8_interpreter.inputs[0].dtype == "int8"
            assert {fp32_interpreter.subject.model, int8_interpreter.subject.model} == {model}
            fp32_interpreter.invoke()
            int8_interpreter.invoke()
            assert fp32_interpreter.output(0).argmax() == int8_interpreter.output(0).argmax() == dataset.labels[0]

        def test_the_gate_of_a_whole_model(int8_interpreter, fp32_interpreter, gate):
            (drop,) = gate.accuracy(int8_interpreter)[-1:]
            assert drop.metric == "accuracy_drop"
            assert drop.subject.recipe == "int8"
            gate.size(int8_interpreter)
            gate.structure(fp32_interpreter)

        class TestInAClass:
            def test_size(self, artifact, gate):
                gate.size(artifact)

        @pytest.mark.parametrize("examples", [1, 2])
        def test_parametrized_twice(interpreter, examples):
            pass

        @pytest.fixture
        def through(recipe):
            return recipe

        def test_through_another_fixture(through):
            assert through in {"fp32", "int8"}
        """,
    )
    # A project has fixtures of its own, some of which are called as ours.
    project.write(
        "benchmarks/test_own.py",
        """
        import pytest

        @pytest.fixture
        def model():
            return "a regression model"

        @pytest.fixture
        def interpreter(interpreter):
            interpreter.warm = True
            return interpreter

        def test_nothing_of_ours(tmp_path):
            pass

        def test_own_model(model):
            assert model == "a regression model"

        @pytest.mark.parametrize("recipe", ["soup", "bread"])
        def test_own_parameter(recipe):
            assert recipe in {"soup", "bread"}

        def test_wrapped(interpreter):
            assert interpreter.warm
        """,
    )
    result = project.run("--benchmark-compare", "-v")
    subjects, models = ("tiny-fp32", "tiny-int8", "big-fp32", "big-int8"), ("tiny", "big")
    names = {"test_nothing_of_ours", "test_own_model", "test_own_parameter[soup]", "test_own_parameter[bread]"}
    for name in ("both_sides_of_a_model", "the_gate_of_a_whole_model"):
        names |= {f"test_{name}[{model}]" for model in models}
    for name in (
        "test_names",
        "test_interpreter_holds_the_first_example",
        "test_invoke_is_the_runtimes_own",
        "TestInAClass::test_size",
        "test_through_another_fixture",
        "test_wrapped",
    ):
        names |= {f"{name}[{subject}]" for subject in subjects}
    names |= {f"test_parametrized_twice[{subject}-{number}]" for subject in subjects for number in (1, 2)}
    assert outcomes(result) == dict.fromkeys(names, "PASSED")
    assert result.ret == 0
    # What was measured of a whole model counts for the side that was meant.
    assert rows(result)["tiny-fp32"] == "missing (accuracy latency), unchanged"
    assert rows(result)["tiny-int8"] == "missing (latency structure), pass"


def test_what_the_fixtures_refuse(project: Project):
    project.write(
        "benchmarks/test_models.py",
        """
        def test_gate_alone(gate):
            gate.size()

        def test_gate_of_what_it_is_given(gate, fp32_interpreter):
            gate.size(fp32_interpreter)

        def test_asked_for_too_late(request):
            request.getfixturevalue("interpreter")

        def test_asked_for_too_late_for_a_model(request):
            request.getfixturevalue("dataset")

        def test_never_timed(benchmark, interpreter, gate):
            gate.latency(benchmark)

        def test_no_benchmark(interpreter, gate):
            gate.latency(None)
        """,
    )
    project.write("lonely.fp32.tflite", models_zoo.dense_float())
    project.write(
        "pyproject.toml",
        """
        [tool.qbench.models.tiny]
        source = {fp32 = "tiny.fp32.tflite", int8 = "tiny.int8.tflite"}

        [tool.qbench.models.lonely]
        source = {fp32 = "lonely.fp32.tflite"}
        """,
    )
    project.write("benchmarks/test_pair.py", "def test_pair(fp32_interpreter, int8_interpreter):\n    pass\n")
    result = project.run("--benchmark-compare")
    assert result.ret == 1
    said = failures(result)
    never = "benchmark was not called; call benchmark(interpreter.invoke) before gate.latency(benchmark)"
    late = "fixtures of qbench cannot be asked for with request.getfixturevalue: the test is not run for each model"
    expected = {
        **{
            f"test_gate_alone[{model}]": "this test runs once for a model, so the gate cannot know which recipe is"
            for model in ("tiny", "lonely")
        },
        "test_asked_for_too_late": late,
        "test_asked_for_too_late_for_a_model": late,
        **{
            f"test_never_timed[{subject}]": f"{subject}: latency: {never}"
            for subject in ("tiny-fp32", "tiny-int8", "lonely-fp32")
        },
        **{
            f"test_no_benchmark[{subject}]": f"{subject}: latency: the fixture `benchmark` is builtins.NoneType, which "
            for subject in ("tiny-fp32", "tiny-int8", "lonely-fp32")
        },
        "test_pair[lonely]": "lonely-int8: `source` gives finished artifacts for fp32, and none for int8",
    }
    assert set(said) == set(expected)
    for test, message in expected.items():
        # One line: no traceback, and not what led to it.
        assert said[test].startswith(message), test
        assert "\n" not in said[test], test


def test_the_marker_changes_tolerances(accepted_project: Project):
    project = accepted_project
    project.write("tiny.int8.tflite", models_zoo.dense_int8() + bytes(40))  # 5.10% more
    project.write(
        "benchmarks/test_models.py",
        """
        import pytest

        def test_default(artifact, gate):
            gate.size(artifact)

        @pytest.mark.qbench(size=0.06)
        def test_wider(artifact, gate):
            gate.size(artifact)

        @pytest.mark.qbench(size=0.06)
        class TestNearest:
            def test_class(self, artifact, gate):
                gate.size(artifact)

            @pytest.mark.qbench(size=0.05)
            def test_method(self, artifact, gate):
                gate.size(artifact)

        @pytest.mark.qbench(sise=0.06)
        def test_unknown(artifact, gate):
            gate.size(artifact)

        @pytest.mark.qbench(size="6%")
        def test_type(artifact, gate):
            gate.size(artifact)

        @pytest.mark.qbench(size=-1)
        def test_negative(artifact, gate):
            gate.size(artifact)

        @pytest.mark.qbench(0.06)
        def test_positional(artifact, gate):
            gate.size(artifact)
        """,
    )
    result = project.run("--benchmark-compare", "--qbench-recipe=int8", "-v")
    assert result.ret == 1
    assert outcomes(result) == {
        "test_default[tiny-int8]": "FAILED",
        "test_wider[tiny-int8]": "PASSED",
        "TestNearest::test_class[tiny-int8]": "PASSED",
        "TestNearest::test_method[tiny-int8]": "FAILED",
        "test_unknown[tiny-int8]": "ERROR",
        "test_type[tiny-int8]": "ERROR",
        "test_negative[tiny-int8]": "ERROR",
        "test_positional[tiny-int8]": "ERROR",
    }
    said = failures(result)
    assert "beyond the tolerance of 1.00%" in said["test_default[tiny-int8]"]
    assert "beyond the tolerance of 5.00%" in said["TestNearest.test_method[tiny-int8]"]
    marker = "the marker qbench of benchmarks/test_models.py::test_{}[tiny-int8]"
    refused = {
        "unknown": (".sise: found an unknown key, expected one of", "did you mean 'size'?"),
        "type": (".size: found the string '6%', expected a number",),
        "negative": ("size must be a finite number of at least 0, got -1",),
        "positional": (" takes keyword arguments only, such as qbench(latency=0.10)",),
    }
    for name, parts in refused.items():
        message = said[f"test_{name}[tiny-int8]"]
        assert message.startswith(marker.format(name))
        assert all(part in message for part in parts), message
        assert "\n" not in message
    assert rows(result)["tiny-int8"].startswith("fail (size)")


def test_a_model_without_a_dataset_skips_what_needs_one_and_is_not_missing_it(project: Project):
    pyproject = project.path / "pyproject.toml"
    pyproject.write_text("\n".join(line for line in pyproject.read_text().splitlines() if "dataset" not in line))
    project.accept()
    result = project.run("--benchmark-compare", CI="true")
    result.assert_outcomes(passed=6, skipped=2)
    assert result.ret == 0
    assert rows(result) == dict.fromkeys(("tiny-fp32", "tiny-int8"), "unchanged")
