"""The graph inside a `.tflite` as plain records: tensors, the operators between them, subgraphs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, kw_only=True, slots=True)
class Tensor:
    """One tensor of a subgraph.

    Parameters
    ----------
    name, dtype
        As in the file; the dtype in lower case, such as ``int8``.
    shape
        Sizes that the file stores; a dynamic dimension stands as 1.
    signature
        As `shape`, with -1 for a dynamic dimension.
    scales, zero_points, quantized_dimension
        Quantization parameters as views into the file; empty if there are none.
    stored_bytes
        Size of the constant that the file holds for it; None if it is no constant.
    storage
        What tells apart the constants of two tensors: equal when they share the same bytes.
    is_variable, is_sparse
        Whether it keeps a state from one invoke to the next; whether zeros are left out of its constant.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    signature: tuple[int, ...]
    scales: npt.NDArray[np.float32]
    zero_points: npt.NDArray[np.int64]
    quantized_dimension: int
    stored_bytes: int | None
    storage: tuple[str, int]
    is_variable: bool
    is_sparse: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Operator:
    """One operator: its name (``custom:<code>`` for a custom one) and tensor indices, -1 for one left out."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Subgraph:
    """Tensors, the operators between them in order of execution, and the tensor indices of both ends."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """All subgraphs (the first is the main one) and the keys of all signatures."""

    subgraphs: tuple[Subgraph, ...]
    signatures: tuple[str, ...]
