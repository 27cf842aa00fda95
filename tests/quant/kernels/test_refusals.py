"""What has no result by the specification is refused with words of this project, by every oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qbench.errors import UnspecifiedError
from qbench.quant.affine import QuantizationParameters
from qbench.quant.kernels import (
    addition,
    conversion,
    convolution,
    linear,
    lookup,
    movement,
    multiplication,
    picking,
    pooling,
    rectifiers,
    reduction,
    softmax,
    spatial_blocks,
    transpose_convolution,
)

ONE = QuantizationParameters(1.0)
UINT8 = QuantizationParameters(1.0, dtype="uint8")
INT16 = QuantizationParameters(1.0, dtype="int16")
SHIFTED_INT16 = QuantizationParameters(1.0, 3, dtype="int16")
TWO = QuantizationParameters([1.0, 1.0], quantized_dimension=0)
THREE = QuantizationParameters([1.0, 1.0, 1.0], quantized_dimension=0)
IMAGE, MATRIX = np.ones((1, 4, 4, 2), np.int8), np.ones((3, 2), np.int8)


def refused(oracle: Any, arguments: dict[str, Any], wrong: dict[str, Any], message: str) -> None:
    """`oracle` gives something of `arguments`, and refuses them with what is `wrong`."""
    assert oracle(**arguments) is not None
    with pytest.raises(UnspecifiedError, match=message):
        oracle(**{**arguments, **wrong})


# --- with weights --------------------------------------------------------------------------------------

WEIGHTED = {
    "conv_2d": (convolution.conv_2d, IMAGE, np.ones((2, 2, 2, 2), np.int8)),
    "depthwise_conv_2d": (convolution.depthwise_conv_2d, IMAGE, np.ones((1, 2, 2, 2), np.int8)),
    "fully_connected": (linear.fully_connected, MATRIX, np.ones((2, 2), np.int8)),
    "transpose_conv": (transpose_convolution.transpose_conv, IMAGE, np.ones((2, 2, 2, 2), np.int8)),
}


def weighted(name: str) -> dict[str, Any]:
    _, inputs, weights = WEIGHTED[name]
    given = {"inputs": inputs, "weights": weights, "bias": np.ones(2, np.int32)}
    given |= {"input_params": ONE, "weight_params": ONE, "output_params": ONE}
    return {**given, "output_shape": (1, 4, 4, 2)} if name == "transpose_conv" else given


@pytest.mark.parametrize("name", WEIGHTED)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"family": "xnn"}, "found the family 'xnn', expected one of reference, builtin, xnnpack"),
        ({"inputs": MATRIX.astype(np.float32)}, "found inputs stored as float32, expected int8"),
        ({"weights": np.ones((2, 2), np.float32)}, "found weights .*expected"),
        ({"weights": np.ones(2, np.int8)}, r"found weights of shape \(2,\), expected . dimensions"),
        ({"weight_params": UINT8}, "found weights of uint8, expected int8 or int4"),
        ({"weight_params": THREE}, "found 3 scales along dimension 0 of weights"),
        ({"input_params": INT16}, "found inputs stored as int8, expected int16|found outputs"),
        ({"input_params": TWO}, "found 2 scales of inputs, expected one"),
        ({"output_params": TWO}, "found 2 scales of outputs, expected one"),
        ({"bias": np.ones(3, np.int32)}, r"found a bias of shape \(3,\), expected 2 values"),
        ({"bias": np.ones(2, np.float32)}, "found a bias of float32, expected int32"),
        ({"bias": np.ones(2, np.int64)}, "found a bias of int64, expected int32"),
        ({"activation": "TANH"}, "no kernel fuses the activation TANH"),
    ],
)
def test_weights(name: str, wrong: dict, message: str):
    refused(WEIGHTED[name][0], weighted(name), wrong, message)


IMAGES = ["conv_2d", "depthwise_conv_2d", "transpose_conv"]


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"inputs": np.ones((4, 4, 2), np.int8)}, r"found inputs of shape \(4, 4, 2\), expected 4 dimensions"),
        ({"inputs": np.ones((1, 4, 0, 2), np.int8)}, "expected a height, a width and channels"),
        ({"stride": 2}, "found stride=2, expected two whole numbers above 0"),
        ({"stride": (0, 1)}, r"found stride=\(0, 1\)"),
        ({"stride": (1, 1, 1)}, r"found stride=\(1, 1, 1\)"),
        ({"stride": (1.5, 1)}, r"found stride=\(1.5, 1\)"),
        ({"output_params": INT16}, "found outputs of int16, expected int8"),
        ({"padding": "FULL"}, "padding must be SAME or VALID"),
    ],
)
def test_images(name: str, wrong: dict, message: str):
    refused(WEIGHTED[name][0], weighted(name), wrong, message)


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("conv_2d", {"dilation": (1, 0)}, r"found dilation=\(1, 0\)"),
        ("conv_2d", {"weight_params": QuantizationParameters(1.0, 5)}, "found weights with a zero point, expected 0"),
        ("conv_2d", {"weights": np.ones((0, 1, 1, 2), np.int8)}, "expected at least one along each dimension"),
        ("depthwise_conv_2d", {"weights": np.ones((2, 1, 1, 2), np.int8)}, "expected 1 along the first dimension"),
        ("transpose_conv", {"output_shape": (1, 4, 4, 3)}, "expected 2 and 2 filters"),
        ("transpose_conv", {"output_shape": (1, 4, 4)}, "expected 2 and 2 filters"),
        ("transpose_conv", {"weights": np.ones((2, 1, 1, 3), np.int8)}, "found 2 channels and .*, expected 3"),
        ("transpose_conv", {"bias_dtype": "int8"}, "found bias_dtype='int8'"),
        ("fully_connected", {"bias_dtype": "int8"}, "found bias_dtype='int8'"),
        (
            "fully_connected",
            {"weight_params": QuantizationParameters([1.0, 1.0], quantized_dimension=1)},
            "expected them along dimension 0",
        ),
    ],
)
def test_of_one_operator_with_weights(name: str, wrong: dict, message: str):
    refused(WEIGHTED[name][0], weighted(name), wrong, message)


@pytest.mark.parametrize("name", WEIGHTED)
def test_weights_of_16_bits(name: str):
    given = weighted(name) | {"bias": np.ones(2, np.int64), "input_params": INT16, "output_params": INT16}
    given["inputs"] = given["inputs"].astype(np.int16)
    refused(WEIGHTED[name][0], given, {"output_params": ONE}, "found outputs of int8, expected int16")
    refused(WEIGHTED[name][0], given, {"input_params": SHIFTED_INT16}, "found the zero point 3 of int16, expected 0")
    if name == "depthwise_conv_2d":
        refused(WEIGHTED[name][0], given, {"bias": np.ones(2, np.int32)}, "found a bias of int32, expected int64")


def test_fully_connected_has_more_outputs_as_in_the_runtime():
    for output_params in (UINT8, INT16):
        given = weighted("fully_connected") | {"output_params": output_params}
        assert linear.fully_connected(**given).tolist() == [[3, 3]] * 3


# --- element by element --------------------------------------------------------------------------------

PAIR = {"a": MATRIX, "b": MATRIX, "a_params": ONE, "b_params": ONE, "output_params": ONE}


@pytest.mark.parametrize("oracle", [addition.add, addition.sub, multiplication.mul])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"family": "xnn"}, "found the family 'xnn'"),
        ({"a_params": THREE}, "found 3 scales of the first input, expected one"),
        ({"output_params": TWO}, "found 2 scales of outputs, expected one"),
        ({"b": MATRIX.astype(np.int32)}, "found the second input stored as int32, expected int8"),
        ({"b": np.ones(3, np.int8)}, r"found shapes \(3, 2\) and \(3,\), expected such as broadcast"),
    ],
)
def test_arithmetic(oracle: Any, wrong: dict, message: str):
    refused(oracle, PAIR, wrong, message)


UNARY = {"inputs": MATRIX, "input_params": ONE, "output_params": ONE}
BYTE, WORD = QuantizationParameters(1 / 256, -128), QuantizationParameters(1 / 32768, dtype="int16")
FUNCTIONS = {
    "elu": lookup.elu,
    "tanh": lookup.tanh,
    "hard_swish": rectifiers.hard_swish,
    "leaky_relu": lambda **given: rectifiers.leaky_relu(alpha=0.1, **given),
    "rectifier": lambda **given: rectifiers.rectifier(activation="RELU", **given),
    "logistic": lambda **given: lookup.logistic(**{**given, "output_params": _or(given["output_params"], BYTE)}),
    "softmax": lambda **given: softmax.softmax(**{**given, "output_params": _or(given["output_params"], BYTE)}),
    "requantize": conversion.requantize,
}


def _or(params: QuantizationParameters, other: QuantizationParameters) -> QuantizationParameters:
    return other if params is ONE else params


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"family": "xnn"}, "found the family 'xnn'"),
        ({"inputs": MATRIX.astype(np.float32)}, "found inputs stored as float32, expected int8"),
        ({"input_params": TWO}, "found 2 scales of inputs, expected one"),
        ({"input_params": QuantizationParameters(1.0, dtype="int4")}, "found inputs of int4, expected"),
        ({"output_params": TWO}, "found 2 scales of outputs, expected one"),
    ],
)
def test_functions_of_one_value(name: str, wrong: dict, message: str):
    refused(FUNCTIONS[name], UNARY, wrong, message)


@pytest.mark.parametrize("name", ["elu", "tanh", "hard_swish", "leaky_relu", "rectifier", "logistic"])
def test_functions_keep_the_dtype(name: str):
    refused(FUNCTIONS[name], UNARY, {"output_params": UINT8}, "found an output of uint8, expected int8 as the input")


@pytest.mark.parametrize(
    ("oracle", "input_params", "output_params", "message"),
    [
        (softmax.softmax, ONE, QuantizationParameters(1 / 255, -128), "found the scale .*expected 0.00390625"),
        (softmax.softmax, ONE, QuantizationParameters(1 / 256, 0), "found the zero point 0 of the output"),
        (softmax.softmax, ONE, UINT8, "found outputs of uint8, expected int8 or int16"),
        (softmax.softmax, INT16, QuantizationParameters(1 / 32000, dtype="int16"), "found the scale"),
        (softmax.softmax, INT16, SHIFTED_INT16, "found the zero point 3 of int16"),
        (softmax.softmax, INT16, BYTE, "found outputs of int8, expected int16"),
        (softmax.softmax, SHIFTED_INT16, WORD, "found the zero point 3 of int16"),
        (lookup.logistic, ONE, QuantizationParameters(1 / 255, -128), "found the scale .*expected 0.00390625"),
        (lookup.logistic, UINT8, UINT8, "found the scale 1.0 of the output"),
        (lookup.logistic, INT16, QuantizationParameters(1 / 32767, dtype="int16"), "found the scale"),
        (lookup.logistic, SHIFTED_INT16, WORD, "found the zero point 3 of int16"),
        (lookup.tanh, INT16, QuantizationParameters(1 / 32000, dtype="int16"), r"expected 2\*\*-15 within 0.07%"),
        (rectifiers.hard_swish, INT16, INT16, "found inputs of int16, expected int8 or uint8"),
        (lookup.elu, UINT8, UINT8, "found inputs of uint8, expected int8"),
        (conversion.requantize, INT16, UINT8, "found outputs of uint8, expected int8 or int16"),
        (conversion.requantize, SHIFTED_INT16, INT16, "found the zero point 3 of int16"),
        (FUNCTIONS["rectifier"], SHIFTED_INT16, INT16, "found the zero point 3 of int16"),
        (FUNCTIONS["leaky_relu"], INT16, SHIFTED_INT16, "found the zero point 3 of int16"),
    ],
)
def test_outputs_that_the_runtime_refuses(oracle: Any, input_params: Any, output_params: Any, message: str):
    stored = np.zeros((1, 4), input_params.storage_dtype)
    with pytest.raises(UnspecifiedError, match=message):
        oracle(inputs=stored, input_params=input_params, output_params=output_params)


@pytest.mark.parametrize(
    ("oracle", "family", "input_params", "output_params"),
    [
        (softmax.softmax, "reference", ONE, QuantizationParameters(1.0005 / 256, -128)),
        (softmax.softmax, "reference", UINT8, QuantizationParameters(1 / 128, 3, dtype="uint8")),
        (softmax.softmax, "builtin", ONE, INT16),
        (lookup.logistic, "xnnpack", ONE, QuantizationParameters(1 / 128)),
        (lookup.tanh, "builtin", ONE, QuantizationParameters(1 / 50)),
        (lookup.tanh, "builtin", INT16, QuantizationParameters(1.0006 / 32768, dtype="int16")),
        (conversion.requantize, "reference", SHIFTED_INT16, ONE),
        (conversion.requantize, "reference", UINT8, ONE),
    ],
)
def test_outputs_that_the_runtime_takes(oracle: Any, family: Any, input_params: Any, output_params: Any):
    stored = np.zeros((1, 4), input_params.storage_dtype)
    found = oracle(inputs=stored, input_params=input_params, output_params=output_params, family=family)
    assert found.dtype == output_params.storage_dtype


def test_softmax_is_along_an_axis():
    refused(FUNCTIONS["softmax"], UNARY, {"inputs": np.int8(1).reshape(())}, "found inputs without axes")


def test_an_activation_is_no_rectifier():
    given = UNARY | {"activation": "RELU"}
    refused(rectifiers.rectifier, given, {"activation": "NONE"}, "found the operator 'NONE', expected one of RELU")
    given |= {"inputs": MATRIX.astype(np.int16), "input_params": INT16, "output_params": INT16}
    refused(rectifiers.rectifier, given, {"activation": "RELU_N1_TO_1"}, "found inputs of int16")


REAL = {"real": MATRIX.astype(np.float32), "output_params": ONE}


@pytest.mark.parametrize(
    ("oracle", "given", "wrong", "message"),
    [
        (conversion.quantize, REAL, {"family": "xnn"}, "found the family 'xnn'"),
        (conversion.quantize, REAL, {"real": MATRIX}, "found inputs of int8, expected float32"),
        (conversion.quantize, REAL, {"real": np.array([np.nan], np.float32)}, "found NaN"),
        (conversion.quantize, REAL, {"output_params": TWO}, "found 2 scales along dimension 0 of inputs"),
        (conversion.dequantize, {"stored": MATRIX, "input_params": ONE}, {"family": "xnn"}, "found the family"),
        (conversion.dequantize, {"stored": MATRIX, "input_params": ONE}, {"input_params": UINT8}, "expected uint8"),
        (conversion.dequantize, {"stored": MATRIX, "input_params": ONE}, {"input_params": TWO}, "found 2 scales"),
    ],
)
def test_conversions(oracle: Any, given: dict, wrong: dict, message: str):
    refused(oracle, given, wrong, message)


# --- windows and axes ----------------------------------------------------------------------------------

POOL = {"inputs": IMAGE, "input_params": ONE, "output_params": ONE}
POOL |= {"filter_size": (2, 2), "stride": (1, 1), "padding": "SAME"}


@pytest.mark.parametrize("oracle", [pooling.average_pool_2d, pooling.max_pool_2d])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"family": "xnn"}, "found the family 'xnn'"),
        ({"inputs": MATRIX}, r"found inputs of shape \(3, 2\), expected 4 dimensions"),
        ({"inputs": IMAGE.astype(np.float32)}, "found inputs stored as float32"),
        ({"output_params": TWO}, "found 2 scales of outputs"),
        ({"filter_size": 2}, "found filter_size=2"),
        ({"filter_size": (0, 2)}, r"found filter_size=\(0, 2\)"),
        ({"stride": (1, 0)}, r"found stride=\(1, 0\)"),
    ],
)
def test_pooling(oracle: Any, wrong: dict, message: str):
    refused(oracle, POOL, wrong, message)


@pytest.mark.parametrize("oracle", [reduction.mean, reduction.sum_])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"family": "xnn"}, "found the family 'xnn'"),
        ({"inputs": MATRIX.astype(np.uint8)}, "found inputs stored as uint8"),
        ({"input_params": THREE}, "found 3 scales of inputs"),
        ({"output_params": TWO}, "found 2 scales of outputs"),
        ({"axes": (-3,)}, "found the axis -3, expected one of 2 dimensions"),
    ],
)
def test_reduction(oracle: Any, wrong: dict, message: str):
    refused(oracle, UNARY | {"axes": (0,), "keep_dims": False}, wrong, message)


# --- moving and picking --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("oracle", "given", "wrong", "message"),
    [
        (movement.reshape, {"shape": (2, -1)}, {"shape": (4, -1)}, r"found the new shape \(4, -1\)"),
        (movement.reshape, {"shape": (6,)}, {"shape": (5,)}, "expected one of 6 values"),
        (movement.reshape, {"shape": (6,)}, {"shape": (-1, -1)}, "expected one of 6 values"),
        (movement.squeeze, {}, {"squeeze_dims": (0,)}, "found size 3 of the axis 0, expected 1"),
        (movement.squeeze, {}, {"squeeze_dims": (2,)}, "found the axis 2"),
        (movement.expand_dims, {"axis": 2}, {"axis": 3}, "found the axis 3, expected one of 3"),
        (movement.transpose, {"perm": (1, -2)}, {"perm": (1, 1)}, r"found the permutation \(1, 1\)"),
        (movement.transpose, {"perm": (1, 0)}, {"perm": (0,)}, "expected each of 2 axes once"),
        (movement.mirror_pad, {"paddings": [[1, 1], [0, 0]]}, {"mode": "EDGE"}, "found the mode 'EDGE'"),
        (movement.mirror_pad, {"paddings": [[1, 1], [0, 0]]}, {"paddings": [[1, 1]]}, "found paddings"),
        (picking.slice_, {"begin": (0, 1), "size": (-1, 1)}, {"begin": (0, 2)}, "expected a part of"),
        (picking.slice_, {"begin": (0, 1), "size": (-1, 1)}, {"begin": (-1, 1)}, "expected a part of"),
        (picking.slice_, {"begin": (0, 1), "size": (-1, 1)}, {"begin": (0,)}, "expected a part of"),
        (picking.split, {"axis": 0, "num_splits": 3}, {"num_splits": 2}, "found splits .2,., expected one above 0"),
        (picking.split, {"axis": 0, "num_splits": 3}, {"num_splits": 0}, "expected one above 0"),
        (picking.split, {"axis": 0, "num_splits": 3}, {"axis": 2}, "found the axis 2"),
        (picking.split_v, {"axis": 0, "size_splits": (1, -1)}, {"size_splits": (1, 1)}, "expected 3 together"),
        (picking.split_v, {"axis": 0, "size_splits": (1, 2)}, {"size_splits": (-1, -1)}, "expected 3 together"),
        (picking.split_v, {"axis": 0, "size_splits": (3, 0)}, {"size_splits": (4, -1)}, "expected 3 together"),
        (picking.unpack, {"axis": 1}, {"axis": 2}, "found the axis 2"),
        (picking.gather, {"indices": [0, 2]}, {"indices": [3]}, "found indices from 3 to 3, expected them from 0 to 2"),
        (picking.gather, {"indices": [0, 2]}, {"indices": [-1]}, "found indices from -1"),
        (picking.gather, {"indices": [0, 2]}, {"indices": [0.5]}, "found indices of float64"),
        (picking.gather, {"indices": [0, 2]}, {"batch_dims": 1}, "found 1 batch_dims"),
        (
            picking.strided_slice,
            {"begin": (0,), "end": (2,), "strides": (1,)},
            {"strides": (0,)},
            "expected a part of .*zero",
        ),
        (
            picking.strided_slice,
            {"begin": (0,), "end": (2,), "strides": (1,)},
            {"end": (2, 2)},
            "found 1 begins, 2 ends and 1 strides",
        ),
    ],
)
def test_places(oracle: Any, given: dict, wrong: dict, message: str):
    refused(oracle, {"inputs": MATRIX, **given}, wrong, message)


NO_PADDING = [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("oracle", "given", "wrong", "message"),
    [
        (spatial_blocks.space_to_depth, {"block_size": 2}, {"block_size": 3}, r"found blocks \(3, 3\)"),
        (spatial_blocks.space_to_depth, {"block_size": 2}, {"inputs": MATRIX}, "expected 4 dimensions"),
        (spatial_blocks.depth_to_space, {"block_size": 1}, {"block_size": 2}, r"found squared blocks \(4,\)"),
        (spatial_blocks.depth_to_space, {"block_size": 1}, {"block_size": 0}, "expected one above 0"),
        (
            spatial_blocks.space_to_batch_nd,
            {"block_shape": (2, 2), "paddings": NO_PADDING, "output_params": ONE},
            {"block_shape": (3, 2)},
            r"found blocks \(3, 2\)",
        ),
        (
            spatial_blocks.batch_to_space_nd,
            {"block_shape": (1, 1), "crops": NO_PADDING},
            {"block_shape": (2, 1)},
            r"found blocks \(2, 1\)",
        ),
        (
            spatial_blocks.batch_to_space_nd,
            {"block_shape": (1, 1), "crops": NO_PADDING},
            {"crops": [[3, 2], [0, 0]]},
            "expected at most .4, 4.",
        ),
        (picking.resize_nearest_neighbor, {"size": (2, 2)}, {"size": (2,)}, "found size="),
        (picking.resize_nearest_neighbor, {"size": (2, 2)}, {"family": "xnn"}, "found the family 'xnn'"),
        (picking.resize_nearest_neighbor, {"size": (2, 2)}, {"inputs": MATRIX}, "expected 4 dimensions"),
        (movement.pad, {"paddings": NO_PADDING * 2, "output_params": ONE}, {"output_params": TWO}, "found 2 scales"),
        (movement.pad, {"paddings": NO_PADDING * 2, "output_params": ONE}, {"output_params": UINT8}, "expected uint8"),
        (movement.pad_v2, {"paddings": NO_PADDING * 2, "constant_values": 1}, {"constant_values": [1, 2]}, "found 2"),
        (movement.pad_v2, {"paddings": NO_PADDING * 2, "constant_values": 1}, {"paddings": -np.eye(4, 2)}, "paddings"),
    ],
)
def test_blocks_and_borders(oracle: Any, given: dict, wrong: dict, message: str):
    refused(oracle, {"inputs": IMAGE, **given}, wrong, message)


@pytest.mark.parametrize("oracle", [movement.maximum, movement.minimum])
@pytest.mark.parametrize(
    ("second", "message"),
    [(MATRIX.astype(np.uint8), "found inputs of int8 and uint8"), (np.ones(3, np.int8), "such as broadcast")],
)
def test_comparisons(oracle: Any, second: np.ndarray, message: str):
    refused(oracle, {"first": MATRIX, "second": MATRIX}, {"second": second}, message)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"inputs": [], "input_params": []}, "found no inputs"),
        ({"input_params": [ONE]}, "found parameters of 1 inputs, expected 2"),
        ({"input_params": [ONE, UINT8]}, "found inputs of uint8, expected int8"),
        ({"inputs": [MATRIX, MATRIX.T]}, "expected one dtype and one shape but for the axis 0"),
        ({"inputs": [MATRIX, np.ones(2, np.int8)]}, "expected one dtype and one shape"),
        ({"axis": 2}, "found the axis 2"),
    ],
)
def test_concatenation(wrong: dict, message: str):
    given = {"inputs": [MATRIX, MATRIX], "input_params": [ONE, ONE], "output_params": ONE}
    refused(movement.concatenation, given, wrong, message)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"inputs": []}, "found no inputs"),
        ({"inputs": [MATRIX, MATRIX.T]}, "expected one dtype and one shape"),
        ({"axis": 3}, "found the axis 3"),
    ],
)
def test_pack(wrong: dict, message: str):
    refused(picking.pack, {"inputs": [MATRIX, MATRIX]}, wrong, message)
