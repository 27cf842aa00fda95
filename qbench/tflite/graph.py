"""The graph inside a `.tflite` as plain records: tensors, the operators between them, subgraphs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping

Array = npt.NDArray[Any]

# Types that numpy knows by the name that the schema gives them.
_NUMPY_DTYPES = frozenset(
    {"bool", "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
)


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
    data
        The bytes of the constant as a view into the file; None if it is no constant, or lies in another file.
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
    data: npt.NDArray[np.uint8] | None
    storage: tuple[str, int]
    is_variable: bool
    is_sparse: bool

    def constant(self) -> Array | None:
        """Values of the constant, of the tensor's shape; None if it is none.

        int4 is unpacked to one value in an int8.

        Raises
        ------
        ValueError
            If the dtype has no counterpart in numpy, zeros were left out, or the bytes do not fill the shape.
        """
        if self.data is None:
            return None
        if self.is_sparse:
            raise ValueError(f"the constant {self.name!r} is sparse: convert the model without sparsity")
        if self.dtype == "int4":
            return _unpack_int4(self.data)[: int(np.prod(self.shape))].reshape(self.shape)
        if self.dtype not in _NUMPY_DTYPES:
            raise ValueError(f"the constant {self.name!r} has the dtype {self.dtype}, of which numpy knows nothing")
        return self.data.view(self.dtype).reshape(self.shape)


def pack_int4(values: Array) -> Array:
    """The values of an int8 array that int4 can hold, as bytes in a file: two in each, the lower half first."""
    flat = np.append(values, np.zeros(values.size % 2, values.dtype))
    packed: Array = (flat[0::2] & 15) | (flat[1::2] << 4)
    return packed


def _unpack_int4(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.int8]:
    """Two values in a byte, the lower half first, each in two's complement."""
    halves = np.stack([data << 4, data & 0xF0], axis=-1).reshape(-1).view(np.int8)
    return halves >> 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Operator:
    """One operator.

    Parameters
    ----------
    name
        As in the schema, ``custom:<code>`` for a custom one.
    inputs, outputs
        Tensor indices, -1 for one left out.
    options_type, options
        Name of its table of options (empty for none) and the numbers in it, by their names in the schema;
        ``padding``, ``fused_activation_function``, ``quantized_bias_type`` and ``mode`` of MIRROR_PAD by name.
    version
        Version of the operator.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options_type: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1


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
