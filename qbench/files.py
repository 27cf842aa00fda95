"""Digests, canonical JSON, and the only code that replaces files."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_CHUNK_BYTES = 1 << 20


def digest_bytes(content: bytes) -> str:
    """SHA-256 of `content` as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of the content of the file `path`.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    state = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            state.update(chunk)
    return state.hexdigest()


def digest_tree(path: Path) -> str:
    """SHA-256 over the names and contents of all files below the folder `path`."""
    parts = [
        f"{file.relative_to(path).as_posix()}\0{digest_file(file)}\n"
        for file in sorted(path.rglob("*"))
        if file.is_file()
    ]
    return digest_bytes("".join(parts).encode())


def digest_arrays(arrays: Mapping[str, np.ndarray[Any, Any]]) -> str:
    """SHA-256 over names, dtypes, shapes and contents of `arrays`, whatever their memory layout.

    Raises
    ------
    TypeError
        If an array holds Python objects, whose bytes are addresses.
    """
    state = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        state.update(f"{name}\0{little.dtype.str}\0{little.shape}\0".encode())
        state.update(little.view(np.uint8).data if little.size else b"")
    return state.hexdigest()


def digest_parts(parts: Iterable[str]) -> str:
    """SHA-256 over a sequence of strings; where one ends and the next begins counts."""
    return digest_bytes(json.dumps(list(parts), ensure_ascii=True).encode())


def canonical_json(value: object) -> bytes:
    """`value` as the one JSON text that qbench writes for it.

    Keys are sorted, floats have at most 10 significant digits, the text is ASCII, indented by two
    spaces and ends with a newline, so that a review of a baseline shows only what changed.

    Raises
    ------
    ValueError
        If `value` holds NaN or an infinity, which JSON cannot express.
    """
    text = json.dumps(_rounded(value), sort_keys=True, indent=2, ensure_ascii=True, allow_nan=False)
    return text.encode() + b"\n"


def rounded(value: float) -> float:
    """`value` as it stands in canonical JSON, so that what was kept and what is measured can be equal."""
    return float(f"{value:.10g}")


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return rounded(value)
    if isinstance(value, dict):
        return {str(key): _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return value


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a reader sees the old file or the new one, never a part.

    The content goes to a temporary file in the same folder, is flushed to the disk and renamed. If
    anything fails (a full disk, Ctrl-C), the temporary file is removed and `path` is as before.

    Raises
    ------
    OSError
        If the folder cannot be written or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp makes files private; these are meant to be read by whoever reads the folder.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_output(path: Path, content: bytes) -> None:
    """Write `content` to where a user wants it: a file is replaced as by `replace_file`, a device or pipe written to.

    A symbolic link is followed: what it points to is replaced.

    Raises
    ------
    OSError
        As `replace_file`.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        with target.open("wb") as stream:
            stream.write(content)
    else:
        replace_file(target, content)


def write_summary(path: Path, content: bytes, *, instead_of: bytes = b"") -> None:
    """Write `content` as `write_output` does, but behind what is there if `path` is the summary of a step in CI.

    GitHub names that file by the variable ``GITHUB_STEP_SUMMARY``; every command of the step may write to it, and a
    blank line keeps two texts apart.

    Parameters
    ----------
    instead_of
        What the same command wrote there before and now says otherwise: it is replaced if it is still the last.

    Raises
    ------
    OSError
        As `replace_file`.
    """
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if not summary or path.resolve() != Path(summary).resolve() or not path.is_file():
        write_output(path, content)
        return
    with path.open("r+b") as stream:
        before = stream.read()
        if instead_of and before.endswith(instead_of):
            stream.truncate(len(before) - len(instead_of))
            stream.seek(0, os.SEEK_END)
            stream.write(content)
        else:
            stream.write(b"\n" + content if before else content)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; not every system lets a folder be opened for that."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
