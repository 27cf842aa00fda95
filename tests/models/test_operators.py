from __future__ import annotations

import models_zoo as zoo
import numpy as np
import pytest

from qbench.models.operators import bias_operand
from qbench.models.structure import Structure, read_structure
from qbench.tflite.builder import Affine, Graph
from qbench.tflite.graph import Operator

_INT8 = Affine(0.1)


def _weights(graph: Graph, name: str, shape: tuple[int, ...], dtype: str = "int8") -> int:
    return graph.constant(name, np.ones(shape, dtype), _INT8 if dtype == "int8" else None)


def _one_operator(name: str, shapes: list[tuple[int, ...]], output: tuple[int, ...], constant: int) -> Structure:
    """A graph of one int8 operator; the input at position `constant` is its weights."""
    graph = Graph()
    indices = [
        _weights(graph, f"in{position}", shape) if position == constant else graph.tensor("x", shape, "int8", _INT8)
        for position, shape in enumerate(shapes)
    ]
    y = graph.tensor("y", output, "int8", _INT8)
    graph.operator(name, indices, [y])
    return read_structure(graph.build([index for index in indices if index != constant], [y]))


class TestOperators:
    @pytest.mark.parametrize(
        ("content", "operators"),
        [
            (zoo.dense_float(), {"FULLY_CONNECTED float32": 1}),
            (zoo.dense_int8(), {"FULLY_CONNECTED int8": 1}),
            (zoo.dense_uint8(), {"FULLY_CONNECTED uint8": 1}),
            (zoo.dense_int16(), {"FULLY_CONNECTED int16xint8": 1}),
            (zoo.dense_hybrid(), {"FULLY_CONNECTED float32xint8": 1}),
            (zoo.dense_int4(), {"FULLY_CONNECTED float32xint4": 1}),
            (zoo.dense_fp16(), {"DEQUANTIZE float16": 2, "FULLY_CONNECTED float32": 1}),
            (zoo.two_inputs_two_outputs(), {"ADD float32": 1, "MUL float32": 1}),
            (zoo.unresolved_custom_operator(), {"custom:NoSuchKernel float32": 1}),
            (zoo.string_input(), {"EQUAL bool": 1}),
            (zoo.hanging(), {"ABS float32": 1, "EQUAL bool": 1, "WHILE float32": 1}),
        ],
    )
    def test_are_counted_by_what_they_compute_in(self, content, operators):
        assert read_structure(content).operators == operators

    @pytest.mark.parametrize(
        ("name", "before", "after", "key"),
        [
            ("ARG_MAX", "int8", "int64", "ARG_MAX int8"),
            ("LESS", "float32", "bool", "LESS float32"),
            ("SHAPE", "float32", "int32", "SHAPE int32"),
            ("CAST", "uint8", "float32", "CAST float32"),
            ("QUANTIZE", "float32", "int8", "QUANTIZE float32"),
            ("QUANTIZE", "uint8", "int8", "QUANTIZE uint8"),
            ("DEQUANTIZE", "int8", "float32", "DEQUANTIZE int8"),
        ],
    )
    def test_dtype_is_that_of_the_values_computed_on(self, name, before, after, key):
        graph = Graph()
        x, y = graph.tensor("x", [1, 4], before), graph.tensor("y", [1, 4], after)
        graph.operator(name, [x], [y])
        assert list(read_structure(graph.build([x], [y])).operators) == [key]

    def test_code_of_an_old_file_is_read_from_the_old_field(self):
        graph = Graph()
        x, y = graph.tensor("x", [4]), graph.tensor("y", [4])
        graph.operator("RELU", [x], [y])
        graph.model.operatorCodes[0].builtinCode = 0
        assert read_structure(graph.build([x], [y])).operators == {"RELU float32": 1}

    def test_operator_without_tensors_has_no_dtype(self):
        graph = Graph()
        x = graph.tensor("x", [4])
        graph.operator("CALL_ONCE", [], [])
        assert read_structure(graph.build([x], [x])).operators == {"CALL_ONCE none": 1}


class TestMacs:
    @pytest.mark.parametrize(
        ("name", "shapes", "output", "macs"),
        [
            # 3x3 from 3 to 4 channels: 27 each for 8 x 8 x 4 outputs.
            ("CONV_2D", [(1, 8, 8, 3), (4, 3, 3, 3)], (1, 8, 8, 4), 6912),
            # In 2 groups, each filter sees only half of the 6 channels.
            ("CONV_2D", [(1, 8, 8, 6), (4, 3, 3, 3)], (1, 8, 8, 4), 6912),
            ("DEPTHWISE_CONV_2D", [(1, 8, 8, 6), (1, 3, 3, 6)], (1, 4, 4, 6), 864),
            ("FULLY_CONNECTED", [(1, 5), (7, 5)], (1, 7), 35),
            # One row of weights for each of 6 positions of one example.
            ("FULLY_CONNECTED", [(1, 6, 5), (7, 5)], (1, 6, 7), 210),
            # Flattened on the way in.
            ("FULLY_CONNECTED", [(1, 3, 5), (7, 15)], (1, 7), 105),
            ("BATCH_MATMUL", [(1, 2, 3, 4), (1, 2, 4, 5)], (1, 2, 3, 5), 120),
            # Both operands transposed.
            ("BATCH_MATMUL", [(1, 2, 4, 3), (1, 2, 5, 4)], (1, 2, 3, 5), 120),
            ("ADD", [(1, 8), (1, 8)], (1, 8), 0),
        ],
    )
    def test_of_one_operator(self, name, shapes, output, macs):
        structure = _one_operator(name, shapes, output, constant=1)
        assert structure.macs == macs
        assert structure.integer_compute_ratio == (1.0 if macs else 0.0)

    def test_of_a_transposed_convolution_come_from_its_input(self):
        graph = Graph()
        x, y = graph.tensor("x", (1, 4, 4, 3), "int8", _INT8), graph.tensor("y", (1, 8, 8, 5), "int8", _INT8)
        shape = graph.constant("shape", np.array([1, 8, 8, 5], np.int32))
        graph.operator("TRANSPOSE_CONV", [shape, _weights(graph, "w", (5, 2, 2, 3)), x], [y])
        structure = read_structure(graph.build([x], [y]))
        # 4 x 4 x 3 inputs, each spread over 2 x 2 places of 5 channels.
        assert structure.macs == 960
        assert structure.operators == {"TRANSPOSE_CONV int8": 1}

    @pytest.mark.parametrize("batch", [1, 8, -1])
    def test_are_those_of_one_example(self, batch):
        assert read_structure(zoo.dense_int8(batch=batch)).macs == 12

    @pytest.mark.parametrize(
        ("shape", "image", "output"),
        [
            # A sound of 16 samples as one vector, seen by a convolution as a batch of one.
            ((16,), (1, 4, 4, 1), (1, 4, 4, 2)),
            ((4, 4), (1, 4, 4, 1), (2, 4, 4, 1)),
        ],
    )
    def test_are_not_divided_by_a_dimension_that_is_no_batch(self, shape, image, output):
        graph = Graph()
        x, shaped, y = graph.tensor("x", shape), graph.tensor("shaped", image), graph.tensor("y", output)
        graph.operator("RESHAPE", [x], [shaped])
        graph.operator("CONV_2D", [shaped, _weights(graph, "w", (2, 1, 1, 1), "float32")], [y])
        assert read_structure(graph.build([x], [y])).macs == 32

    def test_ratios_tell_integer_hybrid_and_float_apart(self):
        graph = Graph()
        x = graph.tensor("x", [1, 2], "int8", _INT8)
        first, real = graph.tensor("first", [1, 4], "int8", _INT8), graph.tensor("real", [1, 4])
        second, y = graph.tensor("second", [1, 4]), graph.tensor("y", [1, 2])
        graph.operator("FULLY_CONNECTED", [x, _weights(graph, "w0", (4, 2)), -1], [first])  # 8
        graph.operator("DEQUANTIZE", [first], [real])
        graph.operator("FULLY_CONNECTED", [real, _weights(graph, "w1", (4, 4)), -1], [second])  # 16
        graph.operator("FULLY_CONNECTED", [second, _weights(graph, "w2", (2, 4), "float32"), -1], [y])  # 8
        structure = read_structure(graph.build([x], [y]))
        assert structure.macs == 32
        assert structure.integer_compute_ratio == 0.25
        assert structure.hybrid_compute_ratio == 0.5

    @pytest.mark.parametrize(
        ("content", "integer", "hybrid"),
        [
            (zoo.dense_float(), 0, 0),
            (zoo.dense_fp16(), 0, 0),
            (zoo.dense_hybrid(), 0, 1),
            (zoo.dense_int4(), 0, 1),
            (zoo.dense_int8(), 1, 0),
            (zoo.dense_int16(), 1, 0),
            (zoo.dense_uint8(), 1, 0),
        ],
    )
    def test_ratios_of_each_scheme(self, content, integer, hybrid):
        structure = read_structure(content)
        assert (structure.integer_compute_ratio, structure.hybrid_compute_ratio) == (integer, hybrid)


class TestFloatIslands:
    def test_one_between_integer_parts(self):
        structure = read_structure(zoo.float_island())
        assert structure.float_islands == 1
        assert (structure.quantize_count, structure.dequantize_count) == (1, 1)

    @pytest.mark.parametrize(
        "content", [zoo.dense_float(), zoo.dense_fp16(), zoo.dense_hybrid(), zoo.dense_int8(), zoo.conv_int8()]
    )
    def test_none_in_a_graph_of_one_kind(self, content):
        assert read_structure(content).float_islands == 0

    def _branches(self, left: str, right: str, *, joined: bool) -> Structure:
        """int8 RELU, its dequantized output through the float operators `left` and `right`, int8 again."""
        graph = Graph()
        x, start = (graph.tensor(name, [1, 4], "int8", _INT8) for name in ("x", "start"))
        graph.operator("RELU", [x], [start])
        reals = []
        for side in range(2):
            if not (joined and reals):
                reals.append(graph.tensor(f"real{side}", [1, 4]))
                graph.operator("DEQUANTIZE", [start], reals[-1:])
        outputs = []
        for name, real in zip((left, right), (reals[0], reals[-1]), strict=True):
            result, back = graph.tensor(f"{name}-real", [1, 4]), graph.tensor(f"{name}-back", [1, 4], "int8", _INT8)
            graph.operator(name, [real], [result])
            graph.operator("QUANTIZE", [result], [back])
            outputs.append(back)
        return read_structure(graph.build([x], outputs))

    def test_two_that_share_no_float_tensor(self):
        assert self._branches("EXP", "COS", joined=False).float_islands == 2

    def test_branches_of_one_float_tensor_are_one(self):
        assert self._branches("EXP", "COS", joined=True).float_islands == 1

    def test_moving_values_makes_none(self):
        assert self._branches("EXP", "RESHAPE", joined=False).float_islands == 1

    def test_moving_values_joins_what_lies_on_both_sides(self):
        graph = Graph()
        x, a = (graph.tensor(name, [1, 4], "int8", _INT8) for name in "xa")
        b, c, d, y = (graph.tensor(name, [1, 4]) for name in "bcdy")
        for name, before, after in [
            ("RELU", x, a),
            ("DEQUANTIZE", a, b),
            ("EXP", b, c),
            ("RESHAPE", c, d),
            ("COS", d, y),
        ]:
            graph.operator(name, [before], [after])
        assert read_structure(graph.build([x], [y])).float_islands == 1

    @pytest.mark.parametrize("stored", ["float32", "float16", "sparse float16"])
    def test_shared_weights_join_none(self, stored):
        graph = Graph()
        x, a = (graph.tensor(name, [1, 4], "int8", _INT8) for name in "xa")
        graph.operator("RELU", [x], [a])
        weights = graph.constant("weights", np.ones(4, stored.split()[-1]))
        if stored == "sparse float16":
            sparse, weights = weights, graph.tensor("dense", [4], "float16")
            graph.operator("DENSIFY", [sparse], [weights])
        if stored != "float32":
            half, weights = weights, graph.tensor("single", [4])
            graph.operator("DEQUANTIZE", [half], [weights])
        ends = []
        for side in "lr":
            real, end = graph.tensor(f"real-{side}", [1, 4]), graph.tensor(f"end-{side}", [1, 4])
            graph.operator("DEQUANTIZE", [a], [real])
            graph.operator("MUL", [real, weights], [end])
            ends.append(end)
        structure = read_structure(graph.build([x], ends))
        assert structure.float_islands == 2
        assert structure.dequantize_count == 2
        assert structure.weight_dequantize_count == (stored != "float32")

    def test_one_in_the_body_of_a_loop_counts(self):
        graph = Graph()
        x, a, y = (graph.tensor(name, [1, 4], "int8", _INT8) for name in "xay")
        graph.operator("RELU", [x], [a])
        body = Graph(graph)
        start, end = (body.tensor(name, [1, 4], "int8", _INT8) for name in ("start", "end"))
        real, grown = body.tensor("real", [1, 4]), body.tensor("grown", [1, 4])
        body.operator("DEQUANTIZE", [start], [real])
        body.operator("EXP", [real], [grown])
        body.operator("QUANTIZE", [grown], [end])
        body.ends([start], [end])
        graph.operator("WHILE", [a], [y])
        assert read_structure(graph.build([x], [y])).float_islands == 1

    def test_moving_bytes_makes_no_integer_graph(self):
        graph = Graph()
        x, flat = (graph.tensor(name, [1, 4], "uint8") for name in ("x", "flat"))
        real, y = graph.tensor("real", [1, 4]), graph.tensor("y", [1, 4])
        graph.operator("RESHAPE", [x], [flat])
        graph.operator("CAST", [flat], [real])
        graph.operator("EXP", [real], [y])
        assert read_structure(graph.build([x], [y])).float_islands == 0


def test_a_bias_stands_behind_the_weights():
    for name, inputs, expected in (
        ("CONV_2D", (5, 6, 7), 7),
        ("FULLY_CONNECTED", (5, 6), -1),
        ("FULLY_CONNECTED", (5, 6, -1), -1),
        ("TRANSPOSE_CONV", (5, 6, 7, 8), 8),
        ("TRANSPOSE_CONV", (5, 6, 7), -1),
        ("BATCH_MATMUL", (5, 6), -1),
        ("ADD", (5, 6, 7), -1),
        ("DEPTHWISE_CONV_2D", (), -1),
    ):
        assert bias_operand(Operator(name=name, inputs=inputs, outputs=(9,))) == expected
