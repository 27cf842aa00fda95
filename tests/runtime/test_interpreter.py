from __future__ import annotations

import json

import models_zoo as zoo
import numpy as np
import pytest
from ai_edge_litert import interpreter as litert
from ai_edge_litert import schema_py_generated as schema
from python_runs import printed_by

from qbench.errors import InvalidArtifactError, MeasurementError
from qbench.records import RuntimeOptions, TensorSpec
from qbench.runtime.interpreter import open_interpreter
from qbench.tflite.builder import Graph

_OPTIONS = RuntimeOptions()


def _run(interpreter, *inputs):
    for index, values in enumerate(inputs):
        interpreter.set_input(index, values)
    interpreter.invoke()
    return interpreter.output(0)


def _reals(*shape):
    return np.random.default_rng(5).uniform(-2, 2, shape).astype(np.float32)


def _renamed(*, signatures=1):
    """``a - b`` whose tensors have a converter's names, and its signatures people's."""
    graph = Graph()
    first, second, made = (graph.tensor(f"serving_default:{index}", [1, 4]) for index in range(3))
    graph.operator("SUB", [first, second], [made], schema.SubOptionsT())
    for index in range(signatures):
        graph.signature(f"signature{index}", {"minuend": first, "subtrahend": second}, {"difference": made})
    return graph.build([first, second], [made])


def _scalar():
    graph = Graph()
    x, y = graph.tensor("x", []), graph.tensor("y", [])
    graph.operator("ABS", [x], [y], schema.AbsOptionsT())
    return graph.build([x], [y])


class TestRunning:
    @pytest.mark.parametrize("kernels", ["builtin", "reference", "no-delegates"])
    def test_float_is_a_matrix_product(self, kernels):
        weights, bias = zoo.dense_weights()
        x = _reals(1, 4)
        y = _run(open_interpreter(zoo.dense_float(), RuntimeOptions(kernels=kernels)), x)
        np.testing.assert_allclose(y, x @ weights.T + bias, rtol=1e-5, atol=1e-6)

    def test_int8_is_that_product_in_integers(self):
        interpreter = open_interpreter(zoo.dense_int8(), _OPTIONS)
        (given,), (made,) = interpreter.inputs, interpreter.outputs
        weights, bias = zoo.dense_weights()
        for seed in range(20):
            stored = np.random.default_rng(seed).integers(-128, 128, (1, 4)).astype(np.int8)
            y = _run(interpreter, stored)
            assert y.dtype == np.int8
            real = (stored.astype(np.float64) - given.zero_points[0]) * given.scales[0]
            expected = np.clip(np.rint((real @ weights.T + bias) / made.scales[0]) + made.zero_points[0], -128, 127)
            # Weights of 8 bits are up to half a step off, in each of four products.
            assert np.abs(y - expected).max() <= 2

    def test_each_input_and_output_has_its_place(self):
        interpreter = open_interpreter(zoo.two_inputs_two_outputs(), _OPTIONS)
        left, right = _reals(1, 4), _reals(1, 4)[:, ::-1].copy()
        _run(interpreter, left, right)
        np.testing.assert_allclose(interpreter.output(0), left + right)
        np.testing.assert_allclose(interpreter.output(1), left * right)

    def test_views_are_the_runtimes_memory(self):
        interpreter = open_interpreter(zoo.dense_float(), _OPTIONS)
        x = _reals(1, 4)
        expected = _run(interpreter, x)
        interpreter.set_input(0, np.zeros((1, 4), np.float32))
        view = interpreter.input_view(0)
        view[:] = x
        del view
        interpreter.invoke()
        assert np.array_equal(interpreter.output_view(0), expected)

    def test_an_output_is_a_copy(self):
        interpreter = open_interpreter(zoo.dense_float(), _OPTIONS)
        first = _run(interpreter, _reals(1, 4))
        before = first.copy()
        _run(interpreter, -_reals(1, 4))
        assert np.array_equal(first, before)

    def test_invoke_is_the_runtimes_own_method(self):
        interpreter = open_interpreter(zoo.dense_float(), _OPTIONS)
        assert interpreter.invoke.__self__ is interpreter._native
        assert interpreter.invoke.__func__ is litert.Interpreter.invoke

    def test_options_reach_the_runtime(self, monkeypatch):
        seen = []
        make = litert.Interpreter
        monkeypatch.setattr(litert, "Interpreter", lambda **options: seen.append(options) or make(**options))
        for kernels in ("builtin", "reference", "no-delegates"):
            open_interpreter(zoo.dense_float(), RuntimeOptions(threads=2, kernels=kernels))
        resolvers = litert.OpResolverType
        assert [options["num_threads"] for options in seen] == [2, 2, 2]
        assert [options["experimental_op_resolver_type"] for options in seen] == [
            resolvers.BUILTIN,
            resolvers.BUILTIN_REF,
            resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        ]


class TestSpecs:
    def test_quantization_is_told(self):
        interpreter = open_interpreter(zoo.dense_int8(), _OPTIONS)
        affine = zoo.DENSE_INPUT["int8"]
        assert interpreter.inputs == (
            TensorSpec(
                name="x",
                dtype="int8",
                shape=(1, 4),
                scales=(pytest.approx(affine.scale),),
                zero_points=(affine.zero_point,),
            ),
        )
        assert interpreter.outputs[0].zero_points == (zoo.DENSE_OUTPUT["int8"].zero_point,)
        assert all(spec.quantized for spec in interpreter.inputs + interpreter.outputs)

    def test_float_has_none(self):
        interpreter = open_interpreter(zoo.dense_float(), _OPTIONS)
        assert interpreter.inputs == (TensorSpec(name="x", dtype="float32", shape=(1, 4)),)
        assert not interpreter.inputs[0].quantized

    def test_a_signature_names_tensors(self):
        interpreter = open_interpreter(_renamed(), _OPTIONS)
        assert [spec.name for spec in interpreter.inputs] == ["minuend", "subtrahend"]
        assert [spec.name for spec in interpreter.outputs] == ["difference"]
        assert _run(interpreter, np.full((1, 4), 3, np.float32), np.ones((1, 4), np.float32)).tolist() == [[2.0] * 4]

    @pytest.mark.parametrize("signatures", [0, 2])
    def test_without_one_or_with_several_they_keep_their_own(self, signatures):
        interpreter = open_interpreter(_renamed(signatures=signatures), _OPTIONS)
        assert [spec.name for spec in interpreter.inputs] == ["serving_default:0", "serving_default:1"]


class TestBatches:
    @pytest.mark.parametrize("make", [zoo.dense_float, zoo.dense_int8, zoo.dynamic_batch_float, zoo.conv_int8])
    def test_rows_are_what_they_are_one_by_one(self, make):
        one, many = open_interpreter(make(), _OPTIONS), open_interpreter(make(), _OPTIONS)
        many.resize_batch(5)
        (given,) = many.inputs
        assert given.shape == (5, *one.inputs[0].shape[1:])
        x = np.random.default_rng(1).integers(-100, 100, given.shape).astype(given.dtype)
        y = _run(many, x)
        assert np.array_equal(y, np.concatenate([_run(one, x[index : index + 1]) for index in range(5)]))
        assert many.outputs[0].shape == y.shape

    def test_every_input_is_resized_and_back(self):
        interpreter = open_interpreter(zoo.two_inputs_two_outputs(), _OPTIONS)
        for batch in (3, 1):
            interpreter.resize_batch(batch)
            x = _reals(batch, 4)
            np.testing.assert_allclose(_run(interpreter, x, x), 2 * x)

    @pytest.mark.parametrize("make", [zoo.float_island, _scalar])
    def test_what_takes_one_example_says_so(self, make):
        interpreter = open_interpreter(make(), _OPTIONS)
        with pytest.raises(MeasurementError):
            interpreter.resize_batch(2)

    def test_a_scalar_has_no_memory_to_write_to(self):
        interpreter = open_interpreter(_scalar(), _OPTIONS)
        with pytest.raises(MeasurementError, match="the input 'x' is a scalar"):
            interpreter.input_view(0)
        assert _run(interpreter, np.float32(-2)) == 2


class TestRefusals:
    @pytest.mark.parametrize("content", [b"", b"text" * 50, zoo.dense_int8()[:200], zoo.unresolved_custom_operator()])
    def test_what_the_runtime_refuses_is_an_error_of_ours(self, content):
        with pytest.raises(InvalidArtifactError, match="the runtime refuses the artifact"):
            open_interpreter(content, _OPTIONS)

    def test_an_artifact_may_be_a_file(self, tmp_path):
        path = tmp_path / "net.tflite"
        path.write_bytes(zoo.dense_float())
        x = _reals(1, 4)
        assert np.array_equal(
            _run(open_interpreter(path, _OPTIONS), x), _run(open_interpreter(zoo.dense_float(), _OPTIONS), x)
        )

    def test_a_missing_file_is_an_error_of_ours(self, tmp_path):
        with pytest.raises(InvalidArtifactError, match=r"the artifact cannot be read \(.*missing\.tflite"):
            open_interpreter(tmp_path / "missing.tflite", _OPTIONS)


def test_tf_lite_speaks_the_same_protocol():
    """In a process of its own, because it imports TensorFlow."""
    script = """
import json
import models_zoo as zoo
import numpy as np
import tensorflow as tf
from qbench.records import RuntimeOptions
from qbench.runtime.interpreter import open_interpreter
interpreter = open_interpreter(zoo.dense_int8(), RuntimeOptions(runtime="tf.lite"))
assert isinstance(interpreter._native, tf.lite.Interpreter)
assert interpreter.invoke.__func__ is tf.lite.Interpreter.invoke
interpreter.resize_batch(6)
interpreter.set_input(0, np.arange(-12, 12).astype(np.int8).reshape(6, 4))
interpreter.invoke()
print(json.dumps([interpreter.output(0).tolist(), interpreter.inputs[0].shape, interpreter.arena_bytes()]))
"""
    outputs, shape, arena_bytes = json.loads(printed_by(script))
    interpreter = open_interpreter(zoo.dense_int8(), _OPTIONS)
    interpreter.resize_batch(6)
    expected = _run(interpreter, np.arange(-12, 12).astype(np.int8).reshape(6, 4))
    # Another version of the kernels may round a tie another way, and nothing else.
    assert np.abs(np.array(outputs) - expected).max() <= 1
    assert shape == [6, 4]
    assert arena_bytes > 0
