"""What was found out about a quantized artifact: records that explain, print and travel as JSON."""

from __future__ import annotations

from typing import Literal

import msgspec

from qbench.diagnose.evidence.records import (
    CalibrationReport,
    FamilyResult,
    InputReport,
    OperatorTime,
    OptionsReport,
    WeightReport,
)
from qbench.diagnose.operators.records import OperatorReport, TensorError
from qbench.records import Subject

#: What can be wrong; each has its evidence and its advice in `causes/`.
CauseName = Literal[
    "not finite",
    "calibration differs",
    "input range",
    "saturation",
    "range too wide",
    "zero point",
    "options differ",
    "another model",
    "weights differ",
    "bias scale",
    "bias does not fit",
    "weights per tensor",
    "unequal channels",
    "coarse weights",
    "dead channels",
    "operator error",
    "off the delegate",
    "kernels differ",
    "slow operator",
]

#: Causes that make an artifact slower and change none of its answers.
OF_TIME: frozenset[CauseName] = frozenset({"off the delegate", "slow operator"})


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One cause: where, how bad (0 to 1, what causes are ordered by), why it is believed, and what to try."""

    cause: CauseName
    where: str
    severity: float
    evidence: str
    advice: str


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was found out about one subject.

    Attributes
    ----------
    examples
        How many examples of the evaluation set were looked at closely; those that flip come first.
    flips
        Predictions among them that differ from fp32's.
    evaluated, evaluated_flips
        How many examples were run on both sides to find those that flip, and how many do; 0 where nobody looked.
    classes
        Whether predictions are read from a row of classes; nothing flips where they are not.
    output_error
        Of the output that predictions are read from, as deployed; None where it is not known.
    retrained
        Whether the recipe trains before it quantizes, so that the artifact has other weights on purpose.
    calibrated
        Whether the recipe takes ranges from the calibration examples.
    changes
        What differs from the accepted artifact, each as a sentence; empty if it is the same one, or there is none.
    undelegated, fallen
        Operators that no delegate ran, and those of them that it could have run.
    unmatched
        Operators of the quantized artifact that have no counterpart in the float model, each with why.
    options
        Operators that have a counterpart with other options.
    weighted, unmatched_weighted
        How many operators multiply by weights, and how many of these have no counterpart.
    other_outputs
        How the outputs' sizes differ from the float model's, as a clause; empty if they do not.
    notes
        What could not be looked at, and why.
    out_of_time
        What was not looked at because the time was over, each as a noun.
    findings
        Causes, the worst first.
    """

    subject: Subject
    examples: int
    flips: int
    evaluated: int = 0
    evaluated_flips: int = 0
    classes: bool = True
    output_error: TensorError | None = None
    inputs: tuple[InputReport, ...] = ()
    calibration: CalibrationReport | None = None
    retrained: bool = False
    calibrated: bool = True
    changes: tuple[str, ...] = ()
    operators: tuple[OperatorReport, ...] = ()
    weights: tuple[WeightReport, ...] = ()
    unmatched: tuple[str, ...] = ()
    options: tuple[OptionsReport, ...] = ()
    weighted: int = 0
    unmatched_weighted: int = 0
    other_outputs: str = ""
    families: tuple[FamilyResult, ...] = ()
    times: tuple[OperatorTime, ...] = ()
    float_times: tuple[OperatorTime, ...] = ()
    undelegated: tuple[str, ...] = ()
    fallen: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    out_of_time: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
