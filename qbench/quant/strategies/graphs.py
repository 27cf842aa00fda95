"""Strategies for whole `.tflite` files of a few operators, one after the other, with inputs to run them on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from qbench.quant.strategies.checks import check, check_integer, check_order
from qbench.quant.strategies.draft import Draft, Signal, is_met
from qbench.quant.strategies.models import REGISTRY, checked_dtypes, checked_names, checked_sizes, described

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qbench.quant.affine import Array

#: They stand at the ends only.
_ENDS = ("QUANTIZE", "DEQUANTIZE")
#: Tensors of more elements are not made larger.
_MANY = 4096
#: Outside, the next scale might leave what kernels take; operators that keep the scale go on.
_MODERATE = (2.0**-22, 2.0**10)


@dataclass(frozen=True, eq=False, repr=False)
class GraphModel:
    """A small quantized `.tflite`, and inputs to run it on.

    Parameters
    ----------
    content
        The bytes of the file.
    operators
        Names of `OPERATORS`, in the order in which they run.
    dtype
        ``int8`` or ``int16``: the type of the activations.
    inputs
        Values for the file's inputs, in its order, of the dtype and shape that they have there.
    """

    content: bytes
    operators: tuple[str, ...]
    dtype: str
    inputs: tuple[Array, ...]

    def __repr__(self) -> str:
        return f"GraphModel({' -> '.join(self.operators)}, {self.dtype}, {described(self.inputs, self.content)})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: FBT001 - the protocol of hypothesis and IPython
        """Hypothesis would print all bytes of a dataclass that fails."""
        del cycle
        printer.text(repr(self))


def graph_models(
    operators: str | Iterable[str] | None = None,
    *,
    dtypes: Iterable[str] = ("int8", "int16"),
    min_operators: int = 1,
    max_operators: int = 5,
    max_side: int = 8,
    max_channels: int = 12,
    max_batch: int = 2,
) -> st.SearchStrategy[GraphModel]:
    """Return a strategy for small models, such as QUANTIZE, CONV_2D, ADD, FULLY_CONNECTED, SOFTMAX, DEQUANTIZE.

    Each operator reads what the one before gives; ADD, SUB and MUL also read what an earlier one gave. In front there
    may be a QUANTIZE of a float32 input, and at the end a DEQUANTIZE. Shrinks to one operator on one element.

    Parameters
    ----------
    operators
        Which stand between the ends, by names from `OPERATORS`; None is all.
    dtypes
        Types of the activations: ``int8``, ``int16`` or both.
    min_operators, max_operators
        Bounds of how many, the ends not counted. Fewer than `min_operators` come where no further one of `operators`
        takes what the last one gave.
    max_side, max_channels, max_batch
        Bounds of the shapes of inputs and constants, as for `operator_models`.

    Raises
    ------
    hypothesis.errors.InvalidArgument
        If an operator or dtype is not known, an operator stands at the ends only, no operator knows any of the dtypes,
        or bounds hold nothing.
    """
    chosen = tuple(name for name in REGISTRY if name not in _ENDS) if operators is None else operators
    names = checked_names(chosen)
    for name in names:
        check(name not in _ENDS, f"operators={names!r}: {name} stands at the ends of a model only, where it is drawn")
    known = checked_dtypes(dtypes, names)
    check_integer(min_operators, "min_operators", minimum=1)
    check_integer(max_operators, "max_operators", minimum=1)
    check_order(min_operators, max_operators, "min_operators", "max_operators")
    sizes = checked_sizes(max_side=max_side, max_channels=max_channels, max_batch=max_batch, max_rank=4)

    @st.composite
    def build(draw: st.DrawFn) -> GraphModel:
        dtype = draw(st.sampled_from(known))
        usable = [name for name in names if dtype in REGISTRY[name].dtypes]
        draft = Draft(draw, dtype, sizes)
        x, path = _begin(draft, usable)
        first = len(path)
        while len(path) - first < max_operators:
            # The decision to go on and the operator are one step, which shrinking can take away.
            step = draw(
                st.builds(
                    _step, st.just(draft), st.just(x), st.just(usable), st.just(len(path) - first >= min_operators)
                )
            )
            if step is None:
                break
            draft.earlier.append(x)
            name, x = step
            path.append(name)
        if draft.boolean():
            x = REGISTRY["DEQUANTIZE"].build(draft, x)
            path.append("DEQUANTIZE")
        content = draft.graph.build([index for index, _ in draft.feeds], [x.index])
        return GraphModel(content, tuple(path), dtype, tuple(array for _, array in draft.feeds))

    return build()


def _begin(draft: Draft, names: list[str]) -> tuple[Signal, list[str]]:
    """The first quantized tensor, of a shape that one of `names` takes, and the operators that it comes from."""
    entry = REGISTRY[draft.choice(*names)]
    shape = draft.shape(entry.min_rank, entry.max_rank)
    if draft.boolean():
        return REGISTRY["QUANTIZE"].build(draft, draft.real_input(shape, draft.choice(1.0, 8.0))), ["QUANTIZE"]
    return draft.input(shape, draft.params()), []


def _step(draft: Draft, x: Signal, names: list[str], may_stop: bool) -> tuple[str, Signal] | None:  # noqa: FBT001
    """A further operator on `x`, its name and what it gives; None to stop, or if none of `names` takes `x`."""
    if may_stop and draft.integer(0, 3) == 0:
        return None
    # What does not fit gives way to the next in the list: what is chosen keeps its meaning when shapes shrink.
    place = draft.integer(0, len(names) - 1)
    for name in names[place:] + names[:place]:
        if _takes(name, x, draft.dtype):
            return name, REGISTRY[name].build(draft, x)
    return None


def _takes(name: str, x: Signal, dtype: str) -> bool:
    """Whether the operator can follow on `x`."""
    entry, scale = REGISTRY[name], float(x.stored_as.scale)
    if not entry.min_rank <= len(x.shape) <= (entry.max_rank or 4):
        return False
    if entry.grows and math.prod(x.shape) > _MANY:
        return False
    return is_met(scale, dtype) if entry.is_fixed else entry.keeps or _MODERATE[0] <= scale <= _MODERATE[1]
