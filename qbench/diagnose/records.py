"""What was found out about a quantized artifact: records that explain, print and travel as JSON."""

from __future__ import annotations

from typing import Literal

import msgspec

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


class TensorError(msgspec.Struct, frozen=True, kw_only=True):
    """How far the values that an operator gives are from the float model's, over all evaluated examples.

    Attributes
    ----------
    values
        How many were compared; those that are NaN or infinite on either side are counted below and not compared.
    rmse, mean_error
        Root of the mean square of ``quantized - float``, and its mean, in real values.
    rmse_in_steps, mean_error_in_steps, max_error_in_steps
        The same and the largest in units of the output's scale (LSB); None where the output is not quantized. Rounding
        alone gives an rmse of ``1 / sqrt(12) = 0.289`` steps and a mean of 0. A step of int16 is so small that what
        weights of 8 bits leave is tens of them.
    sqnr_db
        ``10 log10(sum(float^2) / sum((quantized - float)^2))``; None if they are equal. Where the float values are all
        0 it is -100, or None if no error is larger than a step.
    saturated
        Share of values whose float value lies beyond what the output's parameters can represent by more than a step.
    range_use
        Share of the representable range that the float values span; None where the output is not quantized.
    channels, dead_channels
        Size of the last axis where the values are computed, and how many of these channels are one value for all
        examples although the float model's are not.
    not_finite, float_not_finite
        NaN and infinite values, of the quantized side and of the float side.
    float_low, float_high
        Between these are the finite values of the float side; None if there are none.
    saturated_error
        Which share of the sum of squared errors the values have that are `saturated`; None where it is not known.
    """

    values: int
    rmse: float
    mean_error: float
    rmse_in_steps: float | None
    mean_error_in_steps: float | None
    max_error_in_steps: float | None
    sqnr_db: float | None
    saturated: float
    range_use: float | None
    channels: int
    dead_channels: int
    not_finite: int
    float_not_finite: int
    float_low: float | None = None
    float_high: float | None = None
    saturated_error: float | None = None


class OperatorReport(msgspec.Struct, frozen=True, kw_only=True):
    """One operator of the quantized artifact, or an input, held against the float model's.

    Attributes
    ----------
    number
        Its place in the quantized artifact; -1 for an input, whose error is that of storing examples in it.
    operator, output
        Such as ``CONV_2D int8`` or ``INPUT int8``, and the name of its output tensor.
    float_number, float_output
        The operator of the float model whose result its own stands for, -1 for an input; and that one's output.
    isolated
        Its error if it is fed the float model's values; None where it could not be run alone, and `note` says why.
    cumulative
        Its error as deployed, with the errors of all operators before it.
    flips_alone
        Examples on which the float model predicts something else if this operator alone is the quantized one; None
        where that was not tried, and for models whose output is no row of classes.
    note
        What could not be done and why; operators without a counterpart that it was run together with.
    """

    number: int
    operator: str
    output: str
    float_number: int
    float_output: str
    isolated: TensorError | None
    cumulative: TensorError | None
    flips_alone: int | None = None
    note: str = ""


class WeightReport(msgspec.Struct, frozen=True, kw_only=True):
    """Weights or a bias of one operator held against the float model's.

    Attributes
    ----------
    rmse_in_steps, mean_error_in_steps, max_error_in_steps
        In units of each channel's scale; rounding alone gives 0.289, a mean of 0, and at most 0.5. Of a bias, the scale
        is the one that kernels read it with, input scale times weight scale, or what float32 can tell apart if that is
        more. 0 where it is stored as float.
    relative_error
        Norm of the difference as a share of the float ones' norm.
    worst_channel_sqnr_db
        Of the channel that lost most; None if nothing was lost.
    per_tensor
        Whether all channels share one scale.
    channel_spread
        Largest of the channels' float ranges divided by their median: what one scale for all of them costs.
    input_spread
        Largest weight of a channel divided by the median over the inputs that it weighs, of the channel in the middle:
        what one large input channel costs the others.
    bias_scale_factor
        Of a bias, its recorded scale divided by input scale times weight scale, of the channel where these are
        furthest apart; 1 where they are equal, or nothing is recorded.
    at_limit
        Of a bias, channels whose value is beyond what its dtype holds and which are stored as its limit. They count in
        none of the errors.
    """

    number: int
    operator: str
    weights: str
    float_weights: str
    rmse_in_steps: float
    max_error_in_steps: float
    worst_channel_sqnr_db: float | None
    per_tensor: bool
    channel_spread: float
    mean_error_in_steps: float = 0.0
    input_spread: float = 1.0
    relative_error: float = 0.0
    bias_scale_factor: float = 1.0
    at_limit: int = 0


class OptionsReport(msgspec.Struct, frozen=True, kw_only=True):
    """An operator that stands for one of the same name with other options.

    Attributes
    ----------
    number, operator, output
        As in `OperatorReport`.
    differences
        Such as ``its dilation_w_factor is 2, the float model's 1``.
    """

    number: int
    operator: str
    output: str
    differences: tuple[str, ...]


class InputReport(msgspec.Struct, frozen=True, kw_only=True):
    """One input of the artifact: what it can represent, and what evaluation and calibration feed it, in real values.

    Attributes
    ----------
    low, high, mean, deviation
        Of the evaluation examples; `deviation` is the standard deviation.
    calibration_low, calibration_high, calibration_mean
        Of the calibration examples; None if there are none.
    calibration_examples, calibration_beyond
        How many of them were looked at, and how many reach beyond the evaluation's range by more than a quarter of it.
    represents_low, represents_high
        What the input's scale and zero point can represent; None if it is not quantized.
    saturated
        Share of the evaluation values that lie beyond that by more than a step.
    """

    name: str
    low: float
    high: float
    mean: float
    deviation: float
    calibration_low: float | None = None
    calibration_high: float | None = None
    calibration_mean: float | None = None
    represents_low: float | None = None
    represents_high: float | None = None
    saturated: float = 0.0
    calibration_examples: int = 0
    calibration_beyond: int = 0


class RangeStability(msgspec.Struct, frozen=True, kw_only=True):
    """How far the range of one tensor of the float model depends on which calibration examples there are.

    Attributes
    ----------
    low, high
        Over all calibration examples that were looked at.
    moved_by_subset
        How far the ends of the range of one half are from those of the other at most, as a share of the whole range.
    moved_by_order
        The same between a moving average (0.95) over the examples as they stand, and over them from the last to the
        first: what a quantizer that averages makes of their order.
    """

    tensor: str
    low: float
    high: float
    moved_by_subset: float
    moved_by_order: float


class CalibrationReport(msgspec.Struct, frozen=True, kw_only=True):
    """The calibration set as a tested input.

    Attributes
    ----------
    digest
        SHA-256 of its content.
    constant_examples
        Examples of which every value is the same.
    duplicate_examples
        Examples that stand in it more than once, beyond the first of each.
    near_copies
        Examples that are nearly an evaluation example; None where there were too many to compare.
    ranges
        Of the tensors of the float model, those first that depend most on a subset.
    """

    digest: str
    examples: int
    constant_examples: int
    duplicate_examples: int
    near_copies: int | None = None
    ranges: tuple[RangeStability, ...] = ()


class FamilyResult(msgspec.Struct, frozen=True, kw_only=True):
    """The same artifact on one family of kernels: ``xnnpack``, ``builtin`` or ``reference``.

    `flips` counts predictions, of `examples`, that differ from those of the kernels it is deployed with; `accuracy` is
    None without labels. `max_output_steps` is the largest difference of a stored output, 0 for outputs that are not
    quantized: float kernels differ by nature.
    """

    family: str
    accuracy: float | None
    flips: int
    max_output_steps: int
    examples: int = 0


class OperatorTime(msgspec.Struct, frozen=True, kw_only=True):
    """What the runtime's profiler says of one operator: the kernel that ran, and its share of an invoke.

    `number` is its place in the artifact, -1 inside a delegate that does not tell; `delegated` whether one ran it.
    `nanoseconds` are those of one example, and off by no more than `resolution_ns` for what the profiler cuts off.
    """

    number: int
    kernel: str
    delegated: bool
    nanoseconds: float
    resolution_ns: float = 0.0


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
