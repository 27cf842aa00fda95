"""Tolerances as a share of the reference or of its errors, and what so few examples cannot tell."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import models_zoo
from small_project import DATASET, failures, poor_power, rows

if TYPE_CHECKING:
    from small_project import Project

#: `half` has other labels for every second example, so that fp32 is wrong in 32 of 64; `below` is a metric that is
#: negative, and better if it is more so.
_DATA = """
    import qbench

    def half():
        found = examples()
        labels = found.labels.copy()
        labels[::2] = (labels[::2] + 1) % 3
        return Dataset(inputs=found.inputs, labels=labels, calibration=found.calibration, name="half")

    @qbench.metric(unit="u", direction="lower")
    def below(outputs, labels):
        return -float((outputs ** 2).mean())
"""

_ACCURACY = """
    import pytest

    {marker}
    def test_accuracy(interpreter, dataset, gate):
        gate.accuracy(interpreter, dataset)
"""

#: By model: its tolerances, and what is said of it where something fails.
_MODELS = {
    "errors": ("accuracy_drop = {errors = 0.01}", "(beyond the tolerance of 1% more errors, 0.5 points here)"),
    "relative": (
        "accuracy_drop = {relative = 0.02}",
        "worse than 0.5000 of fp32 of the same run (beyond the tolerance of 2% of that, 1 points here)",
    ),
    "strictest": (
        "accuracy_drop = {absolute = 0.9, relative = 0.9, errors = 0.02}",
        "(beyond the tolerance of 90 points and 90% of that and 2% more errors, 1 points here)",
    ),
    "wide": ("accuracy_drop = {errors = 1.0}", ""),
    "own": ("accuracy_drop = 0.9\nmetrics.below = {relative = 0.001}", "(beyond the tolerance of 0.1% of that, "),
    "own-wide": ("accuracy_drop = 0.9\nmetrics.below = {relative = 9.0}", ""),
    "no-share": (
        "accuracy_drop = 0.9\nmetrics.below = {errors = 0.1}",
        "",
    ),
}


def _declare(project: Project) -> None:
    """Declare the models with accuracy alone, each with its tolerances."""
    everything = "tolerance.accuracy_regression = {relative = 1.0}"
    project.declare(*_MODELS, settings=f'metrics = ["accuracy"]\n{everything}', datasets=dict.fromkeys(_MODELS, "half"))
    tables = [f"[tool.qbench.models.{model}.tolerance]\n{declared}" for model, (declared, _) in _MODELS.items()]
    written = (project.path / "pyproject.toml").read_text()
    for model in _MODELS:
        if "metrics." in _MODELS[model][0]:
            table = f"[tool.qbench.models.{model}]\n"
            written = written.replace(table, f'{table}metrics = ["data:below"]\n')
    project.write("pyproject.toml", written + "\n".join(tables) + "\n")


def test_each_form_is_judged_from_end_to_end(project: Project):
    project.write("data.py", textwrap.dedent(DATASET) + textwrap.dedent(_DATA))
    project.write("benchmarks/test_models.py", _ACCURACY.format(marker=""))
    _declare(project)
    project.accept()
    for model in _MODELS:
        project.write(f"{model}.int8.tflite", models_zoo.dense_int8(seed=1))

    result = project.run("--benchmark-compare")
    messages, verdicts = failures(result), rows(result)
    assert set(messages) == {f"test_accuracy[{model}-int8]" for model, (_, said) in _MODELS.items() if said}
    for model, (_, said) in _MODELS.items():
        assert said in messages.get(f"test_accuracy[{model}-int8]", "")
    assert verdicts["own-int8"].startswith("fail (below)")
    assert verdicts["no-share-int8"].startswith("error (below)")
    (refused,) = (line for line in result.outlines if line.startswith("error: no-share-int8"))
    assert ", and only a share between 0 and 1 has errors that may grow." in refused
    assert verdicts["wide-int8"] == verdicts["own-wide-int8"] == "pass"

    marker = '@pytest.mark.qbench(accuracy_drop={"errors": 0.01})'
    project.write("benchmarks/test_models.py", _ACCURACY.format(marker=marker))
    marked = failures(project.run("--benchmark-compare", "--qbench-model=wide"))
    assert "(beyond the tolerance of 1% more errors, 0.5 points here)" in marked["test_accuracy[wide-int8]"]


def test_what_the_examples_cannot_tell_is_said_under_green_too(accepted_project: Project):
    project = accepted_project
    green = project.run("--benchmark-compare")
    assert green.ret == 0
    against_baseline, against_fp32 = poor_power(green)
    assert against_baseline.startswith(
        "accuracy_regression of tiny-fp32 and 1 more: 64 examples are too few for a tolerance of 0.2 points: one "
        "example is 1.56 points; "
    )
    assert against_fp32.startswith("accuracy_drop of tiny-int8: 64 examples are too few for a tolerance of 0.5 points")

    project.declare("tiny", settings="tolerance.accuracy_drop = {relative = 0.99}\ntolerance.accuracy_regression = 0.9")
    said = poor_power(project.run("--benchmark-compare"))
    assert [text.partition(":")[0] for text in said] == [
        "accuracy_regression of tiny-fp32 and 1 more",
        "accuracy_drop of tiny-int8",
    ]
    assert "the tolerance of 90 points is coarse" in said[0]
    assert "the tolerance of 99% of the reference, 99 points here is coarse" in said[1]
    assert poor_power(project.run()) == [], "nothing is judged, so there is nothing to doubt"
