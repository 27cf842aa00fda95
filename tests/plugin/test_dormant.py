"""A project without `[tool.qbench]` notices nothing; one whose table is wrong is told the key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from small_project import Project

#: What pytest-benchmark and others import is not our doing.
_ALONE = ("-p", "no:benchmark", "-p", "no:xdist", "-p", "no:platformdirs")


def test_nothing_is_imported_added_or_printed(project: Project):
    project.write("pyproject.toml", '[project]\nname = "other"\n# [tool.qbench] is not for us\n')
    project.write(
        "benchmarks/test_models.py",
        """
        import sys

        import pytest

        @pytest.fixture
        def gate():
            return "ours"

        def test_own(gate):
            assert gate == "ours"

        @pytest.mark.qbench(size=1)
        def test_marker_is_known():
            pass

        def test_no_fixture_of_that_name(interpreter):
            pass

        def test_imports():
            assert "qbench.plugin" in sys.modules
            loaded = {name.partition(".")[0] for name in sys.modules}
            heavy = {"numpy", "scipy", "msgspec", "rich", "filelock", "ai_edge_litert", "tensorflow", "hypothesis"}
            assert not loaded & heavy
            assert {name for name in sys.modules if name.startswith("qbench.")} == {"qbench.plugin"}
        """,
    )
    with_us = project.run_plain("--strict-markers", *_ALONE)
    assert with_us.ret == 1
    with_us.assert_outcomes(passed=3, errors=1)
    assert "fixture 'interpreter' not found" in with_us.stdout.str()

    project.write(
        "benchmarks/test_models.py", "def test_fine():\n    pass\n\ndef test_fails():\n    assert [1] == [2]\n"
    )
    printed = []
    for further in ((), ("-p", "no:qbench")):
        result = project.run_plain(*_ALONE, *further)
        result.assert_outcomes(passed=1, failed=1)
        lines = [line for line in result.outlines if not line.startswith("plugins: ")]
        printed.append([re.sub(r"in [0-9.]+s", "", line).strip("= ") for line in lines] + result.errlines)
    assert printed[0] == printed[1]


def test_our_options_are_refused(project: Project):
    project.write("pyproject.toml", "")
    options = ("--qbench-accept=why", "--qbench-base-ref=main", "--qbench-model=tiny", "--qbench-recipe=int8")
    for option in options:
        result = project.run(option, "--benchmark-compare")
        assert result.ret == 4
        name = option.partition("=")[0]
        assert f"ERROR: {name}: needs a [tool.qbench] in {project.path / 'pyproject.toml'}" in result.stderr.str()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "[tool.qbench]\nrecipies = []\nmodels = {}",
            "ERROR: tool.qbench.recipies: found an unknown key, expected one of",
        ),
        (
            '[tool.qbench.models.tiny]\nsource = "gone.keras"',
            "ERROR: tool.qbench.models.tiny.source: found 'gone.keras', which does not exist",
        ),
        ('[tool.qbench]\nthreads = "two"\nmodels = {}', "ERROR: tool.qbench.threads: found the string 'two', expected"),
        ("[tool.qbench]\n", "ERROR: tool.qbench"),
    ],
    ids=["unknown key", "missing file", "wrong type", "no model"],
)
def test_a_table_that_cannot_be_used_is_refused_with_its_key(project: Project, table: str, message: str):
    project.write("pyproject.toml", table)
    result = project.run()
    assert result.ret == 4
    assert message in result.stderr.str()
    assert "Traceback" not in result.stderr.str()
