"""The Python environment that a baseline was accepted in: somebody else's, looked at, or our own, built again."""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from filelock import FileLock

from qbench.errors import WorkerCrashedError, WorkerError, WorkerPythonError
from qbench.files import digest_parts
from qbench.runtime.fingerprint import python_version, runtime_package
from qbench.runtime.process import FOREIGN_TO_ANOTHER_PYTHON, ask_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from qbench.records import RuntimeOptions

_NUMPY = "numpy"

#: What stands in a baseline goes to a command line, and anybody may write a baseline.
_VERSION = re.compile(r"[0-9][A-Za-z0-9.!+_-]*")
_PYTHON_VERSION = re.compile(r"[0-9]+\.[0-9]+")

_INSPECT_LIMIT_S = 60.0
_BUILD_LIMIT_S = 900.0
_TAIL_LINES = 8
_DIGITS = 16
_OTHERWISE = "or give a Python that has it with --qbench-base-python PATH"


def inspect_python(python: str, options: RuntimeOptions, *, limit_s: float = _INSPECT_LIMIT_S) -> dict[str, str]:
    """Versions of ``python`` (such as ``3.11``), of the runtime's package and of ``numpy`` in another Python.

    Parameters
    ----------
    python
        The path of a Python, or its name on PATH.
    limit_s
        Seconds that it may take to answer.

    Raises
    ------
    WorkerPythonError
        If it is no Python that a worker runs in, or has no runtime or no numpy.
    """
    package = runtime_package(options)
    try:
        versions = ask_environment(python, (package, _NUMPY), limit_s=limit_s)
    except WorkerCrashedError as error:
        raise WorkerPythonError(
            f"{python} does not answer as a Python does ({error}); give the path of a Python 3.10 or newer, such as "
            "/path/to/venv/bin/python"
        ) from error
    except WorkerError as error:
        raise WorkerPythonError(
            f"{python} cannot be used as a Python ({error}); give the path of one, such as /path/to/venv/bin/python"
        ) from error
    if missing := [name for name in (package, _NUMPY) if not versions[name]]:
        command = shlex.join([python, "-m", "pip", "install", *missing])
        raise WorkerPythonError(
            f"{python} is a Python {versions['python']} without {' and '.join(missing)}, which it needs to run "
            f"artifacts; install with `{command}`, or give another Python"
        )
    return versions


def build_environment(
    tools: Mapping[str, str],
    options: RuntimeOptions,
    *,
    folder: Path,
    say: Callable[[str], None] = lambda _: None,
) -> str:
    """The path of a Python with the runtime and numpy in the versions of a baseline; built if it is not there yet.

    Packages come from where the user's own configuration of pip says.

    Parameters
    ----------
    tools
        Versions that the baseline records in its provenance: of ``python``, the runtime's package, and ``numpy``.
    options
        Says which runtime.
    folder
        Where environments are kept, by what they hold; safe for several processes at once.
    say
        Is told what is done, if there is anything to do.

    Raises
    ------
    WorkerPythonError
        If the baseline does not record a version, there is no Python of the one it was accepted with, or pip
        cannot install the packages.
    """
    packages = {name: _recorded(tools, name, _VERSION) for name in (runtime_package(options), _NUMPY)}
    wanted = _recorded(tools, "python", _PYTHON_VERSION) if tools.get("python") else python_version()
    requirements = [f"{name}=={version}" for name, version in packages.items()]
    key = digest_parts([platform.system(), platform.machine(), wanted, *requirements])[:_DIGITS]
    home = folder / key
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{key}.lock"):
            python, ready = home / "bin" / "python", home / "ready"
            # A Python that was upgraded away leaves a link to nothing.
            if not (ready.is_file() and os.access(python, os.X_OK)):
                ready.unlink(missing_ok=True)
                _build(_python_of(wanted), home, requirements, say)
                _check(inspect_python(str(python), options), {"python": wanted, **packages}, home)
                ready.touch()
    except OSError as error:
        raise WorkerPythonError(
            f"cannot keep a Python environment in {folder}: {error}; free space or make it writable, {_OTHERWISE}"
        ) from error
    return str(python)


def _recorded(tools: Mapping[str, str], name: str, pattern: re.Pattern[str]) -> str:
    version = tools.get(name, "")
    if pattern.fullmatch(version):
        return version
    found = f"says {version!r}, which is no version" if version else "does not record it"
    raise WorkerPythonError(
        f"the environment of the baseline cannot be built: the version of {name} is needed, and the baseline {found}; "
        "accept it again in that environment, or give its Python with --qbench-base-python PATH"
    )


def _python_of(wanted: str) -> str:
    """A Python of the version `wanted`: this one, or one on PATH."""
    if wanted == python_version():
        return sys.executable
    found = shutil.which(f"python{wanted}")
    if found is None:
        raise WorkerPythonError(
            f"the baseline was accepted with Python {wanted}; this is {python_version()}, and there is no "
            f"python{wanted} on PATH; install it, {_OTHERWISE}"
        )
    return found


def _build(python: str, home: Path, requirements: Sequence[str], say: Callable[[str], None]) -> None:
    """Make the environment from scratch, whatever an interrupted build has left of it."""
    say(f"making an environment of {python}")
    _run([python, "-m", "venv", "--clear", str(home)], f"install venv for {python}, {_OTHERWISE}")
    say(f"installing {' '.join(requirements)}")
    pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    _run([*pip, *requirements], f"make these versions available to pip, {_OTHERWISE}")


def _run(command: list[str], advice: str) -> None:
    shown = shlex.join(command)
    try:
        done = subprocess.run(  # noqa: S603 - a list of arguments, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=_BUILD_LIMIT_S,
            env={**os.environ, **FOREIGN_TO_ANOTHER_PYTHON},
        )
    except subprocess.TimeoutExpired as error:
        raise WorkerPythonError(f"`{shown}` did not end within {_BUILD_LIMIT_S:g} s; {advice}") from error
    if done.returncode:
        tail = "\n".join(done.stdout.decode(errors="replace").strip().splitlines()[-_TAIL_LINES:])
        raise WorkerPythonError(f"`{shown}` failed; {advice}. It last said:\n{tail}")


def _check(found: Mapping[str, str], wanted: Mapping[str, str], home: Path) -> None:
    """Refuse an environment that is not what was asked for, such as when pip is told to install elsewhere."""
    if other := [
        f"{name} {found[name]} instead of {version}" for name, version in wanted.items() if found[name] != version
    ]:
        raise WorkerPythonError(
            f"the environment that was built in {home} has {', '.join(other)}; see `pip config list` for what "
            f"leads pip astray, {_OTHERWISE}"
        )
