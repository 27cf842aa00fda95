"""What is wrong with one operator: from how far its values are from the float model's to a cause."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from qbench.diagnose.causes.operator_evidence import represented, short_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbench.diagnose.causes.operator_evidence import Operator
    from qbench.diagnose.records import Finding
    from qbench.tflite.graph import Tensor

#: Steps of root mean square error of stored weights: rounding leaves 0.289, a method that clips them below 1.
_WEIGHT_STEPS = 1.0
#: A channel that keeps less than this of its weights is lost: 20 dB is an error of a tenth.
_CHANNEL_DB = 20.0
#: What well rounded weights keep at least in 8 bits; 4 bits keep less.
_COARSE_DB = 30.0
#: Largest weight over the middle one. Trained layers have up to 10; beyond, the others share a few steps.
_INPUT_SPREAD = 20.0
#: Shares of values beyond an output's range: one that matters if the operator does damage, one that always does.
#: Calibration leaves a few of the evaluation's extremes outside.
_SATURATED, _MUCH_SATURATED = 0.001, 0.01
#: How far a range lies from where the values are, as a share of its steps, before that is called a shift.
_SHIFTED = 0.05
#: Share of the range in use: below it a quarter of the steps, two bits, is never stored.
_RANGE_USE = 0.25
#: Share of the channels that may die before it is said.
_DEAD = 0.05
#: Of fewer examples a channel may be one value by chance.
_DEAD_EXAMPLES = 32
#: An error that is the same everywhere is an offset: a mean of about a step and more, with little around it.
_OFFSET_STEPS, _AROUND_OFFSET = 0.9, 0.75

#: Operators whose output's scale the specification sets, whatever the values are.
_FIXED = frozenset({"SOFTMAX", "LOGISTIC", "TANH", "LOG_SOFTMAX", "L2_NORMALIZATION"})

_ELSEWHERE = "keep the operator in 16 bits or in float"


def operator_findings(operator: Operator) -> list[Finding]:
    """Causes at one operator; what weights and ranges explain is not said again as an error of the operator."""
    if operator.error is not None and operator.error.not_finite:
        return []  # Nothing can be said of what is no number; that it is none is said elsewhere.
    found = [*_of_weights(operator), *_of_range(operator)]
    if not found and not operator.fed_badly:
        found = [*_of_operator(operator)]
    return found


def misrepresents(operator: Operator) -> bool:
    """Whether what the operator writes is represented badly, for whoever reads it."""
    return any(True for _ in _of_range(operator))


def _of_weights(operator: Operator) -> Iterator[Finding]:
    for weights in operator.weights:
        if weights.rmse_in_steps > _WEIGHT_STEPS:
            offset = abs(weights.mean_error_in_steps) > weights.rmse_in_steps / 2
            kind = f", by {weights.mean_error_in_steps:+.1f} on average: a zero point or a bias" if offset else ""
            yield operator.finding(
                "weights differ",
                f"{short_name(weights.weights)!r} is {weights.rmse_in_steps:.3g} steps (rms) and up to "
                f"{weights.max_error_in_steps:.3g} from the float weights{kind}; rounding alone leaves 0.29",
                "convert again from this float model; if that repeats it, compare the scale of these weights with "
                "the largest of them, divided by 127",
            )
        lost = weights.worst_channel_sqnr_db
        if weights.per_tensor and (operator.alone_per_tensor or (lost is not None and lost < _CHANNEL_DB)):
            yield operator.finding(
                "weights per tensor",
                f"its channels share one scale, the largest of them is {weights.channel_spread:.3g} times the middle "
                f"one{'' if lost is None else f', and the channel that loses most keeps {lost:.0f} dB'}",
                "quantize its weights per channel; where that cannot be, equalize the channels or keep it in float",
            )
        if not operator.hurts:
            continue
        if weights.input_spread > _INPUT_SPREAD:
            yield operator.finding(
                "unequal channels",
                f"one input channel is weighed {weights.input_spread:.3g} times as much as the middle one and leaves "
                f"the others few steps{_off_by(operator)}",
                "scale that channel down here and up in the operator before it (cross-layer equalization), or "
                f"{_ELSEWHERE}",
            )
        elif (
            lost is not None and lost < _COARSE_DB and not weights.per_tensor and weights.rmse_in_steps <= _WEIGHT_STEPS
        ):
            yield operator.finding(
                "coarse weights",
                f"its weights are rounded well, to {weights.operator.rpartition(' ')[2]}, and the channel that loses "
                f"most keeps {lost:.0f} dB of them{_off_by(operator)}",
                "give its weights more bits, smaller blocks, or a scale for each channel",
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
    elif error.saturated > (_SATURATED if operator.hurts else _MUCH_SATURATED):
        yield operator.finding(
            "saturation",
            f"{floats}; {error.saturated:.1%} of the values are clipped",
            "calibrate on more examples, and such as reach these values; with percentile calibration raise the "
            "percentile",
        )
    elif error.range_use is not None and error.range_use < _RANGE_USE and not _is_free(operator):
        yield operator.finding(
            "range too wide",
            f"{floats}: {error.range_use:.1%} of it is in use",
            "take outliers out of the calibration examples, or calibrate by percentile or mse",
        )


def _shift(output: Tensor, low: float, high: float) -> int:
    """Steps that the output's range lies from where it would hold all values; 0 if it lies well, or is too narrow."""
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
            f"their values are smaller than a step: equalize the channels, or {_ELSEWHERE}",
        )
    elif operator.hurts:
        yield operator.finding(
            "operator error",
            f"neither its weights nor its range say why{_off_by(operator)}",
            f"{_ELSEWHERE}; `qbench conform` holds its kernel against the specification",
        )


def _off_by(operator: Operator) -> str:
    """How large its own error is, as the end of a sentence."""
    error = operator.report.isolated
    if error is None or error.sqnr_db is None:
        return ""
    steps = f"{error.rmse_in_steps:.3g} steps (rms), " if error.rmse_in_steps is not None else ""
    return f"; fed what the float model has, its output is off by {steps}{error.sqnr_db:.0f} dB below the values"


def _is_free(operator: Operator) -> bool:
    """Whether a wide range says nothing: the specification sets it, or its 65,536 steps are more than enough."""
    name, _, _ = operator.report.operator.partition(" ")
    return name in _FIXED or operator.output.dtype == "int16"
