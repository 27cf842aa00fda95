"""What is known of an artifact besides the errors of its operators: records that explain, print and travel as JSON."""

from __future__ import annotations

import msgspec


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
