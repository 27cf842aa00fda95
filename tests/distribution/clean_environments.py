"""Installs the wheel in an empty environment of every supported Python at hand, and gates a small project there.

    python tests/distribution/clean_environments.py          every Python that is found
    python tests/distribution/clean_environments.py 3.10     these alone; one that is missing is an error

Needs the package index. TensorFlow is not installed: a pair of `.tflite` files has to do without.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from small_project import Project  # noqa: E402 - a folder of tests is no package

SUPPORTED = ("3.10", "3.11", "3.12", "3.13")


def find_python(version: str) -> Path | None:
    """An interpreter of that version, from the path or where pyenv puts them; None if there is none that starts."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    named = [shutil.which(f"python{version}"), *sorted(pyenv.glob(f"versions/{version}.*/bin/python"))]
    wanted = f"({', '.join(version.split('.'))})"
    for candidate in filter(None, named):
        asked = subprocess.run(
            [candidate, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True, check=False
        )
        if asked.stdout.strip() == wanted:
            return Path(candidate)
    return None


def main(asked: list[str]) -> int:
    """Check every Python, print what was found of each, and return an exit status."""
    with tempfile.TemporaryDirectory(prefix="qbench-clean-") as name:
        folder = Path(name)
        build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder), str(ROOT)]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
        (wheel,) = folder.glob("*.whl")
        passed = failed = 0
        for version in asked or SUPPORTED:
            python = find_python(version)
            if python is None:
                print(f"Python {version}: not at hand{'' if not asked else ', and asked for'}")
                failed += bool(asked)
                continue
            wrong = _check(python, wheel, folder / version)
            print(f"Python {version}: {wrong or f'{wheel.name} installs, accepts, passes and fails as it should'}")
            passed, failed = passed + (not wrong), failed + bool(wrong)
    print(f"clean environments: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


def _check(python: Path, wheel: Path, folder: Path) -> str:
    """What is wrong in a new environment of `python`; empty if nothing is."""
    environment = folder / "environment"
    own = environment / "bin" / "python"
    steps = [
        [python, "-m", "venv", environment],
        [own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", ROOT / "constraints.txt", wheel],
        [own, "-m", "pip", "check"],
    ]
    for step in steps:
        done = _run(step, folder.parent)
        if done.returncode:
            return f"{' '.join(map(str, step[1:4]))} failed:\n{done.stdout}{done.stderr}"
    if _run([own, "-c", "import tensorflow"], folder.parent).returncode == 0:
        return "TensorFlow is installed, and should not be needed"
    (folder / "project").mkdir()
    project = Project(folder / "project")
    pytest = [own, "-m", "pytest", "benchmarks", "--benchmark-max-time=0.01"]
    if wrong := _expect(0, [*pytest, "--qbench-accept=first"], project.path):
        return wrong
    if wrong := _expect(0, [*pytest, "--benchmark-compare"], project.path):
        return wrong
    # Another file under the name of the quantized one: larger, and it is what was accepted that it is held against.
    artifact = project.path / "tiny.int8.tflite"
    artifact.write_bytes(artifact.read_bytes() + bytes(1024))
    if wrong := _expect(1, [*pytest, "--benchmark-compare"], project.path):
        return wrong
    return _expect(0, [environment / "bin" / "qbench", "--help"], project.path)


def _expect(status: int, command: list[object], folder: Path) -> str:
    done = _run(command, folder)
    if done.returncode == status:
        return ""
    said = f"found exit status {done.returncode}, expected {status}"
    return f"{' '.join(map(str, command[1:]))}: {said}:\n{done.stdout}{done.stderr}"


def _run(command: list[object], folder: Path) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "CI"))}
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**inherited, "QBENCH_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
