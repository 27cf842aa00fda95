"""Operators with weights, from the file to their oracles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qbench.quant.kernels import convolution, linear, transpose_convolution

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qbench.quant.call import Call, Oracle
    from qbench.tflite.graph import Operator

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


def bias_dtype(operator: Operator) -> str | None:
    """The dtype that the options give a bias; it tells kernels without one how wide to accumulate."""
    named = str(operator.options.get("quantized_bias_type", "")).lower()
    return named if named in {"int32", "int64"} else None


def _fully_connected(call: Call) -> Any:
    return linear.fully_connected(
        call.array(0),
        call.array(1),
        call.optional(_BIAS),
        keep_num_dims=bool(call.option("keep_num_dims")),
        bias_dtype=bias_dtype(call.operator),
        **_weighted(call),
    )


def _conv_2d(call: Call) -> Any:
    return convolution.conv_2d(call.array(0), call.array(1), call.optional(_BIAS), **_windowed(call))


def _depthwise_conv_2d(call: Call) -> Any:
    return convolution.depthwise_conv_2d(call.array(0), call.array(1), call.optional(_BIAS), **_windowed(call))


def _transpose_conv(call: Call) -> Any:
    """Its first input is the shape of the output; input 1 holds the weights, as everywhere, and 2 what goes in."""
    bias = call.optional(3)
    return transpose_convolution.transpose_conv(
        call.array(2),
        call.array(1),
        bias,
        output_shape=call.integers(0),
        input_params=call.params(2),
        weight_params=call.params(1),
        output_params=call.output_params(),
        stride=call.pair("stride_h", "stride_w"),
        padding=call.option("padding"),
        activation=call.activation,
        bias_dtype=bias_dtype(call.operator),
        family=call.family,
    )


ORACLES: Mapping[str, Oracle] = {
    "FULLY_CONNECTED": _fully_connected,
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise_conv_2d,
    "TRANSPOSE_CONV": _transpose_conv,
}
