"""Which files are written, with what, and which are left as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from qbench.errors import ConfigError
from qbench.init.declaration import with_model
from qbench.init.project import PYPROJECT, names_of_tests
from qbench.templates import WORKFLOW_PATHS, workflow_template

if TYPE_CHECKING:
    from pathlib import Path

    from qbench.init.answers import Answers

_LATENCY = '''"""How long an invoke takes: contested with what was accepted, where something changed."""


def test_latency(benchmark, interpreter, gate):
    benchmark(interpreter.invoke)
    gate.latency(benchmark)
'''
_SIZE = '''"""How many bytes an artifact has, and what is inside it."""


def test_size(artifact, gate):
    gate.size(artifact)


def test_structure(artifact, gate):
    gate.structure(artifact)
'''
_ACCURACY = '''"""What an artifact answers: judged against fp32 of the same run, and against what was accepted."""


def test_accuracy(interpreter, dataset, gate):
    gate.accuracy(interpreter, dataset)
'''

#: What git need not know: the lock of who accepts, and what Python keeps beside the benchmarks.
_IGNORED = ("baselines/.lock", "__pycache__/")


class PlannedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file.

    Attributes
    ----------
    path
        Relative to the project.
    content
        All of it, as it will be.
    state
        ``new``; ``same`` if it is there already; ``more`` if it is there and gets more lines; ``kept`` if it is there,
        says something else, and is left alone.
    """

    path: str
    content: bytes
    state: Literal["new", "same", "more", "kept"]

    @property
    def written(self) -> bool:
        """Whether it has to be written."""
        return self.state in {"new", "more"}


def plan_files(answers: Answers, *, add: bool) -> tuple[PlannedFile, ...]:
    """Everything that a project needs; pyproject.toml comes last, so that it declares nothing that is half there.

    Raises
    ------
    ConfigError
        If pyproject.toml cannot get a declaration, or where a file belongs is none that can be read.
    """
    root = answers.root
    tests = {"latency": _LATENCY, "size": _SIZE, **({"accuracy": _ACCURACY} if answers.dataset else {})}
    taken = names_of_tests(root)
    files = [_test_file(root, answers.folder, kind, text, taken) for kind, text in sorted(tests.items())]
    names = {"github": ("github", "github-comment"), "gitlab": ("gitlab",)}.get(answers.ci, ())
    for name in names:
        text = workflow_template(name, install=_install(answers), benchmarks=f"{answers.folder}/")
        files.append(_file(root, WORKFLOW_PATHS[name], text.encode()))
    files.append(_gitignore(root))
    pyproject = _content(root / PYPROJECT)
    content = with_model(pyproject, answers, add=add)
    state: Literal["new", "same", "more"] = "new" if pyproject is None else "same" if content == pyproject else "more"
    return (*files, PlannedFile(path=PYPROJECT, content=content, state=state))


def _test_file(root: Path, folder: str, kind: str, text: str, taken: frozenset[str]) -> PlannedFile:
    """A test file under a name that no other of the project has: pytest cannot import two of one name."""
    content = text.encode()
    names = [f"test_{kind}.py", f"test_model_{kind}.py", f"test_qbench_{kind}.py"]
    for name in names:
        if _content(root / folder / name) == content:
            return PlannedFile(path=f"{folder}/{name}", content=content, state="same")
    free = next((name for name in names if name not in taken), names[-1])
    return _file(root, f"{folder}/{free}", content)


def _file(root: Path, name: str, content: bytes) -> PlannedFile:
    present = _content(root / name)
    state: Literal["new", "same", "kept"] = "new" if present is None else "same" if present == content else "kept"
    return PlannedFile(path=name, content=content, state=state)


def _gitignore(root: Path) -> PlannedFile:
    present = _content(root / ".gitignore")
    before = present or b""
    missing = [line for line in _IGNORED if line.encode() not in before.split()]
    if not missing:
        return PlannedFile(path=".gitignore", content=before, state="same")
    newline = b"\r\n" if b"\r\n" in before else b"\n"
    joint = newline if before and not before.endswith(b"\n") else b""
    content = before + joint + b"".join(line.encode() + newline for line in missing)
    return PlannedFile(path=".gitignore", content=content, state="new" if present is None else "more")


def _install(answers: Answers) -> str:
    """What CI installs: TensorFlow only to convert, and the project itself only where its code makes the examples."""
    extra = '"qbench[tensorflow]"' if answers.source.converts else "qbench"
    builds = b"[build-system]" in (_content(answers.root / PYPROJECT) or b"")
    own_code = answers.dataset is not None and ":" in answers.dataset and builds
    return f"python -m pip install {extra}{' -e .' if own_code else ''}"


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(str(path), found=f"no file that can be read ({error.strerror})", expected="one") from error
