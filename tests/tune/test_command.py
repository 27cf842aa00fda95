"""`qbench tune` as it is called, on a real model with the real runtime."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import qbench.session.evaluation as evaluation_module
from qbench.cli import main
from qbench.models.config import load_config
from qbench.records import Subject
from qbench.session import Session, SessionOptions
from qbench.session.preparation import Datasets
from qbench.tune import command as command_module
from qbench.tune import optimizer
from qbench.tune.records import decode_log
from tune import lab

#: A search with few trials: int8 alone, without float operators and narrow weights.
_FEW = ("--only", "int8", "--fix", "weights=int8")

#: So long a search may take on a busy machine; no test depends on how long it takes.
_HANGS_S = 120.0


def _tune(*arguments):
    return main(["tune", lab.MODEL, "--json", "found.json", *arguments])


def _found():
    return json.loads(Path("found.json").read_text())


def _recipes(found):
    return [each["recipe"] for each in found["outcomes"]]


@pytest.fixture
def evaluated(monkeypatch):
    """The digests of artifacts that are evaluated."""
    seen = []
    real = evaluation_module.Evaluations.of

    def of(self, subject, content, sha256, dataset):
        seen.append(sha256)
        return real(self, subject, content, sha256, dataset)

    monkeypatch.setattr(evaluation_module.Evaluations, "of", of)
    return seen


def test_a_failing_recipe_is_repaired_and_the_pasted_lines_pass_the_gate(project, capsys, evaluated):
    status = _tune("--method", "greedy", *_FEW, "--plot", "found.svg", "--markdown", "found.md")
    assert status == 0
    found = _found()
    start, again, _, chosen = found["outcomes"][:4]
    assert (found["start"], found["cheapest"]) == (1, 4)
    assert start["name"] == "int8-per-tensor"
    assert start["verdicts"][0]["verdict"] == "fail"
    assert chosen["recipe"] == {"quantization": {}}
    # Another recipe that makes the same bytes is not measured a second time.
    assert again["sha256"] == start["sha256"]
    assert again["recipe"] == {"quantization": {"granularity": "tensor"}}
    candidates = [sha256 for sha256 in evaluated if sha256 in {each["sha256"] for each in found["outcomes"]}]
    assert len(candidates) == len(set(candidates))
    # What it costs was measured side by side.
    assert found["price"]["size_bytes"] == chosen["size_bytes"] - start["size_bytes"] > 0
    assert found["price"]["contest"]["groups"] > 0
    assert found["price"]["nanoseconds"] is not None
    assert Path("found.svg").read_bytes().startswith(b"<?xml")
    assert Path("found.md").read_text().startswith("# qbench tune net\n")
    printed = capsys.readouterr().out
    assert "The cheapest recipe that passes is #4: int8 per channel, int8 activations" in printed
    _check_pasted(project, found)


def _check_pasted(project, found):
    """Paste what was printed, as it is, and run the gate."""
    text = (project / "pyproject.toml").read_text()
    line = next(each for each in text.splitlines() if each.startswith("recipes = "))
    pasted = text.replace(line, found["recipes_line"].strip()) + found["recipe_table"]
    (project / "pyproject.toml").write_text(pasted)
    config = load_config(project / "pyproject.toml")
    subject = Subject(model=lab.MODEL, recipe="tuned")
    assert subject in config.subjects
    session = Session(config, SessionOptions(accept="tuned"))
    verdicts = session.measure_accuracy(subject)
    assert verdicts
    assert all(verdict.verdict.green for verdict in verdicts)
    assert session.prepared(subject).artifact.sha256 == found["outcomes"][found["cheapest"] - 1]["sha256"]


def test_a_target_that_is_never_met_ends_with_how_near_it_came(project, capsys):
    lab.declare(project, accuracy_drop=0.0)
    assert _tune("--method", "greedy", *_FEW, "--fix", "granularity=tensor", "--trials", "6", "--prefer", "size") == 1
    found = _found()
    assert found["cheapest"] is None
    assert found["recipe_table"] == found["recipes_line"] == ""
    near = found["outcomes"][found["nearest"] - 1]["recipe"]
    assert near.get("base") == "int8-per-tensor" or near["quantization"]["granularity"] == "tensor"
    printed = " ".join(capsys.readouterr().out.split())
    assert f"No recipe passes. The nearest is #{found['nearest']}" in printed
    assert "The search was restricted to activations = int8, float_operators = 0, weights = int8" in printed
    assert "[tool.qbench.recipe" not in printed


def test_the_same_seed_and_number_of_trials_find_the_same(project):
    arguments = ("--method", "tpe", "--trials", "6", "--prefer", "size", "--seed", "3", "--fix", "float_operators=0")
    statuses = [_tune(*arguments)]
    first = _found()
    lab.forget(project)
    statuses.append(_tune(*arguments))
    again = _found()
    assert statuses[0] == statuses[1]
    assert _recipes(again) == _recipes(first)
    assert len(_recipes(first)) == again["measured_now"] == 6
    assert [each["sha256"] for each in again["outcomes"]] == [each["sha256"] for each in first["outcomes"]]
    assert again["cheapest"] == first["cheapest"]


def _start_process(project):
    command = [sys.executable, "-m", "qbench.cli", "tune", lab.MODEL, "--method", "greedy", "--prefer", "size"]
    return subprocess.Popen(
        command,
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))},
    )


_ROOT = Path(command_module.__file__).parents[2]


def _kept(project):
    return [len(decode_log(path.read_bytes(), name="log").outcomes) for path in lab.logs(project)]


def _wait_for_trials(project, process, count):
    until = time.monotonic() + _HANGS_S
    while not any(kept >= count for kept in _kept(project)):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_search_that_was_ended_goes_on_where_it_was(project, evaluated):
    process = _start_process(project)
    _wait_for_trials(project, process, 2)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=_HANGS_S)
    assert process.returncode == -signal.SIGKILL
    (kept,) = _kept(project)
    process = _start_process(project)
    _wait_for_trials(project, process, kept + 1)
    os.killpg(process.pid, signal.SIGINT)
    printed, _ = process.communicate(timeout=_HANGS_S)
    assert process.returncode == 130
    assert "interrupted" in printed
    assert "int8-per-tensor (start)" in printed
    (kept,) = _kept(project)
    known = {each.sha256 for path in lab.logs(project) for each in decode_log(path.read_bytes(), name="").outcomes}
    assert _tune("--method", "greedy", "--prefer", "size", "--trials", str(kept + 2)) in {0, 1}
    found = _found()
    assert len(found["outcomes"]) == kept + 2
    assert found["measured_now"] == 2
    assert not known & set(evaluated)


@pytest.mark.usefixtures("project")
def test_a_spent_budget_still_says_what_was_found():
    assert _tune("--method", "greedy", "--prefer", "size", "--trials", "1") == 1
    assert _tune("--method", "greedy", "--prefer", "size", "--budget", "0.000001") == 1
    assert _found()["ended"] == "budget"
    assert len(_found()["outcomes"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nett",), "MODEL: found 'nett', expected one of net"),
        (("net", "--from", "fp32"), "--from: found 'fp32', expected one of fp16,"),
        (("net", "--name", "int8"), "--name: found 'int8', which is a recipe already, expected another name"),
        (("net", "--name", "a b"), "--name: found the name 'a b'"),
        (("net", "--train"), "tool.qbench.models.net.training_set: found none, and the recipe 'tuned' trains"),
        (("net", "--fix", "x"), "--fix: found 'x', expected NAME=VALUE"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_built(project, capsys, arguments, message):
    assert main(["tune", *arguments]) == 2
    assert f"qbench tune: {message}" in capsys.readouterr().err
    assert not lab.logs(project)


def test_a_model_of_finished_artifacts_is_refused(project, capsys):
    text = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(
        text.replace('source = "net.tflite"', 'source = {fp32 = "net.tflite"}').replace(
            'recipes = ["fp32", "int8-per-tensor"]', ""
        )
    )
    assert main(["tune", "net"]) == 2
    assert "tool.qbench.models.net.source: found finished artifacts, expected a source" in capsys.readouterr().err


def test_a_model_without_labels_is_refused(project, capsys):
    (project / "no_labels_data.py").write_text(
        "import dataclasses\nimport tune_lab_data\n\n"
        "def examples():\n    return dataclasses.replace(tune_lab_data.examples(), labels=None)\n"
    )
    text = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(text.replace("tune_lab_data:", "no_labels_data:"))
    assert main(["tune", "net", "--method", "greedy"]) == 2
    assert "found nothing that judges what a recipe loses against fp32" in capsys.readouterr().err


def test_without_a_project_it_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["tune", "net"]) == 2
    assert "pyproject.toml: found no [tool.qbench] in this folder" in capsys.readouterr().err


@pytest.mark.usefixtures("project")
def test_without_optuna_the_method_is_greedy(monkeypatch):
    monkeypatch.setattr(command_module, "find_spec", lambda _: None)
    monkeypatch.setattr(optimizer, "find_spec", lambda _: None)
    assert _tune("--trials", "1", "--prefer", "size") == 1
    assert _found()["settings"]["method"] == "greedy"
    assert main(["tune", "net", "--method", "tpe"]) == 2


def test_without_calibration_examples_activations_have_no_ranges(project):
    dataset = Datasets(lab.config_of(project)).of(lab.MODEL)
    options = argparse.Namespace(fix=[], only=None, train=False)
    without = dataclasses.replace(dataset, calibration=None)
    assert "int8" in command_module._space(options, dataset).values["activations"]
    assert command_module._space(options, without).values["activations"] == ("dynamic", "float")
