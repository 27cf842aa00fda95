"""Runs on the real kernels: what is right is exact, and a seeded defect is found, made small and can be reproduced."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import models_zoo as zoo
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from qbench.conform.case import WHOLE
from qbench.conform.kernels import Workshop
from qbench.conform.run import Settings, artifact_rows, comparisons, generated_rows
from qbench.conform.verdicts import Bench
from qbench.quant import affine
from qbench.quant.family import FAMILIES
from qbench.quant.kernels import movement
from qbench.tflite.builder import Affine, Graph
from qbench.tflite.reader import read_model

BASELINES = Path(__file__).parents[2] / "baselines"


@pytest.fixture(scope="module")
def bench():
    with Workshop(limit_s=60) as workshop:
        yield Bench(workshop)


def settings(tmp_path: Path, **changes) -> Settings:
    return Settings(**{"cases": 15, "threads": 1, "examples": tmp_path, **changes})


def generated(bench: Bench, chosen: Settings, operator: str, dtype: str = "int8"):
    (row,) = generated_rows(bench, chosen, [(operator, dtype)])
    return row.cells


def test_every_comparison_has_a_name_of_its_own():
    names = [each.name for each in comparisons(Settings(threads=3, base_python="python3"))]
    assert len(names) == len(set(names)) == 9
    assert [each.name for each in comparisons(Settings(threads=1))] == [
        *("reference", "builtin", "xnnpack"),
        "xnnpack / builtin",
    ]


def test_right_kernels_are_exact_and_need_no_example(bench: Bench, tmp_path: Path):
    cells = generated(bench, settings(tmp_path, threads=2), "FULLY_CONNECTED")
    assert {cells[name].finding for name in ("reference", "xnnpack")} == {"exact"}
    assert {cells[name].finding for name in cells if "threads" in name} == {"exact"}
    assert cells["reference"].cases == 15
    assert cells["reference"].values > 15
    assert list(tmp_path.iterdir()) == []


def test_what_the_delegate_leaves_is_counted_and_not_judged(bench: Bench, tmp_path: Path):
    cell = generated(bench, settings(tmp_path), "ADD", "int16")["xnnpack"]
    assert (cell.finding, cell.cases, cell.not_taken) == ("not tried", 0, 15)


def test_the_same_seed_makes_the_same_cases(bench: Bench, tmp_path: Path):
    values = [generated(bench, settings(tmp_path, seed=seed), "CONV_2D")["reference"].values for seed in (1, 1, 2)]
    assert values[0] == values[1] != values[2]


def test_a_defect_is_found_made_small_and_saved_to_be_reproduced(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    right = movement.pad

    def wrong(inputs, paddings, *, output_params):
        stored = right(inputs, paddings, output_params=output_params)
        return np.where(stored == 127, np.int8(100), stored)

    monkeypatch.setattr(movement, "pad", wrong)
    cells = generated(bench, settings(tmp_path, cases=60), "PAD")
    cell = cells["reference"]
    assert cell.finding == "wrong"
    assert cell.largest == 27
    folder = Path(cell.example)
    assert folder.parent == tmp_path / "generated-models"
    (operator,) = read_model((folder / "model.tflite").read_bytes()).subgraphs[0].operators
    assert operator.name == "PAD"
    arrays = np.load(folder / "arrays.npz")
    assert arrays["expected_0"].size <= 2, "hypothesis shrinks to one value that is padded with nothing"
    done = subprocess.run(
        [sys.executable, str(folder / "reproduce.py")], capture_output=True, text=True, timeout=60, check=True
    )
    assert "found 127, expected 100" in done.stdout
    assert len((folder / "reproduce.py").read_text().splitlines()) <= 25


def test_a_rounding_that_is_off_by_one_needs_an_example_where_exactness_is_claimed(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    right = affine.quantize
    monkeypatch.setattr(affine, "quantize", lambda real, params, **_: right(real, params, rounding="half_even"))
    cell = generated(bench, settings(tmp_path, cases=60), "QUANTIZE")["reference"]
    assert cell.finding == "within 1"
    assert cell.off_by_one > 0
    assert cell.claimed_exact
    arrays = np.load(Path(cell.example, "arrays.npz"))
    assert arrays["input_0"].size == 1, "one tie is enough"


def crashing_artifact() -> bytes:
    """An ADD whose output scale ends the process, behind a RESHAPE that is fine."""
    graph = Graph()
    x = graph.tensor("x", [1, 4], "int8", Affine(1.0))
    reshaped = graph.tensor("reshaped", [4], "int8", Affine(1.0))
    total = graph.tensor("sum", [4], "int8", Affine(1e-9))
    graph.operator("RESHAPE", [x, graph.constant("shape", np.array([4], np.int32))], [reshaped])
    graph.operator("ADD", [reshaped, reshaped], [total], schema.AddOptionsT(), version=2)
    return graph.build([x], [total])


def test_a_crash_is_a_finding_and_the_rest_goes_on(bench: Bench, tmp_path: Path):
    chosen = settings(tmp_path, cases=2)
    rows = artifact_rows(bench, chosen, "crashing", crashing_artifact(), skipped={})
    findings = {row.operator: row.cells["reference"].finding for row in rows}
    assert findings["0 RESHAPE"] == "exact"
    assert "crashed" in findings.values()


def test_an_artifact_is_tried_operator_by_operator_and_whole(bench: Bench, tmp_path: Path):
    record = json.loads((BASELINES / "mnist-dscnn" / "int8.json").read_bytes())
    content = (BASELINES / "artifacts" / f"{record['artifact']['sha256']}.tflite").read_bytes()
    skipped: dict[str, str] = {}
    rows = list(artifact_rows(bench, settings(tmp_path, cases=3), "mnist", content, skipped=skipped))
    operators = read_model(content).subgraphs[0].operators
    assert [row.operator for row in rows] == [
        *(f"{number} {operator.name}" for number, operator in enumerate(operators)),
        WHOLE,
    ]
    assert {row.cells["reference"].finding for row in rows} == {"exact"}
    assert {row.cells["reference"].cases for row in rows} == {3}
    assert skipped == {}


def test_float_operators_have_no_oracle_and_are_no_fault(bench: Bench, tmp_path: Path):
    first, whole = artifact_rows(bench, settings(tmp_path, cases=2), "float", zoo.dense_float(), skipped={})
    assert (first.operator, whole.operator) == ("0 FULLY_CONNECTED", WHOLE)
    assert {row.cells[name].finding for row in (first, whole) for name in FAMILIES} == {"no oracle"}
    assert first.cells["xnnpack / builtin"].finding in {"exact", "differs"}


def test_another_python_is_compared(bench: Bench, tmp_path: Path):
    chosen = settings(tmp_path, cases=3, base_python=sys.executable)
    cells = generated(bench, chosen, "MUL")
    assert {cells[f"{family} / base"].finding for family in ("reference", "builtin", "xnnpack")} == {"exact"}
