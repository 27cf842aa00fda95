"""Values and keys as TOML writes them."""

from __future__ import annotations

import json
from typing import Any


def toml_value(value: Any) -> str:
    """A value in TOML, which has JSON's text, numbers and truth; long arrays have a line for each item."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml_key(key)} = {toml_value(each)}" for key, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        items = [toml_value(each) for each in value]
        one_line = f"[{', '.join(items)}]"
        return one_line if len(one_line) < 100 else "[\n" + "".join(f"    {item},\n" for item in items) + "]"  # noqa: PLR2004 - a line
    # JSON's escapes of what lies beyond 16 bits are none of TOML's, and DEL stands in JSON as it is and not in TOML.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_key(key: str) -> str:
    """A key, in quotes where it needs them."""
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else toml_value(key)
