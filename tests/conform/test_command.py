"""`qbench conform` as its user types it."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import models_zoo as zoo
import msgspec
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from qbench.cli import main
from qbench.conform.records import Conformance
from qbench.quant.kernels import linear, movement
from qbench.tflite.builder import Affine, Graph


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)


def test_generated_models_give_a_table_and_files(capsys: pytest.CaptureFixture[str]):
    arguments = ["--operator", "PAD", "--cases", "5", "--json", "found.json", "--markdown", "found.md"]
    assert main(["conform", *arguments]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["PAD", "int8", "5", "exact", "exact", "exact"] in lines
    assert ["PAD", "int16", "5", "exact", "exact", "left", "to", "builtin"] in lines
    found = json.loads(Path("found.json").read_bytes())
    assert found["rows"][0]["cells"]["reference"]["cases"] == 5
    assert msgspec.json.decode(Path("found.json").read_bytes(), type=Conformance).runtime == version("ai-edge-litert")
    page = Path("found.md").read_text()
    assert page.startswith(f"ai-edge-litert {version('ai-edge-litert')}; ")
    assert "| PAD int8 | 5 | exact | exact | exact |" in page
    assert not Path(".hypothesis").exists()


def test_a_wrong_kernel_is_exit_status_1_with_the_place_of_the_example(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(movement, "transpose", lambda inputs, perm: np.transpose(inputs, perm) ^ 2)
    assert main(["conform", "--operator", "TRANSPOSE", "--dtype", "int8", "--cases", "5", "--threads", "1"]) == 1
    out = capsys.readouterr().out
    assert "TRANSPOSE int8, reference: wrong" in out
    assert Path("conform-examples/generated-models/TRANSPOSE-int8-reference/reproduce.py").exists()
    assert "conform-examples/generated-models/TRANSPOSE-int8-reference" in out.replace("\n", "")


def test_an_artifact_by_its_path(capsys: pytest.CaptureFixture[str]):
    Path("dense.tflite").write_bytes(zoo.dense_int8())
    assert main(["conform", "dense.tflite", "--cases", "4"]) == 0
    out = capsys.readouterr().out
    assert "dense: kernels against the specification" in out
    assert ["0", "FULLY_CONNECTED", "int8", "4", "exact"] in [line.split()[:5] for line in out.splitlines()]
    assert "(whole graph)" in out


def test_a_float_model_is_not_green(capsys: pytest.CaptureFixture[str]):
    Path("dense.tflite").write_bytes(zoo.dense_float())
    assert main(["conform", "dense.tflite", "--cases", "2"]) == 1
    out = capsys.readouterr().out
    assert "FULLY_CONNECTED float32, of which the int8 specification here has no oracle" in out
    assert "Nothing that computes was held against the specification" in out


def test_a_model_that_a_family_refuses_is_red(capsys: pytest.CaptureFixture[str]):
    graph = Graph()
    x, y = graph.tensor("x", [1, 1], "int8", Affine(1.0)), graph.tensor("y", [1, 1], "int8", Affine(1 / 256))
    weights = graph.constant("weights", np.ones((1, 1), np.int8), Affine(1.0))
    bias = graph.constant("bias", np.zeros(1, np.int32), Affine(1.0))
    graph.operator("FULLY_CONNECTED", [x, weights, bias], [y], schema.FullyConnectedOptionsT(), version=4)
    Path("fine.tflite").write_bytes(graph.build([x], [y]))
    assert main(["conform", "fine.tflite", "--cases", "2", "--threads", "1"]) == 1
    out = capsys.readouterr().out
    assert "refused: 2 of 2" in out
    assert "failed to create XNNPACK runtime" in out


def odd_models() -> dict[str, bytes]:
    """Legal models that random inputs or a plain reading would stumble over, by what is odd."""
    models = {"strings": zoo.string_input(), "nothing resolves": zoo.unresolved_custom_operator()}
    graph = Graph()
    table = graph.constant("table", np.arange(12, dtype=np.int8).reshape(4, 3), Affine(1.0))
    ids, rows = graph.tensor("ids", [5], "int32"), graph.tensor("rows", [5, 3], "int8", Affine(1.0))
    graph.operator("GATHER", [table, ids], [rows], schema.GatherOptionsT())
    models["indices as inputs"] = graph.build([ids], [rows])
    graph = Graph()
    x, y = graph.tensor("x", [2], "int8", Affine(1.0)), graph.tensor("y", [2], "int8", Affine(1.0))
    graph.operator("ADD", [x, x], [y], schema.AddOptionsT(), version=2)
    constant = graph.constant("constant", np.array([7], np.int8), Affine(1.0))
    models["a constant output"] = graph.build([x], [y, constant])
    graph.subgraph.tensors[x].isVariable = True
    models["a variable"] = graph.build([], [y])
    graph = Graph()
    x, y = (
        graph.tensor("x", [4], "int8", Affine(np.array([0.1, 0.2, 0.3, 0.4]))),
        graph.tensor("y", [4], "int8", Affine(1.0)),
    )
    graph.operator("ADD", [x, x], [y], schema.AddOptionsT(), version=2)
    models["activations per channel"] = graph.build([x], [y])
    return models


@pytest.mark.parametrize("name", odd_models())
def test_odd_models_end_in_a_table_and_not_in_a_traceback(name: str, capsys: pytest.CaptureFixture[str]):
    Path("odd.tflite").write_bytes(odd_models()[name])
    assert main(["conform", "odd.tflite", "--cases", "2", "--threads", "1"]) in {0, 1}
    assert "odd" in capsys.readouterr().out


def test_artifacts_keep_their_examples_apart(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    right = linear.fully_connected
    monkeypatch.setattr(linear, "fully_connected", lambda *inputs, **more: right(*inputs, **more) ^ 8)
    for name in ("one", "two"):
        Path(f"{name}.tflite").write_bytes(zoo.dense_int8(seed=ord(name[0])))
    assert main(["conform", "one.tflite", "two.tflite", "--cases", "2", "--threads", "1"]) == 1
    models = [Path(f"conform-examples/{name}/0-FULLY_CONNECTED-int8-reference/model.tflite") for name in ("one", "two")]
    assert models[0].read_bytes() != models[1].read_bytes()
    assert "one: 0 FULLY_CONNECTED int8, reference: wrong" in capsys.readouterr().out


def test_ctrl_c_prints_what_there_is(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: object, **__: object):
        raise KeyboardInterrupt

    monkeypatch.setattr(movement, "transpose", interrupted)
    assert main(["conform", "--operator", "PAD", "--operator", "TRANSPOSE", "--dtype", "int8", "--cases", "3"]) == 130
    out = capsys.readouterr().out
    assert "PAD int8" in out
    assert "Interrupted: this is not all." in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--operator", "CONV"], "--operator: found 'CONV', expected one of ADD, "),
        (["--operator", "HARD_SWISH", "--dtype", "int16"], "--dtype: found 'int16', expected int8"),
        (["nowhere.tflite"], "nowhere.tflite: found a path that cannot be read"),
        (["dense.tflite", "--operator", "ADD"], "--operator and --dtype: found them with artifacts"),
        (["text.tflite"], "text: found a file that is no model"),
        (["--json", "folder"], "--json: found the folder folder"),
        (["--markdown", "dense.tflite/page.md"], "--markdown: found dense.tflite, which is no folder"),
        (["--examples", "dense.tflite"], "--examples: found dense.tflite, which is no folder"),
        (["mnist"], "ARTIFACT: found 'mnist'"),
    ],
)
def test_what_cannot_be_used_is_named(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]):
    Path("folder").mkdir()
    Path("text.tflite").write_text("hello, this is a text")
    Path("dense.tflite").write_bytes(zoo.dense_int8())
    assert main(["conform", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--cases", "0"], ["--threads", "0"], ["--cases", "many"], ["--seed", "-1"]])
def test_counts_are_whole_numbers(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main(["conform", *arguments])
    assert ended.value.code == 2
    assert "expected a whole number" in capsys.readouterr().err


def test_a_python_that_is_none_is_refused_before_anything_is_tried(capsys: pytest.CaptureFixture[str]):
    assert main(["conform", "--base-python", "/bin/true", "--operator", "PAD"]) == 1
    assert "conform:" in capsys.readouterr().err


def test_a_link_is_followed_and_a_device_written_to():
    Path("link.json").symlink_to("target.json")
    assert main(["conform", "--operator", "PAD", "--cases", "1", "--json", "link.json", "--markdown", "/dev/null"]) == 0
    assert Path("link.json").is_symlink()
    assert json.loads(Path("target.json").read_bytes())["cases"] == 1
    assert Path("/dev/null").is_char_device()
