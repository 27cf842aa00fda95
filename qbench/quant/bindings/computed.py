"""Operators that compute with values and have no weights, from the file to their oracles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from qbench.quant.kernels import (
    addition,
    conversion,
    lookup,
    multiplication,
    pooling,
    rectifiers,
    reduction,
    softmax,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qbench.quant.call import Call, Oracle

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
    "ADD": lambda call: addition.add(
        call.array(0), call.array(1), pot_scale_int16=bool(call.option("pot_scale_int16")), **_binary(call)
    ),
    "SUB": lambda call: addition.sub(
        call.array(0), call.array(1), pot_scale_int16=bool(call.option("pot_scale_int16")), **_binary(call)
    ),
    "MUL": lambda call: multiplication.mul(call.array(0), call.array(1), **_binary(call)),
}

# --- functions of one value ----------------------------------------------------------------------------


def _unary(call: Call) -> dict[str, Any]:
    return {"input_params": call.params(0), "output_params": call.output_params(), "family": call.family}


def _rectifier(activation: str) -> Oracle:
    return lambda call: rectifiers.rectifier(call.array(0), activation=activation, **_unary(call))


def _quantize(call: Call) -> Any:
    if call.array(0).dtype == np.float32:
        return conversion.quantize(call.array(0), output_params=call.output_params(), family=call.family)
    return conversion.requantize(call.array(0), **_unary(call))


_FUNCTIONS: Mapping[str, Oracle] = {
    "SOFTMAX": lambda call: softmax.softmax(call.array(0), beta=call.option("beta"), **_unary(call)),
    "LOGISTIC": lambda call: lookup.logistic(call.array(0), **_unary(call)),
    "TANH": lambda call: lookup.tanh(call.array(0), **_unary(call)),
    "ELU": lambda call: lookup.elu(call.array(0), **_unary(call)),
    "RELU": _rectifier("RELU"),
    "RELU6": _rectifier("RELU6"),
    "RELU_N1_TO_1": _rectifier("RELU_N1_TO_1"),
    "LEAKY_RELU": lambda call: rectifiers.leaky_relu(call.array(0), alpha=call.option("alpha"), **_unary(call)),
    "HARD_SWISH": lambda call: rectifiers.hard_swish(call.array(0), **_unary(call)),
    "QUANTIZE": _quantize,
    "DEQUANTIZE": lambda call: conversion.dequantize(call.array(0), input_params=call.params(0), family=call.family),
}

# --- windows and axes ----------------------------------------------------------------------------------


def _pooling(call: Call) -> dict[str, Any]:
    return {
        **_unary(call),
        "filter_size": call.pair("filter_height", "filter_width"),
        "stride": call.pair("stride_h", "stride_w"),
        "padding": call.option("padding"),
        "activation": call.activation,
    }


def _reduction(call: Call) -> dict[str, Any]:
    return {**_unary(call), "axes": call.integers(1), "keep_dims": bool(call.option("keep_dims"))}


_WINDOWS: Mapping[str, Oracle] = {
    "AVERAGE_POOL_2D": lambda call: pooling.average_pool_2d(call.array(0), **_pooling(call)),
    "MAX_POOL_2D": lambda call: pooling.max_pool_2d(call.array(0), **_pooling(call)),
    "MEAN": lambda call: reduction.mean(call.array(0), **_reduction(call)),
    "SUM": lambda call: reduction.sum_(call.array(0), **_reduction(call)),
}

ORACLES: Mapping[str, Oracle] = {**_ARITHMETIC, **_FUNCTIONS, **_WINDOWS}
