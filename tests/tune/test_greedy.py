"""The greedy search over functions that stand for a model: what it tries, and in which order."""

from __future__ import annotations

import pytest

from qbench.tune.greedy import greedy
from qbench.tune.points import PLAIN
from qbench.tune.space import restrict, whole_space
from tune.outcomes import TOLERANCE, outcome

_SPACE = whole_space(calibration_examples=100)
_TENSOR = PLAIN.changed(granularity="tensor")
_WORST = ("dw", "conv", "fc")


def follow(drop, start, *, space=_SPACE, prefer="size", rank=lambda _: _WORST):
    """The points that a search tries where a point loses what `drop` says, and those that pass."""
    search, tried = greedy(space, start, rank, prefer), []
    point = next(search)
    while True:
        tried.append(point)
        try:
            point = search.send(outcome(point, size=_size(point), drop=drop(point), ratio=_ratio(point)))
        except StopIteration:
            break
    assert len(tried) < 60
    return tried, [each for each in tried if drop(each) <= TOLERANCE and space.allows(each)]


def _size(point):
    weight = {"int8": 1000, "int4": 500}[point.weights] + (0 if point.granularity == "tensor" else 50)
    weight = int(weight * (1 - point.channel_sparsity))
    return weight + 300 * len(point.float_operators) + (40 if point.activations == "int16" else 0)


def _ratio(point):
    activations = {"int8": 0.5, "int16": 8.0, "dynamic": 0.7, "float": 1.0}[point.activations]
    return activations * (1.5 if point.weights == "int4" else 1.0)


def _hates_one_scale(point):
    return 0.5 if point.granularity == "tensor" and "dw" not in point.float_operators else 0.0


def _hates_narrow(point):
    return 0.5 if point.weights == "int4" else 0.0


def test_one_scale_for_all_is_repaired_first_where_weights_are_to_blame():
    tried, passing = follow(lambda point: _hates_one_scale(point) + _hates_narrow(point), _TENSOR)
    assert tried[:3] == [_TENSOR, _TENSOR.changed(activations="float"), PLAIN]
    assert passing[0] == PLAIN


def test_a_float_operator_repairs_it_where_there_has_to_be_one_scale():
    space = restrict(_SPACE, ["granularity=tensor"], None)
    tried, passing = follow(lambda point: _hates_one_scale(point) + _hates_narrow(point), _TENSOR, space=space)
    assert passing[0] == _TENSOR.changed(float_operators=("dw",))
    assert all(point.granularity == "tensor" for point in tried)
    # Ranges of activations are not to blame, and were not tried before.
    assert all(point.calibration == "min-max" for point in tried[: tried.index(passing[0])])


def test_ranges_of_activations_come_first_where_they_are_to_blame():
    def drop(point):
        static = point.activations == "int8"
        return (0.1 if static and point.calibration != "mse" else 0.0) + _hates_narrow(point)

    tried, passing = follow(drop, PLAIN)
    assert passing[0] == PLAIN.changed(activations="float")  # the question which is to blame
    assert passing[1] == PLAIN.changed(calibration="mse")
    assert all(point.activations != "int16" for point in tried)
    assert tried.index(passing[1]) <= 6


def test_int16_is_tried_when_nothing_else_helped():
    def drop(point):
        return 0.0 if point.activations == "int16" else 0.1

    tried, passing = follow(drop, PLAIN)
    assert passing[0] == PLAIN.changed(activations="int16")
    assert PLAIN.changed(float_operators=tuple(sorted(_WORST))) in tried


def test_what_passes_is_made_cheaper():
    tried, passing = follow(
        lambda point: 0.02 if point.weights == "int4" and point.weight_ranges != "octav" else 0, PLAIN
    )
    narrow = PLAIN.changed(weights="int4", weight_ranges="octav")
    assert narrow in passing
    assert min(passing, key=_size) == narrow.changed(granularity="tensor")
    # Wider activations cost something and are needed for nothing.
    assert all(point.activations == "int8" for point in tried)


def test_choices_that_are_not_needed_are_taken_back():
    start = PLAIN.changed(calibration="octav", calibration_examples=50, float_operators=("conv", "dw"))
    _, passing = follow(_hates_narrow, start)
    assert PLAIN in passing


def test_choices_that_are_needed_stay():
    start = _TENSOR.changed(float_operators=("conv", "dw"))
    space = restrict(_SPACE, ["granularity=tensor", "weights=int8"], None)
    _, passing = follow(_hates_one_scale, start, space=space)
    assert _TENSOR.changed(float_operators=("dw",)) in passing
    assert min(passing, key=_size) == _TENSOR.changed(float_operators=("dw",))


def test_a_start_outside_the_space_is_moved_into_it():
    space = restrict(_SPACE, [], "int8")
    tried, _ = follow(lambda _: 0.1, PLAIN.changed(activations="int16", float_operators=("dw",)), space=space)
    assert tried[0] == PLAIN
    # One trial outside asks whether weights or activations are to blame.
    assert [point for point in tried if not space.allows(point)] == [PLAIN.changed(activations="float")]


@pytest.mark.parametrize("prefer", ["size", "latency"])
def test_it_ends_when_nothing_helps(prefer):
    tried, passing = follow(lambda _: 0.1, PLAIN, prefer=prefer)
    assert passing == []
    assert {point.activations for point in tried} == {"int8", "int16", "dynamic", "float"}


def test_without_a_ranking_no_operator_is_float():
    tried, _ = follow(lambda _: 0.1, PLAIN, rank=lambda _: ())
    assert all(point.float_operators == () for point in tried)


def test_training_comes_after_everything_that_takes_no_time():
    def drop(point):
        return _hates_one_scale(point) * (not point.quantization_aware) + _hates_narrow(point)

    training = whole_space(calibration_examples=100, trains=True)
    space = restrict(training, ["granularity=tensor", "float_operators=0", "channel_sparsity=0"], None)
    tried, passing = follow(drop, _TENSOR, space=space)
    assert passing[0] == _TENSOR.changed(quantization_aware=True)
    assert sum(point.trains for point in tried[: tried.index(passing[0]) + 1]) == 1
    assert all(point.activations == "int8" or not point.trains for point in tried)


def test_channels_are_pruned_as_long_as_that_passes():
    def drop(point):
        return 0.5 if point.channel_sparsity > 0.25 or point.weights == "int4" or point.granularity == "tensor" else 0.0

    space = whole_space(calibration_examples=100, trains=True)
    tried, passing = follow(drop, PLAIN, space=space)
    assert tried[-1].channel_sparsity == 0.5
    assert passing[-1] == PLAIN.changed(channel_sparsity=0.25, quantization_aware=True)
    untrained, _ = follow(drop, PLAIN)
    assert not any(point.trains for point in untrained)
