from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from qbench.training.pruning import adaptive_scores, masks_of, scheduled

_WEIGHTS = arrays.arrays(np.float32, arrays.array_shapes(max_dims=3, max_side=6), elements=st.floats(-9, 9, width=16))


def test_a_ramp_is_steep_at_first_and_ends_at_its_share():
    assert [round(scheduled(0.8, progress), 4) for progress in (-1, 0, 0.5, 1, 3)] == [0, 0, 0.7, 0.8, 0.8]


@given(_WEIGHTS)
def test_a_score_is_the_share_among_the_weights_that_are_not_smaller(weights):
    flat = weights.ravel().astype(np.float64) ** 2
    order = np.argsort(flat, kind="stable")
    for place, index in enumerate(order):
        rest = flat[order[place:]].sum()
        assert adaptive_scores(weights).ravel()[index] == pytest.approx(flat[index] / rest if rest else 0)


@given(st.lists(_WEIGHTS, min_size=1, max_size=3), st.floats(0, 0.999))
def test_just_the_share_goes_and_in_each_layer_the_smallest_that_may(weights, sparsity):
    masks = masks_of(weights, [0] * len(weights), sparsity)
    assert [mask.shape for mask in masks] == [each.shape for each in weights]
    gone = sum(int((mask == 0).sum()) for mask in masks)
    free = sum(each.size - len(each) for each in weights)
    assert gone == min(int(sparsity * sum(each.size for each in weights)), free)
    for mask, each in zip(masks, weights, strict=True):
        channels, marks = np.abs(each).reshape(len(each), -1), mask.reshape(len(each), -1)
        assert (marks[np.arange(len(each)), channels.argmax(axis=1)] == 1).all()
        marks[np.arange(len(each)), channels.argmax(axis=1)] = 2
        kept, lost = channels[marks == 1], channels[marks == 0]
        assert not kept.size or not lost.size or lost.max() <= kept.min()


def test_layers_are_compared_by_what_weights_are_in_them_not_by_their_size():
    small = np.array([[0.001, 0.002, 0.003]], np.float32)
    large = np.array([[1.0, 1.1, 5.0, 5.0, 6.0]], np.float32)
    masks = masks_of([small, large], [0, 0], 0.5)
    assert [mask.tolist() for mask in masks] == [[[0, 1, 1]], [[0, 0, 0, 1, 1]]]


def test_each_output_channel_keeps_its_largest_weight_wherever_its_dimension_is():
    depthwise = np.ones((1, 3, 3, 4), np.float32)
    depthwise[..., 1] = 1e-6
    depthwise[0, 2, 1, 1] = -2e-6
    (mask,) = masks_of([depthwise], [3], 0.999)
    assert mask.sum(axis=(0, 1, 2)).tolist() == [1, 1, 1, 1]
    assert mask[0, 2, 1, 1] == 1
