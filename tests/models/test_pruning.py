from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from qbench.models.pruning import adaptive_scores, masks_of, scheduled

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
def test_just_the_share_goes_and_in_each_layer_the_smallest(weights, sparsity):
    masks = masks_of(weights, sparsity)
    assert [mask.shape for mask in masks] == [each.shape for each in weights]
    gone = sum(int((mask == 0).sum()) for mask in masks)
    assert gone == int(sparsity * sum(each.size for each in weights))
    for mask, each in zip(masks, weights, strict=True):
        kept, lost = np.abs(each[mask == 1]), np.abs(each[mask == 0])
        assert not kept.size or not lost.size or lost.max() <= kept.min()


def test_layers_are_compared_by_what_weights_are_in_them_not_by_their_size():
    small, large = np.array([0.001, 0.002], np.float32), np.array([1.0, 1.1, 5.0, 5.0], np.float32)
    masks = masks_of([small, large], 0.5)
    assert [mask.tolist() for mask in masks] == [[0, 1], [0, 0, 1, 1]]


def test_the_largest_weight_of_a_layer_stays_as_long_as_others_are_left():
    tiny, others = np.full((1,), 1e-6, np.float32), np.ones(9, np.float32)
    assert masks_of([tiny, others], 0.8)[0].tolist() == [1]
