"""Accuracy that is no share of right answers, and accuracy slice by slice, from the declaration to the message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import models_zoo
import pytest
from small_project import DATASET, failures, rows, sentences, told

if TYPE_CHECKING:
    from small_project import Project

#: Targets are what the float model gives and a little noise; the groups are three cameras in turn.
DATA = (
    DATASET
    + """
    def outputs(images):
        interpreter = Interpreter(model_path="tiny.fp32.tflite")
        interpreter.resize_tensor_input(0, images.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], images)
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

    def targets():
        images = inputs(0, EXAMPLES)
        noise = np.random.default_rng(2).normal(0, 0.2, (EXAMPLES, 3))
        return Dataset(inputs=images, labels=outputs(images) + noise)

    def cameras():
        images = inputs(0, 300)
        groups = np.array(["left", "right", "top"])[np.arange(300) % 3]
        return Dataset(inputs=images, labels=predict(images), groups=groups, group_name="camera")
"""
)

ACCURACY = """
    def test_accuracy(interpreter, gate):
        gate.accuracy(interpreter)
"""


@pytest.fixture
def declared(project: Project) -> Project:
    """Two models that have accepted what they have: one with a metric of the set, one with groups."""
    project.write("data.py", DATA)
    project.write("benchmarks/test_models.py", ACCURACY)
    project.declare(
        "tiny",
        "depth",
        settings="""
            metrics = ["accuracy"]
            tolerance.slice_regression = 0.05
            tolerance.metrics.mean_absolute_error = 0.05
            tolerance.metrics_drop.mean_absolute_error = 0.05
        """,
        datasets={"tiny": "cameras", "depth": "targets"},
    )
    with (project.path / "pyproject.toml").open("a") as declaration:
        declaration.write('metrics = ["qbench.metrics:mean_absolute_error"]\n')
    project.accept()
    return project


def test_a_regression_is_told_with_its_interval_and_its_worst_slice(declared: Project):
    for model in ("tiny", "depth"):
        declared.write(f"{model}.int8.tflite", models_zoo.dense_int8(seed=1))
    result = declared.run("--benchmark-compare")

    assert result.ret == 1
    assert rows(result)["depth-int8"] == "fail (mean_absolute_error mean_absolute_error_drop)"
    assert rows(result)["tiny-int8"] == "fail (accuracy slice_regression accuracy_drop)"
    error, drop, *_ = sentences(failures(result)["test_accuracy[depth-int8]"])
    assert error.startswith("depth-int8: mean_absolute_error is ")
    assert "of the baseline (beyond the tolerance of 0.05). On other examples like these it is " in error
    assert "worse than the baseline (90% interval, 10,000 resamples of 64 examples). A true loss of " in error
    assert drop.startswith("depth-int8: mean_absolute_error_drop: ")
    assert "worse than fp32 (90% interval, 10,000 resamples of 64 examples)." in drop
    accuracy, slices, *_ = sentences(failures(result)["test_accuracy[tiny-int8]"])
    assert " Worst slice: camera " in accuracy
    assert slices.startswith(
        "tiny-int8: slice_regression: 3 of 3 slices lost more than the 5 points that any may lose."
    )
    assert "of 100 lost, " in slices
    assert " after correction for 3 slices). Also worse: " in slices
    assert "What to do: look at the examples of that slice" in slices


def test_what_did_not_change_is_green(declared: Project):
    result = declared.run("--benchmark-compare")
    assert result.ret == 0
    assert rows(result)["depth-fp32"] == rows(result)["tiny-fp32"] == "unchanged"
    assert any(line.startswith("gate: ") and "fail" not in line for line in told(result))
