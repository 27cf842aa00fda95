"""Biases that fit into their integers, in what litert-quantizer made.

A bias is stored in steps of input scale times weight scale. The library takes the weight scale from the weights alone:
a channel whose weights are all zero, as pruning leaves them, or nearly so, gets one of about 1e-11, in which its bias
is more than an int32 can hold, and the library stores the end of the range. Such a channel gets the weight scale that
its bias needs, as TensorFlow's converter does it, with the same bound for int8. Its weights lose next to nothing: one
step of them is a 2**30th of the bias for each step of the input. Everything else stays as the library made it, to the
byte.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from qbench.models.operators import bias_operand, mac_operands
from qbench.tflite.reader import read_model
from qbench.tflite.rewrite import with_constants

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from qbench.tflite.graph import Array, Operator, Subgraph, Tensor

#: The most that a stored bias may be, by dtype of the weights. It leaves half of an int32 to the products that are
#: added to it. XNNPACK computes int4 weights, and so the bias, in sixteenths of a step.
LARGEST_BIAS = {"int8": 2**30, "int4": 2**26}

# What the library calls a constant that it had to store twice.
_DUPLICATED = re.compile(r"_duplicated_\d+$")


class _Biased(NamedTuple):
    """Stored weights with a stored bias (tensor indices), the input's scale, and the float model's bias."""

    weights: int
    bias: int
    input_scale: np.float32
    real: Array


def with_fitting_biases(content: bytes, float_tflite: bytes) -> bytes:
    """The artifact `content`, with larger weight scales for the channels whose bias would not fit.

    Parameters
    ----------
    content
        What litert-quantizer made of `float_tflite`.

    Notes
    -----
    The scale of a channel becomes ``max(s_w, |bias| / (most * s_in))``, with `LARGEST_BIAS` as the most. Weights that
    another kind of operator reads too, or that share their bytes with another tensor, stay as they are.
    """
    for number, (graph, floats) in enumerate(
        zip(read_model(content).subgraphs, read_model(float_tflite).subgraphs, strict=False)
    ):
        values: dict[int, Array] = {}
        scales: dict[int, Array] = {}
        for index, users in _biased_by_weights(graph, floats).items():
            wider = _wider_scales(graph.tensors[index], users)
            if wider is None:
                continue
            values[index], scales[index] = _requantized(graph.tensors[index], wider), wider
            for user in users:
                scales[user.bias] = user.input_scale * wider
                stored = _constant(graph.tensors[user.bias])
                changed = np.broadcast_to(wider != graph.tensors[index].scales, stored.shape)
                steps = np.rint(user.real / scales[user.bias].astype(np.float64)).astype(stored.dtype)
                values[user.bias] = np.where(changed, steps, stored)
        if values:
            content = with_constants(content, values, scales=scales, subgraph=number)
    return content


def _biased_by_weights(graph: Subgraph, floats: Subgraph) -> dict[int, list[_Biased]]:
    """Who uses stored weights, by tensor index, where all that read them are known."""
    real = {tensor.name: tensor for tensor in floats.tensors}
    users: dict[int, list[_Biased]] = {}
    for operator in graph.operators:
        found = _biased(operator, graph, real)
        if found is not None:
            users.setdefault(found.weights, []).append(found)
    return {
        index: found
        for index, found in users.items()
        if _is_alone(index, len(found), graph) and all(_is_alone(user.bias, 1, graph) for user in found)
    }


def _biased(operator: Operator, graph: Subgraph, real: Mapping[str, Tensor]) -> _Biased | None:
    operands = mac_operands(operator)
    if operands is None or min(*operands, bias := bias_operand(operator)) < 0:
        return None
    given, weights, stored = (graph.tensors[index] for index in (*operands, bias))
    if len(given.scales) != 1 or len(weights.scales) != len(stored.scales) or weights.zero_points.any():
        return None
    is_integer = stored.dtype in {"int32", "int64"} and weights.dtype in LARGEST_BIAS
    if not is_integer or weights.data is None or stored.data is None:
        return None
    known = real.get(stored.name) or real.get(_DUPLICATED.sub("", stored.name))
    if known is None or known.dtype != "float32" or known.data is None or known.shape != stored.shape:
        return None
    values = _constant(known)
    if not given.scales[0] > 0 or not np.isfinite(values).all():
        return None
    return _Biased(weights=operands[1], bias=bias, input_scale=given.scales[0], real=values)


def _is_alone(index: int, readers: int, graph: Subgraph) -> bool:
    """Whether nothing but so many operators reads the bytes of a constant."""
    same = [number for number, tensor in enumerate(graph.tensors) if tensor.storage == graph.tensors[index].storage]
    return same == [index] and sum(1 for _ in _reads(index, graph)) == readers


def _reads(index: int, graph: Subgraph) -> Iterator[int]:
    return (operand for operator in graph.operators for operand in operator.inputs if operand == index)


def _wider_scales(weights: Tensor, users: list[_Biased]) -> Array | None:
    """The scales that the biases of all users fit into; None if they do already."""
    wider = weights.scales
    for user in users:
        most = np.abs(user.real).astype(np.float64)
        if len(wider) == 1:
            most = most.max(keepdims=True)
        needed = most / (LARGEST_BIAS[weights.dtype] * np.float64(user.input_scale))
        wider = np.maximum(wider, needed.astype(np.float32))
    return None if np.array_equal(wider, weights.scales) else wider


def _requantized(weights: Tensor, scales: Array) -> Array:
    """Stored weights in steps of these scales, which are no smaller than their own."""
    stored = _constant(weights)
    ratio = np.divide(weights.scales, scales, out=np.ones(scales.shape), where=scales > 0, dtype=np.float64)
    if len(scales) > 1:
        shape = [1] * stored.ndim
        shape[weights.quantized_dimension] = -1
        ratio = ratio.reshape(shape)
    requantized: Array = np.rint(stored * ratio).astype(stored.dtype)
    return requantized


def _constant(tensor: Tensor) -> Array:
    constant = tensor.constant()
    assert constant is not None  # noqa: S101 - only constants come here
    return constant
