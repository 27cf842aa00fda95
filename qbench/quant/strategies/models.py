"""Strategies for whole `.tflite` files: one operator of any shape and parameters with inputs to run it on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

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
    keeps
        Whether its output has the parameters of its input.
    grows
        Whether its output can be larger than its input.
    is_fixed
        Whether its output's parameters are fixed, so that its kernels take only scales of inputs that are met.
    int16_scales
        Scales of int16 inputs for which there are kernels of their own.
    """

    build: Callable[[Draft, Signal], Signal]
    min_rank: int = 1
    max_rank: int | None = None
    dtypes: tuple[str, ...] = ("int8", "int16")
    is_real: bool = False
    keeps: bool = False
    grows: bool = False
    is_fixed: bool = False
    int16_scales: tuple[float, ...] = ()


REGISTRY: Mapping[str, _Entry] = MappingProxyType(
    {
        "FULLY_CONNECTED": _Entry(layers.fully_connected, min_rank=2, grows=True),
        "CONV_2D": _Entry(layers.conv_2d, 4, 4, grows=True),
        "DEPTHWISE_CONV_2D": _Entry(layers.depthwise_conv_2d, 4, 4, grows=True),
        "ADD": _Entry(elementwise.add, int16_scales=(2.0**-12,)),
        "SUB": _Entry(elementwise.sub, int16_scales=(2.0**-12,)),
        "MUL": _Entry(elementwise.mul),
        "AVERAGE_POOL_2D": _Entry(rearranging.average_pool_2d, 4, 4, keeps=True),
        "MAX_POOL_2D": _Entry(rearranging.max_pool_2d, 4, 4, keeps=True),
        "MEAN": _Entry(rearranging.mean),
        "CONCATENATION": _Entry(rearranging.concatenation, keeps=True, grows=True),
        "RESHAPE": _Entry(rearranging.reshape, keeps=True),
        "PAD": _Entry(rearranging.pad, keeps=True, grows=True),
        "TRANSPOSE": _Entry(rearranging.transpose, keeps=True),
        "SOFTMAX": _Entry(elementwise.softmax, is_fixed=True),
        "LOGISTIC": _Entry(elementwise.logistic, is_fixed=True, int16_scales=(2.0**-12,)),
        "TANH": _Entry(elementwise.tanh, is_fixed=True, int16_scales=(2.0**-12, 2.0**-11)),
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


_MAX_RANK = 5


@dataclass(frozen=True, eq=False, repr=False)
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
        return f"OperatorModel({self.operator}, {self.dtype}, {described(self.inputs, self.content)})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: FBT001 - the protocol of hypothesis and IPython
        """Hypothesis would print all bytes of a dataclass that fails."""
        del cycle
        printer.text(repr(self))


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

    The runtime prepares and runs every one of them, with its reference kernels, its optimized ones and its default
    delegate: what the specification fixes is so, and output scales are drawn around the one that makes outputs use the
    range of their type. Most examples saturate nowhere, or somewhere, few everywhere. Shrinks to one element,
    scales of 1.0 and values of the zero point.

    Parameters
    ----------
    operators
        Which, by names from `OPERATORS`; None is all.
    dtypes
        Types of the activations: ``int8``, ``int16`` or both.
    max_side, max_channels, max_batch, max_rank
        Bounds of the shapes of inputs and constants: of a middle, the last and the first dimension, and of how many
        there are (at most 5). Operators on images have 4, and FULLY_CONNECTED at least 2, whatever `max_rank` is.

    Raises
    ------
    hypothesis.errors.InvalidArgument
        If an operator or dtype is not known, no operator knows any of the dtypes, or a bound is below 1.
    """
    names = checked_names(operators)
    known = checked_dtypes(dtypes, names)
    sizes = checked_sizes(max_side=max_side, max_channels=max_channels, max_batch=max_batch, max_rank=max_rank)
    pairs = [(name, dtype) for name in names for dtype in known if dtype in REGISTRY[name].dtypes]

    @st.composite
    def build(draw: st.DrawFn) -> OperatorModel:
        name, dtype = draw(st.sampled_from(pairs))
        draft = Draft(draw, dtype, sizes)
        entry = REGISTRY[name]
        shape = draft.shape(entry.min_rank, entry.max_rank)
        special = entry.int16_scales if dtype == "int16" else ()
        scale = draft.choice(None, None, *special) if special else None
        x = draft.real_input(shape) if entry.is_real else draft.input(shape, draft.params(scale))
        y = entry.build(draft, x)
        content = draft.graph.build([index for index, _ in draft.feeds], [y.index])
        return OperatorModel(content, name, dtype, tuple(array for _, array in draft.feeds))

    return build()


def described(inputs: Iterable[Array], content: bytes) -> str:
    """What tells one model from another in a line: an example that fails is printed."""
    shapes = ", ".join(f"{array.dtype}{list(array.shape)}" for array in inputs)
    return f"{shapes}; {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()[:12]}"


def checked_names(operators: str | Iterable[str] | None) -> tuple[str, ...]:
    """Names of operators, each of which is known; None is all."""
    names = OPERATORS if operators is None else (operators,) if isinstance(operators, str) else tuple(operators)
    check(names, "operators is empty: name one, or leave it out for all")
    for name in names:
        check(name in REGISTRY, f"operators={names!r}: {name!r} is none of {', '.join(OPERATORS)}")
    return names


def checked_dtypes(dtypes: str | Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """Those of `dtypes`, each of which is known, that one of the operators `names` knows."""
    known = (dtypes,) if isinstance(dtypes, str) else tuple(dtypes)
    for dtype in known:
        check(dtype in ("int8", "int16"), f"dtypes={known!r}: {dtype!r} is neither int8 nor int16")
    usable = tuple(dtype for dtype in known if any(dtype in REGISTRY[name].dtypes for name in names))
    check(usable, f"operators={tuple(names)!r} know none of dtypes={known!r}")
    return usable


def checked_sizes(*, max_side: int, max_channels: int, max_batch: int, max_rank: int) -> Sizes:
    """The bounds as one record, if each is an integer from 1."""
    for name, value in {"max_side": max_side, "max_channels": max_channels, "max_batch": max_batch}.items():
        check_integer(value, name, minimum=1)
    check_integer(max_rank, "max_rank", minimum=1)
    check(max_rank <= _MAX_RANK, f"max_rank={max_rank!r} is more than the {_MAX_RANK} that all kernels take")
    return Sizes(max_side, max_channels, max_batch, max_rank)
