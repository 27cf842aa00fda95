"""Verdicts on the structure name the operators that they are about."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import models_zoo as zoo
import pytest

from qbench.verdicts import Verdict
from session.lab import INT8, of

if TYPE_CHECKING:
    from qbench.verdicts import MetricVerdict
    from session.lab import Lab

_UNDELEGATED = "undelegated_operators"
_DENSE = "FULLY_CONNECTED int8 'y'"


def _judged(lab: Lab, metric: str, content: bytes | None = None) -> MetricVerdict:
    if content is not None:
        lab.source("int8", content)
    return of(lab.gate(kinds=["structure"]).verdicts, INT8, metric)


def _rewrite(lab: Lab, **changes: object) -> None:
    path = lab.baselines / "tiny" / "int8.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def test_an_operator_that_fell_off_is_named(accepted: Lab):
    verdict = _judged(accepted, _UNDELEGATED, zoo.undelegated_int8())
    assert (verdict.verdict, verdict.now, verdict.reference, verdict.tolerance) == (Verdict.FAIL, 1, 0, 0)
    assert verdict.reason == f"{_DENSE} is no longer run by XNNPACK"


def test_one_that_is_back_is_improved(accepted: Lab):
    accepted.source("int8", zoo.undelegated_int8())
    accepted.accept("slow on purpose")
    assert accepted.baseline(INT8).counted[_UNDELEGATED] == (_DENSE,)
    verdict = _judged(accepted, _UNDELEGATED)
    assert (verdict.verdict, verdict.reason) == (Verdict.UNCHANGED, "")
    assert _judged(accepted, _UNDELEGATED, zoo.dense_int8()).verdict is Verdict.IMPROVED


def test_as_many_as_before_fail_where_they_are_others(accepted: Lab):
    accepted.source("int8", zoo.undelegated_int8())
    accepted.accept("slow on purpose")
    counted = {**accepted.baseline(INT8).counted, _UNDELEGATED: ["SOFTMAX int8 'probabilities'"]}
    _rewrite(accepted, counted=counted)
    verdict = _judged(accepted, _UNDELEGATED)
    assert (verdict.verdict, verdict.now, verdict.reference, verdict.change) == (Verdict.FAIL, 1, 1, 1)
    assert verdict.reason == f"{_DENSE} is no longer run by XNNPACK"


def test_an_operator_that_the_baseline_does_not_have_is_not_said_to_have_been_run(accepted: Lab):
    _rewrite(accepted, operators={"FULLY_CONNECTED float32": 1})
    assert _judged(accepted, _UNDELEGATED, zoo.undelegated_int8()).reason == f"{_DENSE} is not run by XNNPACK"


def test_a_tolerance_allows_some(accepted: Lab):
    accepted.table["tolerance"] = {**accepted.table["tolerance"], _UNDELEGATED: 1}
    verdict = _judged(accepted, _UNDELEGATED, zoo.undelegated_int8())
    assert (verdict.verdict, verdict.reason) == (Verdict.PASS, "")


@pytest.mark.parametrize(
    ("operators", "islands"),
    [
        (("MAXIMUM",), "MAXIMUM float32 'maximum_of_5' computes in float among integers"),
        (
            ("MAXIMUM", "MINIMUM"),
            "MAXIMUM float32 'maximum_of_5' and MINIMUM float32 'minimum_of_6' compute in float among integers",
        ),
    ],
)
def test_a_float_island_is_named_with_what_computes_in_it(accepted: Lab, operators: tuple[str, ...], islands: str):
    verdict = _judged(accepted, "float_islands", zoo.dense_int8_and_back(*operators))
    assert (verdict.verdict, verdict.reason) == (Verdict.FAIL, islands)
    conversions = _judged(accepted, "quantize_dequantize")
    assert conversions.verdict is Verdict.FAIL
    assert conversions.reason == "DEQUANTIZE int8 'real', QUANTIZE float32 'y' are new"


def test_a_pair_of_conversions_alone(accepted: Lab):
    verdict = _judged(accepted, "quantize_dequantize", zoo.dense_int8_and_back())
    assert (verdict.verdict, verdict.now, verdict.reference) == (Verdict.FAIL, 2, 0)
    assert _judged(accepted, "float_islands").verdict is Verdict.PASS
    assert _judged(accepted, _UNDELEGATED).verdict is Verdict.PASS


def test_a_baseline_from_before_is_missing_it_and_says_how_to_accept(accepted: Lab):
    metrics = {name: value for name, value in accepted.baseline(INT8).metrics.items() if name != _UNDELEGATED}
    _rewrite(accepted, metrics=metrics, counted={}, schema_version=1)
    verdict = _judged(accepted, _UNDELEGATED)
    assert (verdict.verdict, verdict.now) == (Verdict.MISSING, 0)
    assert verdict.reason == "this run has a value of it, and the baseline has none"
    assert "--qbench-accept" in verdict.advice
    assert _judged(accepted, "float_islands").verdict is Verdict.UNCHANGED


def test_a_baseline_without_names_lets_all_be_named(accepted: Lab):
    accepted.source("int8", zoo.dense_int8_and_back())
    accepted.accept("pair")
    _rewrite(accepted, counted={}, metrics={**accepted.baseline(INT8).metrics, "quantize_dequantize": 1})
    verdict = _judged(accepted, "quantize_dequantize")
    assert verdict.reason == "there are now DEQUANTIZE int8 'real', QUANTIZE float32 'y'"


@pytest.mark.parametrize("kernels", ["reference", "no-delegates"])
def test_without_a_delegate_there_is_no_such_metric(lab: Lab, kernels: str):
    lab.table["kernels"] = kernels
    lab.accept()
    assert _UNDELEGATED not in lab.baseline(INT8).metrics
    assert not [verdict for verdict in lab.gate(kinds=["structure"]).verdicts if verdict.metric == _UNDELEGATED]


def test_to_run_without_the_delegate_from_now_on_is_no_silent_pass(accepted: Lab):
    accepted.table["kernels"] = "no-delegates"
    verdict = _judged(accepted, _UNDELEGATED)
    assert verdict.verdict is Verdict.MISSING
    assert "this run has none" in verdict.reason


def test_names_stay_where_the_structure_was_not_measured(accepted: Lab):
    before = accepted.baseline(INT8).counted
    accepted.accept("again", kinds=["size"])
    assert (
        accepted.baseline(INT8).counted == before == {"float_islands": (), "quantize_dequantize": (), _UNDELEGATED: ()}
    )
