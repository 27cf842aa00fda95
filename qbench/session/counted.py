"""Which operators a verdict on the structure is about: the number alone sends its reader searching."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qbench.judge.counted import judge_names, newly_counted, operator_label
from qbench.judge.metrics import CONVERSIONS, FLOAT_ISLANDS, UNDELEGATED
from qbench.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.baseline.schema import Baseline
    from qbench.records import Metric
    from qbench.verdicts import MetricVerdict, SubjectResult

#: More names than this make a sentence that nobody reads.
_MOST_NAMES = 3


def with_names(verdict: MetricVerdict, metric: Metric, result: SubjectResult, baseline: Baseline) -> MetricVerdict:
    """A verdict against the baseline that says which operators it is about, where it fails.

    Where another operator than before is not delegated, it also fails if there are as many as before.
    """
    if metric.name not in result.counted:
        return verdict
    now, accepted = result.counted[metric.name], baseline.counted.get(metric.name)
    if accepted is None and verdict.reference:
        # From before there were names: which of them are new cannot be told.
        reason = f"there {'is' if len(now) == 1 else 'are'} now {_listed(now)}"
        return msgspec.structs.replace(verdict, reason=reason) if verdict.verdict == Verdict.FAIL else verdict
    new = newly_counted(now, accepted or ())
    judged = judge_names(verdict, metric, new) if metric.name == UNDELEGATED else verdict
    if judged.verdict != Verdict.FAIL or not new:
        return judged
    return msgspec.structs.replace(judged, reason=_reason(metric.name, new, baseline))


def _reason(metric: str, new: Sequence[str], baseline: Baseline) -> str:
    several = len(new) > 1
    if metric == FLOAT_ISLANDS:
        return f"{_listed(new)} {'compute' if several or ' and ' in new[0] else 'computes'} in float among integers"
    if metric == CONVERSIONS:
        return f"{_listed(new)} {'are' if several else 'is'} new"
    delegate = "a delegate" if baseline.options.delegate else "XNNPACK"
    before = all(baseline.operators.get(operator_label(name)) for name in new)
    said = f"no longer run by {delegate}" if before else f"not run by {delegate}"
    return f"{_listed(new)} {'are' if several else 'is'} {said}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMES])
    return f"{shown} and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else shown
