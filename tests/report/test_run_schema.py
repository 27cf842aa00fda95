"""The published schema of a run's JSON: up to date, and what version 1 promised is kept."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from run_records import a_run, a_verdict

from qbench.report.run_schema import main, run_schema
from qbench.run_json import decode_record, encode_record
from qbench.run_record import FORMAT_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

_PUBLISHED = Path(__file__).parents[2] / "docs/run.schema.json"
_PAGE = Path(__file__).parents[2] / "docs/json.md"
_DATA = Path(__file__).parent / "data"

#: A real run, and the schema, as they were when version 1 was made: never to be made anew but with a new version.
_RUN = _DATA / "run.v1.json"
_SCHEMA = _DATA / "run.v1.schema.json"


def _lost(before: Any, now: Any, path: str = "$") -> Iterator[str]:
    """Where what stood in `before` is gone or different in `now`; more is fine."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key, value in before.items():
            if key in now:
                yield from _lost(value, now[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}"
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for index, (old, new) in enumerate(zip(before, now, strict=True)):
            yield from _lost(old, new, f"{path}[{index}]")
    elif before != now:
        yield path


def test_the_published_schema_is_up_to_date(capsys: pytest.CaptureFixture[str]):
    main()
    expected = capsys.readouterr().out
    assert _PUBLISHED.read_text() == expected, "python -m qbench.report.run_schema > docs/run.schema.json"


def test_it_is_a_schema_with_a_name():
    schema = run_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:qbench:schema:run:{FORMAT_VERSION}"
    assert {"title", "description"} <= schema.keys()


def test_a_stored_run_is_read_to_the_last_key():
    content = _RUN.read_bytes()
    before = json.loads(content)
    now = json.loads(encode_record(decode_record(content, name=_RUN.name)))
    assert list(_lost(before, now)) == []
    jsonschema.Draft202012Validator(run_schema()).validate(before)


def test_what_version_1_promised_is_kept():
    frozen, now = (json.loads(text)["$defs"] for text in (_SCHEMA.read_text(), json.dumps(run_schema())))
    for name, record in frozen.items():
        # A new word or a new kind of value would be one that readers of version 1 do not know.
        assert _said(record, "enum") == _said(now[name], "enum")
        assert sorted(record.get("required", [])) == sorted(now[name].get("required", []))
        for key, promised in record.get("properties", {}).items():
            assert _bare(promised) == _bare(now[name]["properties"].get(key)), f"{name}.{key}"


def _said(definition: dict[str, Any], key: str) -> Any:
    return definition.get(key)


def _bare(promised: Any) -> Any:
    """Without what is prose."""
    return {key: value for key, value in (promised or {}).items() if key != "description"}


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield (*path, key)
            yield from _paths(part, (*path, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _paths(part, (*path, index))


def test_each_key_that_is_taken_away_or_renamed_is_noticed():
    before = json.loads(_RUN.read_bytes())
    for path in _paths(before):
        now = copy.deepcopy(before)
        *above, last = path
        place = now
        for key in above:
            place = place[key]
        place[f"{last}_renamed"] = place.pop(last)
        assert list(_lost(before, now)), path


def test_it_forbids_nothing_that_is_added():
    def objects(schema: Any) -> Iterator[dict[str, Any]]:
        if isinstance(schema, dict):
            if "properties" in schema:
                yield schema
            for part in schema.values():
                yield from objects(part)
        elif isinstance(schema, list):
            for part in schema:
                yield from objects(part)

    assert all("additionalProperties" not in each for each in objects(run_schema()))
    document = json.loads(encode_record(a_run(verdicts=(a_verdict(),))))
    for place in (document, document["subjects"][0], document["verdicts"][0], document["fingerprint"]):
        place["added"] = {"by": ["a later version"]}
    jsonschema.Draft202012Validator(run_schema()).validate(document)


@pytest.mark.parametrize(
    ("key", "value"),
    [("format", "other"), ("format_version", 2), ("verdict", "great"), ("seconds", None), ("subjects", [{}])],
)
def test_it_refuses_what_is_no_such_record(key: str, value: object):
    document = {**json.loads(encode_record(a_run())), key: value}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(run_schema()).validate(document)


def test_it_requires_what_says_what_a_file_is():
    document = json.loads(encode_record(a_run()))
    for key in ("format", "format_version", "subjects"):
        with pytest.raises(jsonschema.ValidationError, match=f"'{key}' is a required property"):
            jsonschema.Draft202012Validator(run_schema()).validate({k: v for k, v in document.items() if k != key})


def test_the_page_explains_every_key():
    page = _PAGE.read_text()
    keys = {f"{name}.{key}" for name, record in run_schema()["$defs"].items() for key in record.get("properties", {})}
    assert [key for key in sorted(keys) if f"`{key.partition('.')[2]}`" not in page] == []
