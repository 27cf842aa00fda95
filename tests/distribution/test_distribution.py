"""What users install: built from the tree as it is, without a network."""

import re
import subprocess
import sys
import tarfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: Files of the package that are no Python and are needed all the same.
_DATA = (".typed", ".j2", ".css", ".js", ".yml", ".c", ".h")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source distribution; the wheel is built from the latter, as an index has it."""
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


def test_the_wheel_holds_the_package_alone(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    outside = [name for name in names if not re.match(r"qbench/|qbench-[\d.]+\.dist-info/", name)]
    assert outside == []
    in_package = [name for name in names if name.startswith("qbench/")]
    strange = [name for name in in_package if not name.endswith((".py", *_DATA))]
    assert strange == [], "tests, data or models in the wheel"
    assert not any(Path(name).name.startswith(("test_", "conftest")) for name in in_package)


def test_the_wheel_holds_every_file_of_the_package(wheel):
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--", "qbench"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    expected = {name for name in tracked if name and (ROOT / name).is_file()}
    assert len(expected) > 100
    assert expected <= set(zipfile.ZipFile(wheel).namelist())


def test_the_source_distribution_can_be_tested(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "tests/conftest.py", "qbench/plugin.py"} <= names
    assert not any(name.startswith(("baselines/", "benchmarks/models", ".venv")) for name in names)


def test_indexes_take_it(built):
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *map(str, built.iterdir())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_version_is_said_in_one_place(wheel):
    said = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (version,) = re.findall(r'^version = "(.+)"$', said, re.MULTILINE)
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    assert HeaderParser().parsestr(archive.read(metadata).decode())["Version"] == version
    sources = [path for path in (ROOT / "qbench").rglob("*.py") if f'"{version}"' in path.read_text(encoding="utf-8")]
    assert sources == []


def test_the_changelog_begins_with_what_is_not_released_or_this_version():
    said = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (version,) = re.findall(r'^version = "(.+)"$', said, re.MULTILINE)
    first = re.search(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert first is not None
    assert first.group(1) == "Unreleased" or first.group(1).startswith(version)


def test_the_entry_points_are_there(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
    text = archive.read(name).decode()
    assert "[pytest11]\nqbench = qbench.plugin" in text
    assert "[console_scripts]\nqbench = qbench.cli:main" in text
