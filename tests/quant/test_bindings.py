"""From an operator in a file to the right argument of the right oracle: real kernels say what each option means.

Every model here is as asymmetric as its operator allows: two options that change places, or an axis that is another,
give other values or another shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from qbench.errors import NoOracleError
from qbench.quant import bindings
from qbench.quant.affine import QuantizationParameters
from qbench.quant.bindings import claims_exact, computed, moved, oracle_of, weighted
from qbench.quant.family import FAMILIES, Family
from qbench.quant.graph import run_graph
from qbench.quant.strategies import OPERATORS
from qbench.tflite.builder import Affine, Graph
from qbench.tflite.reader import read_model
from quant.kernel_lab import RESOLVERS, Operand, Result, build_operator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qbench.tflite.graph import Array

# --- names ---------------------------------------------------------------------------------------------


def test_every_operator_that_is_bound_claims_something_and_the_other_way_round():
    # SHAPE reads no values, so that there is nothing to be exact about.
    assert set(bindings._EXACT) | {"SHAPE"} == set(bindings._ORACLES)
    assert "SHAPE" not in bindings._EXACT


def test_no_operator_is_bound_twice():
    assert len(bindings._ORACLES) == sum(len(module.ORACLES) for module in (weighted, computed, moved))


def test_claims_are_of_families_that_there_are():
    assert {family for claims in bindings._EXACT.values() for each in claims.values() for family in each} == {*FAMILIES}


@pytest.mark.parametrize("name", sorted({**weighted.ORACLES, **computed.ORACLES}))
def test_no_oracle_computes_with_real_numbers(name: str):
    real = [Operand(np.zeros((1, 2, 2, 1), np.float32))] * 3
    subgraph = read_model(build_operator(name, real, [Result((1, 2, 2, 1))])).subgraphs[0]
    (operator,) = subgraph.operators
    if name == "QUANTIZE":
        assert oracle_of(subgraph, operator) is computed.ORACLES[name]
    else:
        assert oracle_of(subgraph, operator) is None
        assert not any(claims_exact(subgraph, operator, family) for family in FAMILIES)


def test_a_name_that_is_not_bound_has_no_oracle_and_claims_nothing():
    x = Operand(np.zeros((1, 2), np.int8), QuantizationParameters(1.0))
    subgraph = read_model(build_operator("FLOOR_DIV", [x, x], [Result((1, 2), x.params)])).subgraphs[0]
    assert oracle_of(subgraph, subgraph.operators[0]) is None
    assert not claims_exact(subgraph, subgraph.operators[0], "reference")


NARROW, WIDE = QuantizationParameters(0.5, 3), QuantizationParameters(0.5, dtype="int16")
INT32, INT64 = int(schema.TensorType.INT32), int(schema.TensorType.INT64)


@pytest.mark.parametrize(
    ("bias", "named", "exact"),
    [
        pytest.param("int64", None, {"reference", "builtin"}, id="64 bits"),
        pytest.param("int32", None, {"reference"}, id="32 bits"),
        pytest.param("int32", INT64, {"reference"}, id="32 bits, whatever the option says"),
        pytest.param(None, INT64, {"reference", "builtin"}, id="none, named 64 bits"),
        pytest.param(None, INT32, {"reference"}, id="none, named 32 bits"),
        pytest.param(None, None, {"reference"}, id="none, not named"),
    ],
)
def test_what_fully_connected_of_int16_claims_goes_by_its_bias(bias: str | None, named: int | None, exact: set[str]):
    operands = [Operand(np.zeros((1, 2), np.int16), WIDE), Operand(np.zeros((3, 2), np.int8), NARROW, is_constant=True)]
    operands.append(None if bias is None else Operand(np.zeros(3, bias), is_constant=True))
    options = schema.FullyConnectedOptionsT()
    if named is not None:
        options.quantizedBiasType = named
    subgraph = read_model(build_operator("FULLY_CONNECTED", operands, [Result((1, 3), WIDE)], options)).subgraphs[0]
    assert {family for family in FAMILIES if claims_exact(subgraph, subgraph.operators[0], family)} == exact


# --- options and operands ------------------------------------------------------------------------------


class Hand(NamedTuple):
    """A model of one operator made by hand; `families` whose kernels are not known to be wrong for it."""

    operator: str
    operands: Sequence[Operand | None]
    results: Sequence[Result]
    options: Any = None
    families: tuple[Family, ...] = FAMILIES


P, Q = QuantizationParameters(0.1, -7), QuantizationParameters(0.17, 5)
PADDING, MIRROR = schema.Padding, schema.MirrorPadMode


def ramp(*shape: int, params: QuantizationParameters = P, step: int = 7) -> Operand:
    """Values that differ from all their neighbours."""
    values = (np.arange(int(np.prod(shape))) * step + 11) % 251 - 125
    return Operand(values.reshape(shape).astype(params.dtype), params)


def fixed(values: Any, dtype: str = "int32") -> Operand:
    """A control operand: axes, sizes and the like."""
    return Operand(np.array(values, dtype), is_constant=True)


def weights(*shape: int, scale: float = 0.02) -> Operand:
    """The same for constants with a zero point of 0."""
    return ramp(*shape, params=QuantizationParameters(scale), step=37)._replace(is_constant=True)


def bias(*values: int, dtype: str = "int32", scale: float = 0.1 * 0.02) -> Operand:
    """At the scale of the accumulators: XNNPACK takes no other."""
    return Operand(np.array(values, dtype), QuantizationParameters(scale), is_constant=True)


def like(*shape: int) -> list[Result]:
    """An output stored as `ramp` is."""
    return [Result(shape, P)]


def transpose_conv(
    padding: int, height: int, width: int, *, wide: bool = False, with_bias: bool = True, **options: int
) -> Hand:
    """Strides of 2 down and 3 across."""
    params, out = (WIDE, QuantizationParameters(0.6, dtype="int16")) if wide else (P, Q)
    operands = [fixed([1, height, width, 2]), weights(2, 3, 4, 3), ramp(1, 2, 3, 3, params=params)]
    if with_bias:
        operands.append(bias(40, -900, dtype="int64", scale=0.5 * 0.02) if wide else bias(40, -900))
    table = schema.TransposeConvOptionsT(padding=padding, strideH=2, strideW=3, **options)
    return Hand("TRANSPOSE_CONV", operands, [Result((1, height, width, 2), out)], table)


def strided_slice(result: Sequence[int], *, end: Sequence[int] = (3, 4, 5), **options: int) -> Hand:
    operands = [ramp(4, 5, 6), fixed([1, 2, 1]), fixed(end), fixed([1, 1, 2])]
    return Hand("STRIDED_SLICE", operands, like(*result), schema.StridedSliceOptionsT(**options))


def resized(**options: bool) -> Hand:
    table = schema.ResizeNearestNeighborOptionsT(**options)
    return Hand("RESIZE_NEAREST_NEIGHBOR", [ramp(1, 3, 4, 2), fixed([5, 7])], like(1, 5, 7, 2), table)


def convolved(name: str, filters: Operand, channels: int, options: Any) -> Hand:
    """Strides of 2 down and 1 across, taps 1 apart down and 2 across, SAME."""
    options.padding, options.strideH, options.strideW = PADDING.SAME, 2, 1
    options.dilationHFactor, options.dilationWFactor = 1, 2
    operands = [ramp(1, 5, 6, 2), filters, bias(*range(100, 100 + 50 * channels, 50))]
    return Hand(name, operands, [Result((1, 3, 6, channels), Q)], options)


def pooled(name: str) -> Hand:
    options = schema.Pool2DOptionsT(padding=PADDING.SAME, filterHeight=2, filterWidth=3, strideH=2, strideW=1)
    return Hand(name, [ramp(1, 5, 6, 2)], like(1, 3, 6, 2), options)


WEIGHTED: Mapping[str, Hand] = {
    "TRANSPOSE_CONV, SAME": transpose_conv(PADDING.SAME, 4, 8),
    "TRANSPOSE_CONV, VALID": transpose_conv(PADDING.VALID, 5, 10),
    "TRANSPOSE_CONV without a bias": transpose_conv(PADDING.SAME, 4, 9, with_bias=False),
    "TRANSPOSE_CONV of int16": transpose_conv(PADDING.SAME, 4, 8, wide=True),
    "TRANSPOSE_CONV of int16 without a bias": transpose_conv(PADDING.VALID, 5, 10, wide=True, with_bias=False),
    "TRANSPOSE_CONV of int16, accumulated in 32 bits": transpose_conv(
        PADDING.VALID, 5, 10, wide=True, with_bias=False, quantizedBiasType=INT32
    ),
    "CONV_2D": convolved("CONV_2D", weights(3, 2, 3, 2), 3, schema.Conv2DOptionsT()),
    "DEPTHWISE_CONV_2D": convolved(
        "DEPTHWISE_CONV_2D", weights(1, 2, 3, 4), 4, schema.DepthwiseConv2DOptionsT(depthMultiplier=2)
    ),
    "FULLY_CONNECTED": Hand(
        "FULLY_CONNECTED",
        [ramp(2, 3, 4), weights(5, 4), bias(1, -20, 300, -4000, 500)],
        [Result((6, 5), Q)],
        schema.FullyConnectedOptionsT(),
    ),
    "FULLY_CONNECTED, keep_num_dims": Hand(
        "FULLY_CONNECTED",
        [ramp(2, 3, 4), weights(5, 4), bias(1, -20, 300, -4000, 500)],
        [Result((2, 3, 5), Q)],
        schema.FullyConnectedOptionsT(keepNumDims=True),
    ),
    "FULLY_CONNECTED, RELU6": Hand(
        "FULLY_CONNECTED",
        [ramp(3, 4), weights(5, 4), None],
        [Result((3, 5), Q)],
        schema.FullyConnectedOptionsT(fusedActivationFunction=schema.ActivationFunctionType.RELU6),
    ),
}

#: The runtime has no ELU in reference, and its SUM in reference takes every tensor for uint8.
NO_REFERENCE: tuple[Family, ...] = ("builtin", "xnnpack")
COMPUTED: Mapping[str, Hand] = {
    "SUM over one axis": Hand(
        "SUM", [ramp(2, 3, 4), fixed([1])], [Result((2, 4), Q)], schema.ReducerOptionsT(), NO_REFERENCE
    ),
    "SUM, keep_dims": Hand(
        "SUM",
        [ramp(2, 3, 4), fixed([-1, 0])],
        [Result((1, 3, 1), QuantizationParameters(0.6, 9))],
        schema.ReducerOptionsT(keepDims=True),
        NO_REFERENCE,
    ),
    "MEAN over one axis": Hand("MEAN", [ramp(2, 3, 4), fixed([1])], [Result((2, 4), Q)], schema.ReducerOptionsT()),
    "MEAN, keep_dims": Hand(
        "MEAN", [ramp(2, 3, 4), fixed([-1, 0])], [Result((1, 3, 1), Q)], schema.ReducerOptionsT(keepDims=True)
    ),
    "ELU": Hand("ELU", [ramp(4, 9)], [Result((4, 9), Q)], None, NO_REFERENCE),
    "RELU_N1_TO_1": Hand("RELU_N1_TO_1", [ramp(4, 9)], [Result((4, 9), QuantizationParameters(0.011, 4))]),
    "RELU6": Hand("RELU6", [ramp(4, 9)], [Result((4, 9), QuantizationParameters(0.06, 4))]),
    "LEAKY_RELU": Hand("LEAKY_RELU", [ramp(4, 9)], [Result((4, 9), Q)], schema.LeakyReluOptionsT(alpha=0.37)),
    "SOFTMAX": Hand(
        "SOFTMAX",
        [ramp(4, 9)],
        [Result((4, 9), QuantizationParameters(1 / 256, -128))],
        schema.SoftmaxOptionsT(beta=0.6),
    ),
    "AVERAGE_POOL_2D": pooled("AVERAGE_POOL_2D"),
    "MAX_POOL_2D": pooled("MAX_POOL_2D"),
    "SUB": Hand(
        "SUB",
        [ramp(3, 4), ramp(4, params=Q, step=31)],
        [Result((3, 4), QuantizationParameters(0.3, 1))],
        schema.SubOptionsT(fusedActivationFunction=schema.ActivationFunctionType.RELU),
    ),
    "ADD of powers of two": Hand(
        "ADD",
        [ramp(3, 4, params=WIDE), ramp(3, 4, params=QuantizationParameters(0.125, dtype="int16"), step=31)],
        [Result((3, 4), WIDE)],
        schema.AddOptionsT(potScaleInt16=True),
    ),
    "ADD of powers of two by multipliers": Hand(
        "ADD",
        [ramp(3, 4, params=WIDE), ramp(3, 4, params=QuantizationParameters(0.125, dtype="int16"), step=31)],
        [Result((3, 4), WIDE)],
        schema.AddOptionsT(potScaleInt16=False),
    ),
}

MOVED: Mapping[str, Hand] = {
    "CONCATENATION": Hand(
        "CONCATENATION", [ramp(2, 3, 2), ramp(2, 1, 2, step=5)], like(2, 4, 2), schema.ConcatenationOptionsT(axis=1)
    ),
    "RESHAPE": Hand("RESHAPE", [ramp(2, 6), fixed([3, -1])], like(3, 4)),
    "RESHAPE by its option": Hand("RESHAPE", [ramp(2, 6)], like(3, 4), schema.ReshapeOptionsT(newShape=[3, 4])),
    "SQUEEZE": Hand("SQUEEZE", [ramp(1, 3, 1, 2)], like(1, 3, 2), schema.SqueezeOptionsT(squeezeDims=[2])),
    "SQUEEZE of all": Hand("SQUEEZE", [ramp(1, 3, 1, 2)], like(3, 2), schema.SqueezeOptionsT(squeezeDims=[])),
    "EXPAND_DIMS": Hand("EXPAND_DIMS", [ramp(3, 2), fixed(1)], like(3, 1, 2)),
    "EXPAND_DIMS from the end": Hand("EXPAND_DIMS", [ramp(3, 2), fixed([-1])], like(3, 2, 1)),
    "PAD": Hand("PAD", [ramp(2, 3), fixed([[0, 1], [2, 3]])], like(3, 8)),
    "PADV2": Hand(
        "PADV2",
        [ramp(2, 3), fixed([[0, 1], [2, 3]]), Operand(np.array([41], np.int8), P, is_constant=True)],
        like(3, 8),
    ),
    "MIRROR_PAD, REFLECT": Hand(
        "MIRROR_PAD", [ramp(3, 4), fixed([[0, 1], [2, 3]])], like(4, 9), schema.MirrorPadOptionsT(mode=MIRROR.REFLECT)
    ),
    "MIRROR_PAD, SYMMETRIC": Hand(
        "MIRROR_PAD", [ramp(3, 4), fixed([[0, 1], [2, 3]])], like(4, 9), schema.MirrorPadOptionsT(mode=MIRROR.SYMMETRIC)
    ),
    "TRANSPOSE": Hand("TRANSPOSE", [ramp(2, 3, 4), fixed([1, 2, 0])], like(3, 4, 2)),
    "SPACE_TO_DEPTH": Hand(
        "SPACE_TO_DEPTH", [ramp(1, 4, 6, 3)], like(1, 2, 3, 12), schema.SpaceToDepthOptionsT(blockSize=2)
    ),
    "DEPTH_TO_SPACE": Hand(
        "DEPTH_TO_SPACE", [ramp(1, 2, 3, 12)], like(1, 4, 6, 3), schema.DepthToSpaceOptionsT(blockSize=2)
    ),
    "SPACE_TO_BATCH_ND": Hand(
        "SPACE_TO_BATCH_ND", [ramp(1, 4, 5, 2), fixed([2, 3]), fixed([[1, 1], [0, 1]])], like(6, 3, 2, 2)
    ),
    "BATCH_TO_SPACE_ND": Hand(
        "BATCH_TO_SPACE_ND", [ramp(6, 3, 2, 2), fixed([2, 3]), fixed([[1, 1], [0, 1]])], like(1, 4, 5, 2)
    ),
    "MAXIMUM": Hand("MAXIMUM", [ramp(3, 4), ramp(4, step=31)], like(3, 4)),
    "MINIMUM": Hand("MINIMUM", [ramp(3, 4), ramp(4, step=31)], like(3, 4)),
    "SLICE": Hand("SLICE", [ramp(3, 5), fixed([1, 2]), fixed([-1, 2])], like(2, 2)),
    "STRIDED_SLICE": strided_slice((2, 2, 2)),
    "STRIDED_SLICE, begin_mask": strided_slice((2, 4, 2), beginMask=2),
    "STRIDED_SLICE, end_mask": strided_slice((2, 3, 2), endMask=2),
    "STRIDED_SLICE, ellipsis_mask": strided_slice((2, 5, 2), ellipsisMask=2),
    "STRIDED_SLICE, new_axis_mask": strided_slice((2, 1, 2, 6), newAxisMask=2),
    "STRIDED_SLICE, shrink_axis_mask": strided_slice((2, 2), shrinkAxisMask=2),
    "STRIDED_SLICE, offset": strided_slice((2, 1, 2), end=(2, 1, 3), offset=True),
    "SPLIT": Hand("SPLIT", [fixed(1), ramp(2, 6)], [Result((2, 2), P)] * 3, schema.SplitOptionsT(numSplits=3)),
    "SPLIT_V": Hand(
        "SPLIT_V",
        [ramp(2, 6), fixed([2, -1, 1]), fixed(1)],
        [Result((2, 2), P), Result((2, 3), P), Result((2, 1), P)],
        schema.SplitVOptionsT(numSplits=3),
    ),
    "PACK": Hand("PACK", [ramp(2, 3), ramp(2, 3, step=5)], like(2, 2, 3), schema.PackOptionsT(valuesCount=2, axis=1)),
    "UNPACK": Hand("UNPACK", [ramp(2, 3, 4)], [Result((2, 4), P)] * 3, schema.UnpackOptionsT(num=3, axis=1)),
    "GATHER": Hand("GATHER", [ramp(2, 5, 3), fixed([4, 0])], like(2, 2, 3), schema.GatherOptionsT(axis=1)),
    "GATHER, batch_dims": Hand(
        "GATHER",
        [ramp(2, 5, 3), fixed([[4, 0, 2], [1, 1, 3]])],
        like(2, 3, 3),
        schema.GatherOptionsT(axis=1, batchDims=1),
    ),
    "RESIZE_NEAREST_NEIGHBOR": resized(),
    "RESIZE_NEAREST_NEIGHBOR, align_corners": resized(alignCorners=True),
    "RESIZE_NEAREST_NEIGHBOR, half_pixel_centers": resized(halfPixelCenters=True),
    "SHAPE": Hand("SHAPE", [ramp(2, 3, 4)], [Result((3,), dtype="int32")], schema.ShapeOptionsT(outType=INT32)),
    "SHAPE in 64 bits": Hand(
        "SHAPE", [ramp(2, 3, 4)], [Result((3,), dtype="int64")], schema.ShapeOptionsT(outType=INT64)
    ),
}


def agree(content: bytes, inputs: Sequence[Array], family: Family) -> None:
    """Assert that the oracles give what the kernels do: to the bit where they claim so, else within one step."""
    model = read_model(content)
    graph = model.subgraphs[0]
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=RESOLVERS[family])
    interpreter.allocate_tensors()
    if family == "xnnpack" and "DELEGATE" not in {each["op_name"] for each in interpreter._get_ops_details()}:
        family = "builtin"
    for detail, stored in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], stored)
    interpreter.invoke()
    exact = all(claims_exact(graph, operator, family) for operator in graph.operators)
    oracles = run_graph(model, inputs, family=family)
    for detail, oracle in zip(interpreter.get_output_details(), oracles, strict=True):
        kernels = interpreter.get_tensor(detail["index"])
        assert (oracle.dtype, oracle.shape) == (kernels.dtype, kernels.shape)
        assert np.max(np.abs(oracle.astype(np.int64) - kernels), initial=0) <= (0 if exact else 1)
        assert oracle.size == 1 or len(np.unique(oracle)) > 1, "one value everywhere shows nothing"


@pytest.mark.parametrize(
    ("hand", "family"),
    [
        pytest.param(hand, family, id=f"{name}: {family}")
        for name, hand in {**WEIGHTED, **COMPUTED, **MOVED}.items()
        for family in hand.families
    ],
)
def test_options_and_operands_reach_the_oracle_as_the_kernels_read_them(hand: Hand, family: Family):
    content = build_operator(hand.operator, hand.operands, hand.results, hand.options)
    inputs = [operand.stored for operand in hand.operands if operand is not None and not operand.is_constant]
    agree(content, inputs, family)


def test_every_operator_that_is_not_generated_is_made_by_hand():
    made = {hand.operator for hand in {**WEIGHTED, **COMPUTED, **MOVED}.values()}
    assert set(bindings._ORACLES) <= made | set(OPERATORS)


# --- control values ------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_a_shape_that_is_computed_from_int32_values(family: Family):
    """What converters write for ``reshape(x, [batch, -1])``: no value of it is quantized, but for x."""
    graph = Graph()
    x = graph.tensor("x", [2, 3, 4], "int8", Affine(0.1, -7))
    shape, batch = graph.tensor("shape", [3], "int32"), graph.tensor("batch", [], "int32")
    new, y = graph.tensor("new", [2], "int32"), graph.tensor("y", [2, 12], "int8", Affine(0.1, -7))
    begin, end, one = (graph.constant(name, np.array([at], np.int32)) for name, at in (("0", 0), ("1", 1), ("by", 1)))
    rest = graph.constant("rest", np.array(-1, np.int32))
    graph.operator("SHAPE", [x], [shape], schema.ShapeOptionsT(outType=INT32))
    graph.operator("STRIDED_SLICE", [shape, begin, end, one], [batch], schema.StridedSliceOptionsT(shrinkAxisMask=1))
    graph.operator("PACK", [batch, rest], [new], schema.PackOptionsT(valuesCount=2, axis=0))
    graph.operator("RESHAPE", [x, new], [y])
    agree(graph.build([x], [y]), [ramp(2, 3, 4).stored], family)


def plain(*values: int, shape: tuple[int, ...] = ()) -> Operand:
    """Numbers that no parameters belong to."""
    return Operand(np.array(values, np.int32).reshape(shape or -1))


CONTROL: Mapping[str, Hand] = {
    "CONCATENATION": Hand(
        "CONCATENATION",
        [plain(1, 2), plain(300)],
        [Result((3,), dtype="int32")],
        schema.ConcatenationOptionsT(axis=0),
    ),
    "PADV2": Hand("PADV2", [plain(1, 2), fixed([[1, 2]]), fixed([9])], [Result((5,), dtype="int32")]),
    "TRANSPOSE": Hand(
        "TRANSPOSE", [plain(1, 2, 3, 4, 5, 6, shape=(2, 3)), fixed([1, 0])], [Result((3, 2), dtype="int32")]
    ),
    "GATHER": Hand(
        "GATHER", [plain(10, 2000, 30), fixed([2, 0])], [Result((2,), dtype="int32")], schema.GatherOptionsT(axis=0)
    ),
    "SLICE": Hand("SLICE", [plain(10, 2000, 30), fixed([1]), fixed([2])], [Result((2,), dtype="int32")]),
    "MAXIMUM": Hand("MAXIMUM", [plain(10, 2000), plain(300, 4)], [Result((2,), dtype="int32")]),
    "MINIMUM": Hand("MINIMUM", [plain(10, 2000), plain(300, 4)], [Result((2,), dtype="int32")]),
    "EXPAND_DIMS": Hand("EXPAND_DIMS", [plain(1, 2), fixed(0)], [Result((1, 2), dtype="int32")]),
    "SQUEEZE": Hand("SQUEEZE", [plain(1, 2, shape=(1, 2))], [Result((2,), dtype="int32")], schema.SqueezeOptionsT()),
    "UNPACK": Hand(
        "UNPACK",
        [plain(1, 2, 3, 4, shape=(2, 2))],
        [Result((2,), dtype="int32")] * 2,
        schema.UnpackOptionsT(num=2, axis=1),
    ),
    "SPLIT": Hand(
        "SPLIT", [fixed(0), plain(1, 2, 3, 4)], [Result((2,), dtype="int32")] * 2, schema.SplitOptionsT(numSplits=2)
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hand", [pytest.param(hand, id=name) for name, hand in CONTROL.items()])
def test_operators_move_control_values_as_they_do_stored_ones(hand: Hand, family: Family):
    content = build_operator(hand.operator, hand.operands, hand.results, hand.options)
    agree(content, [operand.stored for operand in hand.operands if not operand.is_constant], family)


def test_a_pad_of_control_values_is_refused_by_name_because_it_has_no_zero_point_to_pad_with():
    content = build_operator("PAD", [plain(1, 2), fixed([[1, 2]])], [Result((5,), dtype="int32")])
    with pytest.raises(NoOracleError, match=r"PAD int32: the tensor 'output0' \(int32\) is not quantized"):
        run_graph(read_model(content), [np.array([1, 2], np.int32)])
