"""What was declared or accepted and not judged is named, and is not green."""

from __future__ import annotations

from typing import TYPE_CHECKING

import models_zoo as zoo

from qbench.records import Subject
from qbench.verdicts import Verdict
from session.lab import FP32, INT8, KINDS, of

if TYPE_CHECKING:
    from session.lab import Lab


def missing(inventory) -> set[tuple[Subject, str]]:
    assert all(verdict.verdict is Verdict.MISSING for verdict in inventory.incomplete)
    return {(verdict.subject, verdict.metric) for verdict in inventory.incomplete}


def test_each_kind_that_was_not_measured_is_missing(accepted: Lab):
    for kind in KINDS:
        inventory = accepted.gate(kinds=[other for other in KINDS if other != kind])
        assert missing(inventory) == {(FP32, kind), (INT8, kind)}
        verdict = of(inventory.verdicts, INT8, kind)
        assert verdict.reason == "not measured: no test did"
        assert "run the whole folder of benchmarks" in verdict.advice
        assert inventory.verdict_of(INT8) is Verdict.MISSING


def test_a_subject_that_was_not_measured_at_all_is_missing_in_every_kind(accepted: Lab):
    inventory = accepted.gate(subjects=[FP32])
    assert missing(inventory) == {(INT8, kind) for kind in KINDS}
    assert INT8 not in inventory.results


def test_an_empty_run_is_not_green(accepted: Lab):
    assert missing(accepted.session().finish()) == {(subject, kind) for subject in (FP32, INT8) for kind in KINDS}


def test_it_says_why_where_that_is_known(accepted: Lab):
    session = accepted.session()
    accepted.run(session, [FP32])
    inventory = session.finish({INT8: "its tests were deselected"})
    reason = of(inventory.verdicts, INT8, "size").reason
    assert reason == "not measured: its tests were deselected"


def test_without_the_gate_nothing_is_missing(accepted: Lab):
    inventory = accepted.gate(subjects=[], gate=False)
    assert inventory.verdicts == ()
    assert not inventory.gated


def test_kinds_that_are_not_wanted_are_not_missing(accepted: Lab):
    accepted.table["metrics"] = ["size"]
    assert accepted.gate().incomplete == ()
    accepted.table["metrics"] = ["size", "structure"]
    assert missing(accepted.gate(kinds=["size"])) == {(FP32, "structure"), (INT8, "structure")}


def test_a_crash_is_an_error_of_each_kind_and_not_missing_besides(accepted: Lab):
    accepted.source("int8", zoo.aborting())
    inventory = accepted.gate()
    errors = {verdict.metric: verdict for verdict in inventory.incomplete}
    assert set(errors) == set(KINDS)
    for verdict in errors.values():
        assert (verdict.subject, verdict.verdict) == (INT8, Verdict.ERROR)
        assert "SIGABRT" in verdict.reason
        assert "tiny-int8" in verdict.reason
    assert inventory.verdict_of(INT8) is Verdict.ERROR
    assert inventory.verdict_of(FP32) is Verdict.UNCHANGED


def test_results_come_in_the_order_of_declaration(accepted: Lab):
    session = accepted.session()
    accepted.run(session, [INT8, FP32], ["size"])
    assert list(session.finish().results) == [FP32, INT8]


# --- accepted and no longer declared ----------------------------------------------------------------------


def without_int8(lab: Lab) -> None:
    lab.model["source"] = {"fp32": "fp32.tflite"}


def test_a_baseline_whose_recipe_is_no_longer_declared_is_missing(accepted: Lab):
    without_int8(accepted)
    inventory = accepted.gate()
    assert missing(inventory) == {(INT8, "declaration")}
    verdict = of(inventory.verdicts, INT8, "declaration")
    assert verdict.reason == "tiny-int8 has a baseline and is no longer declared"
    assert "baselines/tiny/int8.json" in verdict.advice
    assert '[tool.qbench.retired] tiny-int8 = "..."' in verdict.advice


def test_the_same_artifact_under_another_name_hints_at_a_rename(accepted: Lab):
    accepted.table["models"] = {"small": accepted.model}
    inventory = accepted.gate()
    renamed = {verdict.subject: verdict.reason for verdict in inventory.incomplete if verdict.metric == "declaration"}
    assert renamed == {
        FP32: "tiny-fp32 has a baseline and is no longer declared; small-fp32 has the same artifact: was it renamed?",
        INT8: "tiny-int8 has a baseline and is no longer declared; small-int8 has the same artifact: was it renamed?",
    }
    assert of(inventory.verdicts, Subject(model="small", recipe="int8"), "accuracy").verdict is Verdict.MISSING


def test_a_retired_subject_is_a_note_with_its_reason(accepted: Lab):
    without_int8(accepted)
    accepted.table["retired"] = {"tiny-int8": "replaced by int16x8"}
    inventory = accepted.gate()
    assert inventory.incomplete == ()
    assert inventory.notes == ("tiny-int8 is retired: replaced by int16x8",)


def test_a_whole_model_may_be_retired(accepted: Lab):
    accepted.table["models"] = {"other": {**accepted.model}}
    accepted.table["retired"] = {"tiny": "gone"}
    inventory = accepted.gate()
    assert inventory.notes == ("tiny-fp32 is retired: gone", "tiny-int8 is retired: gone")
    assert "declaration" not in {verdict.metric for verdict in inventory.verdicts}


def test_retiring_something_else_does_not_help(accepted: Lab):
    without_int8(accepted)
    accepted.table["retired"] = {"tiny-int16x8": "gone", "tin": "gone"}
    assert missing(accepted.gate()) == {(INT8, "declaration")}


def test_a_baseline_that_is_neither_declared_nor_readable_is_missing_too(accepted: Lab):
    without_int8(accepted)
    (accepted.baselines / "tiny" / "int8.json").write_bytes(b"{")
    assert missing(accepted.gate()) == {(INT8, "declaration")}


# --- results of several processes -------------------------------------------------------------------------


def test_what_other_processes_measured_counts(accepted: Lab):
    here, there = accepted.session(), accepted.session()
    accepted.run(here, kinds=["size", "latency"])
    accepted.run(there, kinds=["structure", "accuracy"])
    here.merge(there.results)
    inventory = here.finish()
    assert inventory.incomplete == inventory.failed == ()
    assert inventory.results[INT8].measured == set(KINDS)
    assert inventory.results[INT8].predictions
    assert {"size_bytes", "accuracy"} <= set(inventory.results[INT8].metrics)
