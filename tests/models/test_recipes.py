from __future__ import annotations

from typing import get_args

import pytest

from qbench.models.quantization import Quantization
from qbench.models.recipes import BUILTIN_RECIPES, REFERENCE_RECIPE, Mode, RecipeSpec


def test_every_mode_is_a_recipe_of_the_same_name():
    assert {name: recipe.base for name, recipe in BUILTIN_RECIPES.items()} == {mode: mode for mode in get_args(Mode)}
    assert REFERENCE_RECIPE in BUILTIN_RECIPES


def test_recipes_that_quantize_activations_are_calibrated():
    calibrated = {name for name, recipe in BUILTIN_RECIPES.items() if recipe.calibrated}
    assert calibrated == {"int8", "int8-per-tensor", "int8-symmetric", "int16x8"}


@pytest.mark.parametrize(
    ("recipe", "calibrated"),
    [
        (RecipeSpec(quantizer="static_wi8_ai8"), True),
        (RecipeSpec(quantizer="dynamic_wi8_afp32"), False),
        (RecipeSpec(quantizer="weight_only_wi8_afp32"), False),
        (RecipeSpec(function="data:quantize"), True),
        (RecipeSpec(function="data:quantize", calibration=False), False),
        (RecipeSpec(base="int8", calibration=False), False),
        (RecipeSpec(base="dynamic", calibration=True), True),
        (RecipeSpec(base="dynamic", converter={"a": 1}), False),
        (RecipeSpec(quantization=Quantization()), True),
        (RecipeSpec(quantization=Quantization(activations="int16")), True),
        (RecipeSpec(quantization=Quantization(activations="dynamic")), False),
        (RecipeSpec(quantization=Quantization(activations="float")), False),
    ],
)
def test_calibration_follows_from_the_rest_unless_it_is_said(recipe, calibrated):
    assert recipe.calibrated is calibrated


def test_only_plain_fp32_may_equal_the_float_artifact():
    assert {name for name, recipe in BUILTIN_RECIPES.items() if not recipe.quantizes} == {"fp32"}
    assert RecipeSpec(base="fp32", converter={"a": 1}).quantizes
    assert RecipeSpec(function="data:quantize").quantizes
    assert RecipeSpec(quantization=Quantization()).quantizes


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "exactly one of base, quantizer, function and quantization, found none"),
        ({"base": "int8", "quantization": Quantization()}, "found base and quantization"),
        ({"quantization": Quantization(), "converter": {"a": 1}}, "found them beside `quantization`"),
        ({"quantization": Quantization(), "calibration": False}, "`calibration` within `quantization`"),
        ({"base": "int8", "quantizer": "q"}, "found base and quantizer"),
        ({"base": "int8", "quantizer": "q", "function": "a:b"}, "found base and quantizer and function"),
        ({"function": "a:b", "converter": {"a": 1}}, "beside `base` only, found them beside `function`"),
        ({"function": "a"}, "found 'a'"),
        ({"function": ":b"}, "found ':b'"),
        ({"function": "a:"}, "found 'a:'"),
    ],
)
def test_what_is_no_recipe_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        RecipeSpec(**values)
