"""Values of a whole graph's tensors are those of the artifact as it is deployed, whatever the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import models_zoo
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from benchmarks.data import mnist
from diagnose.faults import committed, digits
from qbench.diagnose.operators.observe import Feed, Laboratory, batches
from qbench.errors import DatasetError, InvalidArtifactError, MeasurementError, WorkerCrashedError
from qbench.measure.inputs import input_encoders
from qbench.quant.graph import run_graph
from qbench.records import RuntimeOptions
from qbench.runtime.interpreter import open_interpreter
from qbench.runtime.process import RuntimeProcess
from qbench.tflite.builder import Affine, Graph
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbench.tflite.graph import Array


@pytest.fixture(scope="module")
def process() -> Iterator[RuntimeProcess]:
    with RuntimeProcess(limit_s=60) as started:
        yield started


@pytest.fixture(scope="module")
def laboratory(process: RuntimeProcess) -> Laboratory:
    return Laboratory(process, RuntimeOptions())


def _images(examples: int) -> Array:
    return digits().input_arrays[""][:examples]


def _feed(content: bytes, *inputs: Array) -> Feed:
    return Feed(content, read_model(content).subgraphs[0], inputs, name="it")


def test_what_is_observed_is_what_the_oracles_of_the_same_kernels_give(laboratory: Laboratory):
    content = committed("int8")
    model = read_model(content)
    stored = _feed(content, _images(8)).stored(0, 8)
    expected: dict[int, Array] = {}

    def note(number: int, inputs: object, outputs: tuple[Array, ...]) -> None:  # noqa: ARG001
        expected.update(zip(model.subgraphs[0].operators[number].outputs, outputs, strict=True))

    run_graph(model, stored, family="xnnpack", observe=note)
    seen = laboratory.observe(content, stored, list(expected), name="it")
    assert set(seen.tensors) == set(expected)
    # Nowhere in it do the oracles of XNNPACK's kernels claim less than a step.
    for index, array in expected.items():
        assert np.abs(seen.tensors[index].astype(int) - array).max() <= 1
    np.testing.assert_array_equal(seen.outputs[0], laboratory.run(content, stored, name="it")[0])


def test_outputs_that_change_when_all_is_kept_are_refused(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch):
    ask = RuntimeProcess.ask

    def other(self: RuntimeProcess, *args: object, **more: object) -> object:
        answer, parts = ask(self, *args, **more)
        return {**answer, "faithful": False}, parts

    monkeypatch.setattr(RuntimeProcess, "ask", other)
    content = models_zoo.dense_int8()
    with pytest.raises(MeasurementError, match="other outputs when the values of all its tensors are kept"):
        laboratory.observe(content, [np.zeros((1, 4), np.int8)], [1], name="it")


def test_a_crash_is_named_and_the_next_artifact_gets_a_new_process(laboratory: Laboratory):
    with pytest.raises(WorkerCrashedError, match="SIGABRT"):
        laboratory.run(models_zoo.aborting(), [np.zeros((1, 4), np.int8)] * 2, name="it")
    (output,) = laboratory.run(models_zoo.dense_float(), [np.zeros((1, 4), np.float32)], name="it")
    assert output.shape == (1, 3)


def test_what_the_runtime_refuses_is_named(laboratory: Laboratory):
    with pytest.raises(InvalidArtifactError, match="it: the runtime refuses"):
        laboratory.run(models_zoo.empty_weights(), [np.zeros((1, 4), np.float32)], name="it")


def test_inputs_are_stored_as_an_evaluation_stores_them():
    # Halves are rounded to even, and what is too large is clamped.
    content = models_zoo.dense_int8()
    scale, point = models_zoo.DENSE_INPUT["int8"].scale, models_zoo.DENSE_INPUT["int8"].zero_point
    real = np.array([[0.5, 1.5, 1000, -1000]], np.float32) * np.float32(scale)
    np.testing.assert_array_equal(_feed(content, real).stored(0, 1)[0], [[point, point + 2, 127, -128]])


@pytest.mark.parametrize("recipe", ["int8", "int8-symmetric", "int16x8", "fp16"])
def test_inputs_hold_the_bytes_that_an_evaluation_feeds(recipe: str):
    dataset = mnist()
    (encoder,) = input_encoders(dataset, open_interpreter(committed(recipe), RuntimeOptions()).inputs)
    (stored,) = _feed(committed(recipe), dataset.real_values(dataset.input_arrays[""][:20])).stored(0, 20)
    expected = np.empty_like(stored)
    encoder.write(0, 20, expected)
    assert stored.tobytes() == expected.tobytes()


def test_nan_has_no_stored_value():
    with pytest.raises(DatasetError, match="the input 'x' of it: NaN"):
        _feed(models_zoo.dense_int8(), np.full((1, 4), np.nan, np.float32)).stored(0, 1)


def test_examples_of_another_shape_are_refused():
    with pytest.raises(DatasetError, match=r"found examples of shape \(5,\) for the input 'x' of it, expected \(4,\)"):
        _feed(models_zoo.dense_int8(), np.zeros((1, 5), np.float32))


def test_many_examples_run_at_once(laboratory: Laboratory):
    feed = _feed(committed("int8"), _images(300))
    assert list(batches(laboratory, [feed], 300)) == [(0, 128), (128, 256), (256, 300)]


def test_tensors_bound_the_batch(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch):
    feed = _feed(committed("int8"), _images(100))
    # Those of mnist-dscnn that are no constants: (28, 28, 1), (14, 14, 16), nine of (7, 7, ...), 64, 10 and 10 values.
    held = 4 * (784 + 3136 + 49 * (16 + 32 + 32 + 48 + 48 + 48 + 48 + 64) + 64 + 10 + 10)
    assert feed.example_bytes == held
    monkeypatch.setattr("qbench.diagnose.operators.observe._BATCH_LIMIT_BYTES", 40 * held + held // 2)
    assert list(batches(laboratory, [feed], 100)) == [(0, 40), (40, 80), (80, 100)]


def test_examples_that_do_not_leave_each_other_alone_run_one_by_one(laboratory: Laboratory):
    graph = Graph()
    x, y, most = graph.tensor("x", [1, 4]), graph.tensor("y", [1, 4]), graph.tensor("most", [1, 4])
    axis = graph.constant("axis", np.array([0], np.int32))
    graph.operator("REDUCE_MAX", [x, axis], [most], schema.ReducerOptionsT(keepDims=True))
    graph.operator("SUB", [x, most], [y], schema.SubOptionsT())
    content = graph.build([x], [y])
    feed = _feed(content, np.arange(12, dtype=np.float32).reshape(3, 4))
    assert list(batches(laboratory, [feed], 3)) == [(0, 1), (1, 2), (2, 3)]


def test_artifacts_that_take_no_other_batch_get_their_own(laboratory: Laboratory):
    graph = Graph()
    x, y = graph.tensor("x", [2, 4]), graph.tensor("y", [8])
    graph.operator("RESHAPE", [x, graph.constant("shape", np.array([8], np.int32))], [y])
    feed = _feed(graph.build([x], [y]), np.zeros((7, 4), np.float32))
    assert list(batches(laboratory, [feed], 7)) == [(0, 2), (2, 4), (4, 6)]


def test_inputs_without_an_axis_for_examples_run_one_by_one(laboratory: Laboratory):
    graph = Graph()
    x, y = graph.tensor("x", [4], "int8", Affine(0.1)), graph.tensor("y", [4], "int8", Affine(0.1))
    graph.operator("RELU", [x], [y])
    feed = _feed(graph.build([x], [y]), np.ones((3, 4), np.float32))
    assert list(batches(laboratory, [feed], 3)) == [(0, 1), (1, 2), (2, 3)]
    np.testing.assert_array_equal(feed.stored(1, 2)[0], [10, 10, 10, 10])
