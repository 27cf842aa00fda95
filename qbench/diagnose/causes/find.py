"""From evidence to causes, the worst first. Pure: nothing is run, read or timed here.

A cause that lies in front of the whole model, such as a calibration set of another kind, explains what is found at
its operators, and stands above it. Of operators, one is blamed for what it does by itself, not for what flows through
it from those before.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from qbench.diagnose.causes.calibration_causes import MODEL_WIDE, differing_calibration, is_far_off, poor_calibration
from qbench.diagnose.causes.kernel_causes import differing_kernels, off_the_delegate, slow_operators
from qbench.diagnose.causes.operator_causes import misrepresents, operator_findings
from qbench.diagnose.causes.operator_evidence import Operator, named, short_name
from qbench.diagnose.records import Finding, OperatorReport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbench.diagnose.records import Diagnosis, WeightReport
    from qbench.tflite.graph import Subgraph

_NOT_FINITE = 1.0
#: What a model-wide cause leaves of the severity of what it explains.
_EXPLAINED = 0.5
#: Share of all operators from which on the same finding at each of them is one of the model.
_MANY = 0.5
#: What can be said of an artifact whose weights are those of a model that was trained further: not its errors.
_OF_RANGES = frozenset({"saturation", "zero point", "range too wide"})
_LEAST_MANY = 4


def find_causes(diagnosis: Diagnosis, graph: Subgraph) -> tuple[Finding, ...]:
    """Causes, by how bad they are.

    Parameters
    ----------
    diagnosis
        The evidence.
    graph
        The quantized artifact's main subgraph: which operator reads what, and what its tensors can represent.
    """
    not_finite = [*_not_finite(diagnosis)]
    model_wide = [*differing_calibration(diagnosis, graph)]
    operators = [*_operators(diagnosis, graph)]
    of_operators = [finding for operator in operators for finding in operator_findings(operator)]
    if diagnosis.retrained:
        of_operators = [finding for finding in of_operators if finding.cause in _OF_RANGES]
    explained = any(finding.severity >= MODEL_WIDE for finding in (*not_finite, *model_wide))
    if not explained and (everywhere := [*_everywhere(of_operators, len(operators))]):
        model_wide += everywhere
        explained = True
    if explained:
        of_operators = [_weaker(finding) for finding in of_operators]
    elsewhere = [
        *off_the_delegate(diagnosis),
        *differing_kernels(diagnosis),
        *slow_operators(diagnosis),
        *poor_calibration(diagnosis),
    ]
    found = [*not_finite, *model_wide, *of_operators, *elsewhere]
    return tuple(sorted(found, key=lambda finding: -finding.severity))


def _not_finite(diagnosis: Diagnosis) -> Iterator[Finding]:
    """The first operator that gives NaN or infinity: those behind it only hand it on."""
    for report in diagnosis.operators:
        errors = [error for error in (report.isolated, report.cumulative) if error is not None]
        count = max((error.not_finite for error in errors), default=0)
        floats = max((error.float_not_finite for error in errors), default=0)
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


def _operators(diagnosis: Diagnosis, graph: Subgraph) -> Iterator[Operator]:
    """The operators in order, each with what is known of it and of what it reads."""
    per_channel = {weights.operator for weights in diagnosis.weights if not weights.per_tensor}
    bad_tensors: set[int] = set()
    if any(is_far_off(each) for each in diagnosis.inputs):
        bad_tensors.update(graph.inputs)
    for report in _reports(diagnosis, graph):
        in_graph = graph.operators[report.number]
        outputs = [index for index in in_graph.outputs if index >= 0]
        index = next((each for each in outputs if graph.tensors[each].name == report.output), outputs[0])
        weights = tuple(each for each in diagnosis.weights if each.number == report.number)
        operator = Operator(
            report=report,
            weights=weights,
            output=graph.tensors[index],
            examples=diagnosis.examples,
            flip_rate=_flip_rate(diagnosis, report.flips_alone or 0),
            fed_badly=not bad_tensors.isdisjoint(in_graph.inputs),
            alone_per_tensor=any(each.per_tensor and each.operator in per_channel for each in weights),
        )
        if misrepresents(operator):
            bad_tensors.add(index)
        yield operator


def _flip_rate(diagnosis: Diagnosis, flips_alone: int) -> float:
    """Share of all evaluated examples that an operator flips alone.

    Those that flip were chosen first: they lie where little is enough, and any operator flips some of them. It is taken
    to flip these before others, each of which stands for many that were not chosen.
    """
    flips, steady = diagnosis.flips, diagnosis.examples - diagnosis.flips
    of_flips = min(flips_alone, flips)
    known = of_flips / flips * diagnosis.evaluated_flips / max(1, diagnosis.evaluated) if flips else 0.0
    return known + (flips_alone - of_flips) / max(1, steady)


def _reports(diagnosis: Diagnosis, graph: Subgraph) -> list[OperatorReport]:
    """A report for each operator of which something is known, be it of its weights alone; inputs are none."""
    known = [report for report in diagnosis.operators if report.number >= 0]
    numbers = {report.number for report in known}
    for weights in diagnosis.weights:
        if weights.number not in numbers:
            numbers.add(weights.number)
            known.append(_unobserved(weights, graph))
    return sorted(known, key=lambda report: report.number)


def _unobserved(weights: WeightReport, graph: Subgraph) -> OperatorReport:
    return OperatorReport(
        number=weights.number,
        operator=weights.operator,
        output=graph.tensors[graph.operators[weights.number].outputs[0]].name,
        float_number=-1,
        float_output="",
        isolated=None,
        cumulative=None,
    )


def _everywhere(findings: list[Finding], operators: int) -> Iterator[Finding]:
    """One finding of the model in place of the same at most of its operators."""
    count = Counter(finding.cause for finding in findings)
    clipped = count["saturation"] + count["zero point"]
    least = max(_LEAST_MANY, _MANY * operators)
    if clipped >= least:
        yield Finding(
            cause="calibration differs",
            where="the model's ranges",
            severity=MODEL_WIDE,
            evidence=f"{clipped} of {operators} outputs clip evaluation values",
            advice="calibrate again: the examples that set these ranges were fewer than it takes, or of another kind",
        )
    if count["weights differ"] >= least:
        yield Finding(
            cause="weights differ",
            where="the model's weights",
            severity=MODEL_WIDE,
            evidence=f"the weights of {count['weights differ']} of {operators} operators are not the float model's",
            advice="compare with the float model that the artifact was made of; after pruning or quantization-aware "
            "training that is the fine-tuned one",
        )


def _weaker(finding: Finding) -> Finding:
    return msgspec.structs.replace(finding, severity=_EXPLAINED * finding.severity)
