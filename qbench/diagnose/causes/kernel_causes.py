"""What kernels do: which operators they leave to others, which of their roundings matter, which are slow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.diagnose.causes.operator_evidence import named
from qbench.diagnose.records import Finding
from qbench.models.operators import computations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from qbench.diagnose.operators.records import OperatorReport
    from qbench.diagnose.records import Diagnosis
    from qbench.tflite.graph import Subgraph

_OFF_DELEGATE, _KERNELS, _SLOW = 0.25, 0.25, 0.1
#: Share of the examples that other kernels may flip before that is worth a word.
_KERNEL_FLIPS = 0.01
#: An operator is slow if it takes this many times as long as the float one, and this share of an invoke.
_SLOWER, _SHARE = 2.0, 0.2
_MOST_NAMES = 3
#: What XNNPACK runs in int8, of the operators that a network spends its time in.
_INT8 = "int8"
_INT16 = " int16"
_TAKEN = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "ADD", "MUL", "MEAN"})


def fallen_operators(graph: Subgraph, undelegated: Iterable[int]) -> tuple[int, ...]:
    """Those of the operators outside the delegate that it could run: it runs others like them, or is known to."""
    work, outside = computations(graph), set(undelegated)
    inside = {(each.operator, each.label) for number, each in enumerate(work) if number not in outside}
    return tuple(
        number
        for number in sorted(outside)
        if (work[number].operator, work[number].label) in inside
        or (work[number].label == _INT8 and work[number].operator in _TAKEN)
    )


def off_the_delegate(diagnosis: Diagnosis) -> Iterator[Finding]:
    """Operators that the delegate does not run, although it runs others like them."""
    if diagnosis.fallen:
        shown = ", ".join(diagnosis.fallen[:_MOST_NAMES])
        more = f" and {len(diagnosis.fallen) - _MOST_NAMES} more" if diagnosis.fallen[_MOST_NAMES:] else ""
        yield Finding(
            cause="off the delegate",
            where=shown + more,
            severity=_OFF_DELEGATE,
            evidence="left to the runtime's own kernels, although XNNPACK has such an operator: each change from one "
            "to the other ends what XNNPACK runs in one go",
            advice="look for what XNNPACK does not take: an activation, a zero point of weights, a bias without "
            "quantization parameters, a dtype",
        )


def differing_kernels(diagnosis: Diagnosis) -> Iterator[Finding]:
    """A family of kernels that flips more predictions than quantizing did."""
    worst = max(diagnosis.families, key=lambda family: family.flips, default=None)
    quantizing = diagnosis.evaluated_flips / max(1, diagnosis.evaluated)
    if worst is None or worst.flips <= worst.examples * max(_KERNEL_FLIPS, quantizing):
        return
    yield Finding(
        cause="kernels differ",
        where=f"{worst.family} kernels",
        severity=_KERNELS,
        evidence=f"they flip {worst.flips} of {worst.examples:,} predictions of the same artifact, more than "
        f"quantizing did ({diagnosis.evaluated_flips} of {diagnosis.evaluated:,}); its outputs are up to "
        f"{worst.max_output_steps} steps apart",
        advice="`qbench conform` says which kernel rounds otherwise; measure on the kernels that you deploy",
    )


def slow_operators(diagnosis: Diagnosis) -> Iterator[Finding]:
    """Operators that quantizing made slower, and that matter."""
    total = sum(each.nanoseconds for each in diagnosis.times)
    if _is_left_to_itself(diagnosis):
        float_total = sum(each.nanoseconds for each in diagnosis.float_times)
        if total > _SLOWER * float_total > 0:
            yield _slow_model(total / float_total)
        return
    times = {each.number: each for each in diagnosis.times if each.number >= 0}
    float_times = {each.number: each for each in diagnosis.float_times if each.number >= 0}
    for report in diagnosis.operators:
        time, float_time = times.get(report.number), float_times.get(report.float_number)
        if time is None or float_time is None or time.nanoseconds < _SHARE * total:
            continue
        unsure_ns = time.resolution_ns + _SLOWER * float_time.resolution_ns
        if time.nanoseconds > _SLOWER * float_time.nanoseconds + unsure_ns:
            yield _slow_finding(report, time.nanoseconds, float_time.nanoseconds, total, time.kernel)


def _is_left_to_itself(diagnosis: Diagnosis) -> bool:
    """Whether activations have 16 bits and no delegate runs any operator: XNNPACK has no such kernels."""
    int16 = any(_INT16 in report.operator for report in diagnosis.operators)
    return int16 and not any(time.delegated for time in diagnosis.times)


def _slow_model(times_as_long: float) -> Finding:
    return Finding(
        cause="slow operator",
        where="the model",
        severity=_SLOW,
        evidence=f"it takes {times_as_long:.2g} times as long as in float: no operator runs in the delegate, which has "
        "no kernels for activations of 16 bits",
        advice="keep 16 bits where 8 bits cost accuracy, and the rest in int8; or weights alone in 8 bits (dynamic)",
    )


def _slow_finding(report: OperatorReport, ns: float, float_ns: float, total: float, kernel: str) -> Finding:
    return Finding(
        cause="slow operator",
        where=named(report),
        severity=_SLOW,
        evidence=f"it takes {ns / float_ns:.2g} times as long as in float, and {ns / total:.0%} of an invoke "
        f"({kernel})",
        advice="keep it in float, or choose a form of it for which the runtime has an int8 kernel",
    )
