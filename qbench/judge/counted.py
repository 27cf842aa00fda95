"""Metrics that count things with names: which of those there are now the baseline did not have."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from qbench.judge.gate import judge
from qbench.verdicts import MetricVerdict, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qbench.records import Metric


def newly_counted(now: Sequence[str], accepted: Sequence[str]) -> tuple[str, ...]:
    """Names of `now` that nothing in `accepted` stands for, in their order.

    A name such as ``CONV_2D int8 'block/conv'`` ends with a tensor's, which training or another converter may change.
    So each accepted one stands for one with the same name; else for one of the same operator and dtype; else for one
    of the same operator.
    """
    new, left = list(now), list(accepted)
    for part in (str, operator_label, _operator):
        new, left = _unpaired(new, left, part), _unpaired(left, new, part)
    return tuple(new)


def judge_names(verdict: MetricVerdict, metric: Metric, new: Sequence[str]) -> MetricVerdict:
    """A verdict on how many there are, which also fails if more of them are new than may be added.

    One operator that falls off its delegate while another one gets back leaves the number as it was.

    Parameters
    ----------
    verdict
        What `judge` says of the numbers.
    new
        Those that the baseline did not have.
    """
    if verdict.verdict in {Verdict.FAIL, Verdict.ERROR} or verdict.tolerance is None or len(new) <= verdict.tolerance:
        return verdict
    worse = judge(verdict.subject, metric, now=len(new), reference=0, tolerance=verdict.tolerance)
    return msgspec.structs.replace(worse, now=verdict.now, reference=verdict.reference)


def operator_label(name: str) -> str:
    """The operator and the dtype of a name: ``CONV_2D int8`` of ``CONV_2D int8 'block/conv'``."""
    return name.partition(" '")[0]


def _operator(name: str) -> str:
    return name.partition(" ")[0]


def _unpaired(names: Sequence[str], others: Sequence[str], part: Callable[[str], str]) -> list[str]:
    """Those of `names` that are left when each of `others` has taken one whose `part` is the same."""
    takers = Counter(part(other) for other in others)
    left = []
    for name in names:
        if takers[part(name)]:
            takers[part(name)] -= 1
        else:
            left.append(name)
    return left
