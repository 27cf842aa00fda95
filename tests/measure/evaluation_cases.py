"""Artifacts with examples for them, and the plain loop that every evaluation must agree with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import models_zoo as zoo
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

import qbench.measure.evaluate as module
from qbench.measure.evaluate import Evaluation, Shard, run_shard
from qbench.models.datasets import Dataset
from qbench.quant.affine import QuantizationParameters, quantize
from qbench.records import RuntimeOptions
from qbench.tflite.builder import Graph

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from qbench.runtime.interpreter import TfliteInterpreter

OPTIONS = RuntimeOptions()


def unbatched() -> bytes:
    """EXP of a vector, without an axis for examples."""
    graph = Graph()
    x, y = graph.tensor("x", [4]), graph.tensor("y", [4])
    graph.operator("EXP", [x], [y], schema.ExpOptionsT())
    return graph.build([x], [y])


def examples_touch_each_other() -> bytes:
    """x + sum(x over the examples): right for one example at a time, and something else for a batch."""
    graph = Graph()
    x, y = graph.tensor("x", [1, 4]), graph.tensor("y", [1, 4])
    total = graph.tensor("total", [1, 4])
    axis = graph.constant("axis", np.zeros(1, np.int32))
    graph.operator("SUM", [x, axis], [total], schema.ReducerOptionsT(keepDims=True))
    graph.operator("ADD", [x, total], [y], schema.AddOptionsT())
    return graph.build([x], [y])


def embedding() -> bytes:
    """Rows of a table of ten by int32 id; an id beyond it fails in `invoke`."""
    graph = Graph()
    ids, rows = graph.tensor("ids", [1], "int32"), graph.tensor("rows", [1, 4])
    table = graph.constant("table", np.arange(40, dtype=np.float32).reshape(10, 4))
    graph.operator("GATHER", [table, ids], [rows], schema.GatherOptionsT(axis=0))
    return graph.build([ids], [rows])


def total_of_all() -> bytes:
    """One number for the whole batch."""
    graph = Graph()
    x, y = graph.tensor("x", [1, 4]), graph.tensor("y", [])
    axes = graph.constant("axes", np.arange(2, dtype=np.int32))
    graph.operator("SUM", [x, axes], [y], schema.ReducerOptionsT())
    return graph.build([x], [y])


def plain_loop(content: bytes, dataset: Dataset) -> list[np.ndarray]:
    """Quantize, set_tensor, invoke, get_tensor, one example after the other."""
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    arrays = dataset.input_arrays
    rows: list[list[np.ndarray]] = [[] for _ in outputs]
    for example in range(dataset.examples):
        for detail in inputs:
            array = arrays.get(detail["name"], next(iter(arrays.values())))
            real = dataset.real_values(array[example])
            scale, zero_point = detail["quantization"]
            if scale:
                dtype = np.dtype(detail["dtype"]).name
                real = quantize(real, QuantizationParameters(scale, zero_point, dtype=dtype))
            # A model with a fixed batch gets the example in all its rows.
            interpreter.set_tensor(detail["index"], np.broadcast_to(real, detail["shape"]).astype(detail["dtype"]))
        interpreter.invoke()
        for index, detail in enumerate(outputs):
            output = interpreter.get_tensor(detail["index"])
            rows[index].append(output if len(detail["shape"]) < 2 else output[0])
    return [np.stack(column) for column in rows]


def floats(count: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, *shape)).astype(np.float32)


def pixels(count: int, *shape: int) -> Dataset:
    stored = np.random.default_rng(1).integers(0, 256, (count, *shape)).astype(np.uint8)
    return Dataset(inputs=stored, input_scale=1 / 127.5, input_zero_point=127)


def assert_same(evaluation: Evaluation, expected: list[np.ndarray]) -> None:
    assert len(evaluation.outputs) == len(expected)
    for output, plain in zip(evaluation.outputs, expected, strict=True):
        assert output.dtype == plain.dtype
        assert output.shape == plain.shape
        assert output.tobytes() == plain.tobytes()


COUNT = 150
TWO_INPUTS = {"left": floats(COUNT, 4), "right": floats(COUNT, 4, seed=5)}

MODELS = {
    "float": (zoo.dense_float(), Dataset(inputs=floats(COUNT, 4))),
    "wide float": (zoo.dense_float(96, 10), Dataset(inputs=floats(COUNT, 96))),
    "int8": (zoo.dense_int8(), Dataset(inputs=floats(COUNT, 4))),
    "int8 from pixels": (zoo.dense_int8(), pixels(COUNT, 4)),
    "int16": (zoo.dense_int16(), Dataset(inputs=floats(COUNT, 4))),
    "uint8": (zoo.dense_uint8(), Dataset(inputs=floats(COUNT, 4))),
    "hybrid": (zoo.dense_hybrid(), Dataset(inputs=floats(COUNT, 4))),
    "dynamic batch float": (zoo.dynamic_batch_float(), Dataset(inputs=floats(COUNT, 4))),
    "dynamic batch int8": (zoo.dynamic_batch_int8(), pixels(COUNT, 4)),
    "static batch": (zoo.dense_int8(batch=8), Dataset(inputs=floats(COUNT, 4))),
    "conv": (zoo.conv_int8(), pixels(COUNT, 8, 8, 3)),
    "float island": (zoo.float_island(), pixels(COUNT, 4, 4, 3)),
    "two inputs and outputs": (zoo.two_inputs_two_outputs(), Dataset(inputs=TWO_INPUTS)),
    "unbatched": (unbatched(), Dataset(inputs=floats(COUNT, 4))),
    "ids": (embedding(), Dataset(inputs=np.arange(COUNT) % 10)),
}


def spoil(monkeypatch: pytest.MonkeyPatch, spoiled: Callable[[Shard, tuple[np.ndarray, ...]], None]) -> None:
    """Let `spoiled` change the outputs of every shard that is run."""

    def run(shard: Shard, *opened: TfliteInterpreter) -> tuple[np.ndarray, ...]:
        outputs = run_shard(shard, *opened)
        spoiled(shard, outputs)
        return outputs

    monkeypatch.setattr(module, "run_shard", run)
