"""The reference says what the code takes: no key, option, fixture, verdict or status is missing, and none is stale."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

import msgspec
import pytest
from docs.command_lines import pytest_options
from docs.command_tables import PAGE, render
from docs.pages import DOCS, code_names, section, tables

from qbench import Dataset
from qbench.fixtures import Fixtures, Gate
from qbench.judge.tolerance import DEFAULT_TOLERANCE, Tolerance
from qbench.models.config import METRIC_KINDS, ContestConfig, _ModelTable, _ToolTable
from qbench.models.quantization import Quantization
from qbench.models.recipes import BUILTIN_RECIPES, RecipeSpec
from qbench.models.training import Training
from qbench.plugin_outcome import EXIT_INCOMPLETE
from qbench.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Keys of [tool.qbench] that have a table of their own, under another heading.
_TABLES = {"models", "recipe", "tolerance"}

#: Tables in a tolerance: the page writes them with the name that stands in them.
_NAMED = {"metrics.<name>": "metrics", "metrics_drop.<name>": "metrics_drop", "drift.<key>": "drift"}


def _page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def _first_column(name: str, heading: str, table: int = 0) -> set[str]:
    return {key for row in tables(section(_page(name), heading))[table] for key in code_names(row[0])}


def _fields(*records: type[msgspec.Struct]) -> set[str]:
    return {field for record in records for field in record.__struct_fields__}


def _defaults(record: type[msgspec.Struct]) -> dict[str, object]:
    if record is Tolerance:
        return {name: getattr(DEFAULT_TOLERANCE, name) for name in record.__struct_fields__}
    return {field.name: field.default for field in msgspec.structs.fields(record)}


_DECLARING = "Declaring models: `[tool.qbench]` in pyproject.toml"


def test_keys_of_the_table():
    assert _first_column("usage.md", _DECLARING, 0) == _fields(_ToolTable) - _TABLES


def test_keys_of_a_model():
    assert _first_column("usage.md", _DECLARING, 1) == _fields(_ModelTable)


def test_keys_of_a_recipe_stand_in_an_example():
    told = set(re.findall(r"^(\w+) = ", section(_page("usage.md"), "Recipes"), re.MULTILINE))
    assert told >= _fields(RecipeSpec)


def test_built_in_recipes():
    assert _first_column("usage.md", "Recipes", 0) == set(BUILTIN_RECIPES)


def test_choices_of_a_quantization():
    assert _first_column("usage.md", "Recipes", 1) == _fields(Quantization)


def test_choices_of_training():
    assert _first_column("pruning.md", "What is trained") == _fields(Training)


def test_tolerances():
    told = {_NAMED.get(key, key) for key in _first_column("usage.md", "Tolerances")}
    assert told == _fields(Tolerance)


def test_settings_of_contests():
    assert _first_column("latency.md", "Time") == _fields(ContestConfig)


@pytest.mark.parametrize(
    ("page", "heading", "table", "record"),
    [
        ("usage.md", _DECLARING, 0, _ToolTable),
        ("usage.md", "Recipes", 1, Quantization),
        ("usage.md", "Tolerances", 0, Tolerance),
        ("latency.md", "Time", 0, ContestConfig),
    ],
)
def test_defaults_are_those_of_the_code(page, heading, table, record):
    defaults = _defaults(record)
    checked = 0
    for name, told, *_ in tables(section(_page(page), heading))[table]:
        (key,) = code_names(name)
        value = defaults.get(_NAMED.get(key, key))
        if isinstance(value, (bool, int, float, str)) and value != "":
            assert told.strip('`"') == _written(value), key
            checked += 1
        elif value is None and key not in _NAMED:
            assert told in {"none", "not gated", "user's cache folder"}, key
    assert checked >= 3


def _written(value):
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else f"{value:g}"


def test_kinds_of_measurement():
    (row,) = (row for row in tables(section(_page("usage.md"), _DECLARING))[0] if row[0] == "`metrics`")
    assert set(code_names(row[2])) == set(METRIC_KINDS)


def test_arguments_of_a_dataset():
    told = set(re.findall(r"^    (\w+)=", section(_page("usage.md"), "Datasets"), re.MULTILINE))
    assert told == set(inspect.signature(Dataset).parameters)


def test_fixtures():
    made = {name for name, value in vars(Fixtures).items() if not name.startswith("_")}
    assert _first_column("usage.md", "Fixtures") == made - {"qbench_subject", "qbench_model"}


def test_what_the_gate_measures():
    (row,) = (row for row in tables(section(_page("usage.md"), "Fixtures"))[0] if row[0] == "`gate`")
    told = {re.match(r"gate\.(\w+)\(", call).group(1) for call in code_names(row[1])}
    assert told == {name for name in vars(Gate) if not name.startswith("_")}


def test_options_of_pytest(pytestconfig):
    ours = {name for name in pytest_options(pytestconfig) if name.startswith("--qbench")}
    told = {re.match(r"--[\w-]+", option).group() for option in _first_column("usage.md", "Options")}
    assert told == ours | {"--benchmark-compare"}


def test_verdicts_and_which_are_green():
    rows = tables(section(_page("usage.md"), "Verdicts"))[0]
    assert {row[0].strip("`"): row[1] for row in rows} == {
        verdict.value: "yes" if verdict.green else "no" for verdict in Verdict
    }


def test_exit_statuses():
    told = [int(row[0]) for row in tables(section(_page("usage.md"), "Exit status"))[0]]
    statuses: Iterable[int] = (
        pytest.ExitCode.OK,
        pytest.ExitCode.TESTS_FAILED,
        pytest.ExitCode.USAGE_ERROR,
        EXIT_INCOMPLETE,
    )
    assert told == [int(status) for status in statuses]


def test_commands():
    assert PAGE.read_text(encoding="utf-8") == render(), "write it again: python tests/docs/command_tables.py"
