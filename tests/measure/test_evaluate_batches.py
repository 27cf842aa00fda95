"""How many examples run at once: as many as is fast and leaves every bit as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import qbench.measure.evaluate as module
from measure.evaluation_cases import (
    MODELS,
    OPTIONS,
    assert_same,
    embedding,
    examples_touch_each_other,
    floats,
    pixels,
    plain_loop,
    spoil,
)
from qbench.errors import MeasurementError
from qbench.measure.evaluate import evaluate
from qbench.models.datasets import Dataset
from qbench.runtime.interpreter import TfliteInterpreter

if TYPE_CHECKING:
    from qbench.measure.evaluate import Shard


@pytest.mark.usefixtures("larger_is_faster")
def test_the_fastest_batch_is_taken():
    content, _ = MODELS["int8"]
    assert evaluate(content, pixels(300, 4), OPTIONS).batch == 256
    assert evaluate(content, pixels(255, 4), OPTIONS).batch == 64
    assert evaluate(content, pixels(7, 4), OPTIONS).batch == 1


def test_a_batch_that_is_slower_is_not_taken(monkeypatch: pytest.MonkeyPatch):
    timed = module._timed
    monkeypatch.setattr(module, "_timed", lambda shard, opened: (timed(shard, opened)[0], 1e-6 * shard.batch))
    assert evaluate(MODELS["int8"][0], pixels(300, 4), OPTIONS).batch == 1


@pytest.mark.usefixtures("larger_is_faster")
def test_a_model_whose_examples_touch_each_other_runs_one_by_one():
    content, dataset = examples_touch_each_other(), Dataset(inputs=floats(100, 4))
    evaluation = evaluate(content, dataset, OPTIONS)
    assert evaluation.batch == 1
    assert_same(evaluation, plain_loop(content, dataset))


@pytest.mark.usefixtures("larger_is_faster")
@pytest.mark.parametrize(("row", "batch"), [(0, 1), (7, 1), (8, 8), (63, 8), (255, 64)])
def test_one_changed_bit_in_a_batch_is_enough_to_refuse_it(monkeypatch: pytest.MonkeyPatch, row: int, batch: int):
    def flip(shard: Shard, outputs: tuple[np.ndarray, ...]) -> None:
        if shard.batch > max(row, 1):
            outputs[0][row :: shard.batch, 0] ^= 1

    spoil(monkeypatch, flip)
    dataset = pixels(512, 4)
    evaluation = evaluate(MODELS["int8"][0], dataset, OPTIONS)
    assert evaluation.batch == batch
    assert_same(evaluation, plain_loop(MODELS["int8"][0], dataset))


@pytest.mark.usefixtures("larger_is_faster")
def test_a_model_that_cannot_run_a_batch_runs_one_by_one(monkeypatch: pytest.MonkeyPatch):
    def refuse(shard: Shard, _: tuple[np.ndarray, ...]) -> None:
        if shard.batch > 1:
            raise MeasurementError("not at this size")

    spoil(monkeypatch, refuse)
    assert evaluate(MODELS["int8"][0], pixels(300, 4), OPTIONS).batch == 1


@pytest.mark.usefixtures("larger_is_faster")
@pytest.mark.parametrize(("examples", "batch"), [(9, 8), (70, 64)])
def test_rows_beyond_the_last_example_hold_a_valid_input(monkeypatch: pytest.MonkeyPatch, examples: int, batch: int):
    resize = TfliteInterpreter.resize_batch

    def leave_garbage(self: TfliteInterpreter, examples: int) -> None:
        resize(self, examples)
        self.input_view(0)[:] = 10_000  # An id that is out of the table's bounds.

    monkeypatch.setattr(TfliteInterpreter, "resize_batch", leave_garbage)
    dataset = Dataset(inputs=np.arange(examples) % 10)
    evaluation = evaluate(embedding(), dataset, OPTIONS, workers=2)
    assert (evaluation.batch, evaluation.workers) == (batch, 2)
    assert_same(evaluation, plain_loop(embedding(), dataset))
