from __future__ import annotations

import dataclasses

import models_zoo as zoo
import numpy as np
import pytest

from qbench.tflite.reader import read_model
from qbench.tune.kernels import _operators, kernels_digest


def test_numbers_do_not_count():
    assert kernels_digest(zoo.dense_int8(seed=0)) == kernels_digest(zoo.dense_int8(seed=1))


def test_artifacts_of_other_operators_differ():
    different = [zoo.dense_int8(), zoo.dense_int16(), zoo.dense_float(), zoo.dense_int8(outputs=5), zoo.dense_hybrid()]
    assert len({kernels_digest(content) for content in different}) == len(different)


@pytest.mark.parametrize(
    "changed",
    [
        {"dtype": "uint8"},
        {"shape": (1, 5)},
        {"scales": np.ones(1, np.float32)},
        {"scales": np.ones(0, np.float32)},
        {"is_sparse": True},
    ],
)
def test_whatever_chooses_a_kernel_counts(changed):
    graph = read_model(zoo.dense_int8()).subgraphs[0]
    weights = graph.operators[0].inputs[1]
    tensors = list(graph.tensors)
    tensors[weights] = dataclasses.replace(tensors[weights], **changed)
    assert _operators(dataclasses.replace(graph, tensors=tuple(tensors))) != _operators(graph)


def test_options_and_versions_count():
    graph = read_model(zoo.dense_int8()).subgraphs[0]
    for changed in ({"version": 7}, {"options": {"keep_num_dims": True}}, {"name": "CONV_2D"}):
        operator = dataclasses.replace(graph.operators[0], **changed)
        assert _operators(dataclasses.replace(graph, operators=(operator,))) != _operators(graph)
