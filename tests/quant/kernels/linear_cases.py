"""Drawn operators with weights, what the oracles give for them, and what the runtime's kernels do."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from hypothesis import strategies as st

from qbench.quant.affine import QuantizationParameters
from qbench.quant.kernels.convolution import conv_2d, depthwise_conv_2d
from qbench.quant.kernels.linear import fully_connected
from qbench.quant.kernels.transpose_convolution import transpose_conv
from quant.kernel_lab import Operand, Result, run_operator
from quant.kernels.drawn_params import IS_X86_64, scales

ORACLES = {
    "FULLY_CONNECTED": fully_connected,
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "TRANSPOSE_CONV": transpose_conv,
}
OPTIONS = {
    "FULLY_CONNECTED": schema.FullyConnectedOptionsT,
    "CONV_2D": schema.Conv2DOptionsT,
    "DEPTHWISE_CONV_2D": schema.DepthwiseConv2DOptionsT,
    "TRANSPOSE_CONV": schema.TransposeConvOptionsT,
}
#: Along which axis of the weights their scales are.
CHANNEL_AXIS = {"DEPTHWISE_CONV_2D": 3}
ACTIVATIONS = ["NONE", "RELU", "RELU_N1_TO_1", "RELU6"]
#: ruy has a rounding of its own for processors without.
HAS_AVX = IS_X86_64 and Path("/proc/cpuinfo").is_file() and " avx " in Path("/proc/cpuinfo").read_text()


class Case(NamedTuple):
    """One operator: its operands, and `given` as the oracle names it."""

    name: str
    inputs: np.ndarray
    weights: np.ndarray
    bias: np.ndarray | None
    input_params: QuantizationParameters
    weight_params: QuantizationParameters
    output_params: QuantizationParameters
    given: dict[str, Any]
    weights_dtype: str = ""


def expected_of(case: Case, family: str) -> np.ndarray:
    params = {name: getattr(case, name) for name in ("input_params", "weight_params", "output_params")}
    return ORACLES[case.name](case.inputs, case.weights, case.bias, **params, **case.given, family=family)


def found_of(case: Case, family: str, **options: Any) -> np.ndarray:
    operands, result = operands_of(case)
    return run_operator(case.name, operands, [result], options_of(case, **options), family=family, version=3)[0]


def operands_of(case: Case) -> tuple[list[Operand], Result]:
    operands = [
        Operand(case.inputs, case.input_params),
        Operand(case.weights, case.weight_params, is_constant=True, dtype=case.weights_dtype),
    ]
    shape = (1, 1) if case.name == "FULLY_CONNECTED" else (1, 1, 1, 1)
    if case.name == "TRANSPOSE_CONV":
        shape = case.given["output_shape"]
        operands = [Operand(np.array(shape, np.int32), is_constant=True), *reversed(operands)]
    if case.bias is not None:
        scale = np.multiply(case.input_params.scale, case.weight_params.scale, dtype=np.float32)
        axis = 0 if case.weight_params.is_per_channel else None
        params = QuantizationParameters(scale, quantized_dimension=axis)
        operands.append(Operand(case.bias, params, is_constant=True))
    return operands, Result(shape, case.output_params)


def options_of(case: Case, **options: Any) -> Any:
    given = case.given
    options["fusedActivationFunction"] = getattr(schema.ActivationFunctionType, given.get("activation", "NONE"))
    if case.name == "FULLY_CONNECTED":
        options["keepNumDims"] = given.get("keep_num_dims", False)
    else:
        options["padding"] = getattr(schema.Padding, given.get("padding", "SAME"))
        options["strideH"], options["strideW"] = given.get("stride", (1, 1))
    if case.name in {"CONV_2D", "DEPTHWISE_CONV_2D"}:
        options["dilationHFactor"], options["dilationWFactor"] = given.get("dilation", (1, 1))
    if case.name == "DEPTHWISE_CONV_2D":
        options["depthMultiplier"] = case.weights.shape[3] // case.inputs.shape[3]
    elif case.inputs.dtype == np.int16:
        bias_dtype = given.get("bias_dtype") if case.bias is None else case.bias.dtype.name
        if bias_dtype:
            options.setdefault("quantizedBiasType", getattr(schema.TensorType, bias_dtype.upper()))
    return OPTIONS[case.name](**options)


@st.composite
def cases(draw, name: str, dtype: str, family: str, bias_dtype: str = ""):
    """An operator that the kernels of `family` take."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape, weights_shape, given = draw(SHAPES[name](family))
    given["activation"] = draw(st.sampled_from(ACTIVATIONS))
    units = weights_shape[CHANNEL_AXIS.get(name, 0)]
    depth = int(np.prod(weights_shape)) // units
    weights_dtype = draw(st.sampled_from(["", "", "int4"])) if _takes_int4(name, dtype, family) else ""
    low, high = (-8, 7) if weights_dtype else (-128, 127)
    limits = np.iinfo(dtype)
    input_params = QuantizationParameters(draw(scales(-12, 2)), draw(_zero_points(dtype)), dtype=dtype)
    weight_params = draw(_weight_params(rng, name, units))
    inputs = _stored(draw, rng, shape, limits.min, limits.max).astype(dtype)
    weights = _stored(draw, rng, weights_shape, low, high).astype(np.int8)
    # Outputs from a few steps wide to mostly clamped.
    spread = float(input_params.scale) * float(np.max(weight_params.scale)) * 64 * np.sqrt(depth)
    output_scale = np.float32(spread * draw(scales(-3, 3)))
    output_params = QuantizationParameters(output_scale, draw(_zero_points(dtype)), dtype=dtype)
    has_bias = name == "CONV_2D" or (name == "DEPTHWISE_CONV_2D" and family != "reference") or draw(st.booleans())
    bias = None
    if has_bias:
        bias_dtype = bias_dtype or ("int64" if dtype == "int16" else "int32")
        bias = rng.normal(0, limits.max * 32 * np.sqrt(depth), units).astype(bias_dtype)
    if name in {"FULLY_CONNECTED", "TRANSPOSE_CONV"} and bias is None and dtype == "int16":
        given["bias_dtype"] = bias_dtype or "int64"
    return Case(name, inputs, weights, bias, input_params, weight_params, output_params, given, weights_dtype)


def _takes_int4(name: str, dtype: str, family: str) -> bool:
    return family != "xnnpack" and name != "TRANSPOSE_CONV" and (name, dtype) != ("DEPTHWISE_CONV_2D", "int16")


def _zero_points(dtype: str) -> st.SearchStrategy[int]:
    return st.just(0) if dtype == "int16" else st.sampled_from([-128, 127, 0]) | st.integers(-128, 127)


@st.composite
def _weight_params(draw, rng: np.random.Generator, name: str, units: int):
    if draw(st.booleans()):
        return QuantizationParameters(draw(scales(-10, 0)))
    drawn = 2 ** rng.uniform(-10, 0, units)
    return QuantizationParameters(drawn, quantized_dimension=CHANNEL_AXIS.get(name, 0))


def _stored(draw, rng: np.random.Generator, shape: tuple[int, ...], low: int, high: int) -> np.ndarray:
    """Anything, or the extremes only."""
    if draw(st.booleans()):
        return rng.integers(low, high + 1, shape)
    return rng.choice([low, high], shape)


@st.composite
def _matrices(draw):
    leading = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=3)))
    depth, units = draw(st.integers(1, 40) | st.integers(250, 600)), draw(st.integers(1, 35))
    return (*leading, depth), (units, depth), {"keep_num_dims": draw(st.booleans())}


@st.composite
def _images(draw, *, depthwise: bool):
    height, width, tall, wide = draw(st.tuples(*[st.integers(1, 9)] * 2, *[st.integers(1, 4)] * 2))
    dilation = draw(st.just((1, 1)) | st.tuples(st.integers(1, 3), st.integers(1, 3)))
    fits = (tall - 1) * dilation[0] < height and (wide - 1) * dilation[1] < width
    given = {
        "stride": draw(st.just((1, 1)) | st.tuples(st.integers(1, 3), st.integers(1, 3))),
        "dilation": dilation,
        "padding": draw(st.sampled_from(["SAME", "VALID"])) if fits else "SAME",
    }
    channels, groups = draw(st.integers(1, 18)), draw(st.sampled_from([1, 1, 1, 2, 3]))
    batch = draw(st.integers(1, 3))
    if depthwise:
        multiplier = draw(st.sampled_from([1, 1, 2, 3, 8]))
        return (batch, height, width, channels), (1, tall, wide, channels * multiplier), given
    filters = groups * draw(st.integers(1, 18))
    return (batch, height, width, channels * groups), (filters, tall, wide, channels), given


@st.composite
def _outputs(draw, family: str):
    height, width, tall, wide = draw(st.tuples(*[st.integers(1, 12)] * 2, *[st.integers(1, 4)] * 2))
    # The delegate does not take kernels that are smaller than the stride.
    strides = [st.integers(1, min(3, taps) if family == "xnnpack" else 3) for taps in (tall, wide)]
    stride = draw(st.tuples(*strides))
    padding = draw(st.sampled_from(["SAME", "VALID"])) if tall <= height and wide <= width else "SAME"
    reach = (0, 0) if padding == "SAME" else (tall - 1, wide - 1)
    rows, columns = -(-(height - reach[0]) // stride[0]), -(-(width - reach[1]) // stride[1])
    batch, channels, filters = draw(st.tuples(st.integers(1, 3), st.integers(1, 18), st.integers(1, 18)))
    given = {"stride": stride, "padding": padding, "output_shape": (batch, height, width, filters)}
    return (batch, rows, columns, channels), (filters, tall, wide, channels), given


SHAPES = {
    "FULLY_CONNECTED": lambda _: _matrices(),
    "CONV_2D": lambda _: _images(depthwise=False),
    "DEPTHWISE_CONV_2D": lambda _: _images(depthwise=True),
    "TRANSPOSE_CONV": _outputs,
}
