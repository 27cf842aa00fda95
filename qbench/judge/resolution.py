"""Whether the examples of an evaluation set can tell what a tolerance of accuracy asks, and whether it asks enough.

A tolerance of less than the noise fails what is no worse. One that is coarse, or that has few examples, passes what
nobody means to let through. Neither can be seen while everything is green.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from qbench.judge.metrics import ACCURACY, ACCURACY_DROP
from qbench.judge.paired import ALPHA, PairedCounts
from qbench.judge.power import POWER, fail_probability
from qbench.records import Subject
from qbench.verdicts import Allowance, MetricVerdict

#: A drop that nobody means to let through is at most this large. The usual gates allow a point, or a hundredth of the
#: accuracy (MLPerf, NNCF, Neural Compressor): one that passes twice that enforces none of them.
_SERIOUS_DROP = 0.02
#: Nor do they mean to let errors double; but what is fewer examples than this is no rate of errors.
_SERIOUS_EXAMPLES = 10

#: More often than this, what is no worse must not fail: the level of the tests of `qbench.judge.paired`.
_MOST_FALSE_ALARMS = ALPHA

#: More examples than this are nobody's evaluation set.
_MOST_EXAMPLES = 10**8
_GROWTH = 1.1


Finding = Literal["sharp", "too few examples", "too coarse"]


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """What one tolerance of accuracy can tell on the examples that it is held against.

    Attributes
    ----------
    subject, tolerance_key
        Whose tolerance: `accuracy_drop` or `accuracy_regression`.
    examples, flips
        How many the evaluation set has, and of how many the predictions differ in being right.
    tolerance, allowance
        As of the verdict.
    errors
        Share of the examples that the reference gets wrong.
    serious
        The drop that must not pass: one that doubles the errors, and at most two points.
    serious_passes
        How often it would pass on other examples like these.
    false_alarm
        How often what is no worse would not pass; None where nothing flipped, which says nothing about what will, and
        where no loss is allowed at all, which is meant.
    found
        The smallest true drop that fails in four of five cases.
    finding
        ``sharp``: both are rare enough. ``too few examples``: more of them would make it so. ``too coarse``: a
        tolerance of half the serious drop would, or nothing but a narrower one.
    needed
        About how many examples are enough, where they are too few; None if nobody has so many.
    """

    subject: Subject
    tolerance_key: str
    examples: int
    flips: int
    tolerance: float
    allowance: Allowance | None
    errors: float
    serious: float
    serious_passes: float
    false_alarm: float | None
    found: float
    finding: Finding
    needed: int | None = None

    @property
    def finer_than_an_example(self) -> bool:
        """Whether not a single example may be lost although the tolerance allows something."""
        return finer_than_an_example(self.examples, self.tolerance)


def finer_than_an_example(examples: int, tolerance: float) -> bool:
    """Whether a tolerance above 0 allows less than one of so many examples."""
    return 0 < tolerance * examples < 1


def resolution(verdict: MetricVerdict) -> Resolution | None:
    """What the tolerance of a verdict on top-1 accuracy can tell; None if the verdict has no paired predictions."""
    paired = verdict.paired
    if verdict.metric not in {ACCURACY, ACCURACY_DROP.name} or paired is None:
        return None
    if verdict.tolerance is None or verdict.reference is None:
        return None
    counts = PairedCounts(examples=paired.examples, lost=paired.lost, won=paired.won)
    errors = 1 - verdict.reference
    serious = min(_SERIOUS_DROP, max(errors, _SERIOUS_EXAMPLES / counts.examples))
    question = _Question(
        margin=verdict.tolerance,
        churn=min(counts.churn, 1 - serious),
        serious=serious,
        alarms=counts.flips > 0 and verdict.tolerance > 0,
    )
    finding = question.finding(counts.examples)
    return Resolution(
        subject=verdict.subject,
        tolerance_key="accuracy_drop" if verdict.against == "fp32" else "accuracy_regression",
        examples=counts.examples,
        flips=counts.flips,
        tolerance=verdict.tolerance,
        allowance=verdict.allowance,
        errors=errors,
        serious=serious,
        serious_passes=question.serious_passes(counts.examples),
        false_alarm=question.false_alarm(counts.examples) if question.alarms else None,
        found=paired.found,
        finding=finding,
        needed=question.examples_needed(counts.examples) if finding == "too few examples" else None,
    )


class _Question(msgspec.Struct, frozen=True, kw_only=True):
    """A tolerance and what it has to tell apart, on any number of examples; `alarms` says whether false ones count.

    Evidence makes a fail inconclusive and never a pass, so what passes is the same with either.
    """

    margin: float
    churn: float
    serious: float
    alarms: bool

    def finding(self, examples: int) -> Finding:
        if self.decided_by(examples):
            return "sharp"
        if self.margin >= self.serious:
            return "too coarse"
        halved = msgspec.structs.replace(self, margin=self.serious / 2)
        narrower_would_do = self.margin > halved.margin and halved.decided_by(examples)
        return "too coarse" if narrower_would_do else "too few examples"

    def decided_by(self, examples: int) -> bool:
        return (
            not finer_than_an_example(examples, self.margin)
            and self.serious_passes(examples) <= 1 - POWER
            and (not self.alarms or self.false_alarm(examples) <= _MOST_FALSE_ALARMS)
        )

    def serious_passes(self, examples: int) -> float:
        return 1 - self._fails(examples, self.serious)

    def false_alarm(self, examples: int) -> float:
        return self._fails(examples, 0.0)

    def examples_needed(self, examples: int) -> int | None:
        """About how many would be enough; None if nobody has so many.

        Steps of a tenth, found by ever longer strides and then by halving: to compute with millions takes its time.
        """
        sizes = [examples]
        while sizes[-1] <= _MOST_EXAMPLES:
            sizes.append(math.ceil(sizes[-1] * _GROWTH))
        few, enough = 0, min(1, len(sizes) - 1)
        while not self.decided_by(sizes[enough]):
            if enough == len(sizes) - 1:
                return None
            few, enough = enough, min(2 * enough, len(sizes) - 1)
        while enough - few > 1:
            middle = (few + enough) // 2
            few, enough = (few, middle) if self.decided_by(sizes[middle]) else (middle, enough)
        return sizes[enough]

    def _fails(self, examples: int, drop: float) -> float:
        return fail_probability(examples, self.margin, drop=drop, churn=self.churn, evidence="exact", alpha=ALPHA)
