"""Strategies for whole `.tflite` files: one operator of any shape and parameters with inputs to run it on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import strategies as st

from qbench.quant.strategies import elementwise, layers, rearranging
from qbench.quant.strategies.checks import check, check_integer
from qbench.quant.strategies.draft import Draft, Signal, Sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from qbench.quant.affine import Array


class _Entry(NamedTuple):
    """How one operator is drawn.

    Parameters
    ----------
    build
        Adds the operator to the draft, on the signal given, and returns what it gives.
    min_rank, max_rank
        How many dimensions its input has; None is as many as are allowed.
    dtypes
        The types of activations that it knows.
    is_real
        Whether it reads float32.
    """

    build: Callable[[Draft, Signal], Signal]
    min_rank: int = 1
    max_rank: int | None = None
    dtypes: tuple[str, ...] = ("int8", "int16")
    is_real: bool = False


REGISTRY: Mapping[str, _Entry] = MappingProxyType(
    {
        "FULLY_CONNECTED": _Entry(layers.fully_connected, min_rank=2),
        "CONV_2D": _Entry(layers.conv_2d, 4, 4),
        "DEPTHWISE_CONV_2D": _Entry(layers.depthwise_conv_2d, 4, 4),
        "ADD": _Entry(elementwise.add),
        "SUB": _Entry(elementwise.sub),
        "MUL": _Entry(elementwise.mul),
        "AVERAGE_POOL_2D": _Entry(rearranging.average_pool_2d, 4, 4),
        "MAX_POOL_2D": _Entry(rearranging.max_pool_2d, 4, 4),
        "MEAN": _Entry(rearranging.mean),
        "CONCATENATION": _Entry(rearranging.concatenation),
        "RESHAPE": _Entry(rearranging.reshape),
        "PAD": _Entry(rearranging.pad),
        "TRANSPOSE": _Entry(rearranging.transpose),
        "SOFTMAX": _Entry(elementwise.softmax),
        "LOGISTIC": _Entry(elementwise.logistic),
        "TANH": _Entry(elementwise.tanh),
        "RELU": _Entry(elementwise.relu),
        "RELU6": _Entry(elementwise.relu6),
        "HARD_SWISH": _Entry(elementwise.hard_swish, dtypes=("int8",)),
        "LEAKY_RELU": _Entry(elementwise.leaky_relu),
        "QUANTIZE": _Entry(elementwise.quantize, is_real=True),
        "DEQUANTIZE": _Entry(elementwise.dequantize),
        "REQUANTIZE": _Entry(elementwise.requantize),
    }
)

#: Names of the operators that `operator_models` draws; ``REQUANTIZE`` is QUANTIZE on quantized values.
OPERATORS: tuple[str, ...] = tuple(REGISTRY)


@dataclass(frozen=True, eq=False)
class OperatorModel:
    """A `.tflite` of one operator, and inputs to run it on.

    Parameters
    ----------
    content
        The bytes of the file.
    operator
        One of `OPERATORS`.
    dtype
        ``int8`` or ``int16``: the type of the activations.
    inputs
        Values for the file's inputs, in its order, of the dtype and shape that they have there.
    """

    content: bytes
    operator: str
    dtype: str
    inputs: tuple[Array, ...]

    def __repr__(self) -> str:
        shapes = ", ".join(f"{array.dtype}{list(array.shape)}" for array in self.inputs)
        digest = hashlib.sha256(self.content).hexdigest()[:12]
        return f"OperatorModel({self.operator}, {self.dtype}, {shapes}; {len(self.content)} bytes, sha256 {digest})"


def operator_models(
    operators: str | Iterable[str] | None = None,
    *,
    dtypes: Iterable[str] = ("int8", "int16"),
    max_side: int = 12,
    max_channels: int = 24,
    max_batch: int = 3,
    max_rank: int = 4,
) -> st.SearchStrategy[OperatorModel]:
    """Return a strategy for models of one operator with inputs.

    Parameters
    ----------
    operators
        Which, by names from `OPERATORS`; None is all.
    dtypes
        Types of the activations: ``int8``, ``int16`` or both.
    max_side, max_channels, max_batch, max_rank
        Bounds of the shapes: of a middle, the last and the first dimension, and of how many there are.

    Raises
    ------
    hypothesis.errors.InvalidArgument
        If an operator or dtype is not known, no operator knows any of the dtypes, or a bound is below 1.
    """
    names = _names(operators)
    known = tuple(dtypes)
    for dtype in known:
        check(dtype in ("int8", "int16"), f"dtypes={known!r}: {dtype!r} is neither int8 nor int16")
    sizes = checked_sizes(max_side=max_side, max_channels=max_channels, max_batch=max_batch, max_rank=max_rank)
    pairs = [(name, dtype) for name in names for dtype in known if dtype in REGISTRY[name].dtypes]
    check(pairs, f"operators={names!r} know none of dtypes={known!r}")

    @st.composite
    def build(draw: st.DrawFn) -> OperatorModel:
        name, dtype = draw(st.sampled_from(pairs))
        draft = Draft(draw, dtype, sizes)
        entry = REGISTRY[name]
        shape = draft.shape(entry.min_rank, entry.max_rank)
        x = draft.real_input(shape) if entry.is_real else draft.input(shape, draft.params())
        y = entry.build(draft, x)
        content = draft.graph.build([index for index, _ in draft.feeds], [y.index])
        return OperatorModel(content, name, dtype, tuple(array for _, array in draft.feeds))

    return build()


def _names(operators: str | Iterable[str] | None) -> tuple[str, ...]:
    names = OPERATORS if operators is None else (operators,) if isinstance(operators, str) else tuple(operators)
    check(names, "operators is empty: name one, or leave it out for all")
    for name in names:
        check(name in REGISTRY, f"operators={names!r}: {name!r} is none of {', '.join(OPERATORS)}")
    return names


def checked_sizes(*, max_side: int, max_channels: int, max_batch: int, max_rank: int) -> Sizes:
    """The bounds as one record, if each is an integer from 1."""
    for name, value in {"max_side": max_side, "max_channels": max_channels, "max_batch": max_batch}.items():
        check_integer(value, name, minimum=1)
    check_integer(max_rank, "max_rank", minimum=1)
    return Sizes(max_side, max_channels, max_batch, max_rank)
