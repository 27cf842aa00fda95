from __future__ import annotations

from typing import get_args

import hypothesis.strategies as st
import pytest
from hypothesis import given

from qbench.models import quantization
from qbench.models.quantization import Quantization
from qbench.models.recipes import BUILTIN_RECIPES, RecipeSpec
from qbench.models.training import Training
from qbench.tune.points import PLAIN, choices, describe_recipe, point_of
from qbench.tune.records import recipe_digest

_KNOBS = st.fixed_dictionaries(
    {},
    optional={
        "weights": st.sampled_from(get_args(quantization.Weights)),
        "granularity": st.sampled_from(get_args(quantization.Granularity)),
        "weight_ranges": st.sampled_from(get_args(quantization.WeightRanges)),
        "activations": st.sampled_from(get_args(quantization.Activations)),
        "symmetric": st.booleans(),
        "calibration": st.sampled_from(get_args(quantization.Calibration)),
        "percentile": st.sampled_from([99.9, 99.99]),
        "calibration_examples": st.sampled_from([0, 100]),
        "float_operators": st.lists(st.sampled_from("abc")).map(tuple),
        "quantization_aware": st.booleans(),
        "channel_sparsity": st.sampled_from([0.0, 0.25]),
        "sparsity": st.sampled_from([0.0, 0.5]),
        "epochs": st.sampled_from([2, 8]),
        "learning_rate": st.sampled_from([1e-3, 5e-3]),
    },
)


@given(_KNOBS, _KNOBS)
def test_whatever_is_changed_is_a_recipe_and_the_same_point_again(first, second):
    point = PLAIN.changed(**first).changed(**second)
    assert point_of(point.recipe()) == point
    assert point.changed() == point


@given(_KNOBS)
def test_points_are_equal_where_their_recipes_are(knobs):
    point = PLAIN.changed(**knobs)
    said = PLAIN.changed(**{name: getattr(point, name) for name in point.__struct_fields__})
    assert recipe_digest(said.recipe()) == recipe_digest(point.recipe())


def test_a_default_that_is_said_is_the_same_recipe():
    assert recipe_digest(PLAIN.recipe()) == recipe_digest(RecipeSpec(quantization=Quantization()))
    assert recipe_digest(PLAIN.changed(percentile=float("99.99")).recipe()) == recipe_digest(PLAIN.recipe())


@pytest.mark.parametrize(
    ("recipe", "changed"),
    [
        ("int8", {}),
        ("int8-per-tensor", {"granularity": "tensor"}),
        ("int8-symmetric", {"symmetric": True}),
        ("int16x8", {"activations": "int16"}),
        ("dynamic", {"activations": "dynamic"}),
    ],
)
def test_built_in_modes_are_points(recipe, changed):
    assert point_of(BUILTIN_RECIPES[recipe]) == PLAIN.changed(**changed)


@pytest.mark.parametrize(
    "recipe",
    [
        BUILTIN_RECIPES["fp16"],
        RecipeSpec(quantizer="static_wi8_ai8"),
        RecipeSpec(function="a:b"),
        RecipeSpec(base="int8", converter={"x": 1}),
    ],
)
def test_other_recipes_are_none(recipe):
    assert point_of(recipe) is None


def test_recipes_are_described_by_what_they_choose():
    point = PLAIN.changed(
        granularity="tensor", calibration="percentile", percentile=99.9, calibration_examples=50, float_operators=("a",)
    )
    assert describe_recipe(point.recipe()) == (
        "int8 per tensor, int8 activations, percentile 99.9, 50 examples, 1 float operator"
    )
    assert describe_recipe(PLAIN.changed(float_operators=("a", "b")).recipe()).endswith("2 float operators")
    assert describe_recipe(RecipeSpec(base="int8", converter={"x": 1})) == "int8, x=1"


def test_training_is_part_of_a_recipe_only_where_something_is_trained():
    assert PLAIN.recipe().training is None
    assert not PLAIN.trains
    pruned = PLAIN.changed(channel_sparsity=0.25, quantization_aware=True)
    assert pruned.trains
    assert pruned.recipe().training == Training(channel_sparsity=0.25, quantization_aware=True)
    assert describe_recipe(pruned.recipe()) == (
        "int8 per channel, int8 activations, trained with it, 25% pruned in channels"
    )
    assert describe_recipe(RecipeSpec(base="fp16", training=Training(sparsity=0.5))) == (
        "fp16, trained, 50% pruned of the weights"
    )


def test_choices_count_what_differs_from_plain_int8():
    assert choices(PLAIN.recipe()) == choices(BUILTIN_RECIPES["int8-per-tensor"]) == 0
    assert choices(PLAIN.changed(granularity="tensor", float_operators=("a", "b", "c")).recipe()) == 4
