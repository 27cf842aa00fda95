"""What the answers to the same examples say of a difference beyond those examples, and slice by slice."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec.structs import replace

from qbench.errors import MeasurementError
from qbench.judge import bootstrap
from qbench.judge.gate import not_judged, weigh
from qbench.judge.metrics import ACCURACY
from qbench.judge.paired import PairedCounts, summarize
from qbench.judge.slices import compare_slices, judge_slices
from qbench.measure.accuracy import real_outputs
from qbench.measure.resampling import compare_means, compare_sets
from qbench.verdicts import Verdict

if TYPE_CHECKING:
    import numpy.typing as npt

    from qbench.judge.replicates import Replicates
    from qbench.records import Subject
    from qbench.session.evaluation import Measured
    from qbench.verdicts import Against, Evidence, MetricVerdict, SlicesSummary

    Array = npt.NDArray[Any]

#: How long a metric of the whole set may be resampled.
_LIMIT_S = 60.0

#: Values of one artifact that are further apart than this, as a share, are not the same.
_SAME_SHARE = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """Which examples both sides get right.

    Parameters
    ----------
    right, was_right
        Booleans of shape (examples,), of the candidate and of the reference.
    groups
        Which slice each example is in, of shape (examples,).
    by
        What a slice is.
    """

    right: Array
    was_right: Array
    groups: Array
    by: str

    @cached_property
    def slices(self) -> SlicesSummary | None:
        """What happened slice by slice, None if no slice lost more than it won."""
        return compare_slices(self.right, self.was_right, self.groups, by=self.by)


def answers(measured: Measured, reference: Array | None) -> Answers | None:
    """What both sides get right, None where that is not known of both.

    Parameters
    ----------
    reference
        Predictions of the reference, of shape (examples,), of the same examples.
    """
    now, labels, dataset = measured.predictions, measured.labels, measured.dataset
    if now is None or reference is None or labels is None or not len(now) == len(reference) == len(labels):
        return None
    groups = dataset.group_array
    return Answers(
        right=now == labels,
        was_right=reference == labels,
        groups=labels if groups is None else groups,
        by="class" if groups is None else dataset.group_name,
    )


def flips(accepted: Array | None, measured: Measured) -> str:
    """How predictions differ from the accepted ones, one by one."""
    if accepted is None or measured.predictions is None or len(accepted) != len(measured.predictions):
        return ""
    flipped = np.flatnonzero(accepted != measured.predictions)
    if not flipped.size:
        return "all predictions are those of the baseline"
    text = f"{flipped.size} of {len(accepted)} predictions differ from the baseline's"
    if measured.labels is not None:
        lost = int(np.count_nonzero(accepted[flipped] == measured.labels[flipped]))
        won = int(np.count_nonzero(measured.predictions[flipped] == measured.labels[flipped]))
        text += f": {lost} from right to wrong, {won} from wrong to right"
    return f"{text}; the first is example {flipped[0]}"


def slices_verdicts(
    subject: Subject,
    measured: Measured,
    given: Answers | None,
    metric: str,
    allowed: float | None,
    against: Against,
    *,
    unchanged: bool = False,
) -> list[MetricVerdict]:
    """The verdict on what slices lost, if that has a tolerance."""
    if allowed is None:
        return []
    if given is None:
        reason = f"there are no predictions of {'fp32' if against == 'fp32' else 'the baseline'} on the same examples"
        if ACCURACY not in measured.metrics:
            reason = "no accuracy is measured of it, so that no class or group has one"
        return [not_judged(subject, metric, Verdict.NOT_COMPARABLE, reason)]
    return [judge_slices(subject, given.slices, metric=metric, tolerance=allowed, against=against, unchanged=unchanged)]


def weighed(verdict: MetricVerdict, given: Answers | None, evidence: Evidence) -> MetricVerdict:
    """`verdict` on top-1 accuracy with its evidence, where there is any; `evidence` is what a fail needs."""
    if given is None or verdict.tolerance is None or verdict.change is None:
        return verdict
    counts = PairedCounts(
        examples=len(given.right),
        lost=int(np.count_nonzero(given.was_right & ~given.right)),
        won=int(np.count_nonzero(given.right & ~given.was_right)),
    )
    return weigh(
        replace(verdict, slices=given.slices), summarize(counts, verdict.tolerance, evidence=evidence), evidence
    )


def weighed_own(
    verdict: MetricVerdict, name: str, measured: Measured, reference: Measured, evidence: Evidence
) -> MetricVerdict:
    """`verdict` on the user's metric `name` with its evidence, or with why there is none.

    A metric of the whole set is called thousands of times, so that is done only for a verdict that may depend on it.

    Parameters
    ----------
    measured, reference
        Both sides, on the same examples.
    """
    if verdict.tolerance is None or not verdict.change:
        return verdict
    here = reference.metrics[name]
    if verdict.reference is None or abs(here - verdict.reference) > _SAME_SHARE * abs(verdict.reference):
        reason = f"there is no interval: in this run the accepted artifact gives {here:.6g}, and not what was accepted"
        return replace(verdict, reason=reason)
    try:
        replicates = _replicates(name, measured, reference, failed=verdict.verdict == Verdict.FAIL)
        if replicates is None:
            return verdict
        return weigh(verdict, bootstrap.summarize(replicates, verdict.tolerance, evidence=evidence), evidence)
    except MeasurementError as error:
        return replace(verdict, reason=f"there is no interval: {error}")


def _replicates(name: str, measured: Measured, reference: Measured, *, failed: bool) -> Replicates | None:
    own, now = measured.own[name]
    _, then = reference.own[name]
    if now.of_examples is not None and then.of_examples is not None:
        return compare_means(own, now.of_examples, then.of_examples)
    if not failed or measured.evaluation is None or reference.evaluation is None:
        return None
    end = time.monotonic() + _LIMIT_S
    return compare_sets(
        own,
        real_outputs(measured.evaluation),
        real_outputs(reference.evaluation),
        measured.dataset.labels,
        more=lambda: time.monotonic() < end,
    )
