from __future__ import annotations

import sys

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import example, given

from qbench.models.quantization import Quantization
from qbench.models.recipes import BUILTIN_RECIPES, RecipeSpec
from qbench.tune.paste import recipe_table, recipes_line
from qbench.tune.points import PLAIN

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def _parsed(name, text):
    return tomllib.loads(text)["tool"]["qbench"]["recipe"][name]


@given(
    st.lists(st.text(st.characters(codec="utf-8"), max_size=5), max_size=4, unique=True),
    st.sampled_from(["int8", "int16"]),
    st.floats(60, 100),
)
@example(names=['\x7f\U00010000\x85"\\\n'], activations="int8", percentile=99.9)
def test_the_table_is_the_recipe(names, activations, percentile):
    chosen = Quantization(
        activations=activations, float_operators=tuple(names), calibration="percentile", percentile=percentile
    )
    recipe = RecipeSpec(quantization=chosen)
    assert msgspec.convert(_parsed("tuned", recipe_table("tuned", recipe)), RecipeSpec) == recipe


@pytest.mark.parametrize("recipe", [*BUILTIN_RECIPES.values(), RecipeSpec(base="int8", converter={"a": 1, "b": "x"})])
def test_other_recipes_have_tables_too(recipe):
    assert msgspec.convert(_parsed("x.y", recipe_table("x.y", recipe)), RecipeSpec) == recipe


def test_what_one_wants_to_see_first_is_said_and_other_defaults_are_not():
    assert recipe_table("tuned", PLAIN.recipe()) == (
        '[tool.qbench.recipe.tuned.quantization]\nweights = "int8"\ngranularity = "channel"\nactivations = "int8"\n'
    )


def test_long_lists_have_a_line_for_each_item():
    text = recipe_table("tuned", PLAIN.changed(float_operators=("a" * 60, "b" * 60)).recipe())
    assert text.endswith(f'float_operators = [\n    "{"a" * 60}",\n    "{"b" * 60}",\n]\n')


def test_the_recipes_of_the_model_come_with_the_new_one_last_and_once():
    assert recipes_line(("fp32", "int8"), "tuned") == 'recipes = ["fp32", "int8", "tuned"]\n'
    assert recipes_line(("fp32", "int8"), "int8") == 'recipes = ["fp32", "int8"]\n'
