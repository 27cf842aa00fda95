"""What must not become a baseline, and leaves the old one as it is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import models_zoo as zoo
import pytest

import qbench.baseline.store
from qbench.errors import AcceptRefusedError
from qbench.verdicts import Verdict
from session.lab import FP32, INT8, of

if TYPE_CHECKING:
    from pathlib import Path

    from session.lab import Lab


@pytest.mark.parametrize("reason", ["", "  ", "\n"])
def test_no_reason(lab: Lab, reason: str):
    session = lab.session(accept=reason)
    lab.run(session)
    with pytest.raises(AcceptRefusedError, match="--qbench-accept needs a reason"):
        lab.accept_results(session, reason)
    assert not lab.baselines.exists()


def test_a_nan_output(accepted: Lab):
    before = accepted.files()
    accepted.source("fp32", zoo.nan_output())
    acceptance = accepted.accept("nan")
    assert acceptance.accepted == ()
    assert acceptance.refused[FP32].startswith(
        "tiny-fp32 is not accepted: the output 'y' is NaN or infinite for 64 of 64 examples"
    )
    # Its agreement with fp32 has no value.
    assert "NaN" in acceptance.refused[INT8]
    assert accepted.files() == before


def test_a_crash(accepted: Lab):
    before = accepted.files()
    accepted.source("int8", zoo.aborting())
    acceptance = accepted.accept("crash")
    assert acceptance.accepted == (FP32,)
    assert acceptance.refused[INT8].startswith("tiny-int8 is not accepted: the worker process ended by signal SIGABRT")
    assert accepted.files()["tiny/int8.json"] == before["tiny/int8.json"]


def test_a_loss_of_accuracy_against_fp32(accepted: Lab):
    before = accepted.files()
    accepted.source("int8", zoo.dense_int8(seed=1))
    acceptance = accepted.accept("worse")
    assert acceptance.accepted == (FP32,)
    assert acceptance.refused[INT8] == "tiny-int8 is not accepted: accuracy_drop fails against fp32"
    assert accepted.files()["tiny/int8.json"] == before["tiny/int8.json"]


@pytest.mark.parametrize("gate", [False, True])
def test_but_a_loss_against_the_baseline_is_what_accepting_is_for(accepted: Lab, *, gate: bool):
    accepted.model["tolerance"] = {"accuracy_drop": 1.0}
    accepted.source("int8", zoo.dense_int8(seed=1))
    assert of(accepted.gate().verdicts, INT8, "accuracy").verdict is Verdict.FAIL
    assert accepted.accept("retrained", gate=gate).refused == {}
    assert of(accepted.gate().verdicts, INT8, "accuracy").verdict is Verdict.UNCHANGED


def test_a_failed_test(accepted: Lab):
    before = accepted.files()
    session = accepted.session(gate=False, accept="why")
    accepted.run(session)
    session.result(INT8).problems.append("test_own.py::test_own failed: AssertionError")
    acceptance = accepted.accept_results(session, "why")
    assert acceptance.refused == {
        INT8: "tiny-int8 is not accepted: test_own.py::test_own failed: AssertionError",
    }
    assert accepted.files()["tiny/int8.json"] == before["tiny/int8.json"]


def test_a_problem_is_named_once(accepted: Lab):
    accepted.source("int8", zoo.unresolved_custom_operator())
    message = accepted.accept("custom").refused[INT8]
    assert message.count("the runtime has no kernel") == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.write_bytes(zoo.dense_int8(seed=3)), "its artifact changed during the run"),
        (lambda path: path.unlink(), "its artifact cannot be read any more"),
    ],
)
def test_an_artifact_that_is_not_what_was_measured(accepted: Lab, change, message: str):
    before = accepted.files()
    session = accepted.session(gate=False, accept="why")
    accepted.run(session)
    path: Path = accepted.root / "int8.tflite"
    change(path)
    acceptance = accepted.accept_results(session, "why")
    assert acceptance.accepted == (FP32,)
    assert acceptance.refused[INT8].startswith(f"tiny-int8 is not accepted: {message}")
    assert accepted.files()["tiny/int8.json"] == before["tiny/int8.json"]


def test_a_latency_without_an_artifact(lab: Lab):
    session = lab.session(accept="why")
    session.result(INT8).measured.add("latency")
    assert lab.accept_results(session).refused == {INT8: "tiny-int8 has no artifact"}


@pytest.mark.skipif(sys.platform != "linux", reason="tests may run as root, whom only /proc and /sys stop")
def test_a_folder_that_cannot_be_written(lab: Lab):
    lab.table["baselines"] = "/sys/qbench"
    with pytest.raises(AcceptRefusedError, match="baselines cannot be written to /sys/qbench"):
        lab.accept()


def test_a_full_disk_refuses_what_did_not_fit_and_says_so(accepted: Lab, monkeypatch: pytest.MonkeyPatch):
    before = accepted.files()
    replace = qbench.baseline.store.replace_file

    def full(path: Path, content: bytes) -> None:
        if path.name == "int8.json":
            raise OSError(28, "No space left on device")
        replace(path, content)

    monkeypatch.setattr(qbench.baseline.store, "replace_file", full)
    acceptance = accepted.accept("second")
    assert acceptance.accepted == (FP32,)
    assert "No space left on device" in acceptance.refused[INT8]
    assert "what was accepted before is unchanged" in acceptance.refused[INT8]
    assert accepted.files()["tiny/int8.json"] == before["tiny/int8.json"]


@pytest.mark.parametrize("failing", range(1, 6))
def test_ctrl_c_leaves_each_baseline_old_or_new_and_whole(accepted: Lab, monkeypatch, failing: int):
    accepted.model["tolerance"] = {"accuracy_drop": 1.0}
    for recipe in ("fp32", "int8"):
        accepted.source(recipe, (zoo.dense_float if recipe == "fp32" else zoo.dense_int8)(seed=1))
    replace, calls = qbench.baseline.store.replace_file, []

    def interrupted(path: Path, content: bytes) -> None:
        calls.append(path)
        if len(calls) == failing:
            raise KeyboardInterrupt
        replace(path, content)

    session = accepted.session(gate=False, accept="second")
    accepted.run(session)
    with monkeypatch.context() as patch:
        patch.setattr(qbench.baseline.store, "replace_file", interrupted)
        with pytest.raises(KeyboardInterrupt):
            accepted.accept_results(session, "second")
    assert len(calls) == failing
    for subject in (FP32, INT8):
        reader = accepted.session().references
        baseline = accepted.baseline(subject)
        assert baseline.provenance.reason in {"first", "second"}
        assert reader.artifact(subject) is not None
        assert reader.predictions(subject) is not None
    assert accepted.baseline(INT8).provenance.reason == "first"
    # The right to write was given back.
    assert accepted.accept("third").refused == {}
