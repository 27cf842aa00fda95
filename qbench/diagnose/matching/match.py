"""Finds for the operators and tensors of a quantized graph those of the float graph that they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qbench.diagnose.matching.pairing import Pairing
from qbench.diagnose.matching.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from qbench.tflite.graph import Subgraph


@dataclass(frozen=True, kw_only=True)
class Matching:
    """Which tensors and operators of two graphs stand for each other.

    Attributes
    ----------
    quantized, floats
        Both graphs, as signals.
    signals
        Of the quantized graph's signals, which is which of the float graph's.
    operators
        Numbers of operators that do the same in both; those that change only how values are stored or indexed are
        not among them.
    constants
        By the number of the quantized graph's operator, the tensors of its constants and of those that they stand for.
    unmatched
        Operators of the quantized graph whose results have no counterpart, each with why.
    """

    quantized: Signals
    floats: Signals
    signals: dict[int, int]
    operators: dict[int, int]
    constants: dict[int, tuple[tuple[int, int], ...]]
    unmatched: tuple[str, ...]

    def float_tensor(self, index: int) -> int | None:
        """The float graph's tensor that the quantized graph's tensor at `index` stands for; None if there is none.

        Of several with the same values, one of the same shape if there is one, then the one of the same name, then the
        one that the values are computed in.
        """
        signal = self.signals.get(self.quantized.signal(index))
        if signal is None:
            return None
        tensor, tensors = self.quantized.graph.tensors[index], self.floats.graph.tensors

        def differences(other: int) -> tuple[bool, bool, bool]:
            return tensors[other].shape != tensor.shape, tensors[other].name != tensor.name, other != signal

        return min(self.floats.members[signal], key=differences)


def match_graphs(quantized: Subgraph, floats: Subgraph, check: Callable[[], None] | None = None) -> Matching:
    """Match the operators and tensors of a quantized graph with those of the float graph that it was made of.

    Neither the names nor the order of tensors and operators matter, unless all else is the same.

    Parameters
    ----------
    check
        Called again and again; what it raises, such as that the time is over, ends the work.
    """
    left, right = Signals(quantized), Signals(floats)
    pairing = Pairing(left, right, check or _no_check)
    pairing.run()
    return Matching(
        quantized=left,
        floats=right,
        signals=pairing.signals,
        operators={left: likeness.right.number for left, likeness in pairing.matched.items()},
        constants={left: pairing.constants(likeness) for left, likeness in pairing.matched.items()},
        unmatched=tuple(pairing.unmatched()),
    )


def _no_check() -> None:
    """Go on."""
