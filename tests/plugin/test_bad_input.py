"""Bad input through the whole plugin: each is named, and the run goes on."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import models_zoo
import pytest
from small_project import DATASET, failures, rows, told

from qbench.baseline.sources import FolderFiles
from qbench.baseline.store import BaselineReader
from qbench.plugin_outcome import EXIT_INCOMPLETE

if TYPE_CHECKING:
    from small_project import Project

    from qbench.baseline.schema import Baseline
    from qbench.records import Subject

#: More than a healthy artifact takes, also on a machine that is busy with something else.
_PREFLIGHT_S = 6

#: A test that waits for one of these to appear gives up after as long.
_HANGS_S = 120.0


def test_bad_artifacts_are_errors_and_the_run_goes_on(project: Project):
    whole = models_zoo.dense_int8()
    bad = {
        "truncated": whole[: len(whole) // 2],
        "flipped-header": bytes([whole[0] ^ 0xFF]) + whole[1:],
        "text": b"this is not a model\n" * 50,
        "empty": b"",
        "aborting": models_zoo.aborting(),
        "unresolved": models_zoo.unresolved_custom_operator(),
        "hanging": models_zoo.hanging(),
    }
    project.declare("tiny", "flipped-weight", "nan", *bad, settings=f"preflight_timeout_s = {_PREFLIGHT_S}")
    project.accept()
    for model, content in bad.items():
        project.write(f"{model}.int8.tflite", content)
    project.write("flipped-weight.int8.tflite", _with_one_bit_of_a_weight_flipped(whole))
    project.write("nan.fp32.tflite", models_zoo.nan_output())
    result = project.run("--benchmark-compare", "-v", "-p", "no:faulthandler")
    assert result.ret == 1

    verdicts = rows(result)
    assert len(verdicts) == 2 * (len(bad) + 3)
    for model in ("tiny", "flipped-weight", *bad):
        assert verdicts[f"{model}-fp32"] == "unchanged"
    assert verdicts["tiny-int8"] == "pass"
    named = {
        "truncated": "truncated-int8: the runtime refuses the artifact",
        "flipped-header": "flipped-header-int8: the runtime refuses the artifact",
        "text": "text-int8: the runtime refuses the artifact",
        "empty": "empty-int8: found an empty file (empty.int8.tflite), expected a .tflite",
        "aborting": "the worker process ended by signal SIGABRT while running aborting-int8 for the first time",
        "unresolved": "unresolved-int8: the runtime has no kernel for an operator of the artifact",
        "hanging": f"the worker process gave no answer within {_PREFLIGHT_S} s while running hanging-int8",
    }
    said = failures(result)
    for model, message in named.items():
        assert verdicts[f"{model}-int8"] == "error (accuracy latency size structure)", model
        for kind in ("latency", "size", "structure", "accuracy"):
            assert said[f"test_{kind}[{model}-int8]"].startswith(message)

    # It runs and is as large and as right as what was accepted; it is not the same.
    assert verdicts["flipped-weight-int8"] == "pass"
    for model, words in {"tiny": {"unchanged", "pass"}, "flipped-weight": {"pass"}}.items():
        assert {line.partition(":")[0] for line in told(result) if f": {model}-int8: " in line} == words
    assert verdicts["nan-fp32"].startswith("error (accuracy)")
    assert "nan-fp32: accuracy: the output 'y' is NaN or infinite for 64 of 64" in said["test_accuracy[nan-fp32]"]
    assert "error (accuracy)" in verdicts["nan-int8"]
    tests = {f"test_{kind}[{model}-int8]" for model in named for kind in ("latency", "size", "structure", "accuracy")}
    assert set(said) == tests | {"test_accuracy[nan-fp32]", "test_accuracy[nan-int8]"}
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def _with_one_bit_of_a_weight_flipped(content: bytes) -> bytes:
    weights, _ = models_zoo.dense_weights()
    stored, _ = models_zoo._quantize_channels(weights)
    assert content.count(stored.tobytes()) == 1
    place = content.index(stored.tobytes())
    flipped = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    assert flipped != content
    return flipped


def test_bad_datasets_are_errors_and_the_run_goes_on(project: Project):
    bad = {
        "shape": ("inputs=images[:, :3], labels=labels", "an example has the shape (3,)"),
        "dtype": ("inputs=images > 0, labels=labels", "examples are bool"),
        "labels": ("inputs=images, labels=labels + 1", "labels are out of range, the first is label 3 of"),
        "negative": (
            "inputs=images, labels=np.full(EXAMPLES, -1)",
            "labels are out of range, the first is label -1 of",
        ),
        "fewer": ("inputs=images, labels=labels[1:]", "expected the same number of examples"),
        "leaking": ("inputs=images, labels=labels, calibration=images[3:5]", "are also evaluation examples"),
        "raising": ("inputs=images, labels=1 / 0", "data:raising raised ZeroDivisionError"),
        "list": ("inputs=images, labels=labels) and list((1, 2)", "data:list returned list; expected a qbench.Dataset"),
    }
    functions = "".join(
        f"""
    def {name}():
        images = inputs(0, EXAMPLES)
        labels = predict(images)
        return Dataset({arguments})
"""
        for name, (arguments, _) in bad.items()
    )
    project.write("data.py", DATASET + functions.replace("def list", "def list_"))
    project.declare("tiny", *bad, datasets={name: name for name in bad} | {"list": "list_"})
    result = project.run("--benchmark-compare")
    assert result.ret == 1
    said = failures(result)
    for name, (_, message) in bad.items():
        for recipe in ("fp32", "int8"):
            assert message.replace("data:list", "data:list_") in said[f"test_accuracy[{name}-{recipe}]"], name
            assert "error (accuracy" in rows(result)[f"{name}-{recipe}"]
    assert not any("tiny" in test for test in said)
    assert rows(result)["tiny-fp32"] == "missing (accuracy latency size structure)"
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_damaged_baselines_are_errors_until_they_are_accepted_again(accepted_project: Project):
    project = accepted_project
    project.declare("tiny", "copy", "lost")
    for model in ("copy", "lost"):
        for recipe in ("fp32", "int8"):
            baseline = {**project.baseline(recipe), "model": model}
            project.write_baseline(baseline)
            file = baseline["predictions"]["file"]
            shutil.copy(project.baselines / "tiny" / file, project.baselines / model / file)
    project.write("baselines/copy/fp32.json", b'{"model": "copy", \xff')
    project.write_baseline({**project.baseline("int8", "copy"), "schema_version": 999})
    (project.baselines / "lost" / project.baseline("fp32", "lost")["predictions"]["file"]).write_bytes(b"\x00")
    damaged = project.accepted()

    result = project.run("--benchmark-compare", CI="true")
    assert result.ret == EXIT_INCOMPLETE, "no test fails, and nothing is green"
    result.assert_outcomes(passed=24)
    verdicts = rows(result)
    assert verdicts["copy-fp32"] == "error (accuracy latency size structure)"
    assert verdicts["copy-int8"] == "error (accuracy latency size structure), pass"
    assert verdicts["tiny-fp32"] == "unchanged"
    said = "\n".join(told(result))
    assert "copy/fp32.json is not a baseline" in said
    assert "copy/int8.json: found schema_version 999, this qbench reads" in said
    assert "install the qbench that wrote it" in said
    assert project.accepted() == damaged

    project.accept("repaired")
    again = project.run("--benchmark-compare", CI="true")
    assert again.ret == 0
    assert rows(again)["copy-fp32"] == "unchanged"
    reader = BaselineReader(FolderFiles(project.baselines))
    assert len([_whole(reader, subject) for subject in reader.subjects()]) == 6


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that even root cannot write")
def test_baselines_that_cannot_be_written(project: Project):
    project.declare("tiny", settings='baselines = "/proc/self/baselines"')
    result = project.run("--qbench-accept=first")
    assert result.ret == 1
    result.assert_outcomes(passed=8)
    (line,) = (line for line in told(result) if line.startswith("accept: "))
    assert "accept: baselines cannot be written to /proc/self/baselines" in line
    assert "Make the folder writable or free space, and accept again" in line
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_interrupted_while_measuring(accepted_project: Project):
    project = accepted_project
    before = project.accepted()
    project.write("tiny.int8.tflite", models_zoo.dense_int8() + bytes(4))
    project.write(
        "benchmarks/test_zz_slow.py",
        """
        import pathlib
        import signal
        import time

        def test_slow():
            # Whoever runs tests in the background has it switched off.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            pathlib.Path("reached").touch()
            time.sleep(600)
        """,
    )
    process = project.start("--qbench-accept=second", "--benchmark-autosave")
    try:
        _wait_for(project.path / "reached")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=_HANGS_S)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == pytest.ExitCode.INTERRUPTED, out + err
    assert "accept: the run was interrupted, so nothing is accepted" in out
    assert "pytest-benchmark's --benchmark-save was refused: the run was interrupted" in out
    assert project.accepted() == before
    assert not list(project.path.glob(".benchmarks/*/*.json"))


def test_interrupted_while_writing(accepted_project: Project):
    project = accepted_project
    before = project.accepted()
    for recipe, content in (("fp32", models_zoo.dense_float()), ("int8", models_zoo.dense_int8())):
        project.write(f"tiny.{recipe}.tflite", content + bytes(4))
    # Of each baseline the artifact and then the JSON are written, and with each the folder is synchronized.
    project.write(
        "conftest.py",
        """
        import os

        written = []
        fsync = os.fsync

        def interrupted(descriptor):
            written.append(descriptor)
            if len(written) == int(os.environ["INTERRUPTED_AT"]):
                raise KeyboardInterrupt
            fsync(descriptor)

        os.fsync = interrupted
        """,
    )
    expected = {"3": {"fp32": "first", "int8": "first"}, "5": {"fp32": "second", "int8": "first"}}
    for at, reasons in expected.items():
        shutil.rmtree(project.baselines)
        for name, content in before.items():
            project.write(f"baselines/{name}", content)
        result = project.run("--qbench-accept=second", INTERRUPTED_AT=at)
        assert result.ret == 1
        assert "accept: interrupted while writing; each baseline is whole, the old one or the new one" in told(result)
        reader = BaselineReader(FolderFiles(project.baselines))
        assert {subject.recipe: _whole(reader, subject).provenance.reason for subject in reader.subjects()} == reasons
        assert not list(project.baselines.rglob("*.tmp"))


def test_two_accepts_at_once_lose_nothing(project: Project):
    # Both wait for each other before they write.
    project.write(
        "benchmarks/test_zz_meet.py",
        f"""
        import os
        import pathlib
        import time

        def test_meet():
            pathlib.Path(os.environ["ME"]).touch()
            give_up = time.monotonic() + {_HANGS_S}
            while not pathlib.Path(os.environ["OTHER"]).exists():
                assert time.monotonic() < give_up
                time.sleep(0.01)
        """,
    )
    project.declare("tiny", "big", "wide")
    recipes = ("fp32", "int8")
    runs = [
        project.start(f"--qbench-accept={me}", f"--qbench-recipe={me}", ME=f"{me}.here", OTHER=f"{other}.here")
        for me, other in (recipes, recipes[::-1])
    ]
    outputs = [process.communicate(timeout=2 * _HANGS_S) for process in runs]
    assert [process.returncode for process in runs] == [0, 0], outputs
    assert all("accept: 3 baselines written" in out for out, _ in outputs)
    reader = BaselineReader(FolderFiles(project.baselines))
    assert len(reader.subjects()) == 6
    assert all(_whole(reader, subject).provenance.reason == subject.recipe for subject in reader.subjects())


def _whole(reader: BaselineReader, subject: Subject) -> Baseline:
    """The baseline of a subject, of which all files are there and are those that were accepted."""
    baseline = reader.read(subject)
    assert baseline is not None
    assert reader.artifact(baseline) is not None
    assert reader.predictions(baseline) is not None
    return baseline


def _wait_for(path: Path) -> None:
    give_up = time.monotonic() + _HANGS_S
    while not path.exists():
        assert time.monotonic() < give_up, f"{path.name} does not appear"
        time.sleep(0.01)


_PIXELS = """
    import numpy as np
    from qbench import Dataset

    def examples():
        pixels = np.random.default_rng(0).integers(0, 256, (16, 4), np.uint8)
        return Dataset(inputs=pixels, labels=np.arange(16) % 3, calibration=255 - pixels{scale})
"""


def test_pixels_without_a_scale_are_doubted_once_in_a_run(project: Project):
    project.write("data.py", _PIXELS.format(scale=""))
    said = project.run("-k", "accuracy").stdout.str()
    assert "QbenchWarning: dataset 'dataset': found uint8 values from " in said
    assert said.count("without input_scale, taken as the real values") == 1
    strict = project.run("-k", "accuracy", "-W", "error::qbench.errors.QbenchWarning")
    assert strict.ret == 1
    assert "tiny-fp32: accuracy: dataset 'dataset': found uint8 values from " in strict.stdout.str()
    project.write("data.py", _PIXELS.format(scale=", input_scale=1 / 255"))
    assert "input_scale" not in project.run("-k", "accuracy").stdout.str()
