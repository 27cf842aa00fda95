"""The lines of `[tool.qbench]` that declare what was found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

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
    key = f"tool.qbench.recipe.{_key(name)}"
    plain = {each: value for each, value in parts.items() if not isinstance(value, dict)}
    lines = [f"[{key}]", *_lines(plain)] if plain else []
    for each, value in parts.items():
        if isinstance(value, dict):
            lines += ["", f"[{key}.{each}]", *_lines(value)]
    return "\n".join(lines).strip() + "\n"


def recipes_line(recipes: Sequence[str], name: str) -> str:
    """The line of `[tool.qbench.models.<model>]` that names its recipes, `name` among them."""
    return f"recipes = {_value(list(dict.fromkeys((*recipes, name))))}\n"


def _lines(table: dict[str, Any]) -> list[str]:
    return [f"{_key(key)} = {_value(value)}" for key, value in table.items()]


def _value(value: Any) -> str:
    """A value in TOML, which has JSON's text, numbers and truth; long arrays have a line for each item."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        items = [_value(each) for each in value]
        one_line = f"[{', '.join(items)}]"
        return one_line if len(one_line) < 100 else "[\n" + "".join(f"    {item},\n" for item in items) + "]"  # noqa: PLR2004 - a line
    # JSON's escapes of what lies beyond 16 bits are none of TOML's, and DEL stands in JSON as it is and not in TOML.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    """A key, in quotes where it needs them."""
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else _value(key)
