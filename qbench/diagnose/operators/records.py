"""How far operators of a quantized artifact are from the float model's: records that explain and travel as JSON."""

from __future__ import annotations

import msgspec


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
