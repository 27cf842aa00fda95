"""What a metric that is no share of right answers means beyond the evaluation set, as a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.report.amounts import with_unit
from qbench.report.evidence import undecided

if TYPE_CHECKING:
    from qbench.verdicts import BootstrapSummary, MetricVerdict


def bootstrap_sentence(verdict: MetricVerdict, bootstrap: BootstrapSummary) -> str:
    """How sure it is that the metric is worse on other examples too; and how many would tell where it is not."""
    against = "fp32" if verdict.against == "fp32" else "the baseline"
    high, found = (
        with_unit(verdict.metric, f"{value:.4g}", verdict.unit) for value in (bootstrap.high, bootstrap.found)
    )
    said = (
        f"On other examples like these it is {bootstrap.low:.4g} to {high} worse than {against} "
        f"({bootstrap.confidence:.0%} interval, {bootstrap.resamples:,} resamples of {bootstrap.examples:,} examples). "
        f"A true loss of {found} or more is found in four of five such sets."
    )
    return said + undecided(verdict, bootstrap)
