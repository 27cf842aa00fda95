"""Predictions that change if one operator alone is the quantized one, and all others stay the float model's.

The float model's values are replaced by what the quantized operator makes of them, and the rest of the float model is
run from there. An operator that flips predictions so is guilty whatever the others do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.diagnose.operators.values import kept
from qbench.tflite.cut import operators_behind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from qbench.diagnose.matching.signals import Signals
    from qbench.diagnose.operators.observe import Laboratory
    from qbench.tflite.cut import Cutter

    Array = npt.NDArray[Any]

#: Below this many classes there is no index to predict.
_LEAST_CLASSES = 2
#: The prediction of an example whose output is NaN: one that no float model makes.
_NONE = -1


@dataclass(frozen=True, kw_only=True)
class Remainder:
    """What is left of the float model behind some of its tensors.

    Attributes
    ----------
    replaced
        Those tensors.
    beside
        Tensors that are needed too and do not depend on them.
    output
        The output that predictions are read from.
    content
        The file that computes it from `replaced` and `beside`; empty if it is one of them, or depends on none.
    """

    replaced: tuple[int, ...]
    beside: tuple[int, ...]
    output: int
    content: bytes

    def run(self, values: Mapping[int, Array], replacements: Mapping[int, Array], laboratory: Laboratory) -> Array:
        """The output, if the `replaced` tensors have the values `replacements` instead of their own.

        Parameters
        ----------
        values
            The float model's values, of the output and of all tensors `beside`.
        replacements
            Real values for `replaced`, each of the size of the float model's.

        Raises
        ------
        ArtifactError, WorkerError
            If the rest of the model does not run.
        ValueError
            If the runtime kept no value of a tensor that it needs.
        """
        if not self.content:
            return replacements[self.output] if self.output in replacements else kept(values, self.output)
        own = [kept(values, index) for index in self.replaced]
        inputs = [
            *(
                replacements[index].astype(array.dtype).reshape(array.shape)
                for index, array in zip(self.replaced, own, strict=True)
            ),
            *(kept(values, index) for index in self.beside),
        ]
        (output,) = laboratory.run(self.content, inputs, name="the rest of the float model")
        return output


def remainder(floats: Signals, cutter: Cutter, replaced: Sequence[int], output: int) -> Remainder:
    """Cut off what lies behind the tensors `replaced` of the float graph.

    Raises
    ------
    ValueError
        If that cannot be cut out.
    """
    beside = _beside(floats, set(replaced), output)
    if output in replaced or beside is None:
        return Remainder(replaced=tuple(replaced), beside=(), output=output, content=b"")
    # A tensor that nothing on the way reads cannot be an input of what is cut out.
    needed = tuple(index for index in replaced if index in beside)
    others = tuple(index for index in beside if index not in replaced)
    content = cutter.part([*needed, *others], [output])
    return Remainder(replaced=needed, beside=others, output=output, content=content)


def predictions(output: Array, examples: int) -> Array | None:
    """Index of the largest value of each example, -1 if one is NaN; None if the output is no row of classes."""
    has_axis = output.shape[:1] == (examples,) and output.ndim > 1
    classes = max(output.shape[1:] if has_axis else output.shape, default=1)
    if classes < _LEAST_CLASSES or output.size != examples * classes:
        return None
    rows = output.reshape(examples, classes)
    best: Array = np.where(np.isnan(rows).any(axis=1), _NONE, rows.argmax(axis=1))
    return best


def _beside(floats: Signals, replaced: set[int], output: int) -> list[int] | None:
    """All tensors that `output` is computed from by operators behind `replaced`; None if it does not depend on them."""
    graph = floats.graph
    behind = operators_behind(graph, replaced)
    producers = {index: number for number in behind for index in graph.operators[number].outputs}
    if output not in producers:
        return None
    found: dict[int, None] = {}
    seen: set[int] = set()
    waiting = [output]
    while waiting:
        index = waiting.pop()
        if index < 0 or index in seen or floats.is_constant(index):
            continue
        seen.add(index)
        if index in producers and index not in replaced:
            waiting.extend(graph.operators[producers[index]].inputs)
        else:
            found[index] = None
    return sorted(found)
