"""Where pyproject.toml declares a model, for what points a reader to it; a TOML reader keeps no line numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_TABLE = re.compile(r"""^\s*\[\s*tool\s*\.\s*qbench\s*(?:\.\s*models\s*\.\s*(?:"([^"]+)"|'([^']+)'|([\w-]+))\s*)?\]""")


def declared_lines(path: Path, models: Iterable[str]) -> dict[str, int]:
    """Line (from 1) of the table of each of `models`, else that of `[tool.qbench]`; 0 if there is neither."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    found = {match: number for number, line in enumerate(lines, 1) if (match := _TABLE.match(line))}
    by_name: dict[str, int] = {}
    for match, number in found.items():
        by_name.setdefault(next((name for name in match.groups() if name), ""), number)
    return {model: by_name.get(model, by_name.get("", 0)) for model in models}
