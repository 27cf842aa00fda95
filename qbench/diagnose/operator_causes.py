"""What is wrong with one operator: from how far its values are from the float model's to a cause."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qbench.diagnose.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbench.diagnose.records import CauseName, OperatorReport, TensorError, WeightReport
    from qbench.tflite.graph import Tensor

#: Steps of root mean square error of stored weights: rounding leaves 0.289, a method that clips them below 1.
_WEIGHT_STEPS = 1.0
#: A channel that keeps less than this of its weights is lost: 20 dB is an error of a tenth.
_CHANNEL_DB = 20.0
#: Largest weight over the middle one. Trained layers have up to 10; beyond, the others share a few steps.
_INPUT_SPREAD = 20.0
#: Share of values beyond an output's range. Calibration leaves a few of the evaluation's extremes outside.
_SATURATED = 0.001
#: Share of the range in use: below it a quarter of the steps, two bits, is never stored.
_RANGE_USE = 0.25
#: How much wider than the range float values may be and still fit it, if only it lay elsewhere.
_AS_WIDE = 1.05
#: A channel lost in this share of all is worth a word.
_DEAD = 0.05
#: Of the signal at an operator's output, fed what the float model has: 20 dB is an error of a tenth.
_OUTPUT_DB = 20.0
#: Steps of root mean square error of an operator by itself: rounding leaves 0.289, int8 weights up to 1.
_OUTPUT_STEPS = 3.0
#: Share of the examples that an operator by itself may flip.
_FLIPS = 0.02

#: How bad a cause is if it flips nothing. What it flips makes it worse, up to the last.
_BASE: dict[CauseName, float] = {
    "weights differ": 0.5,
    "zero point": 0.5,
    "saturation": 0.4,
    "unequal channels": 0.35,
    "weights per tensor": 0.3,
    "operator error": 0.3,
    "range too wide": 0.25,
    "dead channels": 0.15,
}
_WORST = 0.9
#: Operators whose output's scale the specification sets, whatever the values are.
_FIXED = frozenset({"SOFTMAX", "LOGISTIC", "TANH", "LOG_SOFTMAX", "L2_NORMALIZATION"})

_ELSEWHERE = "keep the operator in 16 bits or in float"


@dataclass(frozen=True, kw_only=True)
class Operator:
    """All that is known of one operator.

    Parameters
    ----------
    output
        Its output tensor in the quantized artifact.
    examples
        How many `flips_alone` counts among.
    fed_badly
        Whether what it is fed is represented badly already: its own error is then no evidence against it.
    alone_per_tensor
        Whether operators like it have one scale for each channel.
    """

    report: OperatorReport
    weights: tuple[WeightReport, ...]
    output: Tensor
    examples: int
    fed_badly: bool = False
    alone_per_tensor: bool = False

    @property
    def where(self) -> str:
        """Such as ``CONV_2D int8 'block/conv'``."""
        return named(self.report)

    @property
    def error(self) -> TensorError | None:
        """Its own error where it is known, else the one it has with those before it."""
        return self.report.isolated or self.report.cumulative

    def finding(self, cause: CauseName, evidence: str, advice: str) -> Finding:
        """A cause at this operator, as bad as what it flips."""
        flips = self.report.flips_alone
        if flips is not None:
            evidence = f"{evidence}; alone it flips {flips} of {self.examples}"
        severity = _BASE[cause] + (_WORST - _BASE[cause]) * self._harm()
        return Finding(cause=cause, where=self.where, severity=severity, evidence=evidence, advice=advice)

    def _harm(self) -> float:
        """Share of examples that it flips, else how large its error is next to its values."""
        if self.report.flips_alone is not None:
            return min(1.0, self.report.flips_alone / max(1, self.examples))
        if self.error is None or self.error.sqnr_db is None:
            return 0.0
        return float(min(1.0, 10 ** (-self.error.sqnr_db / 20)))


def named(report: OperatorReport) -> str:
    """How a reader finds an operator: what it does, and what its output is called."""
    return f"{report.operator} {short_name(report.output)!r}"


def short_name(tensor: str) -> str:
    """The first of the names that a converter joined to one."""
    return tensor.partition(";")[0]


def represented(tensor: Tensor) -> tuple[float, float] | None:
    """The smallest and largest real value that a quantized tensor can hold; None if it is not quantized to integers."""
    if tensor.scales.size != 1 or tensor.dtype not in {"int8", "uint8", "int16"}:
        return None
    limits, scale, zero_point = np.iinfo(tensor.dtype), float(tensor.scales[0]), int(tensor.zero_points[0])
    return scale * (int(limits.min) - zero_point), scale * (int(limits.max) - zero_point)


def operator_findings(operator: Operator) -> list[Finding]:
    """Causes at one operator; what weights and ranges explain is not said again as an error of the operator."""
    found = [*_of_weights(operator), *_of_range(operator)]
    if not found and not operator.fed_badly:
        found = [*_of_operator(operator)]
    return found


def misrepresents(operator: Operator) -> bool:
    """Whether what the operator writes is represented badly, for whoever reads it."""
    return any(finding.cause in {"saturation", "zero point", "range too wide"} for finding in _of_range(operator))


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
        lost = weights.worst_channel_sqnr_db is not None and weights.worst_channel_sqnr_db < _CHANNEL_DB
        if weights.per_tensor and (lost or operator.alone_per_tensor):
            kept = (
                ""
                if weights.worst_channel_sqnr_db is None
                else f" (worst channel {weights.worst_channel_sqnr_db:.0f} dB)"
            )
            yield operator.finding(
                "weights per tensor",
                f"its weights share one scale, and its channels' ranges differ {weights.channel_spread:.3g} times from "
                f"the middle one{kept}",
                "quantize its weights per channel; where that cannot be, equalize the channels or keep it in float",
            )
        if weights.input_spread > _INPUT_SPREAD and _hurts(operator):
            yield operator.finding(
                "unequal channels",
                f"one input channel is weighed {weights.input_spread:.3g} times as much as the middle one, and takes "
                f"the steps of the others{_error_clause(operator)}",
                "scale that channel down here and up in the operator before it (cross-layer equalization), or "
                f"{_ELSEWHERE}",
            )


def _of_range(operator: Operator) -> Iterator[Finding]:
    error, span = operator.error, represented(operator.output)
    if error is None or span is None or error.float_low is None or error.float_high is None:
        return
    floats = f"float values span {error.float_low:.4g}..{error.float_high:.4g}, the output represents "
    floats += f"{span[0]:.4g}..{span[1]:.4g}"
    needed = max(error.float_high, 0.0) - min(error.float_low, 0.0)
    if error.saturated > _SATURATED:
        clipped = f"{error.saturated:.1%} of the values are clipped"
        if needed <= _AS_WIDE * (span[1] - span[0]):
            scale = float(operator.output.scales[0])
            right = round(int(np.iinfo(operator.output.dtype).min) - min(error.float_low, 0.0) / scale)
            moved = int(operator.output.zero_points[0]) - right
            yield operator.finding(
                "zero point",
                f"{floats}: wide enough, and {moved:+d} steps from where the values are; {clipped}",
                f"a zero point near {right} holds them all; convert again, or look at what set this one",
            )
        else:
            yield operator.finding(
                "saturation",
                f"{floats}; {clipped}",
                "calibrate on more examples, and such as reach these values; with percentile calibration raise the "
                "percentile",
            )
    elif error.range_use is not None and error.range_use < _RANGE_USE and not _is_free(operator):
        yield operator.finding(
            "range too wide",
            f"{floats}: {error.range_use:.1%} of it are in use",
            "take outliers out of the calibration examples, or calibrate by percentile or mse",
        )


def _of_operator(operator: Operator) -> Iterator[Finding]:
    error = operator.report.isolated
    if error is not None and error.dead_channels > _DEAD * error.channels and error.channels > 1:
        yield operator.finding(
            "dead channels",
            f"{error.dead_channels} of {error.channels} channels give one value, whatever the example, and vary in "
            "the float model",
            f"their values are smaller than a step: equalize the channels, or {_ELSEWHERE}",
        )
    elif _hurts(operator):
        yield operator.finding(
            "operator error",
            f"fed what the float model has, it is off{_error_clause(operator)}, and neither weights nor range say why",
            f"{_ELSEWHERE}; `qbench conform` holds its kernel against the specification",
        )


def _hurts(operator: Operator) -> bool:
    """Whether the operator by itself does damage worth a finding."""
    flips, error = operator.report.flips_alone, operator.report.isolated
    if flips is not None:
        return flips > _FLIPS * operator.examples
    if error is None or error.sqnr_db is None:
        return False
    return error.sqnr_db < _OUTPUT_DB and (error.rmse_in_steps is None or error.rmse_in_steps > _OUTPUT_STEPS)


def _error_clause(operator: Operator) -> str:
    error = operator.report.isolated
    if error is None:
        return ""
    steps = "" if error.rmse_in_steps is None else f" by {error.rmse_in_steps:.3g} steps (rms)"
    decibel = "" if error.sqnr_db is None else f" ({error.sqnr_db:.0f} dB)"
    return f"{':' if steps and not decibel else ''}{steps}{decibel}"


def _is_free(operator: Operator) -> bool:
    """Whether a wide range says nothing: the specification sets it, or its 65,536 steps are more than enough."""
    name, _, _ = operator.report.operator.partition(" ")
    return name in _FIXED or operator.output.dtype == "int16"
