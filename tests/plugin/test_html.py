"""`--qbench-html`: what is gathered reaches the page, and the run stands whatever becomes of that."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pictured import network, photos
from session.lab import labels_of
from small_project import Project, rows, told

from qbench.report.png import encode_png

if TYPE_CHECKING:
    from pathlib import Path

_DATA = """
    import numpy as np
    from qbench import Dataset

    def examples():
        images, labels = (np.load(f"{name}.npy") for name in ("images", "labels"))
        return Dataset(inputs=images, labels=labels, input_scale=1 / 255, name="photos")
"""
_SETTINGS = """
    tolerance.accuracy_drop = 1.0
    metrics = ["accuracy", "size"]
"""
_TESTS = """
    def test_size(artifact, gate):
        gate.size(artifact)

    def test_accuracy(interpreter, dataset, gate):
        gate.accuracy(interpreter, dataset)
"""
_PAGE = "--qbench-html=page.html"


def predictions(content: bytes) -> np.ndarray:
    return labels_of(content, (photos() / 255).astype(np.float32))


#: The example that flips first among those that became wrong: labels are what the accepted artifact predicted.
_FLIPPED = int(np.flatnonzero(predictions(network(quantized=True)) != predictions(network(1, quantized=True)))[0])
_PICTURE = base64.b64encode(encode_png(photos()[_FLIPPED, ..., 0])).decode()


def take_pictures(project: Project) -> Project:
    """Let a project's model read images."""
    project.declare("tiny", settings=_SETTINGS)
    project.write("tiny.fp32.tflite", network())
    project.write("tiny.int8.tflite", network(quantized=True))
    project.write("data.py", _DATA)
    project.write("benchmarks/test_models.py", _TESTS)
    np.save(project.path / "images.npy", photos())
    np.save(project.path / "labels.npy", predictions(network(quantized=True)))
    return project


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is accepted of it."""
    project = take_pictures(Project(tmp_path_factory.mktemp("pictured")))
    project.accept()
    return project.baselines


@pytest.fixture
def damaged(project: Project, accepted: Path) -> Project:
    """A project of images that has another artifact than it accepted."""
    project.copy_baselines(accepted)
    take_pictures(project).write("tiny.int8.tflite", network(1, quantized=True))
    return project


def page(damaged: Project) -> str:
    return (damaged.path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["one process", "pytest-xdist"])
def test_what_flips_is_on_the_page_as_its_picture(damaged: Project, workers: list[str]):
    if workers:
        pytest.importorskip("xdist")
    result = damaged.run("--benchmark-compare", _PAGE, *workers)
    assert result.ret == 1
    assert _PICTURE in page(damaged)
    assert "FULLY_CONNECTED int8" in page(damaged)
    assert len(page(damaged)) < 1_000_000


@pytest.mark.parametrize("gate", [[], ["--benchmark-compare"]], ids=["accepting", "judging and accepting"])
def test_who_accepts_sees_what_flips_against_what_was_accepted_before(damaged: Project, gate: list[str]):
    result = damaged.run("--qbench-accept=second", _PAGE, *gate)
    assert result.ret == 0
    assert "accept: 2 baselines written" in result.stdout.str()
    assert _PICTURE in page(damaged)


def test_a_page_that_cannot_be_made_fails_the_run_and_hides_nothing(damaged: Project):
    damaged.write(
        "conftest.py",
        """
        import qbench.report.html.page

        def broken(*_):
            raise RuntimeError("no page")

        qbench.report.html.page.render_page = broken
        """,
    )
    damaged.write("tiny.int8.tflite", network(quantized=True))
    result = damaged.run("--benchmark-compare", _PAGE, "--qbench-json=run.json")
    assert result.ret == 1
    assert rows(result) == {"tiny-fp32": "unchanged", "tiny-int8": "pass"}
    assert "--qbench-html: the report cannot be made (RuntimeError: no page)" in told(result)
    assert (damaged.path / "run.json").exists()


def test_nothing_is_gathered_that_nobody_asked_for(damaged: Project):
    damaged.write(
        "conftest.py",
        """
        import sys

        sys.modules["qbench.session.gallery"] = None
        """,
    )
    result = damaged.run("--benchmark-compare", "--qbench-json=run.json")
    assert result.ret == 1
    assert rows(result)["tiny-int8"].startswith("fail")


def test_who_interrupts_waits_for_no_explanation(damaged: Project):
    damaged.write(
        "benchmarks/test_models.py",
        _TESTS.replace("def test_accuracy", "def test_end():\n        raise KeyboardInterrupt\n\n    def test_unused")
        + _TESTS[_TESTS.index("    def test_accuracy") :].replace("test_accuracy", "test_0"),
    )
    result = damaged.run("--benchmark-compare", _PAGE)
    assert result.ret == 2
    assert "the time for that was over" in page(damaged)
