"""From an operator as a file has it to the call of its oracle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.quant.call import Call
from qbench.quant.kernels import arithmetic, convolution, linear, movement, picking

if TYPE_CHECKING:
    from qbench.quant.family import Family
    from qbench.tflite.graph import Operator, Subgraph

Oracle = Callable[[Call], Any]


def oracle_of(graph: Subgraph, operator: Operator) -> Oracle | None:
    """What computes `operator` from a `Call`; None if no oracle knows it, or not in this dtype.

    It returns the output, or a tuple of all outputs.
    """
    oracle = _ORACLES.get(operator.name)
    if oracle is None or operator.name in _MOVEMENTS:
        return oracle
    return oracle if _dtype(graph, operator) in _EXACT.get(operator.name, {}) else None


def claims_exact(graph: Subgraph, operator: Operator, family: Family) -> bool:
    """Whether the oracle of `operator` claims to be what `family` gives to the bit."""
    claims = _EXACT.get(operator.name, {})
    dtype = _dtype(graph, operator)
    if operator.name in _MOVEMENTS and dtype not in claims:
        return True  # control values of other types, which nothing computes with
    with_bias = len(operator.inputs) > _BIAS and operator.inputs[_BIAS] >= 0 and operator.name in _LINEAR
    bias_dtype = graph.tensors[operator.inputs[_BIAS]].dtype if with_bias else ""
    return family in claims.get(f"{dtype} with an {bias_dtype} bias", claims.get(dtype, frozenset()))


def _dtype(graph: Subgraph, operator: Operator) -> str:
    """The dtype that an oracle is chosen by: of what is computed with, which QUANTIZE from float only writes."""
    return next((graph.tensors[index].dtype for index in operator.inputs if index >= 0), "")


# --- operators with weights ----------------------------------------------------------------------------

_BIAS = 2


def _weighted(call: Call) -> dict[str, Any]:
    return {
        "input_params": call.params(0),
        "weight_params": call.params(1),
        "output_params": call.output_params(),
        "activation": call.activation,
        "family": call.family,
    }


def _windowed(call: Call) -> dict[str, Any]:
    return {
        **_weighted(call),
        "stride": call.pair("stride_h", "stride_w"),
        "dilation": call.pair("dilation_h_factor", "dilation_w_factor"),
        "padding": call.option("padding"),
    }


def _fully_connected(call: Call) -> Any:
    return linear.fully_connected(
        call.array(0),
        call.array(1),
        call.optional(_BIAS),
        keep_num_dims=bool(call.option("keep_num_dims")),
        **_weighted(call),
    )


def _conv_2d(call: Call) -> Any:
    return convolution.conv_2d(call.array(0), call.array(1), call.optional(_BIAS), **_windowed(call))


def _depthwise_conv_2d(call: Call) -> Any:
    return convolution.depthwise_conv_2d(call.array(0), call.array(1), call.optional(_BIAS), **_windowed(call))


_LINEAR: Mapping[str, Oracle] = {
    "FULLY_CONNECTED": _fully_connected,
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise_conv_2d,
}

# --- element by element --------------------------------------------------------------------------------


def _binary(call: Call) -> dict[str, Any]:
    return {
        "a_params": call.params(0),
        "b_params": call.params(1),
        "output_params": call.output_params(),
        "activation": call.activation,
        "family": call.family,
    }


_ARITHMETIC: Mapping[str, Oracle] = {
    "ADD": lambda call: arithmetic.add(
        call.array(0), call.array(1), pot_scale_int16=bool(call.option("pot_scale_int16")), **_binary(call)
    ),
    "SUB": lambda call: arithmetic.sub(
        call.array(0), call.array(1), pot_scale_int16=bool(call.option("pot_scale_int16")), **_binary(call)
    ),
    "MUL": lambda call: arithmetic.mul(call.array(0), call.array(1), **_binary(call)),
}

# --- values that only move -----------------------------------------------------------------------------


def _reshape(call: Call) -> Any:
    """The new shape stands in a tensor, or in files of old converters in the options."""
    shape = call.integers(1) if call.optional(1) is not None else call.option("new_shape")
    return movement.reshape(call.array(0), shape=shape)


def _concatenation(call: Call) -> Any:
    count = len(call.inputs)
    return movement.concatenation(
        [call.array(index) for index in range(count)],
        input_params=[call.params(index) for index in range(count)],
        output_params=call.output_params(),
        axis=call.option("axis"),
    )


def _strided_slice(call: Call) -> Any:
    masks = {name: call.option(name) for name in _MASKS}
    return picking.strided_slice(
        call.array(0), call.integers(1), call.integers(2), call.integers(3), offset=bool(call.option("offset")), **masks
    )


_MASKS = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")


def _resize_nearest_neighbor(call: Call) -> Any:
    return picking.resize_nearest_neighbor(
        call.array(0),
        call.integers(1),
        align_corners=bool(call.option("align_corners")),
        half_pixel_centers=bool(call.option("half_pixel_centers")),
        family=call.family,
    )


_MOVEMENTS: Mapping[str, Oracle] = {
    "SHAPE": lambda call: np.array(call.array(0).shape, np.dtype(call.output_tensors[0].dtype)),
    "CONCATENATION": _concatenation,
    "RESHAPE": _reshape,
    "SQUEEZE": lambda call: movement.squeeze(call.array(0), squeeze_dims=call.option("squeeze_dims")),
    "EXPAND_DIMS": lambda call: movement.expand_dims(call.array(0), axis=call.integers(1)[0]),
    "PAD": lambda call: movement.pad(call.array(0), call.array(1), output_params=call.output_params()),
    "PADV2": lambda call: movement.pad_v2(call.array(0), call.array(1), call.array(2)),
    "MIRROR_PAD": lambda call: movement.mirror_pad(call.array(0), call.array(1), mode=call.option("mode")),
    "TRANSPOSE": lambda call: movement.transpose(call.array(0), call.integers(1)),
    "SPACE_TO_DEPTH": lambda call: movement.space_to_depth(call.array(0), block_size=call.option("block_size")),
    "DEPTH_TO_SPACE": lambda call: movement.depth_to_space(call.array(0), block_size=call.option("block_size")),
    "SPACE_TO_BATCH_ND": lambda call: movement.space_to_batch_nd(
        call.array(0), call.integers(1), call.array(2), output_params=call.output_params()
    ),
    "BATCH_TO_SPACE_ND": lambda call: movement.batch_to_space_nd(call.array(0), call.integers(1), call.array(2)),
    "MAXIMUM": lambda call: movement.maximum(call.array(0), call.array(1)),
    "MINIMUM": lambda call: movement.minimum(call.array(0), call.array(1)),
    "SLICE": lambda call: picking.slice_(call.array(0), call.integers(1), call.integers(2)),
    "STRIDED_SLICE": _strided_slice,
    "SPLIT": lambda call: tuple(
        picking.split(call.array(1), axis=call.integers(0)[0], num_splits=call.option("num_splits"))
    ),
    "SPLIT_V": lambda call: tuple(picking.split_v(call.array(0), call.integers(1), axis=call.integers(2)[0])),
    "PACK": lambda call: picking.pack(
        [call.array(index) for index in range(len(call.inputs))], axis=call.option("axis")
    ),
    "UNPACK": lambda call: tuple(picking.unpack(call.array(0), axis=call.option("axis"))),
    "GATHER": lambda call: picking.gather(
        call.array(0), call.array(1), axis=call.option("axis"), batch_dims=call.option("batch_dims")
    ),
    "RESIZE_NEAREST_NEIGHBOR": _resize_nearest_neighbor,
}

_ORACLES: Mapping[str, Oracle] = {**_LINEAR, **_ARITHMETIC, **_MOVEMENTS}

_EXACT: Mapping[str, Mapping[str, frozenset[Family]]] = {
    **linear.EXACT,
    **convolution.EXACT,
    **arithmetic.EXACT,
    **movement.EXACT,
    **picking.EXACT,
}
