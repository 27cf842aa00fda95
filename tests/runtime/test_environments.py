from __future__ import annotations

import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from qbench.errors import WorkerPythonError
from qbench.records import RuntimeOptions
from qbench.runtime import environments
from qbench.runtime.environments import build_environment, inspect_python
from qbench.runtime.fingerprint import python_version

_HERE = python_version()
_TOOLS = {"python": _HERE, "ai-edge-litert": "2.1.0", "numpy": "1.99.0", "qbench": "0.1.0"}


def _wheel(folder: Path, name: str, version: str) -> None:
    """A package that holds nothing but its name and version."""
    stem = f"{name.replace('-', '_')}-{version}"
    files = {
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{stem}.dist-info/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{stem}.dist-info/RECORD"])
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The only packages that pip can find are made here."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for name, version in (
        ("ai-edge-litert", "2.1.0"),
        ("ai-edge-litert", "2.3.0"),
        ("numpy", "1.99.0"),
        ("numpy", "3.0"),
    ):
        _wheel(wheels, name, version)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.fixture
def build(tmp_path: Path):
    def build(tools: dict[str, str] = _TOOLS, options: RuntimeOptions | None = None) -> tuple[str, list[str]]:
        said: list[str] = []
        python = build_environment(
            tools, options or RuntimeOptions(), folder=tmp_path / "environments", say=said.append
        )
        return python, said

    return build


def _program(folder: Path, name: str, text: str) -> str:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


class TestBuild:
    def test_it_holds_what_was_recorded_is_reused_and_rebuilt_when_it_is_not_whole(self, build):
        python, said = build()
        assert said == [f"making an environment of {sys.executable}", "installing ai-edge-litert==2.1.0 numpy==1.99.0"]
        expected = {"python": _HERE, "ai-edge-litert": "2.1.0", "numpy": "1.99.0"}
        assert inspect_python(python, RuntimeOptions()) == expected
        home = Path(python).parents[1]
        assert build() == (python, [])

        # As an interrupted build leaves it.
        (home / "ready").unlink()
        (packages,) = home.glob("lib/*/site-packages")
        shutil.rmtree(packages / "numpy-1.99.0.dist-info")
        assert len(build()[1]) == 2
        assert inspect_python(python, RuntimeOptions()) == expected

        # As an upgrade of the Python below it leaves it.
        Path(python).unlink()
        Path(python).symlink_to("/gone/python")
        assert len(build()[1]) == 2
        assert inspect_python(python, RuntimeOptions()) == expected

    def test_what_pip_cannot_find_is_quoted_and_nothing_is_kept(self, build):
        tools = {**_TOOLS, "ai-edge-litert": "2.2.0"}
        for _ in range(2):
            with pytest.raises(WorkerPythonError) as caught:
                build(tools)
            text = str(caught.value)
            assert "No matching distribution found for ai-edge-litert==2.2.0" in text
            assert (
                "make these versions available to pip, or give a Python that has it with --qbench-base-python" in text
            )

    def test_a_pip_that_installs_elsewhere_is_caught(self, build, monkeypatch, tmp_path):
        monkeypatch.setenv("PIP_TARGET", str(tmp_path / "elsewhere"))
        with pytest.raises(WorkerPythonError, match=r"without ai-edge-litert and numpy"):
            build()


class TestWhatABaselineRecords:
    @pytest.mark.parametrize("name", ["ai-edge-litert", "numpy"])
    def test_a_version_that_is_not_there(self, build, name):
        tools = {key: value for key, value in _TOOLS.items() if key != name}
        with pytest.raises(WorkerPythonError, match=f"the version of {name} is needed, and the baseline does not rec"):
            build(tools)

    def test_the_runtime_is_that_of_the_options(self, build):
        with pytest.raises(WorkerPythonError, match="the version of tensorflow is needed"):
            build(_TOOLS, RuntimeOptions(runtime="tf.lite"))

    @pytest.mark.parametrize(
        ("name", "version"),
        [
            ("numpy", "2.0 @ https://example.org/evil.whl"),
            ("numpy", "*"),
            ("numpy", "2.0\n"),
            ("ai-edge-litert", "--upgrade"),
            ("python", "3.1/../../tmp/evil"),
            ("python", "3"),
        ],
    )
    def test_no_version_is_no_argument(self, build, monkeypatch, name, version):
        monkeypatch.setattr(environments.subprocess, "run", lambda *_, **__: pytest.fail("something was run"))
        with pytest.raises(WorkerPythonError, match="which is no version"):
            build({**_TOOLS, name: version})


class TestWhichPython:
    def test_one_of_another_version_comes_from_path(self, build, monkeypatch, tmp_path):
        called = tmp_path / "called"
        python = _program(tmp_path / "bin", "python3.99", f'echo "$@" > {called}; exit 3')
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
        with pytest.raises(WorkerPythonError, match=f"`{python} -m venv --clear .*` failed; install venv for {python}"):
            build({**_TOOLS, "python": "3.99"})
        assert called.read_text(encoding="utf-8").startswith("-m venv --clear ")

    def test_none_of_that_version(self, build, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", str(tmp_path))
        expected = (
            f"the baseline was accepted with Python 3.99; this is {_HERE}, and there is no python3.99 on PATH; "
            "install it, or give a Python that has it with --qbench-base-python PATH"
        )
        with pytest.raises(WorkerPythonError) as caught:
            build({**_TOOLS, "python": "3.99"})
        assert str(caught.value) == expected

    def test_one_that_is_not_what_its_name_says(self, build, monkeypatch, tmp_path):
        _program(tmp_path / "bin", "python3.99", f'exec {sys.executable} "$@"')
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
        with pytest.raises(WorkerPythonError, match=rf"has python {_HERE} instead of 3\.99"):
            build({**_TOOLS, "python": "3.99"})

    def test_a_folder_that_cannot_be_written(self, tmp_path):
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(WorkerPythonError, match="cannot keep a Python environment in"):
            build_environment(_TOOLS, RuntimeOptions(), folder=tmp_path / "file" / "environments")


class TestInspect:
    def test_this_python(self):
        versions = inspect_python(sys.executable, RuntimeOptions())
        assert versions["python"] == _HERE
        assert versions["ai-edge-litert"]

    def test_nothing_there(self, tmp_path):
        with pytest.raises(WorkerPythonError, match=r"cannot start .*no-python.* give the path of one"):
            inspect_python(str(tmp_path / "no-python"), RuntimeOptions())

    def test_not_a_python(self, tmp_path):
        python = _program(tmp_path, "not-python", "echo I am a shell >&2; exit 7")
        with pytest.raises(WorkerPythonError, match=r"does not answer as a Python does .*exit code 7.* I am a shell"):
            inspect_python(python, RuntimeOptions())

    def test_something_that_never_answers(self, tmp_path):
        python = _program(tmp_path, "deaf", "cat > /dev/null")
        with pytest.raises(WorkerPythonError, match=r"no answer within 0\.5 s.* give the path of one"):
            inspect_python(python, RuntimeOptions(), limit_s=0.5)

    def test_without_packages(self, tmp_path):
        python = _program(tmp_path, "bare", f'exec {sys.executable} -S "$@"')
        with pytest.raises(WorkerPythonError) as caught:
            inspect_python(python, RuntimeOptions())
        assert str(caught.value) == (
            f"{python} is a Python {_HERE} without ai-edge-litert and numpy, which it needs to run artifacts; "
            f"install with `{python} -m pip install ai-edge-litert numpy`, or give another Python"
        )
