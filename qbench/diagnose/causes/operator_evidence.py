"""All that is known of one operator, and how bad it makes a cause that lies there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qbench.diagnose.records import Finding

if TYPE_CHECKING:
    from qbench.diagnose.evidence.records import WeightReport
    from qbench.diagnose.operators.records import OperatorReport, TensorError
    from qbench.diagnose.records import CauseName
    from qbench.tflite.graph import Tensor

#: Of the signal at an operator's output, fed what the float model has: 20 dB is an error of a tenth.
_OUTPUT_DB = 20.0
#: Steps of root mean square error of an operator by itself: rounding leaves 0.289, int8 weights up to 1.
_OUTPUT_STEPS = 3.0
#: How notes of those reports begin that are of several operators at once.
TOGETHER = "together with"
#: Values lie far from 0 if they vary by less than this share of how far they are.
_FAR = 0.25
#: Of values that are spread evenly, the standard deviation as a share of their range.
_DEVIATION = 12**-0.5
#: Share of the examples that an operator by itself may flip.
_FLIPS = 0.02

#: How bad a cause is that does no damage. What is never right is a reason to act; of the rest some say more.
_BASE: dict[CauseName, float] = {
    "options differ": 0.3,
    "bias scale": 0.27,
    "bias does not fit": 0.26,
    "weights differ": 0.25,
    "zero point": 0.25,
    "weights per tensor": 0.2,
    "saturation": 0.15,
    "unequal channels": 0.1,
    "coarse weights": 0.1,
    "operator error": 0.1,
    "range too wide": 0.1,
    "dead channels": 0.1,
}
#: What is never right, and does nothing here.
_IDLE = 0.15
#: From this share of all predictions on, what flips them is a reason to act; from the second on it is as bad as can be.
_ALARMING_FLIPS, _WORST_FLIPS = 0.005, 0.5
_ALARMING, _WORST = 0.25, 0.85
#: Of causes that flip as much, how far the one that says more stands above the other.
_TIE = 0.04
#: One flip is chance.
_LEAST_FLIPS = 2
#: Where flips are not known, an error of a tenth of the values is taken for a flip of a hundredth of the predictions.
_FLIPS_OF_ERROR = 0.1
ELSEWHERE = "keep the operator in 16 bits or in float"


@dataclass(frozen=True, kw_only=True)
class Operator:
    """All that is known of one operator.

    Parameters
    ----------
    output
        Its output tensor in the quantized artifact.
    examples
        How many `flips_alone` counts among.
    flip_rate
        Which share of all evaluated examples it flips alone, as far as that can be told from the chosen ones.
    alone_per_tensor
        Whether operators like it have one scale for each channel.
    options
        How its options differ from those of the float model's, each as a clause.
    inherited
        Damage of those that read what it represents badly, and are not blamed for that.
    """

    report: OperatorReport
    weights: tuple[WeightReport, ...]
    output: Tensor
    examples: int
    flip_rate: float = 0.0
    alone_per_tensor: bool = False
    options: tuple[str, ...] = ()
    inherited: float = 0.0

    @property
    def error(self) -> TensorError | None:
        """Its own error where it is known, else the one it has with those before it."""
        return self.report.isolated or self.report.cumulative

    @property
    def hurts(self) -> bool:
        """Whether the operator by itself does damage worth a finding."""
        error = self.report.isolated
        if self.flip_rate > _FLIPS:
            return True
        if error is None or error.sqnr_db is None:
            return False
        return error.sqnr_db < _OUTPUT_DB and (error.rmse_in_steps is None or error.rmse_in_steps > _OUTPUT_STEPS)

    @property
    def damage(self) -> float:
        """Share of all predictions that it flips alone; where that is not known, what its error is taken for."""
        flips = self.report.flips_alone
        if flips is not None:
            return self.flip_rate if flips >= _LEAST_FLIPS else 0.0
        return _FLIPS_OF_ERROR * self._relative_error()

    @property
    def together(self) -> bool:
        """Whether its own error is that of others too, which it was run together with."""
        return self.report.note.startswith(TOGETHER)

    def finding(self, cause: CauseName, evidence: str, advice: str, *, is_idle: bool = False) -> Finding:
        """A cause at this operator, as bad as the damage that the operator does by itself.

        Parameters
        ----------
        is_idle
            Whether it is known to do nothing to the values.
        """
        if self.report.flips_alone is not None:
            evidence = f"{evidence}; alone it flips {self.report.flips_alone} of {self.examples}"
        base = _IDLE if is_idle else _BASE[cause]
        damage = 0.0 if is_idle else max(self.damage, self.inherited)
        severity = max(base, severity_of(damage)) + _TIE * base
        return Finding(cause=cause, where=named(self.report), severity=severity, evidence=evidence, advice=advice)

    def _relative_error(self) -> float:
        """Its error as a share of its values; of values that lie far from 0 as a share of what they vary by."""
        error = self.error
        if error is None or error.sqnr_db is None:
            return 0.0
        relative = 10 ** (-error.sqnr_db / 20)
        if is_offset(error) and error.float_low is not None and error.float_high is not None:
            relative = max(relative, error.rmse / (_DEVIATION * (error.float_high - error.float_low)))
        return float(min(1.0, relative))


def severity_of(damage: float) -> float:
    """How bad it is to flip this share of all predictions: 0 to 0.85, and a reason to act from 0.5% on."""
    if damage < _ALARMING_FLIPS:
        return _ALARMING * damage / _ALARMING_FLIPS
    above = math.log(damage / _ALARMING_FLIPS) / math.log(_WORST_FLIPS / _ALARMING_FLIPS)
    return _ALARMING + (_WORST - _ALARMING) * min(1.0, above)


def is_offset(error: TensorError) -> bool:
    """Whether the values vary far from 0, which a quantized range holds all the same."""
    if error.float_low is None or error.float_high is None:
        return False
    farthest = max(abs(error.float_low), abs(error.float_high))
    width = error.float_high - error.float_low
    return error.float_low * error.float_high > 0 and 0 < width < _FAR * farthest


def off_by(operator: Operator) -> str:
    """How large its own error is, as the end of a sentence."""
    error = operator.report.isolated
    if error is None or error.sqnr_db is None:
        return ""
    steps = f"{error.rmse_in_steps:.3g} steps (rms), " if error.rmse_in_steps is not None else ""
    return f"; fed what the float model has, its output is off by {steps}{error.sqnr_db:.0f} dB below the values"


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
