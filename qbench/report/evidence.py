"""What a drop of accuracy means beyond the evaluation set, as a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.judge.resolution import finer_than_an_example
from qbench.records import Verdict

if TYPE_CHECKING:
    from qbench.records import MetricVerdict, PairedSummary


def paired_sentence(verdict: MetricVerdict, paired: PairedSummary) -> str:
    """How sure it is that the drop is one on other examples too; and how many would tell where it is not."""
    against = "fp32" if verdict.against == "fp32" else "the baseline"
    said = (
        f"On other examples like these the drop against {against} is {_points(paired.low)} to {_points(paired.high)} "
        f"points ({paired.confidence:.0%} interval); chance alone flips as unevenly with p = {paired.p_value:.2g} "
        "(McNemar)."
    )
    if verdict.tolerance is not None:
        least = f"A true drop of {_points(paired.found)} points or more" if paired.found < 1 else "No true drop"
        said += f" {least} is found in four of five such sets."
        if finer_than_an_example(paired.examples, verdict.tolerance):
            said += f" The tolerance is finer than one of {paired.examples} examples can tell."
    if verdict.verdict in {Verdict.FAIL, Verdict.INCONCLUSIVE} and paired.finding == "inconclusive":
        needed = "no number of examples decides" if paired.needed is None else f"about {paired.needed:,} would decide"
        said += f" The interval holds the tolerance: {needed}."
    return said


def _points(share: float) -> str:
    return f"{100 * share:.2f}"
