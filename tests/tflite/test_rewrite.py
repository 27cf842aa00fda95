from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from small_network import CONV, DENSE, examples, network, weights

from qbench.tflite.builder import Affine, Graph
from qbench.tflite.reader import read_model
from qbench.tflite.rewrite import with_constants, without_descriptions

_IMAGES = examples(1, 5)[0].astype(np.float32) / 255


def _outputs(content):
    interpreter = Interpreter(model_content=content)
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], _IMAGES.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], _IMAGES)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def _tensor(content, name):
    return next(index for index, tensor in enumerate(read_model(content).subgraphs[0].tensors) if tensor.name == name)


class TestConstants:
    def test_the_file_is_the_one_that_would_have_been_written_with_them(self):
        others = weights(seed=7)
        content = network()
        changed = with_constants(content, {_tensor(content, name): array for name, array in others.items()})
        assert changed == network(others)

    def test_nothing_else_changes(self):
        content = network()
        kernel = weights()[CONV]
        kernel[2, 1, 1, 0] += 1
        changed = with_constants(content, {_tensor(content, CONV): kernel})
        assert sum(a != b for a, b in zip(content, changed, strict=True)) <= 4

    @pytest.mark.parametrize(
        ("name", "values"),
        [
            (DENSE, np.zeros((2, 2), np.float32)),
            (DENSE, weights()[DENSE].astype(np.float64)),
            ("scores", np.zeros((1, 4), np.float32)),
        ],
    )
    def test_what_does_not_fit_is_refused(self, name, values):
        content = network()
        with pytest.raises(ValueError, match=f"for '{name}', expected a constant of float32"):
            with_constants(content, {_tensor(content, name): values})


def _int4(scales, stored, *, offset=0):
    """A file with int4 weights in its main subgraph or, behind `offset` others, in a later one."""
    graph = Graph()
    for _ in range(offset):
        graph = Graph(graph)
    x, y = graph.tensor("x", [1, 3]), graph.tensor("y", [1, len(stored)])
    kernel = graph.constant("kernel", stored, Affine(scales), dtype="int4")
    graph.operator("FULLY_CONNECTED", [x, kernel, -1], [y], schema.FullyConnectedOptionsT())
    return graph.build([x], [y])


class TestScales:
    _BEFORE = np.array([0.5, 0.25, 2], np.float32), np.array([[1, -8, 7], [0, 3, -1], [2, 2, -2]], np.int8)
    _AFTER = np.array([1, 0.25, 4], np.float32), np.array([[0, -4, 4], [0, 3, -1], [1, 1, -1]], np.int8)

    @pytest.mark.parametrize("offset", [0, 2])
    def test_the_file_is_the_one_that_would_have_been_written_with_them(self, offset):
        scales, stored = self._AFTER
        content = _int4(*self._BEFORE, offset=offset)
        changed = with_constants(content, {2: stored}, scales={2: scales}, subgraph=offset)
        assert changed == _int4(*self._AFTER, offset=offset)
        assert content == _int4(*self._BEFORE, offset=offset)

    @pytest.mark.parametrize("scales", [np.ones(2, np.float32), np.ones(3), np.ones((3, 1), np.float32)])
    def test_what_does_not_fit_is_refused(self, scales):
        with pytest.raises(ValueError, match=r"found scales of .* for 'kernel', expected float32\(3,\)"):
            with_constants(_int4(*self._BEFORE), {}, scales={2: scales})


class TestDescriptions:
    def test_what_only_people_read_goes_and_what_others_need_stays(self):
        model = schema.ModelT.InitFromPackedBuf(network(), 0)
        model.buffers += [schema.BufferT(data=np.frombuffer(text, np.uint8)) for text in (b"1.2.3", b"told" * 40)]
        model.metadata = [
            schema.MetadataT(name="min_runtime_version", buffer=len(model.buffers) - 2),
            schema.MetadataT(name="CONVERSION_METADATA", buffer=len(model.buffers) - 1),
        ]
        builder = __import__("flatbuffers").Builder(1024)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        stripped = without_descriptions(bytes(builder.Output()))
        assert b"told" not in stripped
        assert b"1.2.3" in stripped
        names = [tensor.name for tensor in read_model(stripped).subgraphs[0].tensors]
        assert {name for name in names if name} == {"image", "probabilities"}
        assert read_model(stripped).signatures == ("serving_default",)
        assert len(stripped) < len(network())

    def test_the_model_computes_the_same(self):
        np.testing.assert_array_equal(_outputs(without_descriptions(network())), _outputs(network()))
