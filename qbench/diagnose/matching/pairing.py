"""Pairs that spread over two graphs of one network, from what is known to what is like it.

Names are inventions of converters: what two graphs have in common is their structure. Pairs spread from the inputs
forward and from the outputs backward, through operators that do the same with signals that are paired. Several that
might stand for one another are told apart by their constants. Behind a difference pairs begin anew at operators that
no other resembles. Names decide where all else is the same.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from qbench.diagnose.matching.folding import folded
from qbench.diagnose.matching.resemblance import Resemblance
from qbench.diagnose.matching.signals import BRIDGES
from qbench.quant.graph import label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from qbench.diagnose.matching.resemblance import Likeness
    from qbench.diagnose.matching.signals import Operation, Signals


class Pairing:
    """Pairs of signals and operations of two graphs.

    Parameters
    ----------
    left, right
        The quantized graph and the float graph.
    check
        Called again and again; what it raises ends the work.

    Attributes
    ----------
    signals
        Of the left signals, which is which of the right ones.
    matched
        By its number, the operation that each left one was found to be, and how.
    """

    def __init__(self, left: Signals, right: Signals, check: Callable[[], None]) -> None:
        self._check = check
        self.signals: dict[int, int] = {}
        self.matched: dict[int, Likeness] = {}
        self._backward: dict[int, int] = {}
        self._taken: set[int] = set()
        self._look_at(left, right)
        self._bind_ends("inputs")

    def run(self) -> None:
        """Pair what can be paired, strong evidence first: each weaker kind only where no stronger one is left."""
        strong: tuple[Callable[[], bool], ...] = (self._spread, self._begin_anew)
        if len(self.left.graph.outputs) > 1:  # Which is which is better told by what they are computed from.
            while self._spread():
                pass
        self._bind_ends("outputs")
        while any(step() for step in strong):
            pass
        if self._open():
            self._fold()
        while any(step() for step in (*strong, self._give_way)):
            pass

    def constants(self, likeness: Likeness) -> tuple[tuple[int, int], ...]:
        """Those of its constants that stand in both files, as they are."""
        return tuple(
            (one, other)
            for one, other in likeness.constants
            if not self.left.is_added(one) and not self.right.is_added(other)
        )

    def unmatched(self) -> Iterator[str]:
        """Operators whose outputs have no counterpart, each with why."""
        graph = self.left.graph
        for number, operator in enumerate(graph.operators):
            lost = [
                index
                for index in operator.outputs
                if index >= 0 and self.left.signal(index) not in self.signals and not self.left.is_constant(index)
            ]
            if lost:
                yield f"{number} {label(graph, operator)} ({graph.tensors[lost[0]].name!r}): {self._reason(number)}"

    def _look_at(self, left: Signals, right: Signals) -> None:
        """Go on with these operations."""
        self.left, self.right = left, right
        self._resemblance = Resemblance(left, right)
        self._close: list[Likeness] | None = None
        self._of_kind: dict[tuple[object, ...], list[Operation]] = {}
        for operation in right.operations:
            self._of_kind.setdefault(operation.kind, []).append(operation)
        self._near = {
            operation.number: operation
            for operation in left.operations
            if all(operand.signal is None for operand in operation.operands)
        }
        for signal in self.signals:
            self._add_near(signal)

    def _fold(self) -> None:
        """Fold what is not paired yet."""
        free = {operation.number for operation in self.right.operations} - self._taken
        left = folded(self.left, {operation.number for operation in self._open()})
        self._look_at(left, folded(self.right, free))

    def _reason(self, number: int) -> str:
        if self.left.graph.operators[number].name in BRIDGES:
            return "what it stores or indexes anew has no counterpart in the float model"
        operation = self.left.producers.get(self.left.signal(self.left.graph.operators[number].outputs[0]))
        if operation is None:
            return "the float model has it folded into another operator"
        if not self._of_kind.get(operation.kind):
            return f"the float model has no {operation.name} of these options and this output shape"
        if self._free(operation):
            return f"none of the float model's {operation.name} of its kind can be told to be this one"
        return f"all {operation.name} of its kind in the float model stand for others"

    def _spread(self) -> bool:
        """Pair operators with close constants whose inputs are paired, or whose output is."""
        return self._accept_all(
            likeness
            for operation in self._next()
            for likeness in self._likenesses(operation, self._beside(operation))
            if likeness.is_close and self._is_anchored(likeness) and self._is_only_order(likeness)
        )

    def _begin_anew(self) -> bool:
        """Pair operators that resemble one another alone, by close constants or by being the only ones of a kind."""
        if self._close is None:
            self._close = [*self._close_ones()]
        # What pairs rule out once, they rule out for good.
        self._close = [likeness for likeness in self._close if self._is_free(likeness) and self._fits(likeness)]
        likenesses = [likeness for likeness in self._close if self._is_only_order(likeness)]
        lefts = Counter(likeness.left.number for likeness in likenesses)
        rights = Counter(likeness.right.number for likeness in likenesses)
        return self._accept_all(
            likeness
            for likeness in likenesses
            if lefts[likeness.left.number] == 1 and rights[likeness.right.number] == 1
        )

    def _close_ones(self) -> Iterator[Likeness]:
        """All likenesses of operations that are not paired yet, wherever in the graphs they are."""
        of_kind: dict[tuple[object, ...], list[Operation]] = {}
        for operation in self._open():
            of_kind.setdefault(operation.kind, []).append(operation)
        for lefts in of_kind.values():
            rights = self._free(lefts[0])
            if not rights:
                continue
            apart = self._resemblance.apart(lefts, rights)
            for left, is_apart in zip(lefts, apart, strict=True):
                self._check()
                others = (right for right, never in zip(rights, is_apart, strict=True) if not never)
                yield from (likeness for likeness in self._likenesses(left, others) if likeness.is_close)

    def _give_way(self) -> bool:
        """Pair one operator whose constants differ, for they may be what is wrong, or whose inputs have no order."""
        likenesses = [
            likeness
            for operation in self._next()
            for likeness in self._likenesses(operation, self._beside(operation))
            if self._is_anchored(likeness)
        ]
        return self._accept_all(sorted(likenesses, key=self._resemblance.rank)[:1])

    def _open(self) -> list[Operation]:
        return [operation for operation in self.left.operations if operation.number not in self.matched]

    def _next(self) -> list[Operation]:
        """Those that are not paired yet and read or give something that is, or read no signal."""
        self._check()
        self._near = {number: each for number, each in self._near.items() if number not in self.matched}
        return list(self._near.values())

    def _free(self, operation: Operation) -> list[Operation]:
        """Operations of the float graph that may stand for `operation` and for no other yet."""
        return [other for other in self._of_kind.get(operation.kind, []) if other.number not in self._taken]

    def _beside(self, operation: Operation) -> list[Operation]:
        """Those of them that read or give what is paired with what `operation` does."""
        signals = {operand.signal for operand in operation.operands if operand.signal is not None}
        if not signals:
            return self._free(operation)
        found = {
            other.number: other
            for signal in signals.intersection(self.signals)
            for other in self.right.readers.get(self.signals[signal], ())
        }
        for signal in set(operation.outputs).intersection(self.signals):
            if other := self.right.producers.get(self.signals[signal]):
                found[other.number] = other
        return [other for other in found.values() if other.number not in self._taken and other.kind == operation.kind]

    def _likenesses(self, operation: Operation, others: Iterable[Operation]) -> Iterator[Likeness]:
        """Ways in which an operation may be one of others, as far as pairs do not rule them out."""
        for other in others:
            for likeness in self._resemblance.between(operation, other):
                if self._fits(likeness):
                    yield likeness

    def _is_free(self, likeness: Likeness) -> bool:
        return likeness.left.number not in self.matched and likeness.right.number not in self._taken

    def _fits(self, likeness: Likeness) -> bool:
        return all(
            self.signals.get(one, other) == other and self._backward.get(other, one) == one
            for one, other in (*likeness.inputs, *likeness.outputs)
        )

    def _is_anchored(self, likeness: Likeness) -> bool:
        """Whether all its inputs are paired, or an output is."""
        inputs = all(one in self.signals for one, _ in likeness.inputs)
        return inputs or any(one in self.signals for one, _ in likeness.outputs)

    def _is_only_order(self, likeness: Likeness) -> bool:
        """Whether its inputs cannot be the other's in another order as well."""
        return sum(self._fits(other) for other in self._resemblance.between(likeness.left, likeness.right)) == 1

    def _accept_all(self, likenesses: Iterator[Likeness] | list[Likeness]) -> bool:
        """Accept them, the closest first, as far as they fit what was accepted before; whether any did."""
        found = False
        for likeness in sorted(likenesses, key=self._resemblance.rank):
            if self._is_free(likeness) and self._fits(likeness):
                self.matched[likeness.left.number] = likeness
                self._taken.add(likeness.right.number)
                for one, other in (*likeness.inputs, *likeness.outputs):
                    self._bind(one, other)
                found = True
        return found

    def _bind_ends(self, ends: str) -> None:
        """Pair inputs or outputs: by name if these are the same in both graphs, else by place."""
        left, right = self.left.graph.tensors, self.right.graph.tensors
        lefts, rights = getattr(self.left.graph, ends), getattr(self.right.graph, ends)
        if {left[index].name for index in lefts} == {right[index].name for index in rights}:
            lefts = sorted(lefts, key=lambda index: left[index].name)
            rights = sorted(rights, key=lambda index: right[index].name)
        if len(lefts) == len(rights):
            for one, other in zip(lefts, rights, strict=True):
                self._bind(self.left.signal(one), self.right.signal(other))

    def _bind(self, one: int, other: int) -> None:
        if one not in self.signals and other not in self._backward:
            self.signals[one], self._backward[other] = other, one
            self._add_near(one)

    def _add_near(self, signal: int) -> None:
        producer = self.left.producers.get(signal)
        for operation in (*self.left.readers.get(signal, ()), *([producer] if producer else [])):
            self._near[operation.number] = operation
