"""The smallest and largest value of each tensor of the float model, example by example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.diagnose.operators.observe import Feed, Laboratory, batches
from qbench.diagnose.operators.values import is_real
from qbench.runtime.process import RuntimeProcess
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from qbench.records import RuntimeOptions

    Array = npt.NDArray[Any]

_LIMIT_S = 120.0
_NAME = "the float model"


def tensor_extremes(float_content: bytes, inputs: Sequence[Array], options: RuntimeOptions) -> dict[str, Array]:
    """Extremes of the outputs of all operators, by the tensor's name: float64 of shape (examples, 2).

    Parameters
    ----------
    inputs
        Real values of shape (examples, ...) for each input of the float model, in its order.

    Raises
    ------
    QbenchError
        If it does not run on them, or its tensors cannot be observed.
    """
    graph = read_model(float_content).subgraphs[0]
    tensors = [
        index
        for operator in graph.operators
        for index in operator.outputs
        if index >= 0 and is_real(graph.tensors[index])
    ]
    found: dict[int, list[Array]] = {index: [] for index in tensors}
    with RuntimeProcess(limit_s=_LIMIT_S) as process:
        laboratory = Laboratory(process, options)
        feed = Feed(float_content, graph, inputs, name=_NAME)
        for start, stop in batches(laboratory, [feed], len(inputs[0])):
            seen = laboratory.observe(float_content, feed.stored(start, stop), tensors, name=_NAME)
            for index, values in seen.tensors.items():
                # What has no axis for examples is one example's, or says nothing of any of them.
                if values.shape[:1] == (stop - start,) or stop - start == 1:
                    rows = values.reshape(stop - start, -1).astype(np.float64)
                    found[index].append(np.stack([rows.min(axis=1), rows.max(axis=1)], axis=1))
    complete = {index: np.concatenate(parts) for index, parts in found.items() if parts}
    return {graph.tensors[index].name: pairs for index, pairs in complete.items() if np.isfinite(pairs).all()}
