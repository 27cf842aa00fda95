"""What is wrong with the weights and the bias of one operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.diagnose.causes.operator_evidence import ELSEWHERE, off_by, short_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbench.diagnose.causes.operator_evidence import Operator
    from qbench.diagnose.evidence.records import WeightReport
    from qbench.diagnose.records import Finding

#: Steps of root mean square error of stored weights: rounding leaves 0.289, a method that clips them below 1.
_WEIGHT_STEPS = 1.0
#: The same of weights that are stored as float: float16 leaves 0.0003, bfloat16 0.002 of their norm.
_FLOAT_ERROR = 0.01
#: A channel that keeps less than this of its weights is lost: 20 dB is an error of a tenth.
_CHANNEL_DB = 20.0
#: What well rounded weights keep at least in 8 bits; 4 bits keep less.
_COARSE_DB = 30.0
#: Largest weight over the middle one. Trained layers have up to 10; beyond, the others share a few steps.
_INPUT_SPREAD = 20.0
_FLOAT, _BIAS = ("float16", "float32"), ("int32", "int64")


def weight_findings(operator: Operator) -> Iterator[Finding]:
    """Causes in what the operator holds: other weights than the float model's, or weights that are stored badly."""
    for weights in operator.weights:
        yield from _of_bias(operator, weights)
        yield from _other(operator, weights)
        lost = weights.worst_channel_sqnr_db
        if weights.per_tensor and (operator.alone_per_tensor or (lost is not None and lost < _CHANNEL_DB)):
            yield operator.finding(
                "weights per tensor",
                f"its channels share one scale, the largest of them is {weights.channel_spread:.3g} times the middle "
                f"one{'' if lost is None else f', and the channel that loses most keeps {lost:.0f} dB'}",
                "quantize its weights per channel; where that cannot be, equalize the channels or keep it in float",
            )
        if operator.hurts and not weights.operator.endswith(_BIAS):
            yield from _rounded_badly(operator, weights)


def are_others(weights: WeightReport) -> bool:
    """Whether stored weights are further from the float ones than any rounding leaves them."""
    if weights.operator.endswith(_FLOAT):
        return weights.relative_error > _FLOAT_ERROR
    return weights.rmse_in_steps > _WEIGHT_STEPS


def _of_bias(operator: Operator, weights: WeightReport) -> Iterator[Finding]:
    if weights.at_limit:
        channels = "channels" if weights.at_limit > 1 else "channel"
        yield operator.finding(
            "bias does not fit",
            f"the bias of {weights.at_limit} {channels} is beyond what {weights.operator.rpartition(' ')[2]} holds: "
            "the weights there are next to zero, and with them the scale that the bias is stored in",
            "give those channels a larger weight scale, such as one that holds the bias; or leave the channels out",
        )
    if weights.bias_scale_factor == 1:
        return
    is_read_rightly = not are_others(weights)
    factor = weights.bias_scale_factor
    times = f"{factor:.3g}" if factor > 1 else f"1/{1 / factor:.3g}"
    yield operator.finding(
        "bias scale",
        f"the recorded scale of its bias is {times} times its input's scale times its weights', which is what kernels "
        + ("take: what is stored is right, and the record is not" if is_read_rightly else "take it for"),
        "convert again; whoever changes the scale of a tensor has to store the biases of those that read it anew",
        is_idle=is_read_rightly,
    )


def _other(operator: Operator, weights: WeightReport) -> Iterator[Finding]:
    if not are_others(weights) or weights.bias_scale_factor != 1:
        return
    name = short_name(weights.weights)
    if weights.operator.endswith(_FLOAT):
        evidence = f"{name!r} is {weights.relative_error:.1%} of their norm from the float weights"
        advice = "convert again from this float model, or compare with the one that this was made of"
    else:
        offset = abs(weights.mean_error_in_steps) > weights.rmse_in_steps / 2
        kind = f", by {weights.mean_error_in_steps:+.1f} on average: a zero point or a bias" if offset else ""
        evidence = f"{name!r} is {weights.rmse_in_steps:.3g} steps (rms) and up to {weights.max_error_in_steps:.3g} "
        evidence += f"from the float weights{kind}; rounding alone leaves 0.29"
        advice = "convert again from this float model; if that repeats it, compare the scale of these weights with "
        advice += "the largest of them, divided by 127"
    yield operator.finding("weights differ", evidence, advice)


def _rounded_badly(operator: Operator, weights: WeightReport) -> Iterator[Finding]:
    """Weights that are as near to the float ones as their steps allow, which are too coarse."""
    lost = weights.worst_channel_sqnr_db
    if weights.input_spread > _INPUT_SPREAD:
        yield operator.finding(
            "unequal channels",
            f"one input channel is weighed {weights.input_spread:.3g} times as much as the middle one and leaves "
            f"the others few steps{off_by(operator)}",
            f"scale that channel down here and up in the operator before it (cross-layer equalization), or {ELSEWHERE}",
        )
    elif lost is not None and lost < _COARSE_DB and not weights.per_tensor and not are_others(weights):
        yield operator.finding(
            "coarse weights",
            f"its weights are rounded well, to {weights.operator.rpartition(' ')[2]}, and the channel that loses "
            f"most keeps {lost:.0f} dB of them{off_by(operator)}",
            "give its weights more bits, smaller blocks, or a scale for each channel",
        )
