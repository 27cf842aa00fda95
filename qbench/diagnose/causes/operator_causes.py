"""What is wrong with one operator: from how far its values are from the float model's to a cause."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from qbench.diagnose.causes.operator_evidence import ELSEWHERE, is_offset, off_by, represented
from qbench.diagnose.causes.weight_causes import weight_findings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbench.diagnose.causes.operator_evidence import Operator
    from qbench.diagnose.operators.records import TensorError
    from qbench.diagnose.records import Finding
    from qbench.tflite.graph import Tensor

#: Shares of values beyond an output's range: one that matters if the operator does damage, one that always does.
#: Calibration leaves a few of the evaluation's extremes outside.
_SATURATED, _MUCH_SATURATED = 0.001, 0.01
#: Share of the squared error that clipped values have, from which on clipping is to blame for it.
_OF_ERROR = 0.5
#: How far a range lies from where the values are, as a share of its steps, before that is called a shift.
_SHIFTED = 0.05
#: Share of the range in use: below it a quarter of the steps, two bits, is never stored.
_RANGE_USE = 0.25
#: Share of the channels that may die before it is said.
_DEAD = 0.05
#: Of fewer examples a channel may be one value by chance.
_DEAD_EXAMPLES = 32
#: Fewer examples say little of where values reach.
_FEW = 16
#: An error that is the same everywhere is an offset: a mean of about a step and more, with little around it.
_OFFSET_STEPS, _AROUND_OFFSET = 0.9, 0.75

#: Operators whose output's scale the specification sets, whatever the values are.
_FIXED = frozenset({"SOFTMAX", "LOGISTIC", "TANH", "LOG_SOFTMAX", "L2_NORMALIZATION"})

#: What has 0 for its zero point by the specification.
_SYMMETRIC = "int16"


def operator_findings(operator: Operator, *, is_excused: bool = False) -> list[Finding]:
    """Causes at one operator; what weights and ranges explain is not said again as an error of the operator.

    Parameters
    ----------
    is_excused
        Whether its own error is that of what it is fed.
    """
    if operator.error is not None and operator.error.not_finite:
        return []  # Nothing can be said of what is no number; that it is none is said elsewhere.
    found = [*_of_options(operator), *weight_findings(operator), *_of_range(operator)]
    if not found and not is_excused:
        found = [*_of_operator(operator)]
    return found


def misrepresents(operator: Operator) -> bool:
    """Whether what the operator writes is represented badly, for whoever reads it."""
    return any(True for _ in _of_range(operator))


def _of_options(operator: Operator) -> Iterator[Finding]:
    if operator.options:
        yield operator.finding(
            "options differ",
            "; ".join(operator.options),
            "convert again from this float model; if that repeats it, compare what was exported with what was trained",
        )


def _of_range(operator: Operator) -> Iterator[Finding]:
    error, span = operator.error, represented(operator.output)
    if error is None or span is None or error.float_low is None or error.float_high is None:
        return
    floats = f"float values span {error.float_low:.4g}..{error.float_high:.4g}, its output holds "
    floats += f"{span[0]:.4g}..{span[1]:.4g}"
    if error.saturated > _SATURATED and (shift := _shift(operator.output, error.float_low, error.float_high)):
        right = int(operator.output.zero_points[0]) - shift
        yield operator.finding(
            "zero point",
            f"{floats}: wide enough, and {shift:+d} steps off; {error.saturated:.1%} of the values are clipped",
            f"the zero point {right} holds them all; convert again, or look at what set this one",
        )
    elif _is_saturated(operator, error):
        yield operator.finding(
            "saturation",
            f"{floats}; {error.saturated:.1%} of the values are clipped",
            "calibrate on more examples, and such as reach these values; with percentile calibration raise the "
            "percentile",
        )
    elif error.range_use is not None and error.range_use < _RANGE_USE and not _is_free(operator):
        used = f"{floats}: {error.range_use:.1%} of it is in use"
        if is_offset(error):
            middle = (error.float_low + error.float_high) / 2
            yield operator.finding(
                "range too wide",
                f"{used}, for zero has to be in it",
                f"subtract the offset of about {middle:.4g} from what the model gives, and add it afterwards; or keep "
                "the operator in 16 bits or in float",
            )
            return
        yield operator.finding(
            "range too wide", used, "take outliers out of the calibration examples, or calibrate by percentile or mse"
        )


def _is_saturated(operator: Operator, error: TensorError) -> bool:
    """Whether values are clipped, and that is what the error is."""
    if error.saturated_error is not None and error.saturated_error < _OF_ERROR:
        return False
    return error.saturated > (_SATURATED if operator.hurts else _MUCH_SATURATED)


def _shift(output: Tensor, low: float, high: float) -> int:
    """Steps that the output's range lies from where it would hold all values; 0 if it lies well, or is too narrow."""
    if output.dtype == _SYMMETRIC:
        return 0
    scale, limits = float(output.scales[0]), np.iinfo(output.dtype)
    lowest, highest = (round(min(low, 0.0) / scale), round(max(high, 0.0) / scale))
    steps = int(limits.max) - int(limits.min)
    room = steps - (highest - lowest)
    if room < -_SHIFTED * steps:
        return 0
    # Any zero point between these holds all values, or as many as can be.
    fitting = sorted((int(limits.min) - lowest, int(limits.max) - highest))
    nearest = min(max(int(output.zero_points[0]), fitting[0]), fitting[1])
    shift = int(output.zero_points[0]) - nearest
    return shift if abs(shift) > _SHIFTED * steps else 0


def _of_operator(operator: Operator) -> Iterator[Finding]:
    error = operator.report.isolated
    if error is None:
        return
    offset, rmse = error.mean_error_in_steps, error.rmse_in_steps
    if offset is not None and rmse is not None and abs(offset) > _OFFSET_STEPS:
        around = math.sqrt(max(0.0, rmse**2 - offset**2))
        if around < _AROUND_OFFSET:
            yield operator.finding(
                "zero point",
                f"fed what the float model has, all its values are off by {offset:+.2f} steps, give or take "
                f"{around:.2f}",
                "look for a zero point or a bias that is wrong by as much; convert again",
            )
            return
    dead = error.dead_channels > _DEAD * error.channels and operator.examples >= _DEAD_EXAMPLES
    if dead and error.channels > 1:
        yield operator.finding(
            "dead channels",
            f"{error.dead_channels} of {error.channels} channels give one value, whatever the example, and vary in "
            "the float model",
            f"their values are smaller than a step: equalize the channels, or {ELSEWHERE}",
        )
    elif operator.hurts:
        yield operator.finding(
            "operator error",
            f"neither its weights nor its range say why{off_by(operator)}{_others(operator)}",
            f"{ELSEWHERE}; `qbench conform` holds its kernel against the specification",
        )


def _is_free(operator: Operator) -> bool:
    """Whether a wide range says nothing.

    The specification sets it, its 65,536 steps are more than enough, or few examples do not reach its ends.
    """
    name, _, _ = operator.report.operator.partition(" ")
    return name in _FIXED or operator.output.dtype == "int16" or operator.examples < _FEW


def _others(operator: Operator) -> str:
    """Who else may be meant, as the end of a sentence."""
    if not operator.together:
        return ""
    return f"; it was run {operator.report.note.partition(';')[0]}, of which nothing is known: it may be one of these"
