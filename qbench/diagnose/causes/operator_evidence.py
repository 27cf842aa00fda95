"""All that is known of one operator, and how bad it makes a cause that lies there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qbench.diagnose.records import Finding

if TYPE_CHECKING:
    from qbench.diagnose.records import CauseName, OperatorReport, TensorError, WeightReport
    from qbench.tflite.graph import Tensor

#: Of the signal at an operator's output, fed what the float model has: 20 dB is an error of a tenth.
_OUTPUT_DB = 20.0
#: Steps of root mean square error of an operator by itself: rounding leaves 0.289, int8 weights up to 1.
_OUTPUT_STEPS = 3.0
#: Share of the examples that an operator by itself may flip.
_FLIPS = 0.02

#: How bad a cause is that does no damage: what is never right counts more than what may be so.
_BASE: dict[CauseName, float] = {
    "weights differ": 0.5,
    "zero point": 0.5,
    "weights per tensor": 0.3,
    "unequal channels": 0.1,
    "coarse weights": 0.1,
    "saturation": 0.1,
    "operator error": 0.1,
    "range too wide": 0.1,
    "dead channels": 0.1,
}
_WORST = 0.9
#: Damage that is taken for granted where fewer of all examples flip: half of what the error is next to the values, and
#: half of the share of the chosen examples, which lie where little is enough.
_COUNTS = 0.5


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
    fed_badly
        Whether what it is fed is represented badly already: its own error is then no evidence against it.
    alone_per_tensor
        Whether operators like it have one scale for each channel.
    """

    report: OperatorReport
    weights: tuple[WeightReport, ...]
    output: Tensor
    examples: int
    flip_rate: float = 0.0
    fed_badly: bool = False
    alone_per_tensor: bool = False

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

    def finding(self, cause: CauseName, evidence: str, advice: str) -> Finding:
        """A cause at this operator, as bad as the damage that the operator does by itself."""
        if self.report.flips_alone is not None:
            evidence = f"{evidence}; alone it flips {self.report.flips_alone} of {self.examples}"
        severity = _BASE[cause] + (_WORST - _BASE[cause]) * self._damage()
        return Finding(cause=cause, where=named(self.report), severity=severity, evidence=evidence, advice=advice)

    def _damage(self) -> float:
        """Share of all examples that it flips, or at least how large its error is next to its values."""
        error, chosen = self.error, (self.report.flips_alone or 0) / max(1, self.examples)
        relative = 10 ** (-error.sqnr_db / 20) if error is not None and error.sqnr_db is not None else 0.0
        return float(min(1.0, max(self.flip_rate, _COUNTS * relative, _COUNTS * chosen)))


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
