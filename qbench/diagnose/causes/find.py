"""From evidence to causes, the worst first. Pure: nothing is run, read or timed here.

A cause that lies in front of the whole model, such as a calibration set of another kind, explains what is found at
its operators, and stands above it. Of operators, one is blamed for what it does by itself, not for what flows through
it from those before.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import msgspec

from qbench.diagnose.causes.calibration_causes import MODEL_WIDE, differing_calibration, is_far_off, poor_calibration
from qbench.diagnose.causes.graph_causes import another_model, not_finite_values
from qbench.diagnose.causes.kernel_causes import differing_kernels, off_the_delegate, slow_operators
from qbench.diagnose.causes.operator_causes import misrepresents, operator_findings
from qbench.diagnose.causes.operator_evidence import Operator
from qbench.diagnose.operators.records import OperatorReport
from qbench.diagnose.records import OF_TIME, Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from qbench.diagnose.evidence.records import WeightReport
    from qbench.diagnose.records import CauseName, Diagnosis
    from qbench.tflite.graph import Subgraph

#: What a model-wide cause leaves of the severity of what it explains.
_EXPLAINED = 0.5
#: Share of all operators from which on the same finding at each of them is one of the model.
_MANY = 0.5
_LEAST_MANY = 4
#: What can be said of an artifact whose weights are those of a model that was trained further: not its errors.
_OF_RANGES: frozenset[CauseName] = frozenset({"saturation", "zero point", "range too wide"})
_CLIPPING: frozenset[CauseName] = frozenset({"saturation", "zero point"})
_OTHER_WEIGHTS: frozenset[CauseName] = frozenset({"weights differ"})
#: How many times the damage of what it is fed, and how much more, an operator may do without being blamed for it.
_OWN, _LEAST_OWN = 2.0, 0.005


def find_causes(diagnosis: Diagnosis, graph: Subgraph) -> tuple[Finding, ...]:
    """Causes, by how bad they are.

    Parameters
    ----------
    diagnosis
        The evidence.
    graph
        The quantized artifact's main subgraph: which operator reads what, and what its tensors can represent.
    """
    operators, excused = _operators(diagnosis, graph)
    of_operators = [
        finding
        for operator in operators
        for finding in operator_findings(operator, is_excused=operator.report in excused)
    ]
    if diagnosis.retrained:
        of_operators = [finding for finding in of_operators if finding.cause in _OF_RANGES]
    ill_ranged = _places(of_operators, _OF_RANGES)
    is_everywhere = ill_ranged >= max(_LEAST_MANY, _MANY * len(operators))
    not_finite = [*not_finite_values(diagnosis)]
    model_wide = [*another_model(diagnosis), *differing_calibration(diagnosis, graph, is_everywhere=is_everywhere)]
    explained = any(finding.severity >= MODEL_WIDE for finding in (*not_finite, *model_wide))
    if not explained and (everywhere := [*_everywhere(of_operators, len(operators), diagnosis)]):
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


def of_accuracy(diagnosis: Diagnosis) -> Diagnosis:
    """The same without causes that cost time and change no answer."""
    findings = tuple(finding for finding in diagnosis.findings if finding.cause not in OF_TIME)
    return msgspec.structs.replace(diagnosis, findings=findings)


def _operators(diagnosis: Diagnosis, graph: Subgraph) -> tuple[list[Operator], list[OperatorReport]]:
    """The operators in order, each with what is known of it; and those whose own error is that of what they are fed.

    Who reads what another represents badly gives what is wrong: that is the other's damage, as long as it is no more
    than a few times what the other does alone.
    """
    per_channel = {weights.operator for weights in diagnosis.weights if not weights.per_tensor}
    options = {each.number: each.differences for each in diagnosis.options}
    far_off = set(graph.inputs) if any(is_far_off(each) for each in diagnosis.inputs) else set()
    operators: list[Operator] = []
    excused: list[OperatorReport] = []
    misrepresenting: dict[int, int] = {}
    for report in _reports(diagnosis, graph):
        index = _output(report, graph)
        weights = tuple(each for each in diagnosis.weights if each.number == report.number)
        operator = Operator(
            report=report,
            weights=weights,
            output=graph.tensors[index],
            examples=diagnosis.examples,
            flip_rate=_flip_rate(diagnosis, report.flips_alone or 0),
            alone_per_tensor=any(each.per_tensor and each.operator in per_channel for each in weights),
            options=options.get(report.number, ()),
        )
        read = graph.operators[report.number].inputs
        feeders = [misrepresenting[each] for each in read if each in misrepresenting]
        worst = max(feeders, key=lambda place: operators[place].damage, default=None)
        if not far_off.isdisjoint(read):
            excused.append(report)
        elif worst is not None and operator.damage <= _OWN * operators[worst].damage + _LEAST_OWN:
            excused.append(report)
            inherited = max(operators[worst].inherited, operator.damage)
            operators[worst] = dataclasses.replace(operators[worst], inherited=inherited)
        if misrepresents(operator):
            misrepresenting[index] = len(operators)
        operators.append(operator)
    return operators, excused


def _output(report: OperatorReport, graph: Subgraph) -> int:
    """The tensor that a report is of."""
    outputs = [index for index in graph.operators[report.number].outputs if index >= 0]
    return next((each for each in outputs if graph.tensors[each].name == report.output), outputs[0])


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


def _places(findings: list[Finding], causes: Collection[CauseName]) -> int:
    """At how many operators one of the causes was found."""
    return len({finding.where for finding in findings if finding.cause in causes})


def _everywhere(findings: list[Finding], operators: int, diagnosis: Diagnosis) -> Iterator[Finding]:
    """One finding of the model in place of the same at most of its operators."""
    clipped = _places(findings, _CLIPPING)
    if clipped >= max(_LEAST_MANY, _MANY * operators):
        yield Finding(
            cause="calibration differs",
            where="the model's ranges",
            severity=MODEL_WIDE,
            evidence=f"{clipped} of {operators} outputs clip evaluation values",
            advice="calibrate again: the examples that set these ranges were fewer than it takes, or of another kind",
        )
    others = _places(findings, _OTHER_WEIGHTS)
    weighted = len({weights.number for weights in diagnosis.weights})
    if others >= max(_LEAST_MANY, _MANY * weighted) or 1 < weighted == others:
        yield Finding(
            cause="weights differ",
            where="the model's weights",
            severity=MODEL_WIDE,
            evidence=f"the weights of {others} of {weighted} operators are not the float model's",
            advice="compare with the float model that the artifact was made of; after pruning or quantization-aware "
            "training that is the fine-tuned one",
        )


def _weaker(finding: Finding) -> Finding:
    return msgspec.structs.replace(finding, severity=_EXPLAINED * finding.severity)
