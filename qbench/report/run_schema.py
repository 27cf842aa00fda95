"""The JSON Schema of a run's record, which docs/run.schema.json publishes: ``python -m qbench.report.run_schema``."""

from __future__ import annotations

import inspect
import json
import re
import sys
from typing import Any

import msgspec

from qbench import run_record
from qbench.run_record import FORMAT, FORMAT_VERSION, RunRecord

#: A name, not an address: where the documentation stands may change, what a key means does not.
SCHEMA_ID = f"urn:qbench:schema:run:{FORMAT_VERSION}"

#: The section of a numpy docstring that describes the keys of a record.
_ATTRIBUTES = re.compile(r"\n\nAttributes\n-+\n(.*)", re.DOTALL)


def run_schema() -> dict[str, Any]:
    """The schema, made of the record's types and docstrings.

    It requires what version 1 began with and forbids no other key: keys may be added within a version.
    """
    schema = msgspec.json.schema(RunRecord)
    for name, definition in schema["$defs"].items():
        _describe(definition)
        if name == RunRecord.__name__:
            for key, only in (("format", FORMAT), ("format_version", FORMAT_VERSION)):
                described = definition["properties"][key]["description"]
                definition["properties"][key] = {"const": only, "description": described}
            definition["required"] = ["format", "format_version", *definition["required"]]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "A run of qbench",
        "description": "What `pytest --qbench-json PATH` writes: everything that was measured and judged in one run. "
        + " ".join((inspect.getdoc(run_record) or "").split("\n\n")[-1].split()),
        **schema,
    }


def _describe(definition: dict[str, Any]) -> None:
    """Move what a docstring says of single keys to them, and leave the rest to the record."""
    text = inspect.cleandoc(definition.get("description", ""))
    if (section := _ATTRIBUTES.search(text)) is None:
        return
    definition["description"] = _one_line(text[: section.start()])
    said = re.split(r"^(?=\S)", section.group(1), flags=re.MULTILINE)
    for names, _, about in (part.partition("\n") for part in said if part.strip()):
        for name in names.split(", "):
            definition["properties"][name]["description"] = _one_line(about)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def main() -> None:
    """Print the schema as the published file has it."""
    sys.stdout.write(json.dumps(run_schema(), indent=2) + "\n")


if __name__ == "__main__":
    main()
