"""What is wrong with a calibration: of another kind than what is evaluated, or poor in itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.diagnose.causes.operator_evidence import short_name
from qbench.diagnose.evidence.normalisation import few_reach_beyond, input_range_mismatch, mismatch
from qbench.diagnose.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbench.diagnose.evidence.records import InputReport
    from qbench.diagnose.records import Diagnosis
    from qbench.tflite.graph import Subgraph

#: A cause in front of the whole model stands above all that it explains.
MODEL_WIDE = 0.95
_MILD, _POOR = 0.22, 0.2
#: An input of which less is in use leaves its values five of eight bits.
_IN_USE = 1 / 8
#: Share of the values that an input may clip before that explains all that comes behind it.
_CLIPPED = 0.01
#: Shares of the range, and of the examples, from which on a calibration set is said to be a poor one.
_MOVED, _CONSTANT = 0.5, 0.5
_ANOTHER_KIND = (
    "calibrate on some hundred training examples that went through the same preprocessing as those that are evaluated"
)
_OUTLIERS = "look at these examples, and take them out; or calibrate by percentile or mse"


def differing_calibration(diagnosis: Diagnosis, graph: Subgraph, *, is_everywhere: bool = False) -> Iterator[Finding]:
    """Calibration, or what the input's range says of it, that is not of the kind of what is evaluated.

    Parameters
    ----------
    is_everywhere
        Whether the ranges of most operators do not fit either. Where neither they nor the input's range show it, the
        difference is worth knowing and explains nothing.
    """
    report = diagnosis.calibration
    blamed = False
    for each in diagnosis.inputs:
        clause = mismatch(each)
        if not clause and report is not None and report.constant_examples > _CONSTANT * report.examples:
            clause = f"{report.constant_examples} of {report.examples} examples are of one value throughout"
        if clause and diagnosis.calibrated:
            blamed = True
            yield Finding(
                cause="calibration differs",
                where=f"the calibration of input {each.name!r}",
                severity=MODEL_WIDE if is_everywhere or is_far_off(each) else _MILD,
                evidence=clause,
                advice=_OUTLIERS if few_reach_beyond(each) else _ANOTHER_KIND,
            )
    symmetric = is_symmetric(graph)
    for each in diagnosis.inputs:
        clause = input_range_mismatch(each, symmetric=symmetric)
        if clause and not blamed:
            yield Finding(
                cause="input range",
                where=f"input {each.name!r}",
                severity=MODEL_WIDE if is_far_off(each) else _MILD,
                evidence=clause,
                advice="convert again with calibration examples that are preprocessed as those that are evaluated",
            )


def is_far_off(input_report: InputReport) -> bool:
    """Whether an input's range is so far from what it is given that no operator behind it can be blamed."""
    low, high = input_report.represents_low, input_report.represents_high
    if low is None or high is None:
        return False
    in_use = (max(input_report.high, 0.0) - min(input_report.low, 0.0)) / (high - low)
    return in_use < _IN_USE or input_report.saturated >= _CLIPPED


def is_symmetric(graph: Subgraph) -> bool:
    """Whether all activations have the zero point 0, but those that the specification sets."""
    fixed = {
        index for operator in graph.operators if operator.name in {"SOFTMAX", "LOGISTIC"} for index in operator.outputs
    }
    activations = [
        tensor
        for index, tensor in enumerate(graph.tensors)
        if tensor.data is None and tensor.scales.size == 1 and index not in fixed
    ]
    return bool(activations) and all(int(tensor.zero_points[0]) == 0 for tensor in activations)


def poor_calibration(diagnosis: Diagnosis) -> Iterator[Finding]:
    """What is poor about the calibration set in itself, where it was used."""
    report = diagnosis.calibration
    if report is None or not diagnosis.calibrated:
        return
    said = []
    if report.near_copies:
        said.append(f"{report.near_copies} of {report.examples} examples are nearly evaluation examples")
    if report.duplicate_examples > _CONSTANT * report.examples:
        said.append(f"{report.duplicate_examples} of {report.examples} examples are copies of others")
    if report.ranges and report.ranges[0].moved_by_subset > _MOVED:
        worst = report.ranges[0]
        said.append(
            f"the range of {short_name(worst.tensor)!r} moves by {worst.moved_by_subset:.0%} from one half of the "
            "examples to the other"
        )
    if said:
        yield Finding(
            cause="calibration differs",
            where="the calibration set",
            severity=_POOR,
            evidence="; ".join(said),
            advice="take more examples, at random from the training set and apart from those that are evaluated",
        )
