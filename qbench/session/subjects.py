"""From what stands on the command line to artifacts that can be run."""

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


def find_contestants(names: Sequence[str], pyproject: Path, *, word: str = "SUBJECT") -> dict[str, Contestant]:
    """The artifact that each of `names` means: an id of `[tool.qbench]`, or the path of a `.tflite` file.

    Files run with the runtime options of `[tool.qbench]` too, if there is one, and are called by their name
    without its folder, if that tells them apart.

    Parameters
    ----------
    word
        What errors call a name that means nothing, as the command's own help does.

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
            raise _unknown(name, sorted(declared), word)
        found[called] = Contestant(content=content, options=options, name=called)
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            str(path),
            found=f"a path that cannot be read ({error.strerror})",
            expected=f"a {_SUFFIX} file",
        ) from error


def _unknown(name: str, declared: Sequence[str], word: str) -> ConfigError:
    known = f"one of {', '.join(declared)}, or" if declared else "an id of [tool.qbench] in ./pyproject.toml, or"
    return ConfigError(word, found=repr(name), expected=f"{known} the path of a {_SUFFIX} file")
