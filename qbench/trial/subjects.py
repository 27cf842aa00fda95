"""From what stands on the command line to artifacts that can take part in a contest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qbench.errors import ConfigError
from qbench.measure.sides import Contestant
from qbench.models.config import load_config
from qbench.records import RuntimeOptions
from qbench.session import Session, SessionOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

_SUFFIX = ".tflite"


def find_contestants(names: Sequence[str], pyproject: Path) -> dict[str, Contestant]:
    """The artifact that each of `names` means: an id of `[tool.qbench]`, or the path of a `.tflite` file.

    Files run with the runtime options of `[tool.qbench]` too, if there is one, and are called by their name
    without its folder, if that tells them apart.

    Raises
    ------
    ConfigError
        If a name means nothing.
    QbenchError
        If an artifact cannot be built or read.
    """
    config = load_config(pyproject)
    options = config.options if config else RuntimeOptions()
    session = Session(config, SessionOptions()) if config else None
    declared = {subject.id: subject for subject in config.subjects} if config else {}
    found: dict[str, Contestant] = {}
    for name in names:
        called = name
        if name in declared and session is not None:
            content = session.prepared(declared[name]).content
        elif name.endswith(_SUFFIX):
            content = _read(Path(name))
            called = name if Path(name).stem in found else Path(name).stem
        else:
            raise _unknown(name, sorted(declared))
        found[called] = Contestant(content=content, options=options, name=called)
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _problem(str(path), f"a path that cannot be read ({error.strerror})") from error


def _unknown(name: str, declared: Sequence[str]) -> ConfigError:
    known = f"one of {', '.join(declared)}, or" if declared else "an id of [tool.qbench] in ./pyproject.toml, or"
    return ConfigError("qbench trial SUBJECT", found=repr(name), expected=f"{known} the path of a {_SUFFIX} file")


def _problem(name: str, found: str) -> ConfigError:
    return ConfigError(f"qbench trial {name}", found=found, expected=f"a {_SUFFIX} file")
