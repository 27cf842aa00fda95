from __future__ import annotations

import pytest

from qbench.init.pytest_settings import obstacles

_TESTS = ("benchmarks/test_size.py",)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("pytest.ini", "[pytest]\npython_files = check_*.py", "python_files in"),
        ("pytest.ini", "", None),
        ("pytest.ini", "[pytest]\npython_files = check_*.py test_*.py", None),
        ("pytest.ini", "[pytest]\naddopts = -q -p no:benchmark", "take -p no:benchmark out"),
        ("pytest.ini", "[pytest]\naddopts = -pno:qbench", "take -p no:qbench out"),
        ("pytest.ini", "[pytest]\naddopts = -p no:benchmark-something", None),
        ("pytest.ini", "broken", None),
        ("tox.ini", "[pytest]\naddopts = -p no:qbench", "take -p no:qbench out"),
        ("tox.ini", "[tox]\naddopts = -p no:qbench", None),
        ("setup.cfg", "[tool:pytest]\naddopts = -p no:qbench %d", "take -p no:qbench out"),
        ("pyproject.toml", '[tool.pytest.ini_options]\naddopts = ["-p", "no:qbench"]', "take -p no:qbench out"),
        (
            "pyproject.toml",
            '[tool.pytest.ini_options]\npython_files = "check_*.py"',
            "does not collect benchmarks/test",
        ),
        ("pyproject.toml", "[tool]\npytest = 3", None),
        ("pyproject.toml", "broken", None),
        ("benchmarks/pytest.ini", "[pytest]\naddopts = -p no:qbench", "take -p no:qbench out"),
    ],
)
def test_what_is_in_the_way_is_said(tmp_path, name, content, said):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / name).write_text(content)
    found = obstacles(tmp_path, "benchmarks", _TESTS)
    assert len(found) == (said is not None)
    if said is not None:
        assert said in found[0]
        assert str(tmp_path / name) in found[0]


@pytest.mark.parametrize(("own", "above"), [("[project]\nname = 'a'", True), ("[tool.pytest.ini_options]", False)])
def test_settings_above_the_project_are_pytests_where_it_has_none(tmp_path, own, above):
    project = tmp_path / "project"
    (project / "benchmarks").mkdir(parents=True)
    (tmp_path / "pytest.ini").write_text("[pytest]")
    (project / "pyproject.toml").write_text(own)
    found = obstacles(project, "benchmarks", _TESTS)
    assert [f"pytest takes {tmp_path / 'pytest.ini'} for the project's settings" in each for each in found] == [
        True
    ] * above
