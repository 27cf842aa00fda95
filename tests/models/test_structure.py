from __future__ import annotations

import subprocess
import sys

import models_zoo as zoo
import msgspec
import numpy as np
import pytest
from accepted import accepted_artifact
from ai_edge_litert import schema_py_generated as schema

from qbench.measure.footprint import counted_names, structure_metrics
from qbench.models.structure import Structure, read_structure
from qbench.tflite.builder import Affine, Graph


class TestWeights:
    @pytest.mark.parametrize(
        ("content", "weight_bytes"),
        [
            (zoo.dense_float(), {"float32": (12 + 3) * 4}),
            (zoo.dense_int8(), {"int8": 12, "int32": 3 * 4}),
            (zoo.dense_int16(), {"int8": 12, "int64": 3 * 8}),
            (zoo.dense_uint8(), {"uint8": 12, "int32": 3 * 4}),
            (zoo.dense_fp16(), {"float16": (12 + 3) * 2}),
            (zoo.dense_hybrid(), {"int8": 12, "float32": 3 * 4}),
            (zoo.dense_int4(), {"int4": 16 // 2, "float32": 4 * 4}),
            (zoo.two_inputs_two_outputs(), {}),
        ],
    )
    def test_are_summed_by_dtype_as_stored(self, content, weight_bytes):
        structure = read_structure(content)
        assert structure.weight_bytes == weight_bytes
        assert structure.missing_weights == ()

    def test_constants_that_share_a_buffer_count_once(self):
        graph = Graph()
        x, y = graph.tensor("x", [1, 4]), graph.tensor("y", [1, 4])
        once = graph.constant("once", np.ones((4, 4), np.float32))
        again = graph.tensor("again", [4, 4], buffer=graph.subgraph.tensors[once].buffer)
        graph.operator("FULLY_CONNECTED", [x, once, -1], [y])
        graph.operator("FULLY_CONNECTED", [x, again, -1], [y])
        assert read_structure(graph.build([x], [y])).weight_bytes == {"float32": 64}

    def test_without_data_are_missing(self):
        assert read_structure(zoo.empty_weights()).missing_weights == ("weights",)

    def test_with_too_few_bytes_are_missing(self):
        graph = Graph()
        x, y = graph.tensor("x", [1, 4]), graph.tensor("y", [1, 4])
        short = graph.tensor("short", [4, 4], buffer=graph.buffer(np.ones(15, np.float32)))
        graph.operator("FULLY_CONNECTED", [x, short, -1], [y])
        assert read_structure(graph.build([x], [y])).missing_weights == ("short",)

    def test_left_out_are_missing(self):
        graph = Graph()
        x, y = graph.tensor("x", [1, 4]), graph.tensor("y", [1, 4])
        graph.operator("FULLY_CONNECTED", [x], [y])
        assert read_structure(graph.build([x], [y])).missing_weights == ("the weights of FULLY_CONNECTED",)

    def test_that_an_input_or_a_variable_provides_are_not_missing(self):
        graph = Graph()
        x, other, state, y, z = (graph.tensor(name, [4, 4]) for name in "abcde")
        graph.subgraph.tensors[state].isVariable = True
        graph.operator("BATCH_MATMUL", [x, other], [y])
        graph.operator("BATCH_MATMUL", [y, state], [z])
        assert read_structure(graph.build([x, other], [z])).missing_weights == ()

    def test_behind_the_flatbuffer_are_counted(self):
        graph = Graph()
        x, y = graph.tensor("x", [1, 4]), graph.tensor("y", [1, 4])
        buffer = graph.buffer(None)
        graph.model.buffers[buffer].offset, graph.model.buffers[buffer].size = 4000, 64
        far = graph.tensor("far", [4, 4], buffer=buffer)
        graph.operator("FULLY_CONNECTED", [x, far, -1], [y])
        structure = read_structure(graph.build([x], [y]).ljust(4064, b"\0"))
        assert structure.weight_bytes == {"float32": 64}
        assert structure.missing_weights == ()

    def test_in_another_file_are_counted(self):
        graph = Graph()
        x, y = graph.tensor("x", [1, 4]), graph.tensor("y", [1, 4])
        far = graph.tensor("far", [4, 4], "int8")
        graph.subgraph.tensors[far].externalBuffer = 7
        graph.model.externalBuffers = [schema.ExternalBufferT(id=7, length=16)]
        graph.operator("FULLY_CONNECTED", [x, far, -1], [y])
        structure = read_structure(graph.build([x], [y]))
        assert structure.weight_bytes == {"int8": 16}
        assert structure.missing_weights == ()

    def test_may_leave_out_zeros_if_sparse(self):
        graph = Graph()
        x, y = graph.tensor("x", [1, 4]), graph.tensor("y", [1, 4])
        sparse = graph.tensor("sparse", [4, 4], buffer=graph.buffer(np.ones(3, np.float32)))
        graph.subgraph.tensors[sparse].sparsity = schema.SparsityParametersT()
        graph.operator("FULLY_CONNECTED", [x, sparse, -1], [y])
        structure = read_structure(graph.build([x], [y]))
        assert structure.missing_weights == ()
        assert structure.weight_bytes == {"float32": 12}


def test_dequantized_weights_are_counted_apart():
    structure = read_structure(zoo.dense_fp16())
    assert (structure.quantize_count, structure.dequantize_count, structure.weight_dequantize_count) == (0, 0, 2)


class TestEnds:
    def test_have_shapes_and_quantization(self):
        structure = read_structure(zoo.dynamic_batch_int8())
        (x,), (y,) = structure.inputs, structure.outputs
        assert (x.name, x.dtype, x.shape, x.zero_points, x.quantized_dimension) == ("x", "int8", (-1, 4), (3,), 0)
        assert x.scales == pytest.approx((0.02,))
        assert (y.name, y.dtype, y.shape, y.zero_points) == ("y", "int8", (-1, 3), (-7,))
        assert y.scales == pytest.approx((0.05,))

    def test_of_float_have_no_quantization(self):
        (x,) = read_structure(zoo.dense_float()).inputs
        assert (x.dtype, x.shape, x.scales, x.zero_points) == ("float32", (1, 4), (), ())

    def test_per_channel_parameters_keep_their_dimension(self):
        graph = Graph()
        x = graph.tensor("x", [2, 3], "int8", Affine(np.array([0.5, 0.25, 0.125]), axis=1))
        (summary,) = read_structure(graph.build([x], [x])).inputs
        assert (summary.scales, summary.zero_points, summary.quantized_dimension) == ((0.5, 0.25, 0.125), (0, 0, 0), 1)

    def test_keep_their_order_and_the_signature_its_key(self):
        structure = read_structure(zoo.two_inputs_two_outputs())
        assert [tensor.name for tensor in structure.inputs] == ["left", "right"]
        assert [tensor.name for tensor in structure.outputs] == ["sum", "product"]
        assert structure.signatures == ("serving_default",)

    def test_of_a_loop_are_those_of_the_main_subgraph(self):
        structure = read_structure(zoo.hanging())
        assert structure.subgraphs == 3
        assert [tensor.name for tensor in structure.inputs + structure.outputs] == ["x", "y"]


class TestNames:
    def test_operators_are_named_by_dtype_and_output(self):
        assert read_structure(zoo.dense_hybrid()).main_operators == ("FULLY_CONNECTED float32xint8 'y'",)
        assert read_structure(zoo.hanging()).main_operators == ("WHILE float32 'y'",)

    def test_an_operator_that_was_merged_has_the_name_of_the_last(self):
        graph = Graph()
        x, y = graph.tensor("x", [1]), graph.tensor("net/relu;net/bias;net/conv", [1])
        graph.operator("ABS", [x], [y])
        assert read_structure(graph.build([x], [y])).main_operators == ("ABS float32 'net/relu'",)

    def test_conversions_and_islands_are_those_that_are_counted(self):
        structure = read_structure(zoo.float_island())
        assert structure.island_names == ("EXP float32 'grown'",)
        assert structure.conversion_names == ("DEQUANTIZE int8 'real'", "QUANTIZE float32 'back'")

    def test_weights_that_are_dequantized_are_no_conversions(self):
        structure = read_structure(zoo.dense_fp16())
        assert structure.conversion_names == ()
        assert structure.weight_dequantize_count == 2

    @pytest.mark.parametrize("recipe", ["fp16", "dynamic", "int8", "int8-symmetric", "int16x8"])
    def test_there_are_as_many_names_as_the_counts_say(self, recipe):
        structure = read_structure(accepted_artifact("mnist-cnn", recipe))
        assert len(structure.conversion_names) == structure.quantize_count + structure.dequantize_count
        assert len(structure.island_names) == structure.float_islands
        assert len(structure.main_operators) == sum(structure.operators.values())


class TestCounted:
    def test_operators_that_only_move_values_are_not_counted_as_undelegated(self):
        structure = read_structure(accepted_artifact("mnist-cnn", "int8"))
        names = [name.split()[0] for name in structure.main_operators]
        assert names[4:] == ["SHAPE", "STRIDED_SLICE", "PACK", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX"]
        counted = counted_names(structure, [4, 5, 6, 7, 9])
        assert counted["undelegated_operators"] == ("SOFTMAX int8 'StatefulPartitionedCall_1:0'",)
        assert structure_metrics(structure, [4, 5, 6, 7, 9])["undelegated_operators"] == 1

    def test_nothing_is_counted_as_undelegated_without_a_delegate(self):
        structure = read_structure(zoo.dense_int16())
        assert "undelegated_operators" not in structure_metrics(structure, None)
        assert structure_metrics(structure, [])["undelegated_operators"] == 0


@pytest.mark.parametrize("content", [zoo.float_island(), zoo.dense_int16(), zoo.hanging()])
def test_structure_survives_json(content):
    structure = read_structure(content)
    assert msgspec.json.decode(msgspec.json.encode(structure), type=Structure) == structure


def test_importing_loads_no_runtime():
    loaded = "import sys, qbench.models.structure; sys.exit(any('litert' in name for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", loaded], check=False).returncode == 0
