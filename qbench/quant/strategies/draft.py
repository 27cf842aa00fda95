"""A `.tflite` in the making: what every operator's strategy draws from and writes to."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

from qbench.quant.affine import QuantizationParameters
from qbench.quant.strategies.checks import LIMITS
from qbench.quant.strategies.fills import fill_array, fill_reals
from qbench.quant.strategies.parameters import integers, scales
from qbench.tflite.builder import Affine, Graph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.quant.affine import Array

#: Scales of activations that are met: ranges from a few hundredths to some hundreds.
_SCALES = {"int8": (2.0**-10, 1.0), "int16": (2.0**-18, 2.0**-6)}
#: How many steps a magnitude has that real inputs lie on: some in each step of the output, and powers of two.
_REAL_STEPS = {"int8": 2**7, "int16": 2**15}

choices = cache(st.sampled_from)
BOOLEANS = st.booleans()


def is_met(scale: float, dtype: str) -> bool:
    """Whether activations have such a scale: what is drawn for inputs, and what operators with tables are made for."""
    low, high = _SCALES[dtype]
    return low <= scale <= high


@dataclass(frozen=True)
class Sizes:
    """How large the tensors of a model may become."""

    side: int = 12
    channels: int = 24
    batch: int = 3
    rank: int = 4


@dataclass(frozen=True)
class Signal:
    """A tensor that an operator can read.

    Parameters
    ----------
    index
        Its place in the graph.
    shape
        Its sizes.
    params
        How it is stored; None for float32.
    mean, rms
        Mean and root mean square of ``stored - zero_point`` (of the values, for float32): known of inputs,
        estimated of what operators give. The scale of the next output is made from them.
    unit
        What float32 values are whole multiples of, as far as float32 can hold them.
    """

    index: int
    shape: tuple[int, ...]
    params: QuantizationParameters | None
    mean: float
    rms: float
    unit: float = 1.0

    @property
    def stored_as(self) -> QuantizationParameters:
        """The parameters of a tensor that is quantized."""
        if self.params is None:
            raise TypeError("a float32 tensor has no quantization parameters")
        return self.params


@dataclass
class Draft:
    """A graph with the inputs it is to be run on.

    Parameters
    ----------
    draw
        Hypothesis' function that takes an example from a strategy.
    dtype
        ``int8`` or ``int16``: the type of the activations.
    sizes
        Bounds of the shapes.
    """

    draw: st.DrawFn
    dtype: str
    sizes: Sizes = field(default_factory=Sizes)
    graph: Graph = field(default_factory=Graph)
    feeds: list[tuple[int, Array]] = field(default_factory=list)
    earlier: list[Signal] = field(default_factory=list)

    def integer(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, both included."""
        return low if low == high else self.draw(integers(low, high))

    def choice(self, *values: Any) -> Any:
        """One of `values`; shrinks to the first."""
        return self.draw(choices(values))

    def boolean(self) -> bool:
        """False or True; shrinks to False."""
        return self.draw(BOOLEANS)

    def shape(self, min_rank: int, max_rank: int | None = None) -> tuple[int, ...]:
        """Sizes: the first is the batch, the last the channels, those between are sides."""
        highest = self.sizes.rank if max_rank is None else max_rank
        rank = self.integer(min_rank, max(min_rank, highest))
        sides = [self.integer(1, self.sizes.side) for _ in range(rank - 2)]
        if rank == 1:
            return (self.integer(1, self.sizes.channels),)
        return (self.integer(1, self.sizes.batch), *sides, self.integer(1, self.sizes.channels))

    def params(self, scale: float | None = None) -> QuantizationParameters:
        """Parameters of an activation; with the scale given, or one drawn."""
        if scale is None:
            scale = float(self.draw(scales(*_SCALES[self.dtype])))
        zero_point = self.integer(-128, 127) if self.dtype == "int8" else 0
        return QuantizationParameters(np.float32(scale), zero_point, dtype=self.dtype)

    def output_params(
        self,
        magnitude: float,
        *,
        at_least: float = 0.0,
        at_most: float = math.inf,
        powers_of: float | None = None,
        halfway: float | None = None,
    ) -> QuantizationParameters:
        """Parameters under which values of about `magnitude` (root mean square) use the type's range.

        What is drawn on top makes some outputs saturate and others use a part of the range only. The scale is at most
        `at_most`, and at least `at_least` even so: what kernels do not take stays below that.

        Parameters
        ----------
        powers_of
            The scale is a power of two times this. Of values that are whole multiples of one, many then lie halfway
            between two integers, where kernels differ in how they round.
        halfway
            A value that the scale puts halfway between two integers, such as the bound of an activation.
        """
        if not (magnitude > 0 and math.isfinite(magnitude)):
            magnitude = 1.0
        # Three times the root mean square reaches the end of the range; a power of two shrinks to nice numbers.
        unit = powers_of or 1.0
        fitting = unit * 2.0 ** round(math.log2(3 * magnitude / LIMITS[self.dtype][1] / unit))
        factor = float(self.draw(scales(2.0**-3, 2.0**3)))
        scale = fitting * (2.0 ** round(math.log2(factor)) if powers_of else factor)
        # A fused activation's bound of 6 must fit int32 in steps of the scale.
        scale = min(max(min(scale, at_most), at_least, 2.0**-26), 2.0**40)
        steps = math.floor(halfway / scale - 0.5) if halfway else 0
        return self.params(halfway / (steps + 0.5) if halfway and steps > 0 else scale)

    def input(self, shape: Sequence[int], params: QuantizationParameters) -> Signal:
        """A new input of the model with the values it is run on."""
        stored = fill_array(self.draw, tuple(shape), params.qmin, params.qmax, int(params.zero_point))
        index = self.graph.tensor(f"input{len(self.feeds)}", shape, self.dtype, affine(params))
        self.feeds.append((index, stored.astype(params.dtype)))
        return _signal(index, stored, params)

    def real_input(self, shape: Sequence[int], magnitude: float = 1.0) -> Signal:
        """A new float32 input with values of about `magnitude`."""
        # Most have few bits, so that float32 holds all multiples and their halves to the bit. Of the last it does not,
        # and to divide is another thing then than to multiply by the reciprocal.
        unit = magnitude * self.choice(1.0, 1.25, 1.5, 1.0371) / _REAL_STEPS[self.dtype]
        values = fill_reals(self.draw, tuple(shape), unit, _REAL_STEPS[self.dtype])
        index = self.graph.tensor(f"input{len(self.feeds)}", shape)
        self.feeds.append((index, values))
        return Signal(index, tuple(shape), None, *_statistics(values), unit)

    def constant(self, values: Array, params: QuantizationParameters | None = None) -> int:
        """Values that are part of the model."""
        return self.graph.constant(f"constant{self._number()}", values, affine(params))

    def operand(self, shape: Sequence[int], params: QuantizationParameters) -> Signal:
        """A further operand of `shape`: an input of the model, or a constant."""
        if not self.boolean():
            return self.input(shape, params)
        stored = fill_array(self.draw, tuple(shape), params.qmin, params.qmax, int(params.zero_point))
        return _signal(self.constant(stored.astype(params.dtype), params), stored, params)

    def output(self, shape: Sequence[int], params: QuantizationParameters | None, *, magnitude: float = 1.0) -> Signal:
        """A new tensor for what an operator gives, whose real values are of about `magnitude`."""
        dtype = "float32" if params is None else params.dtype
        index = self.graph.tensor(f"tensor{self._number()}", shape, dtype, affine(params))
        if params is None:
            return Signal(index, tuple(shape), None, 0.0, magnitude)
        rms = min(magnitude / float(params.scale), float(params.qmax - params.qmin) / 2)
        return Signal(index, tuple(shape), params, 0.0, rms)

    def operator(
        self, name: str, inputs: Sequence[int], output: Signal, options: Any = None, *, versions: tuple[int, int]
    ) -> Signal:
        """Add an operator that writes `output`; `versions` are those for int8 and for int16."""
        version = versions[self.dtype == "int16"]
        self.graph.operator(name, inputs, [output.index], options, version=version)
        return output

    def _number(self) -> int:
        return len(self.graph.subgraph.tensors)


def affine(params: QuantizationParameters | None) -> Affine | None:
    """The same in the words of the file's builder."""
    if params is None:
        return None
    return Affine(np.atleast_1d(params.scale), np.atleast_1d(params.zero_point), params.quantized_dimension or 0)


def _signal(index: int, stored: Array, params: QuantizationParameters) -> Signal:
    return Signal(index, stored.shape, params, *_statistics(stored - float(params.zero_point)))


def _statistics(values: Array) -> tuple[float, float]:
    if values.size == 0:
        return 0.0, 0.0
    return float(values.mean()), float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
