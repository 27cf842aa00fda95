"""What predictions say about a drop of accuracy beyond the examples that they were made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.judge.gate import weigh
from qbench.judge.paired import PairedCounts, summarize

if TYPE_CHECKING:
    import numpy.typing as npt

    from qbench.records import Evidence, MetricVerdict

    Array = npt.NDArray[Any]


def weighed(
    verdict: MetricVerdict, *, now: Array | None, reference: Array | None, labels: Array | None, evidence: Evidence
) -> MetricVerdict:
    """`verdict` on top-1 accuracy with its evidence, where there is any.

    Parameters
    ----------
    now, reference
        Predictions of both sides, of shape (examples,), of the same examples.
    labels
        What is right.
    evidence
        What a fail needs.
    """
    if now is None or reference is None or labels is None or verdict.tolerance is None or verdict.change is None:
        return verdict
    if not len(now) == len(reference) == len(labels):
        return verdict
    right, was_right = now == labels, reference == labels
    counts = PairedCounts(
        examples=len(labels),
        lost=int(np.count_nonzero(was_right & ~right)),
        won=int(np.count_nonzero(right & ~was_right)),
    )
    return weigh(verdict, summarize(counts, verdict.tolerance, evidence=evidence), evidence)
