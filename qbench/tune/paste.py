"""The lines of `[tool.qbench]` that declare what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from qbench.models.toml_text import toml_key, toml_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qbench.models.recipes import RecipeSpec

#: Said even where it is the default: what one wants to see of a recipe first.
_ALWAYS = ("weights", "granularity", "activations")


def recipe_table(name: str, recipe: RecipeSpec) -> str:
    """The TOML of a recipe: what stands in `[tool.qbench.recipe.<name>]`, with a table for each part of it."""
    parts = msgspec.to_builtins(recipe)
    if recipe.quantization is not None:
        said = {key: getattr(recipe.quantization, key) for key in _ALWAYS}
        parts["quantization"] = {**said, **parts["quantization"]}
    key = f"tool.qbench.recipe.{toml_key(name)}"
    plain = {each: value for each, value in parts.items() if not isinstance(value, dict)}
    lines = [f"[{key}]", *_lines(plain)] if plain else []
    for each, value in parts.items():
        if isinstance(value, dict):
            lines += ["", f"[{key}.{each}]", *_lines(value)]
    return "\n".join(lines).strip() + "\n"


def recipes_line(recipes: Sequence[str], name: str) -> str:
    """The line of `[tool.qbench.models.<model>]` that names its recipes, `name` among them."""
    return f"recipes = {toml_value(list(dict.fromkeys((*recipes, name))))}\n"


def _lines(table: dict[str, Any]) -> list[str]:
    return [f"{toml_key(key)} = {toml_value(value)}" for key, value in table.items()]
