"""`qbench conform` as its user types it."""

from __future__ import annotations

import json
from pathlib import Path

import models_zoo as zoo
import numpy as np
import pytest

from qbench.cli import main
from qbench.quant.kernels import movement


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)


def test_generated_models_give_a_table_and_files(capsys: pytest.CaptureFixture[str]):
    arguments = ["--operator", "PAD", "--cases", "5", "--json", "found.json", "--markdown", "found.md"]
    assert main(["conform", *arguments]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["PAD", "int8", "exact", "exact", "exact"] in lines
    assert ["PAD", "int16", "exact", "exact", "left", "to", "builtin"] in lines
    found = json.loads(Path("found.json").read_bytes())
    assert found["environment"]["runtime"] == "litert"
    assert found["sections"][0]["rows"][0]["cells"]["reference"]["cases"] == 5
    assert "| PAD int8 | exact | exact | exact |" in Path("found.md").read_text()


def test_a_wrong_kernel_is_exit_status_1_with_the_place_of_the_example(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(movement, "transpose", lambda inputs, perm: np.transpose(inputs, perm) ^ 2)
    assert main(["conform", "--operator", "TRANSPOSE", "--dtype", "int8", "--cases", "5", "--threads", "1"]) == 1
    out = capsys.readouterr().out
    assert "TRANSPOSE int8, reference: wrong" in out
    assert Path("conform-examples/TRANSPOSE-int8-reference/reproduce.py").exists()
    assert "conform-examples/TRANSPOSE-int8-reference" in out.replace("\n", "")


def test_an_artifact_by_its_path(capsys: pytest.CaptureFixture[str]):
    Path("dense.tflite").write_bytes(zoo.dense_int8())
    assert main(["conform", "dense.tflite", "--cases", "4"]) == 0
    out = capsys.readouterr().out
    assert "dense: kernels against the specification" in out
    assert ["0", "FULLY_CONNECTED", "int8", "exact"] in [line.split()[:4] for line in out.splitlines()]
    assert "(whole graph)" in out


def test_nothing_tried_is_not_green(capsys: pytest.CaptureFixture[str]):
    Path("dense.tflite").write_bytes(zoo.dense_float())
    assert main(["conform", "dense.tflite", "--cases", "2"]) == 1
    out = capsys.readouterr().out
    assert "FULLY_CONNECTED was not tried" in out
    assert "Nothing was tried." in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--operator", "CONV"], "--operator: found 'CONV', expected one of ADD, "),
        (["--operator", "HARD_SWISH", "--dtype", "int16"], "--dtype: found 'int16', expected int8"),
        (["nowhere.tflite"], "qbench conform nowhere.tflite: found a path that cannot be read"),
        (["mnist"], "qbench conform SUBJECT: found 'mnist'"),
    ],
)
def test_what_cannot_be_used_is_named(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]):
    assert main(["conform", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--cases", "0"], ["--threads", "0"], ["--cases", "many"]])
def test_counts_are_whole_numbers_above_0(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main(["conform", *arguments])
    assert ended.value.code == 2
    assert "expected a whole number above 0" in capsys.readouterr().err


def test_a_file_that_is_no_model_is_named(capsys: pytest.CaptureFixture[str]):
    Path("text.tflite").write_text("hello, this is a text")
    assert main(["conform", "text.tflite"]) == 1
    assert "expected a .tflite" in capsys.readouterr().err
