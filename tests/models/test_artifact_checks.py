from __future__ import annotations

import flatbuffers
import models_zoo as zoo
import msgspec
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from qbench.errors import NotFloatError, NothingQuantizedError, QbenchWarning, WeightsLostError
from qbench.models.artifact_checks import (
    check_float,
    check_quantized,
    check_weights_present,
    warn_of_saturated_biases,
)
from qbench.models.structure import read_structure
from qbench.tflite.builder import Graph

_WEIGHTS = 12 + 3


class TestWeightsPresent:
    @pytest.mark.parametrize(
        "make", [zoo.dense_float, zoo.dense_fp16, zoo.dense_hybrid, zoo.dense_int8, zoo.dense_int16, zoo.dense_uint8]
    )
    @pytest.mark.parametrize("expected", [None, 0, _WEIGHTS])
    def test_whole_artifact_passes(self, make, expected):
        content = make()
        check_weights_present(read_structure(content), len(content), expected)

    @pytest.mark.parametrize("expected", [None, 0, _WEIGHTS])
    def test_empty_buffer_is_caught(self, expected):
        content = zoo.empty_weights()
        with pytest.raises(WeightsLostError, match=f"for weights in an artifact of {len(content)} bytes"):
            check_weights_present(read_structure(content), len(content), expected)

    def test_half_a_byte_for_each_weight_is_the_limit(self):
        structure = msgspec.structs.replace(read_structure(zoo.dense_int4()), weight_bytes={"int4": 100, "int32": 10})
        check_weights_present(structure, 500, 220)
        with pytest.raises(WeightsLostError, match=r"found 110 bytes .* at least 111 for the 221 weights"):
            check_weights_present(structure, 500, 221)

    def test_a_file_with_int2_may_be_half_as_large(self):
        structure = msgspec.structs.replace(read_structure(zoo.dense_int4()), weight_bytes={"int2": 110})
        check_weights_present(structure, 500, 440)
        with pytest.raises(WeightsLostError, match="2 bits"):
            check_weights_present(structure, 500, 441)

    def test_no_constants_at_all_are_caught(self):
        content = zoo.two_inputs_two_outputs()
        with pytest.raises(WeightsLostError, match="found 0 bytes of constants"):
            check_weights_present(read_structure(content), len(content), 1)


class TestQuantized:
    def test_same_model_again_is_caught(self):
        same, source = read_structure(zoo.dense_float(seed=1)), read_structure(zoo.dense_float())
        with pytest.raises(NothingQuantizedError, match=r"'dynamic'.*fewer than 1024 elements"):
            check_quantized(same, source, "dynamic")

    def test_fp32_is_not_asked_to_change(self):
        structure = read_structure(zoo.dense_float())
        check_quantized(structure, structure, "fp32")

    @pytest.mark.parametrize(
        "make", [zoo.dense_fp16, zoo.dense_hybrid, zoo.dense_int8, zoo.dense_int16, zoo.dense_uint8]
    )
    def test_each_scheme_passes(self, make):
        check_quantized(read_structure(make()), read_structure(zoo.dense_float()), "int8")

    def test_activations_alone_are_enough(self):
        float_structure = read_structure(zoo.two_inputs_two_outputs())
        check_quantized(read_structure(zoo.aborting()), float_structure, "int8")

    def test_weights_alone_are_enough(self):
        float_structure = read_structure(zoo.dense_float())
        narrower = msgspec.structs.replace(float_structure, weight_bytes={"float32": 12, "int8": 12})
        check_quantized(narrower, float_structure, "weight-only")


class TestFloat:
    @pytest.mark.parametrize(
        "make", [zoo.dense_float, zoo.dynamic_batch_float, zoo.two_inputs_two_outputs, zoo.string_input, zoo.hanging]
    )
    def test_float_passes(self, make):
        check_float(read_structure(make()))

    @pytest.mark.parametrize(
        ("make", "found"),
        [
            (zoo.dense_fp16, "30 bytes of float16"),
            (zoo.dense_hybrid, "12 bytes of int8 and the operators FULLY_CONNECTED float32xint8"),
            (zoo.dense_int4, "8 bytes of int4"),
            (zoo.dense_int8, "12 bytes of int8"),
            (zoo.dense_int16, "12 bytes of int8"),
            (zoo.dense_uint8, "12 bytes of uint8"),
            (zoo.aborting, "the operators ADD int8"),
        ],
    )
    def test_anything_else_is_caught(self, make, found):
        with pytest.raises(NotFloatError, match=found):
            check_float(read_structure(make()))

    def _chain(self, *steps: tuple[str, str], constant: np.ndarray | None = None) -> None:
        """Check a float graph whose operators give tensors of these dtypes, one after the other."""
        graph = Graph()
        before = x = graph.tensor("x", [1, 4])
        for name, dtype in steps:
            after = graph.tensor(f"{name} {dtype}", [1, 4], dtype)
            inputs = [before] if constant is None else [before, graph.constant("constant", constant)]
            graph.operator(name, inputs, [after])
            before = after
        check_float(read_structure(graph.build([x], [before])))

    def test_shapes_and_indices_are_fine(self):
        self._chain(("RESHAPE", "float32"), constant=np.array([1, 4], np.int32))
        self._chain(("GATHER", "float32"), constant=np.array([0, 1], np.int64))

    def test_pixels_may_be_moved_and_cast(self):
        self._chain(("CAST", "uint8"), ("RESHAPE", "uint8"), ("CAST", "float32"))

    @pytest.mark.parametrize(
        ("steps", "found"),
        [
            ([("QUANTIZE", "int8")], "QUANTIZE float32"),
            ([("QUANTIZE", "int8"), ("DEQUANTIZE", "float32")], "DEQUANTIZE int8, QUANTIZE float32"),
            ([("CAST", "float16"), ("EXP", "float16"), ("CAST", "float32")], "EXP float16"),
        ],
    )
    def test_reduced_compute_without_constants_is_caught(self, steps, found):
        with pytest.raises(NotFloatError, match=found):
            self._chain(*steps)

    def test_a_long_list_is_cut(self):
        structure = read_structure(zoo.dense_float())
        many = msgspec.structs.replace(structure, operators={f"OP{index} int8": 1 for index in range(30)})
        with pytest.raises(NotFloatError, match="OP4 int8 and 25 more in"):
            check_float(many)


class TestSaturatedBiases:
    @pytest.mark.parametrize("dtype", ["int8", "int16"])
    @pytest.mark.parametrize("stored", [-(1 << 31), 1 - (1 << 31), (1 << 31) - 1])
    def test_an_end_of_int32_is_named(self, stored, dtype):
        structure = read_structure(zoo.saturated_bias(stored, dtype))
        assert structure.saturated_biases == ("'bias' (1 of 3 channels)",)
        with pytest.warns(QbenchWarning, match=r"net-int8: found the end of .* 'bias' \(1 of 3 channels\), expected"):
            warn_of_saturated_biases(structure, "net-int8")

    @pytest.mark.parametrize(
        "content",
        [
            zoo.saturated_bias(1 << 30),
            zoo.saturated_bias((1 << 31) - 2),
            # Whoever needs more than an int32 stores an int64, and may.
            zoo.saturated_bias(1 << 33, "int16"),
            zoo.saturated_bias((1 << 31) + 1, "int16"),
            zoo.dense_int8(),
            zoo.dense_uint8(),
            zoo.dense_float(),
            zoo.dense_hybrid(),
            zoo.empty_weights(),
        ],
    )
    def test_others_are_not(self, content, recwarn):
        structure = read_structure(content)
        assert structure.saturated_biases == ()
        warn_of_saturated_biases(structure, "net-int8")
        assert not recwarn.list

    def test_integers_that_are_no_bias_are_not(self):
        graph = Graph()
        x, y = graph.tensor("x", [3], "int32"), graph.tensor("y", [3], "int32")
        graph.operator("MINIMUM", [x, graph.constant("most", np.full(3, (1 << 31) - 1, np.int32))], [y])
        assert read_structure(graph.build([x], [y])).saturated_biases == ()

    def test_bytes_beyond_the_shape_are_not_read(self):
        model = schema.ModelT.InitFromPackedBuf(zoo.saturated_bias(), 0)
        bias = model.subgraphs[0].tensors[3]
        data = model.buffers[bias.buffer].data
        for extra, found in ((b"\x01", 1), (b"\xff\xff\xff\x7f", 1), (b"", 1)):
            model.buffers[bias.buffer].data = np.append(data, np.frombuffer(extra, np.uint8))
            assert len(read_structure(_packed(model)).saturated_biases) == found
        model.buffers[bias.buffer].data = data[:-1]
        assert read_structure(_packed(model)).saturated_biases == ()


def _packed(model):
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
