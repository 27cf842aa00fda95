"""What a drop of accuracy means beyond the evaluation set, as a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.judge.resolution import finer_than_an_example
from qbench.report.amounts import p_value_phrase
from qbench.verdicts import Verdict

if TYPE_CHECKING:
    from qbench.verdicts import BootstrapSummary, MetricVerdict, PairedSummary


def paired_sentence(verdict: MetricVerdict, paired: PairedSummary) -> str:
    """How sure it is that the drop is one on other examples too; and how many would tell where it is not."""
    against = "fp32" if verdict.against == "fp32" else "the baseline"
    said = (
        f"On other examples like these the drop against {against} is {_points(paired.low)} to {_points(paired.high)} "
        f"points ({paired.confidence:.0%} interval); chance alone flips as unevenly with "
        f"{p_value_phrase(paired.p_value, 2)} (McNemar)."
    )
    if verdict.tolerance is not None:
        least = f"A true drop of {_points(paired.found)} points or more" if paired.found < 1 else "No true drop"
        said += f" {least} is found in four of five such sets."
        if finer_than_an_example(paired.examples, verdict.tolerance):
            said += f" The tolerance is finer than one of {paired.examples} examples can tell."
    return said + undecided(verdict, paired)


def undecided(verdict: MetricVerdict, found: PairedSummary | BootstrapSummary) -> str:
    """How many examples would decide what is not green, as a sentence behind others; empty where these do."""
    if verdict.verdict not in {Verdict.FAIL, Verdict.INCONCLUSIVE} or found.finding != "inconclusive":
        return ""
    needed = "no number of examples decides"
    if found.needed is not None:
        needed = f"about {found.needed:,} examples would decide"
    return f" The interval holds the tolerance: {needed}."


def _points(share: float) -> str:
    return f"{100 * share:.2f}"
