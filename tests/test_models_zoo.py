from __future__ import annotations

import platform
import signal
import subprocess
import sys

import models_zoo as zoo
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

_RUN = """
import sys
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(model_content=sys.stdin.buffer.read())
print("loaded", flush=True)
interpreter.allocate_tensors()
print("allocated", flush=True)
interpreter.invoke()
print("invoked", flush=True)
"""


def _outputs(content: bytes, *inputs: np.ndarray) -> list[np.ndarray]:
    interpreter = Interpreter(model_content=content)
    details = interpreter.get_input_details()
    for detail, values in zip(details, inputs, strict=True):
        interpreter.resize_tensor_input(detail["index"], values.shape)
    interpreter.allocate_tensors()
    for detail, values in zip(details, inputs, strict=True):
        interpreter.set_tensor(detail["index"], values)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def _floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).uniform(-2, 2, shape).astype(np.float32)


@pytest.mark.parametrize("make", [zoo.dense_float, zoo.dynamic_batch_float])
def test_dense_float_is_a_matrix_product(make):
    weights, bias = zoo.dense_weights()
    x = _floats(1 if make is zoo.dense_float else 16, 4)
    (y,) = _outputs(make(), x)
    np.testing.assert_allclose(y, x @ weights.T + bias, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [zoo.dense_int8, zoo.dynamic_batch_int8])
def test_dense_int8_is_the_integer_arithmetic_of_the_specification(make):
    weights, bias = zoo.dense_weights()
    scales = np.abs(weights).max(axis=1) / 127
    stored = np.rint(weights / scales[:, None]).astype(np.int64)
    stored_bias = np.rint(bias / (0.02 * scales)).astype(np.int64)
    batch = 1 if make is zoo.dense_int8 else 200
    x = np.random.default_rng(6).integers(-128, 128, (batch, 4)).astype(np.int8)
    (y,) = _outputs(make(), x)
    accumulated = (x.astype(np.int64) - 3) @ stored.T + stored_bias
    expected = np.clip(np.rint(accumulated * (0.02 * scales / 0.05)) - 7, -128, 127)
    # Kernels differ in how they round a tie, and in nothing else.
    assert np.abs(y - expected).max() <= 1
    assert np.mean(y == expected) > 0.98


@pytest.mark.parametrize(("make", "dtype"), [(zoo.dense_int16, "int16"), (zoo.dense_uint8, "uint8")])
def test_other_integers_stay_close_to_float(make, dtype):
    before, after = zoo.DENSE_INPUT[dtype], zoo.DENSE_OUTPUT[dtype]
    x = _floats(1, 4)
    stored = np.rint(x / before.scale + before.zero_point).astype(dtype)
    (y,) = _outputs(make(), stored)
    (expected,) = _outputs(zoo.dense_float(), x)
    np.testing.assert_allclose((y.astype(np.float32) - after.zero_point) * after.scale, expected, atol=0.1)


@pytest.mark.parametrize(
    ("make", "outputs", "tolerance"), [(zoo.dense_fp16, 3, 0.01), (zoo.dense_hybrid, 3, 0.1), (zoo.dense_int4, 4, 1.0)]
)
def test_reduced_weights_stay_close_to_float(make, outputs, tolerance):
    x = _floats(1, 4)
    np.testing.assert_allclose(_outputs(make(), x)[0], _outputs(zoo.dense_float(outputs=outputs), x)[0], atol=tolerance)


@pytest.mark.parametrize(("make", "shape"), [(zoo.conv_int8, (1, 8, 8, 3)), (zoo.float_island, (1, 4, 4, 3))])
def test_integer_graphs_run_and_depend_on_their_input(make, shape):
    generator = np.random.default_rng(8)
    first, second = (_outputs(make(), generator.integers(-128, 128, shape).astype(np.int8))[0] for _ in range(2))
    assert first.dtype == np.int8
    assert len(np.unique(first)) > 5
    assert not np.array_equal(first, second)


def test_two_inputs_are_added_and_multiplied():
    left, right = _floats(1, 4), _floats(1, 4)[:, ::-1].copy()
    total, product = _outputs(zoo.two_inputs_two_outputs(), left, right)
    np.testing.assert_allclose(total, left + right)
    np.testing.assert_allclose(product, left * right)
    runner = Interpreter(model_content=zoo.two_inputs_two_outputs()).get_signature_runner("serving_default")
    assert runner(left=left, right=right)["product"].tolist() == product.tolist()


def test_strings_equal_themselves():
    assert _outputs(zoo.string_input(), np.array([b"one", b"two"]))[0].tolist() == [True, True]


def test_nan_output_is_nan_for_every_input():
    (y,) = _outputs(zoo.nan_output(), _floats(1, 4))
    assert np.isnan(y).tolist() == [[True, False, False]]


@pytest.mark.parametrize(
    ("make", "message"), [(zoo.unresolved_custom_operator, "NoSuchKernel"), (zoo.empty_weights, "lacks data")]
)
def test_broken_models_raise(make, message):
    content = make()
    with pytest.raises(RuntimeError, match=message):
        _outputs(content, _floats(1, 4))


def test_models_are_the_same_each_time():
    for make in (zoo.dense_float, zoo.dense_int8, zoo.conv_int8, zoo.float_island, zoo.hanging):
        assert make() == make()
    assert zoo.dense_float() != zoo.dense_float(seed=1)


@pytest.mark.parametrize(
    ("make", "reached", "ended_by"),
    [
        (zoo.aborting, "loaded\n", signal.SIGABRT),
        pytest.param(
            zoo.aborting_in_invoke,
            "loaded\nallocated\n",
            signal.SIGFPE,
            marks=pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="traps on x86 only"),
        ),
    ],
)
def test_aborting_models_end_their_process(make, reached, ended_by):
    ended = subprocess.run([sys.executable, "-c", _RUN], input=make(), capture_output=True, check=False, timeout=60)
    assert ended.stdout.decode() == reached
    assert ended.returncode == -ended_by


def test_hanging_model_never_returns():
    with subprocess.Popen([sys.executable, "-c", _RUN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdin.write(zoo.hanging())
        process.stdin.close()
        assert process.stdout.readline() + process.stdout.readline() == b"loaded\nallocated\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=2)
        process.kill()
        assert process.stdout.read() == b""
