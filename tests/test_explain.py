"""`qbench explain` as it is called."""

from __future__ import annotations

import json

import models_zoo as zoo
import msgspec
import numpy as np
import pytest
from diagnose import faults

from qbench.cli import main
from qbench.diagnose.records import Diagnosis

DATA = """
import numpy as np
from qbench import Dataset

def examples():
    return Dataset(inputs=np.load("examples.npy"), calibration=np.load("calibration.npy"), name="tiny")
"""


def uniform(count, seed):
    return np.random.default_rng(seed).uniform(-1, 1, (count, 4)).astype(np.float32)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A current folder with a project in it: `tiny` under fp32, int8, and int8 with other weights."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QBENCH_CACHE", str(tmp_path / "cache"))
    for name, content in {
        "fp32": zoo.dense_float(),
        "int8": zoo.dense_int8(),
        "wrong": zoo.dense_int8(seed=1),
    }.items():
        (tmp_path / f"{name}.tflite").write_bytes(content)
    np.save(tmp_path / "examples.npy", uniform(40, 0))
    np.save(tmp_path / "calibration.npy", uniform(9, 1))
    (tmp_path / "explained_data.py").write_text(DATA)
    (tmp_path / "pyproject.toml").write_text(
        "[tool.qbench.recipe.wrong]\nbase = 'int8'\n[tool.qbench.models.tiny]\ndataset = 'explained_data:examples'\n"
        "source = {fp32 = 'fp32.tflite', int8 = 'int8.tflite', wrong = 'wrong.tflite'}\n"
    )
    return tmp_path


def test_a_declared_model_is_explained_on_its_dataset(folder, capsys):
    assert main(["explain", "tiny", "wrong", "--examples=20", "--json=found.json", "--markdown=found.md"]) == 0
    shown = capsys.readouterr().out
    assert "1. weights differ: FULLY_CONNECTED int8 'y'" in shown
    assert max(len(line) for line in shown.splitlines()) <= 80
    found = msgspec.json.decode((folder / "found.json").read_bytes(), type=Diagnosis)
    assert (found.subject.id, found.examples, found.evaluated) == ("tiny-wrong", 20, 40)
    assert found.findings[0].cause == "weights differ"
    assert (folder / "found.md").read_text().startswith("**wrong of tiny against its float model**")


@pytest.mark.usefixtures("folder")
def test_an_artifact_that_is_as_it_should_be_has_no_alarming_cause(capsys):
    assert main(["explain", "tiny", "int8", "-v"]) == 0
    shown = capsys.readouterr().out
    # Its ranges are wider than these examples need, and that is all.
    assert "1. input range: input 'x'" in shown
    assert "2. " not in shown
    assert "All operators" in shown


def test_two_files_are_explained_on_examples_of_a_third(folder, capsys):
    fault = faults.per_tensor()
    (folder / "float.tflite").write_bytes(fault.float_content)
    (folder / "quantized.tflite").write_bytes(fault.content)
    dataset = faults.digits()
    inputs, labels = np.asarray(dataset.inputs)[:64], dataset.labels[:64]
    np.savez(folder / "digits.npz", inputs=inputs, labels=labels, calibration=np.asarray(dataset.calibration)[:9])
    arguments = ["explain", "float.tflite", "quantized.tflite", "--data=digits.npz", "--examples=24"]
    assert main([*arguments, "--json=found.json"]) == 0
    assert "1. weights per tensor: DEPTHWISE_CONV_2D int8 'functional_11_1/re_lu_7_1/Relu6'" in capsys.readouterr().out
    assert json.loads((folder / "found.json").read_text())["subject"] == {"model": "float", "recipe": "quantized"}


@pytest.mark.parametrize(("content", "calibrated"), [(zoo.dense_int8(), True), (zoo.dense_hybrid(), False)])
def test_a_file_is_calibrated_if_it_has_ranges(folder, content, calibrated, capsys):
    (folder / "given.tflite").write_bytes(content)
    np.savez(folder / "two.npz", inputs=uniform(40, 0), calibration=uniform(9, 1))
    assert main(["explain", "fp32.tflite", "given.tflite", "--data=two.npz", "--json=found.json"]) == 0
    shown = capsys.readouterr()
    assert ("Calibration: 9 examples" in shown.out) == calibrated
    assert shown.err == ""
    found = msgspec.json.decode((folder / "found.json").read_bytes(), type=Diagnosis)
    assert found.calibrated == calibrated


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["other", "int8"], 2, "MODEL: found 'other', expected one of tiny"),
        (["tiny", "int4"], 2, "RECIPE: found 'int4', expected one of fp32, int8, wrong"),
        (["tiny", "fp32"], 2, "tiny-fp32: found the float model, expected a recipe, to compare with it"),
        (["tiny", "int8", "--data=d.npz"], 2, "--data: found it with a declared model"),
        (["fp32.tflite", "int8.tflite"], 2, "--data: found files without it, expected an .npz file"),
        (["gone.tflite", "int8.tflite", "--data=d.npz"], 2, "found a path that cannot be read (No such file"),
        (["fp32.tflite", "int8.tflite", "--data=fp32.tflite"], 2, "which is no .npz file"),
        (["fp32.tflite", "int8.tflite", "--data=d.npz"], 1, "d.npz: found the arrays ['images'], expected `inputs`"),
        (["fp32.tflite", "broken.tflite", "--data=ok.npz"], 1, "broken.tflite: the runtime refuses the artifact"),
        (
            ["int8.tflite", "fp32.tflite", "--data=ok.npz"],
            2,
            "MODEL: found int8.tflite: the first file is quantized, expected the float model there",
        ),
        (["tiny", "int8", "--json=."], 2, "--json: found the folder ., expected a file to write to"),
    ],
)
def test_what_cannot_be_explained_is_said(folder, arguments, status, message, capsys):
    np.savez(folder / "d.npz", images=uniform(3, 0))
    np.savez(folder / "ok.npz", inputs=uniform(3, 0))
    (folder / "broken.tflite").write_bytes(zoo.dense_int8()[:200])
    assert main(["explain", *arguments]) == status
    assert message in capsys.readouterr().err


def test_a_model_without_a_float_artifact_or_a_dataset_is_refused(folder, capsys):
    project = folder / "pyproject.toml"
    whole = project.read_text()
    project.write_text(whole.replace("fp32 = 'fp32.tflite', ", ""))
    assert main(["explain", "tiny", "int8"]) == 2
    assert "found no fp32 artifact, expected one, to hold the others against" in capsys.readouterr().err
    project.write_text(whole.replace("dataset = 'explained_data:examples'\n", ""))
    assert main(["explain", "tiny", "int8"]) == 1
    assert "declares no dataset" in capsys.readouterr().err
    project.unlink()
    assert main(["explain", "tiny", "int8"]) == 2
    assert "no [tool.qbench] in ./pyproject.toml" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_without_examples_it_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["explain", "tiny", "int8", "--examples=0"])
    assert ended.value.code == 2
    assert "expected a whole number above 0" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_ctrl_c_ends_it_as_a_shell_expects(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("qbench.session.blame.diagnose", interrupted)
    assert main(["explain", "tiny", "int8"]) == 130
    assert capsys.readouterr().out == ""
