"""What a change does to what it is judged by: all that a pull request could bless itself with is said."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from qbench.errors import BaselineError
from qbench.models.declaration import declaration, differences

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from qbench.baseline.sources import BaseCommit
    from qbench.models.config import Config
    from qbench.records import Subject
    from qbench.session.references import References
    from qbench.verdicts import SubjectResult

#: Files that change what tests do, wherever they lie.
_DECIDING = frozenset(
    {"conftest.py", "pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini", "setup.cfg"}
)

_MOST_NAMES = 5


def declared_changes(
    config: Config, results: Mapping[Subject, SubjectResult], references: References
) -> tuple[str, ...]:
    """What differs from the commit that baselines are read from, each as a sentence; empty if it is no commit.

    Told are keys of `[tool.qbench]` and of pytest's table, models that the commit does not know, other examples,
    other baselines, and files of tests.
    """
    base = references.base
    if base is None:
        return ()
    # What is of known length stands first: a list of keys may be padded.
    return (
        *_new(config, references, base),
        *_other_examples(results, references),
        *_files(config, results, base),
        *_declared(config, base),
    )


def _declared(config: Config, base: BaseCommit) -> list[str]:
    try:
        before = declaration(base.read("pyproject.toml"))
    except (BaselineError, ValueError) as error:
        return [f"pyproject.toml at {base.name} cannot be read ({error}): what it declared is not known"]
    now = config.root / "pyproject.toml"
    return differences(before, declaration(now.read_bytes() if now.is_file() else None))


def _new(config: Config, references: References, base: BaseCommit) -> list[str]:
    known = set(references.accepted_subjects())
    new = [subject.id for subject in config.subjects if subject not in known]
    return [f"{base.name} has no baseline of {_some(new)}: judged by what this change accepts itself"] if new else []


def _other_examples(results: Mapping[Subject, SubjectResult], references: References) -> list[str]:
    changed: dict[str, None] = {}
    for subject, result in results.items():
        try:
            baseline = references.baseline(subject)
        except BaselineError:
            continue  # Said where the baseline is judged.
        if baseline and result.dataset_digest and baseline.provenance.dataset not in {"", result.dataset_digest}:
            changed[subject.model] = None
    return (
        [f"the examples that {_some(changed)} is evaluated on are others than those of its baseline"] if changed else []
    )


def _files(config: Config, results: Mapping[Subject, SubjectResult], base: BaseCommit) -> list[str]:
    try:
        changed = base.changed()
    except BaselineError as error:
        return [f"which files differ from {base.name} is not known ({error})"]
    measuring = frozenset(test.file for result in results.values() for test in result.tests.values())
    deciding = sorted((name for name in changed if decides(name, measuring)), key=lambda name: name not in measuring)
    folder = config.baselines.name
    accepted = [name for name in changed if name.startswith(f"{folder}/") and name.endswith(".json")]
    said = [f"tests are changed: {_some(deciding)}"] if deciding else []
    if accepted:
        said.append(f"baselines are changed, and do not count before this is merged: {_some(accepted)}")
    return said


def decides(name: str, measuring: frozenset[str]) -> bool:
    """Whether a file changes what tests do: one of them, code beside them, a setting that pytest reads."""
    path = PurePosixPath(name)
    folder = path.parent
    if path.suffix == ".py" and any(test.startswith(f"{folder}/") for test in measuring):
        return True
    # Of what lies outside of the project, the folders above it alone.
    return path.name in _DECIDING and (not name.startswith("../") or set(folder.parts) == {".."})


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _MOST_NAMES} more" if len(listed) > _MOST_NAMES else ""
    return ", ".join(listed[:_MOST_NAMES]) + more
