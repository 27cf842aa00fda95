"""What is inside a `.tflite`: operators, dtypes, weights and quantization parameters, exact on any machine.

The structure is gated where a clock cannot decide: an operator that silently stayed float, a QUANTIZE
more, weights that came out wider than they were accepted.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from qbench.errors import InvalidArtifactError
from qbench.models.operators import (
    DTYPE_BITS,
    bias_operand,
    computations,
    float_islands,
    mac_operands,
    weight_dequantizes,
)
from qbench.records import TensorSpec
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.models.operators import Computation
    from qbench.tflite.graph import Model, Subgraph, Tensor

# Numbers above this do not survive JSON; the shapes behind them fit into no memory.
_MOST_MACS = 1 << 63
_INT32_END = (1 << 31) - 1


class Structure(msgspec.Struct, frozen=True, kw_only=True):
    """What is inside one artifact.

    Parameters
    ----------
    operators
        Count by operator and the dtype it computes in, such as ``CONV_2D int8``. A hybrid operator shows
        the dtype of its weights too (``FULLY_CONNECTED float32xint8``; ``int16xint8`` with int16
        activations), a custom one its code (``custom:Foo float32``). QUANTIZE and DEQUANTIZE have the
        dtype they read.
    weight_bytes
        Bytes of constant tensors by dtype, as stored: int4 packs two in a byte, and what tensors share
        counts once.
    missing_weights
        Names of weights of which the file holds nothing, or fewer bytes than their shape needs.
    float_islands
        Connected groups of operators that compute in float within a graph that else computes in integers;
        0 for a graph that is all float or all integer. QUANTIZE and DEQUANTIZE bound an island; operators
        that only move values (RESHAPE) extend one but make none.
    quantize_count, dequantize_count
        QUANTIZE operators (from float, or from integer to integer), and DEQUANTIZE operators of activations.
    weight_dequantize_count
        DEQUANTIZE operators of constant weights, as fp16 and weight-only quantization make.
    macs
        Multiply-accumulates of one example in CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, TRANSPOSE_CONV
        and BATCH_MATMUL. A dynamic dimension counts as 1 and the body of a loop once.
    integer_compute_ratio
        Share of `macs` with quantized activations (int8, uint8, int16) and quantized weights; 0 without macs.
        Called integer, not int8, because it holds for 16x8 too.
    hybrid_compute_ratio
        Share of `macs` with float activations and quantized weights, as dynamic-range quantization makes.
    inputs, outputs
        Those of the main subgraph.
    main_operators
        Names of the main subgraph's operators in their order, such as ``CONV_2D int8 'block/conv'``: what runs in a
        loop or branch is not among them.
    island_names, conversion_names
        Which operators make the float islands, one text for each island, and which quantize or dequantize activations.
    saturated_biases
        Names of biases of which a channel is stored as the end of an int32's range: what it was did not fit, and
        kernels add what is left to every result. With the number of such channels.
    signatures
        Keys of all signatures, in the order of the file.
    subgraphs
        How many there are; bodies of loops and branches are subgraphs.
    """

    operators: dict[str, int]
    weight_bytes: dict[str, int]
    missing_weights: tuple[str, ...]
    float_islands: int
    quantize_count: int
    dequantize_count: int
    weight_dequantize_count: int
    macs: int
    integer_compute_ratio: float
    hybrid_compute_ratio: float
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    signatures: tuple[str, ...]
    subgraphs: int
    main_operators: tuple[str, ...] = ()
    island_names: tuple[str, ...] = ()
    conversion_names: tuple[str, ...] = ()
    saturated_biases: tuple[str, ...] = ()


def read_structure(content: bytes) -> Structure:
    """Read what is inside the `.tflite` whose bytes are `content`.

    Raises
    ------
    InvalidArtifactError
        If `content` is no `.tflite`, or a truncated or damaged one; nothing else is ever raised.
    """
    model = read_model(content)
    main = model.subgraphs[0]
    graphs = [(subgraph, computations(subgraph)) for subgraph in model.subgraphs]
    work = [item for _, items in graphs for item in items]
    macs = sum(item.macs for item in work)
    if macs >= _MOST_MACS:
        raise InvalidArtifactError(
            "found shapes that ask for more than 2**63 multiply-accumulates, expected those of a model: "
            "the file is damaged; convert or copy it again"
        )
    names = Counter(item.operator for item in work)
    weight_dequantize_count = sum(len(weight_dequantizes(subgraph)) for subgraph in model.subgraphs)
    islands: list[list[Computation]] = []
    if any(item.is_integer for item in work if item.computes):
        islands = [island for graph in graphs for island in float_islands(*graph)]
    return Structure(
        operators=dict(sorted(Counter(f"{item.operator} {item.label}" for item in work).items())),
        weight_bytes=_weight_bytes(model),
        missing_weights=tuple(name for subgraph in model.subgraphs for name in _missing_weights(subgraph)),
        float_islands=len(islands),
        quantize_count=names["QUANTIZE"],
        dequantize_count=names["DEQUANTIZE"] - weight_dequantize_count,
        weight_dequantize_count=weight_dequantize_count,
        macs=macs // _batch(main),
        integer_compute_ratio=sum(item.macs for item in work if item.is_integer) / max(macs, 1),
        hybrid_compute_ratio=sum(item.macs for item in work if item.is_hybrid) / max(macs, 1),
        inputs=tuple(_summary(main.tensors[index]) for index in main.inputs),
        outputs=tuple(_summary(main.tensors[index]) for index in main.outputs),
        signatures=model.signatures,
        subgraphs=len(model.subgraphs),
        main_operators=tuple(item.name for item in graphs[0][1]),
        island_names=tuple(" and ".join(item.name for item in island) for island in islands),
        conversion_names=tuple(name for graph in graphs for name in _conversions(*graph)),
        saturated_biases=tuple(name for subgraph in model.subgraphs for name in _saturated_biases(subgraph)),
    )


def _batch(main: Subgraph) -> int:
    """How many examples one invoke takes: the leading size on which all inputs and outputs agree, else 1.

    A model without a batch dimension (a sound as one vector, an image as rows) must not be divided by
    whatever stands first in its shape.
    """
    shapes = [main.tensors[index].shape for index in main.inputs + main.outputs]
    sizes = {shape[0] if len(shape) > 1 else 1 for shape in shapes}
    return max(sizes.pop(), 1) if len(sizes) == 1 else 1


def _conversions(subgraph: Subgraph, work: Sequence[Computation]) -> list[str]:
    """Names of the operators that quantize or dequantize activations."""
    weights = weight_dequantizes(subgraph)
    return [
        item.name
        for operator, item in zip(subgraph.operators, work, strict=True)
        if item.operator == "QUANTIZE" or (item.operator == "DEQUANTIZE" and weights.isdisjoint(operator.outputs[:1]))
    ]


def _weight_bytes(model: Model) -> dict[str, int]:
    stored = {
        tensor.storage: (tensor.dtype, tensor.stored_bytes)
        for subgraph in model.subgraphs
        for tensor in subgraph.tensors
        if tensor.stored_bytes
    }
    sums: Counter[str] = Counter()
    for dtype, size in stored.values():
        sums[dtype] += size
    return dict(sorted(sums.items()))


def _missing_weights(subgraph: Subgraph) -> list[str]:
    """Names of weights that nothing provides: no constant, no operator, no input, no variable."""
    provided = {index for operator in subgraph.operators for index in operator.outputs} | set(subgraph.inputs)
    missing = []
    for operator in subgraph.operators:
        operands = mac_operands(operator)
        if operands is None or operands[1] in provided:
            continue
        index = operands[1]
        if index < 0:
            missing.append(f"the weights of {operator.name}")
        elif not subgraph.tensors[index].is_variable and _is_short(subgraph.tensors[index]):
            missing.append(subgraph.tensors[index].name)
    return missing


def _saturated_biases(subgraph: Subgraph) -> list[str]:
    """Names of biases with channels at an end of int32, also where an int64 holds them: tools clip them to that."""
    found = {}
    for index in map(bias_operand, subgraph.operators):
        tensor = subgraph.tensors[index]
        if index < 0 or tensor.dtype not in {"int32", "int64"} or tensor.data is None or tensor.is_sparse:
            continue
        if not _is_short(tensor):
            needed_bytes = math.prod(tensor.shape) * DTYPE_BITS[tensor.dtype] // 8
            stored = np.abs(tensor.data[:needed_bytes].view(tensor.dtype).astype(np.int64))
            if channels := np.count_nonzero((stored == _INT32_END) | (stored == _INT32_END + 1)):
                found[index] = f"{tensor.name!r} ({channels} of {len(stored)} channels)"
    return list(found.values())


def _is_short(tensor: Tensor) -> bool:
    """Whether the file holds fewer bytes for a constant than its shape needs; zeros may be left out if sparse."""
    needed_bytes = -(-math.prod(tensor.shape) * DTYPE_BITS.get(tensor.dtype, 0) // 8)
    return (tensor.stored_bytes or 0) < (1 if tensor.is_sparse else needed_bytes)


def _summary(tensor: Tensor) -> TensorSpec:
    return TensorSpec(
        name=tensor.name,
        dtype=tensor.dtype,
        shape=tensor.signature,
        scales=tuple(tensor.scales.tolist()),
        zero_points=tuple(tensor.zero_points.tolist()),
        quantized_dimension=tensor.quantized_dimension,
    )
