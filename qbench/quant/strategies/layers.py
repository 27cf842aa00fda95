"""Strategies for operators with weights: FULLY_CONNECTED, CONV_2D, DEPTHWISE_CONV_2D."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from qbench.quant.affine import QuantizationParameters
from qbench.quant.strategies.fills import fill_array, fill_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.quant.affine import Array
    from qbench.quant.strategies.draft import Draft, Signal

#: What can be fused to an operator, in the schema's words, with the largest value that it lets through.
_BOUNDS = {"RELU": math.inf, "RELU6": 6.0, "RELU_N1_TO_1": 1.0}


class Activation(NamedTuple):
    """A fused activation: its number in the schema, where it cuts, and whether that is between two stored values."""

    number: int
    bound: float
    is_halfway: bool

    @property
    def max_scale(self) -> float:
        """The largest scale of an output that leaves steps below the bound."""
        return self.bound / 8

    @property
    def halfway(self) -> float | None:
        """Where it cuts, if the output's scale is to put that halfway between two stored values."""
        return self.bound if self.is_halfway else None


def activation(draft: Draft) -> Activation:
    """A fused activation, most often none."""
    halfway = ("RELU6 halfway", "RELU_N1_TO_1 halfway")
    name, _, is_halfway = draft.choice("NONE", "NONE", "NONE", "NONE", *_BOUNDS, *halfway).partition(" ")
    number = int(getattr(schema.ActivationFunctionType, name))
    return Activation(number, _BOUNDS.get(name, math.inf), bool(is_halfway))


class Window(NamedTuple):
    """How a kernel moves over an image; (height, width) each."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    is_same: bool

    @property
    def padding(self) -> int:
        """The schema's number of SAME or VALID."""
        return int(schema.Padding.SAME if self.is_same else schema.Padding.VALID)

    def moved_over(self, sides: Sequence[int]) -> tuple[int, ...]:
        """Height and width of the result for an image of `sides`."""
        spans = [(size - 1) * step + 1 for size, step in zip(self.kernel, self.dilation, strict=True)]
        return tuple(
            -(-side // stride) if self.is_same else (side - span) // stride + 1
            for side, span, stride in zip(sides, spans, self.stride, strict=True)
        )


def window(draft: Draft, sides: Sequence[int], *, max_kernel: int = 5, dilated: bool = True) -> Window:
    """A kernel for an image of `sides`, which it may exceed only where the image is padded."""
    is_same = draft.boolean()
    kernel, dilation = [], []
    for side in sides:
        kernel.append(draft.integer(1, max_kernel if is_same else min(max_kernel, side)))
        # Most convolutions have none, and XNNPACK and the kernels take other ways with any.
        room = 3 if is_same else (side - 1) // max(kernel[-1] - 1, 1)
        dilation.append(draft.integer(1, max(1, min(3, room))) if dilated and kernel[-1] > 1 else 1)
    stride = draft.integer(1, 3), draft.integer(1, 3)
    return Window((kernel[0], kernel[1]), stride, (dilation[0], dilation[1]), is_same)


def conv_2d(draft: Draft, x: Signal) -> Signal:
    """CONV_2D with as many filters as drawn, weights per channel or per tensor."""
    batch, *sides, channels = x.shape
    over, fused = window(draft, sides), activation(draft)
    filters = draft.integer(1, draft.sizes.channels)
    options = schema.Conv2DOptionsT(
        padding=over.padding,
        strideH=over.stride[0],
        strideW=over.stride[1],
        dilationHFactor=over.dilation[0],
        dilationWFactor=over.dilation[1],
        fusedActivationFunction=fused.number,
    )
    layer = _Layer(draft, x, (filters, *over.kernel, channels), quantized_dimension=0)
    operands, output = layer.operands((batch, *over.moved_over(sides), filters), fused)
    return draft.operator("CONV_2D", operands, output, options, versions=(3, 4))


def depthwise_conv_2d(draft: Draft, x: Signal) -> Signal:
    """DEPTHWISE_CONV_2D with a depth multiplier of 1 to 3."""
    batch, *sides, channels = x.shape
    over, fused = window(draft, sides), activation(draft)
    depth = draft.integer(1, 3)
    options = schema.DepthwiseConv2DOptionsT(
        padding=over.padding,
        strideH=over.stride[0],
        strideW=over.stride[1],
        dilationHFactor=over.dilation[0],
        dilationWFactor=over.dilation[1],
        depthMultiplier=depth,
        fusedActivationFunction=fused.number,
    )
    layer = _Layer(draft, x, (1, *over.kernel, channels * depth), quantized_dimension=3)
    operands, output = layer.operands((batch, *over.moved_over(sides), channels * depth), fused)
    return draft.operator("DEPTHWISE_CONV_2D", operands, output, options, versions=(3, 5))


def fully_connected(draft: Draft, x: Signal) -> Signal:
    """FULLY_CONNECTED on the last dimension; those before it are flattened into one, or kept."""
    units, fused = draft.integer(1, draft.sizes.channels), activation(draft)
    keeps = len(x.shape) > 2 and draft.boolean()  # noqa: PLR2004 - with two dimensions there is nothing to flatten
    batch = x.shape[:-1] if keeps else (math.prod(x.shape[:-1]),)
    options = schema.FullyConnectedOptionsT(keepNumDims=keeps, fusedActivationFunction=fused.number)
    layer = _Layer(draft, x, (units, x.shape[-1]), quantized_dimension=0)
    operands, output = layer.operands((*batch, units), fused, needs_bias=False)
    return draft.operator("FULLY_CONNECTED", operands, output, options, versions=(5 if keeps else 4, 7))


class _Layer:
    """Weights and bias for an input, and an output scaled to what they make of it."""

    def __init__(self, draft: Draft, x: Signal, shape: tuple[int, ...], *, quantized_dimension: int) -> None:
        self.draft, self.x = draft, x
        # Per tensor: one scale for all, as the older converters write it. With scales that are powers of two times each
        # other, many sums lie halfway between two integers of the output.
        scaled = draft.choice("by channel", "by channel", "per tensor", "by channel, powers", "per tensor, powers")
        dimension = None if scaled.startswith("per tensor") else quantized_dimension
        self.weights, self.params = fill_weights(draft.draw, shape, dimension)
        self.has_powers = scaled.endswith("powers")
        if self.has_powers:
            powers = np.exp2(np.rint(np.log2(self.params.scale)))
            self.params = QuantizationParameters(powers, 0, quantized_dimension=dimension, narrow_range=True)
        self.channels = shape[quantized_dimension]
        self.taps = self.weights.size // self.channels

    def operands(self, shape: Sequence[int], fused: Activation, *, needs_bias: bool = True) -> tuple[list[int], Signal]:
        """Indices of input, weights and bias, and the output of `shape`.

        The convolutions need a bias: CONV_2D refuses to be prepared without one, and DEPTHWISE_CONV_2D is prepared, but
        its optimized int8 kernel then ends the process with SIGSEGV.
        """
        draft, x = self.draft, self.x
        accumulators = x.stored_as.scale * np.atleast_1d(self.params.scale)
        # Sums of independent products grow with the root of their number, what all have in common with the number.
        axis = self.params.quantized_dimension or 0
        by_channel = np.moveaxis(self.weights, axis, 0).reshape(len(self.weights) if axis == 0 else self.channels, -1)
        by_channel = by_channel.astype(np.float64)
        spread = self.taps * x.rms**2 * np.mean(by_channel**2, axis=1)
        common = (self.taps * x.mean * by_channel.mean(axis=1)) ** 2
        sums = np.sqrt(spread + common)
        indices = [x.index, draft.constant(self.weights, self.params)]
        size = 0.0
        if needs_bias or draft.choice(True, True, True, False):  # noqa: FBT003
            bias, size = self._bias(accumulators, float(sums.max(initial=0.0)))
            indices.append(bias)
        else:
            indices.append(-1)
        magnitude = float(np.sqrt(np.mean(np.square(np.hypot(sums, size) * accumulators))))
        # XNNPACK wants accumulators rescaled by less than 256, and so do the 16x8 kernels' shifts.
        params = draft.output_params(
            magnitude,
            at_least=float(accumulators.max()) / 64,
            at_most=fused.max_scale,
            powers_of=float(x.stored_as.scale) if self.has_powers else None,
            halfway=fused.halfway,
        )
        return indices, draft.output(shape, params, magnitude=magnitude)

    def _bias(self, scale: Array, size: float) -> tuple[int, float]:
        """Index of a bias of about `size`, and its root mean square."""
        reach = int(min(max(2 * size, 4), 2**24))
        stored = fill_array(self.draft.draw, (self.channels,), -reach, reach, 0)
        dtype = "int32" if self.draft.dtype == "int8" else "int64"
        params = QuantizationParameters(
            scale if self.params.is_per_channel else scale[0],
            quantized_dimension=0 if self.params.is_per_channel else None,
        )
        rms = float(np.sqrt(np.mean(np.square(stored, dtype=np.float64))))
        return self.draft.constant(stored.astype(dtype), params), rms
