"""How much a metric changed and how much it may: amounts in the metric's own terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.judge.metrics import DRIFT_SUFFIX, RESERVED_NAMES

if TYPE_CHECKING:
    from qbench.verdicts import Allowance

#: Metrics that are shares of something, and are spoken of in points.
SHARES = frozenset(
    {"accuracy", "top_k_accuracy", "agreement", "accuracy_drop", "top_k_accuracy_drop", "integer_compute"}
)

#: Metrics whose changes are shares of the reference.
_RELATIVE = frozenset({"size_bytes", "compressed_bytes", "arena_bytes", "peak_memory_bytes", "latency_ns"})


def with_unit(metric: str, number: str, unit: str) -> str:
    """A number with the unit of a user's own metric; those of qbench's own stand in its words, or in the name."""
    return f"{number} {unit}" if unit and metric.removesuffix(DRIFT_SUFFIX) not in RESERVED_NAMES else number


def format_amount(metric: str, amount: float, unit: str = "") -> str:
    """A change or a tolerance of a metric."""
    metric = metric.removesuffix(DRIFT_SUFFIX)
    if metric in _RELATIVE:
        return f"{amount:.2%}"
    if metric in SHARES:
        return f"{100 * amount:.4g} points"
    return with_unit(metric, f"{amount:.6g}", unit)


def tolerance_phrase(
    metric: str, tolerance: float, allowance: Allowance | None, *, of: str = "that", unit: str = ""
) -> str:
    """A tolerance as it was declared, and what it comes to.

    Parameters
    ----------
    tolerance
        In the terms of the metric's changes.
    allowance
        What that came from, None for a plain number.
    of
        How the reference is called; "that" behind its value.
    unit
        Of the metric.
    """
    here = format_amount(metric, tolerance, unit)
    if allowance is None or (allowance.relative is None and allowance.errors is None):
        return here
    said = [] if allowance.absolute is None else [format_amount(metric, allowance.absolute, unit)]
    if allowance.relative is not None:
        said.append(f"{format_share(allowance.relative)} of {of}")
    if allowance.errors is not None:
        said.append(f"{format_share(allowance.errors)} more errors")
    only_errors = allowance.absolute is None and allowance.relative is None
    none = ", as it has no errors" if allowance.errors and only_errors and not tolerance else ""
    return f"{' and '.join(said)}, {here} here{none}"


def format_share(share: float) -> str:
    """A share as per cent, with as many digits as it needs."""
    return f"{100 * share:.4g}%"


def p_value_phrase(p_value: float, digits: int) -> str:
    """``p = 0.013``; what no float can hold is no 0, since nothing is impossible by chance."""
    return f"p = {p_value:.{digits}g}" if p_value > 0 else "p < 1e-300"
