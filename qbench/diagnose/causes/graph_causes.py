"""What is wrong before numbers are compared: another model, or values that are no numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.diagnose.causes.calibration_causes import MODEL_WIDE
from qbench.diagnose.causes.operator_evidence import named, short_name
from qbench.diagnose.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbench.diagnose.records import Diagnosis

_NOT_FINITE = 1.0
#: Share of the operators with weights that have no counterpart, beyond which it is another model.
_UNMATCHED = 0.5


def another_model(diagnosis: Diagnosis) -> Iterator[Finding]:
    """An artifact that was not made of this float model, but of one of another structure."""
    said = []
    if diagnosis.unmatched_weighted > _UNMATCHED * diagnosis.weighted:
        said.append(
            f"{diagnosis.unmatched_weighted} of {diagnosis.weighted} operators with weights have no counterpart in it"
        )
    if diagnosis.other_outputs:
        said.append(diagnosis.other_outputs)
    if said:
        yield Finding(
            cause="another model",
            where="the float model",
            severity=MODEL_WIDE,
            evidence="; ".join(said),
            advice="compare with the float model that the artifact was made of",
        )


def not_finite_values(diagnosis: Diagnosis) -> Iterator[Finding]:
    """The first operator that gives NaN or infinity: those behind it only hand it on."""
    for report in diagnosis.operators:
        errors = [error for error in (report.isolated, report.cumulative) if error is not None]
        count = max((error.not_finite for error in errors), default=0)
        floats = max((error.float_not_finite for error in errors), default=0)
        if floats and report.number < 0:
            yield Finding(
                cause="not finite",
                where=f"the examples of input {short_name(report.output)!r}",
                severity=_NOT_FINITE,
                evidence=f"{floats} of the values that evaluation feeds it are NaN or infinite",
                advice="repair the examples, or leave these out: what an input cannot hold is stored as its limit",
            )
            return
        if floats:
            yield Finding(
                cause="not finite",
                where=f"the float model's {short_name(report.float_output)!r}",
                severity=_NOT_FINITE,
                evidence=f"{floats} values are NaN or infinite in the float model itself",
                advice="repair the float model first: nothing can be compared with such values",
            )
            return
        if count:
            yield Finding(
                cause="not finite",
                where=named(report),
                severity=_NOT_FINITE,
                evidence=f"{count} of its values are NaN or infinite, and the float model's are not",
                advice="look for NaN or infinity in its weights, for a scale of 0, and for float16 values above 65504",
            )
            return
