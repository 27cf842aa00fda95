"""A scale for each channel: what must hold of QUANTIZE, FULLY_CONNECTED and CONV_2D on the kernels of all families."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st

from qbench.quant.affine import QuantizationParameters
from qbench.quant.family import FAMILIES
from quant.budget import examples
from quant.conversions import convert
from quant.kernel_lab import Operand, Result, run_operator

if TYPE_CHECKING:
    from qbench.quant.family import Family
    from qbench.tflite.graph import Array

ordinary = examples(12)
LAYERS = ["FULLY_CONNECTED", "CONV_2D"]
KERNELS = [("int8", family) for family in FAMILIES] + [("int16", "reference"), ("int16", "builtin")]
every_layer = pytest.mark.parametrize("name", LAYERS)
every_kernel = pytest.mark.parametrize(("dtype", "family"), KERNELS)

scales = st.floats(2.0**-8, 2.0**-2, width=32)


def run_layer(
    name: str,
    inputs: Array,
    weights: Array,
    *,
    params: list[QuantizationParameters],
    family: Family,
) -> Array:
    """Rows of `inputs` through the rows of `weights`, with no bias; CONV_2D has them as pixels of one image."""
    input_params, weight_params, output_params = params
    count, depth, channels = len(inputs), inputs.shape[1], len(weights)
    bias_scale = input_params.scale.astype(np.float64) * weight_params.scale
    bias = Operand(
        np.zeros(channels, np.int64 if input_params.dtype == "int16" else np.int32),
        QuantizationParameters(bias_scale, quantized_dimension=weight_params.quantized_dimension),
        is_constant=True,
    )
    if name == "CONV_2D":
        inputs, weights = inputs.reshape(1, count, 1, depth), weights.reshape(channels, 1, 1, depth)
        options = schema.Conv2DOptionsT(strideH=1, strideW=1, padding=schema.Padding.VALID)
        shape = (1, count, 1, channels)
    else:
        options, shape = schema.FullyConnectedOptionsT(), (count, channels)
    operands = [Operand(inputs, input_params), Operand(weights, weight_params, is_constant=True), bias]
    result = run_operator(name, operands, [Result(shape, output_params)], options, family=family, version=4)
    return result[0].reshape(count, channels)


@st.composite
def layers(draw, dtype: str, channels: int) -> tuple[Array, Array, QuantizationParameters, QuantizationParameters]:
    """Inputs, weights, and the parameters of input and output that use most of the output's range."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    limits = np.iinfo(dtype)
    depth = draw(st.integers(1, 40))
    inputs = rng.integers(limits.min, limits.max + 1, (draw(st.integers(1, 20)), depth)).astype(dtype)
    weights = rng.integers(-127, 128, (channels, depth)).astype(np.int8)
    points = st.integers(-128, 127) if dtype == "int8" else st.just(0)
    input_params = QuantizationParameters(draw(scales), draw(points), dtype=dtype)
    output_scale = float(input_params.scale) * 2.0**-4 * np.sqrt(depth) * draw(st.floats(20, 200))
    return inputs, weights, input_params, QuantizationParameters(output_scale, draw(points), dtype=dtype)


@every_kernel
@every_layer
@ordinary
@given(data=st.data())
def test_the_same_scale_for_all_channels_is_a_scale_for_the_tensor(
    name: str, dtype: str, family: Family, data: st.DataObject
):
    inputs, weights, input_params, output_params = data.draw(layers(dtype, channels=5))
    scale = data.draw(scales)
    found = [
        run_layer(name, inputs, weights, params=[input_params, weight_params, output_params], family=family)
        for weight_params in (
            QuantizationParameters(scale),
            QuantizationParameters([scale] * 5, quantized_dimension=0),
        )
    ]
    np.testing.assert_array_equal(*found)


@every_kernel
@every_layer
@ordinary
@given(data=st.data())
def test_a_channel_does_not_depend_on_the_others(name: str, dtype: str, family: Family, data: st.DataObject):
    inputs, weights, input_params, output_params = data.draw(layers(dtype, channels=5))
    each = np.array(data.draw(st.lists(scales, min_size=5, max_size=5)))

    def run(channels: slice) -> Array:
        weight_params = QuantizationParameters(each[channels], quantized_dimension=0)
        params = [input_params, weight_params, output_params]
        return run_layer(name, inputs, weights[channels], params=params, family=family)

    alone = np.concatenate([run(slice(channel, channel + 1)) for channel in range(5)], axis=1)
    np.testing.assert_array_equal(run(slice(None)), alone)


@every_kernel
@every_layer
@ordinary
@given(data=st.data())
def test_weights_come_out_of_an_identity_with_the_scale_of_their_channel(
    name: str, dtype: str, family: Family, data: st.DataObject
):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    weights = rng.integers(-127, 128, (6, 9)).astype(np.int8)
    each = np.array(data.draw(st.lists(scales, min_size=6, max_size=6)), np.float32)
    zero_point = data.draw(st.integers(-126, 126)) if dtype == "int8" else 0
    one = QuantizationParameters(1.0, zero_point, dtype=dtype)
    identity = (np.eye(9, dtype=np.int64) + zero_point).astype(dtype)
    qmax = 127 if dtype == "int8" else 32767
    output_params = QuantizationParameters(float(each.max()) * 127 / qmax, dtype=dtype)
    weight_params = QuantizationParameters(each, quantized_dimension=0)
    found = run_layer(name, identity, weights, params=[one, weight_params, output_params], family=family)
    exact = weights.T * each.astype(np.float64) / float(output_params.scale)
    # Half a step for rounding, a quarter for rounding before the last shift; what 16 bits of a multiplier lose.
    allowed = 0.75 + np.abs(exact) * 2.0**-15
    assert np.all(np.abs(found - exact) <= allowed)


@pytest.mark.parametrize("family", ["reference", "builtin"])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
@ordinary
@given(data=st.data())
def test_quantize_takes_each_channel_as_a_tensor_of_its_own(dtype: str, family: Family, data: st.DataObject):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    axis = data.draw(st.integers(0, 2))
    each = np.array(data.draw(st.lists(scales, min_size=4, max_size=4)))
    limits = np.iinfo(dtype)
    zero_point = data.draw(st.integers(limits.min, limits.max)) if dtype != "int16" else 0
    # Away from ties, which the kernel for channels rounds as `reference` does.
    multiples = rng.integers(limits.min - 9, limits.max + 9, (4, 2, 12)) - zero_point + rng.choice([-0.4, 0, 0.4], 12)
    channels = [(multiples[channel] * scale).astype(np.float32) for channel, scale in enumerate(each)]
    together = QuantizationParameters(each, zero_point, dtype=dtype, quantized_dimension=axis)
    (found,) = convert(np.stack(channels, axis), together, family=family)
    alone = [
        convert(values, QuantizationParameters(scale, zero_point, dtype=dtype), family=family)[0]
        for values, scale in zip(channels, each, strict=True)
    ]
    np.testing.assert_array_equal(found, np.stack(alone, axis))
