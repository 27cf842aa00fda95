"""How much an operation of one graph resembles one of another: what they read, and how far their constants differ."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.diagnose.matching.signals import COMMUTATIVE, Operand, Operation, Signals

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Array = npt.NDArray[Any]

#: Constants further apart than this, as a share of the float ones' norm, are no evidence that two operators are the
#: same. Rounding to 8 bits leaves about 0.01, to 4 bits 0.15; other weights of the same kind are 1.4 apart.
_CLOSE = 0.35

_SWAPPABLE = 2
#: Distances that are estimated and not computed may be off by less than this.
_ROUNDED = 1.05
#: Values of each constant that are multiplied at once.
_COLUMNS = 1 << 14


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """One way in which the operation `left` may be the operation `right`.

    Attributes
    ----------
    inputs, outputs
        Signals that are then one another's.
    constants
        Tensors of constants that are.
    distance
        How far the constants lie apart, as a share of the right ones' norm; the largest of all.
    """

    left: Operation
    right: Operation
    inputs: tuple[tuple[int, int], ...]
    outputs: tuple[tuple[int, int], ...]
    constants: tuple[tuple[int, int], ...]
    distance: float

    @property
    def is_close(self) -> bool:
        """Whether the constants are near enough to be the same ones, stored in another way."""
        return self.distance <= _CLOSE


class Resemblance:
    """Likenesses between the operations of two graphs; each is computed once."""

    def __init__(self, left: Signals, right: Signals) -> None:
        self._left, self._right = left, right
        self._found: dict[tuple[int, int], tuple[Likeness, ...]] = {}
        self._apart: dict[tuple[int, int], float] = {}

    def between(self, left: Operation, right: Operation) -> tuple[Likeness, ...]:
        """All ways in which two operations of one kind may be the same: none, one, or two with inputs swapped."""
        key = left.number, right.number
        if key not in self._found:
            orders = [right.operands]
            if left.name in COMMUTATIVE and len(right.operands) == _SWAPPABLE and len(set(right.operands)) > 1:
                orders.append(right.operands[::-1])
            found = [self._likeness(left, right, operands) for operands in orders]
            self._found[key] = tuple(likeness for likeness in found if likeness is not None)
        return self._found[key]

    def apart(self, lefts: Sequence[Operation], rights: Sequence[Operation]) -> npt.NDArray[np.bool_]:
        """Which of two operations of one kind are certain not to be close, of shape (lefts, rights).

        It takes one multiplication of matrices where `between` takes a comparison for each pair.
        """
        found = np.zeros((len(lefts), len(rights)), bool)
        places = min(len(operation.operands) for operation in (*lefts, *rights))
        for place in range(0 if lefts[0].name in COMMUTATIVE else places):
            ours = [_real(self._left, operation.operands[place]) for operation in lefts]
            theirs = [_real(self._right, operation.operands[place]) for operation in rights]
            constants = [array for array in (*ours, *theirs) if array is not None]
            if len(constants) == len(lefts) + len(rights) and len({array.shape for array in constants}) == 1:
                found |= _are_apart(constants[: len(lefts)], constants[len(lefts) :])
        return found

    def rank(self, likeness: Likeness) -> tuple[object, ...]:
        """What the closest is first by: constants, then where inputs come from, then names, then order."""
        names = [
            self._left.graph.tensors[one].name != self._right.graph.tensors[other].name
            for one, other in (*likeness.outputs, *likeness.inputs)
        ]
        return likeness.distance, self.of_origins(likeness), names, likeness.left.number, likeness.right.number

    def of_origins(self, likeness: Likeness) -> float:
        """How little the operations resemble that the inputs come from: 0 to 1 for each input."""
        return sum(self._of_producers(one, other) for one, other in likeness.inputs)

    def _of_producers(self, one: int, other: int) -> float:
        left, right = self._left.producers.get(one), self._right.producers.get(other)
        if left is None or right is None:
            return float(left is not right)
        if left.kind != right.kind:
            return 1.0
        return min([likeness.distance / (1 + likeness.distance) for likeness in self.between(left, right)], default=1.0)

    def _likeness(self, left: Operation, right: Operation, operands: Sequence[Operand]) -> Likeness | None:
        inputs, constants, distance = [], [], 0.0
        for one, other in zip_longest(left.operands, operands, fillvalue=Operand()):
            # FULLY_CONNECTED reads its input as it lies in memory.
            is_alike = one.shape == other.shape or left.name == "FULLY_CONNECTED"
            if one.signal is not None and other.signal is not None and is_alike:
                inputs.append((one.signal, other.signal))
            elif one.signal is not None or other.signal is not None:
                return None
            else:
                distance = max(distance, self._distance(one.constant, other.constant))
                if one.constant is not None and other.constant is not None:
                    constants.append((one.constant, other.constant))
        # What is one signal here must be one there.
        if not np.isfinite(distance) or not _is_one_to_one(inputs):
            return None
        outputs = [pair for pair in zip(left.outputs, right.outputs, strict=True) if min(pair) >= 0]
        return Likeness(
            left=left,
            right=right,
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            constants=tuple(constants),
            distance=distance,
        )

    def _distance(self, one: int | None, other: int | None) -> float:
        """Norm of the difference of two constants, as a share of the float one's; infinite if they cannot be one."""
        if one is None and other is None:
            return 0.0
        key = (-1 if one is None else one, -1 if other is None else other)
        if key not in self._apart:
            left = None if one is None else self._left.constant(one)
            right = None if other is None else self._right.constant(other)
            if (left is None and one is not None) or (right is None and other is not None):
                self._apart[key] = 0.0  # What the file's records do not tell is no evidence.
            else:
                self._apart[key] = _distance(_present(left, right), _present(right, left))
        return self._apart[key]


def _real(signals: Signals, operand: Operand) -> Array | None:
    """The real values of a constant; None if it is none or has others."""
    values = None if operand.constant is None else signals.constant(operand.constant)
    return values if values is not None and values.dtype.kind == "f" else None


def _are_apart(lefts: Sequence[Array], rights: Sequence[Array]) -> npt.NDArray[np.bool_]:
    """Which constants of one shape are not close: ``|a - b|^2 = |a|^2 + |b|^2 - 2 a b``."""
    products = np.zeros((len(lefts), len(rights)))
    with np.errstate(all="ignore"):
        for start in range(0, lefts[0].size, _COLUMNS):
            ours, theirs = (
                np.stack([array.reshape(-1)[start : start + _COLUMNS] for array in side]) for side in (lefts, rights)
            )
            products += ours @ theirs.T
        squares = [np.array([np.square(array).sum() for array in side]) for side in (lefts, rights)]
        distances = squares[0][:, np.newaxis] + squares[1] - 2 * products
        # What is not finite is no evidence.
        found: npt.NDArray[np.bool_] = np.isfinite(distances) & (distances > (_ROUNDED * _CLOSE) ** 2 * squares[1])
    return found


def _is_one_to_one(pairs: Sequence[tuple[int, int]]) -> bool:
    different = set(pairs)
    return len(different) == len({one for one, _ in different}) == len({other for _, other in different})


def _present(array: Array | None, other: Array | None) -> Array:
    """`array`, or the zeros that a bias is if it is left out."""
    return np.zeros_like(other) if array is None else array


def _distance(left: Array, right: Array) -> float:
    if left.shape != right.shape:
        return float("inf")
    kinds = left.dtype.kind, right.dtype.kind
    if "f" not in kinds:
        return 0.0 if np.array_equal(left, right) else float("inf")
    if kinds != ("f", "f"):
        return 0.0  # Integers without parameters, of which nothing says what they stand for, are no evidence.
    with np.errstate(all="ignore"):
        norm, apart = float(np.linalg.norm(right)), float(np.linalg.norm(left - right))
    if not np.isfinite(apart) or not np.isfinite(norm) or apart == 0:
        return 0.0
    return apart / norm if norm else 1.0
