"""Which artifacts are equally fast, as far as can be told without a clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbench.files import digest_parts
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from qbench.tflite.graph import Subgraph


def kernels_digest(content: bytes) -> str:
    """Digest of what decides how fast an artifact is.

    That is its operators with their options, the types and shapes of what they work on, which constants have one
    scale and which have many, and how many bytes it has; not the numbers in it.
    """
    model = read_model(content)
    return digest_parts([str(len(content)), *(part for graph in model.subgraphs for part in _operators(graph))])


def _operators(graph: Subgraph) -> list[str]:
    return [
        f"{operator.name} {operator.version} {sorted(operator.options.items())} "
        + " ".join(
            f"{tensor.dtype}{tensor.shape}{min(len(tensor.scales), 2)}{tensor.is_sparse}"
            for index in (*operator.inputs, *operator.outputs)
            if index >= 0
            for tensor in (graph.tensors[index],)
        )
        for operator in graph.operators
    ]
