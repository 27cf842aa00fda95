"""Advice of the gate in the words of two files: there is nothing to accept, and no configuration to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qbench.judge.metrics import ACCURACY, ACCURACY_DROP, LATENCY, METRICS_BY_KIND, SPEEDUP
from qbench.verdicts import Verdict

if TYPE_CHECKING:
    from qbench.verdicts import MetricVerdict

_KEYS = {gated.metric.name: gated.tolerance_key for kind in METRICS_BY_KIND.values() for gated in kind} | {
    ACCURACY_DROP.name: "accuracy_drop",
    LATENCY: "latency",
    SPEEDUP: "min_speedup",
}


def in_own_words(verdict: MetricVerdict) -> MetricVerdict:
    """The verdict with advice that can be followed here."""
    return msgspec.structs.replace(verdict, advice=_advice(verdict))


def _advice(verdict: MetricVerdict) -> str:
    key = _KEYS.get(verdict.metric) or verdict.metric
    widen = f"--tolerance {key}=..."
    if verdict.verdict == Verdict.INCONCLUSIVE:
        return f"run again on a quieter machine, give it more time with --limit, or widen it with {widen}"
    if verdict.verdict == Verdict.NOT_COMPARABLE and verdict.metric == ACCURACY:
        return "add `labels` to the file of --data, or give --tolerance agreement_regression=..."
    if verdict.verdict == Verdict.FAIL and verdict.against == "baseline":
        return f"undo what changed, or allow it with {widen}"
    if verdict.verdict == Verdict.FAIL and verdict.metric != SPEEDUP:
        return f"quantize it another way (`qbench tune`), or allow it with {widen}"
    return "" if verdict.verdict == Verdict.IMPROVED else verdict.advice
