"""Makes the inputs of a failing case small where the model is given and cannot be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from qbench.conform.case import Array, Case

# Each try runs real kernels.
_MOST_TRIES = 400


def reduce_inputs(case: Case, fails: Callable[[Case], bool]) -> Case:
    """`case` with as many of its input values at the zero point as `fails` lets be.

    Delta debugging: ever smaller parts of each input are set to the value that stands for 0, and stay so if the
    case still fails.
    """
    graph = read_model(case.content).subgraphs[0]
    tries = 0
    for place, index in enumerate(graph.inputs):
        tensor = graph.tensors[index]
        zero = int(tensor.zero_points[0]) if tensor.zero_points.size else 0
        width = case.inputs[place].size
        while width and tries < _MOST_TRIES:
            for start in range(0, case.inputs[place].size, width):
                simpler = _blanked(case, place, slice(start, start + width), zero)
                if simpler is None:
                    continue
                tries += 1
                if tries > _MOST_TRIES:
                    break
                if fails(simpler):
                    case = simpler
            width //= 2
    return case


def _blanked(case: Case, place: int, part: slice, zero: int) -> Case | None:
    """`case` with `part` of one input at `zero`; None if it is there already."""
    stored: Array = case.inputs[place].copy()
    flat = stored.reshape(-1)
    if np.all(flat[part] == zero):
        return None
    flat[part] = zero
    return replace(case, inputs=(*case.inputs[:place], stored, *case.inputs[place + 1 :]))
