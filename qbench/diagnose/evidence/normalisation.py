"""How the values that an artifact was prepared for relate to those that it is given: by which factor, which shift."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qbench.diagnose.evidence.records import InputReport

#: Ranges of the same kind of data differ, by an example or two that reach further. Beyond these shares of the wider
#: range's width they are taken for data of another kind.
_WIDTH, _SHIFT = 1.5, 0.25
#: Means of the same kind of data differ by less than this many standard deviations.
_MEAN_DEVIATIONS = 0.5
#: Share of the calibration examples that may be outliers.
_FEW = 0.1
#: Factors that people normalise by, and how near to one of them a quotient of ranges must be.
_FACTORS = (255.0, 256.0, 128.0, 127.5)
_NEAR_FACTOR = 0.02
_NEAR_SYMMETRIC = 0.02
#: Share of the evaluation values that an input may clip, such as outliers of a percentile calibration.
_CLIPPED = 0.01


def mismatch(input_report: InputReport) -> str:
    """How calibration differs from evaluation at one input, as a clause; empty if they are of one kind."""
    low, high = input_report.calibration_low, input_report.calibration_high
    if low is None or high is None:
        return ""
    if low == high:
        return f"every calibration value is {low:g}, evaluation inputs span {_span(input_report)}"
    found = f"evaluation inputs span {_span(input_report)}, calibration {low:g}..{high:g}"
    relation = _relation(input_report.low, input_report.high, low, high)
    if relation and few_reach_beyond(input_report):
        reach = "reaches" if input_report.calibration_beyond == 1 else "reach"
        outside = f"{input_report.calibration_beyond} of {input_report.calibration_examples} examples"
        return f"{outside} {reach} beyond what is evaluated: {found}"
    if relation:
        return f"{found}: {relation}"
    mean = input_report.calibration_mean
    if mean is None or abs(mean - input_report.mean) <= _MEAN_DEVIATIONS * input_report.deviation:
        return ""
    return (
        f"evaluation inputs have the mean {input_report.mean:.3g} and the standard deviation "
        f"{input_report.deviation:.3g}, calibration has the mean {mean:.3g}"
    )


def few_reach_beyond(input_report: InputReport) -> bool:
    """Whether calibration reaches further than evaluation by a few examples: outliers, and no other kind of data."""
    return 0 < input_report.calibration_beyond <= _FEW * input_report.calibration_examples


def input_range_mismatch(input_report: InputReport, *, symmetric: bool) -> str:
    """How what the artifact's input represents differs from what it is given, as a clause; empty if it fits.

    Parameters
    ----------
    symmetric
        Whether the artifact is quantized symmetrically: then half a range without negative values is unused by design.
    """
    low, high = input_report.represents_low, input_report.represents_high
    if low is None or high is None or input_report.low == input_report.high:
        return ""
    # A quantized range always holds 0.
    needs_low, needs_high = min(input_report.low, 0.0), max(input_report.high, 0.0)
    if symmetric:
        needs_high = max(-needs_low, needs_high)
        needs_low = -needs_high
    relation = _relation(needs_low, needs_high, low, high)
    if not relation and input_report.saturated < _CLIPPED:
        return ""
    clipped = f"{input_report.saturated:.1%} of the values are clipped" if input_report.saturated else ""
    why = ", and ".join(clause for clause in (relation, clipped) if clause)
    return f"the input holds {low:.4g}..{high:.4g}, evaluation inputs span {_span(input_report)}: {why}"


def _relation(low: float, high: float, other_low: float, other_high: float) -> str:
    """What was done to the other range, if it is not one like the first; empty if it is."""
    width, other_width = high - low, other_high - other_low
    if not (0 < width < math.inf and 0 < other_width < math.inf):
        return ""
    ratio = other_width / width
    wider = max(width, other_width)
    shifted = max(abs(other_low - low), abs(other_high - high)) / wider
    if 1 / _WIDTH < ratio < _WIDTH and shifted < _SHIFT:
        return ""
    one, other = _is_symmetric(low, high), _is_symmetric(other_low, other_high)
    if (one and other_low >= 0) or (other and low >= 0):
        return "a mean was subtracted from the one and not from the other, as (x - mean) / deviation does"
    return _by_factor(ratio)


def _by_factor(ratio: float) -> str:
    """What a range that is `ratio` times as wide may be."""
    for factor in _FACTORS:
        if abs(ratio / factor - 1) < _NEAR_FACTOR:
            return f"{factor:g} times as wide, as pixels of 0..255 are"
        if abs(ratio * factor - 1) < _NEAR_FACTOR:
            return f"{factor:g} times narrower, as pixels divided by {factor:g} are"
    if ratio > _WIDTH:
        return f"{ratio:.3g} times as wide"
    return f"{1 / ratio:.3g} times narrower" if ratio < 1 / _WIDTH else "shifted"


def _is_symmetric(low: float, high: float) -> bool:
    return low < 0 < high and abs(low + high) < _NEAR_SYMMETRIC * (high - low)


def _span(input_report: InputReport) -> str:
    return f"{input_report.low:.4g}..{input_report.high:.4g}"
