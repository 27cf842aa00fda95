"""Evaluation gives the bits of the plain loop, and says what it cannot evaluate."""

from __future__ import annotations

import re

import numpy as np
import pytest

import qbench.measure.evaluate as module
from measure.evaluation_cases import MODELS, OPTIONS, assert_same, embedding, floats, pixels, plain_loop, total_of_all
from qbench.errors import MeasurementError
from qbench.measure.evaluate import Shard, evaluate, run_shard, usable_processors
from qbench.models.datasets import Dataset
from qbench.records import RuntimeOptions


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("workers", [1, 3])
def test_the_bits_are_those_of_the_plain_loop(name: str, workers: int):
    content, dataset = MODELS[name]
    assert_same(evaluate(content, dataset, OPTIONS, workers=workers), plain_loop(content, dataset))


@pytest.mark.parametrize("examples", [1, 2, 7, 8, 63, 64, 65, 257])
@pytest.mark.parametrize("model", ["int8 from pixels", "static batch", "unbatched"])
def test_any_number_of_examples(examples: int, model: str):
    content, _ = MODELS[model]
    dataset = pixels(examples, 4)
    evaluation = evaluate(content, dataset, OPTIONS, workers=2)
    assert_same(evaluation, plain_loop(content, dataset))
    assert 1 <= evaluation.workers <= 2


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kernels", ["builtin", "reference", "no-delegates"])
def test_under_every_runtime_option_the_bits_do_not_depend_on_the_batch(threads: int, kernels):
    options = RuntimeOptions(threads=threads, kernels=kernels)
    content, dataset = MODELS["wide float"]
    whole = Shard(
        content=content,
        options=options,
        encoders=module.input_encoders(dataset, module.open_interpreter(content, options).inputs),
        first=0,
        examples=dataset.examples,
        batch=1,
        with_axis=True,
    )
    assert_same(evaluate(content, dataset, options), list(run_shard(whole)))


# --- what cannot be evaluated -----------------------------------------------------------------------------


def test_an_example_on_which_the_runtime_fails_is_named():
    ids = np.arange(20) % 10
    ids[13] = 10_000
    with pytest.raises(MeasurementError) as caught:
        evaluate(embedding(), Dataset(inputs=ids), OPTIONS, workers=1)
    named = re.search(
        r"does not run on the examples (\d+) to (\d+) of the dataset \(.*out of bounds", str(caught.value)
    )
    assert named
    assert int(named[1]) <= 13 <= int(named[2])


def test_an_output_for_the_whole_batch_is_refused():
    with pytest.raises(MeasurementError, match=r"'y' has the shape \(\) for a batch of 1 .* one row for each example"):
        evaluate(total_of_all(), Dataset(inputs=floats(10, 4)), OPTIONS)


def test_usable_processors_is_at_least_one():
    assert usable_processors() >= 1
