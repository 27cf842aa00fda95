"""A content-addressed store of converted artifacts, shared by all processes of a user.

An entry is found by the digest of everything that went into it (source, recipe, calibration, tool
versions), so it never goes stale; it is read back only if its bytes still have the digest that was
noted when it was written.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from filelock import FileLock
from platformdirs import user_cache_path

from qbench.errors import ConversionError
from qbench.files import canonical_json, digest_bytes, digest_file, digest_parts, replace_file
from qbench.models.recipes import RECIPE_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qbench.models.recipes import RecipeSpec
    from qbench.models.sources import Source

#: Packages whose version may change what a conversion makes.
_TOOLS = ("tensorflow", "keras", "litert-quantizer", "ai-edge-litert")

#: Environment variable that overrides where the cache lies; `[tool.qbench] cache` comes before it.
CACHE_VARIABLE = "QBENCH_CACHE"


class CacheEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One converted artifact: its file, the digest of its bytes, and the number of the source's weights."""

    path: Path
    sha256: str
    size_bytes: int
    weight_elements: int | None


class _Note(msgspec.Struct, frozen=True, kw_only=True):
    """What stands on disk beside the artifact."""

    sha256: str
    size_bytes: int
    weight_elements: int | None = None


class ArtifactCache:
    """Artifacts by key in the folder `folder`, safe for several processes at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, key: str) -> CacheEntry | None:
        """The entry of `key`, None if there is none or its bytes are not those that were written."""
        note_path, artifact_path = self._paths(key)
        try:
            note = msgspec.json.decode(note_path.read_bytes(), type=_Note)
            if digest_file(artifact_path) != note.sha256 or artifact_path.stat().st_size != note.size_bytes:
                return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        return CacheEntry(path=artifact_path, **msgspec.structs.asdict(note))

    def store(self, key: str, content: bytes, *, weight_elements: int | None) -> CacheEntry:
        """Keep the artifact `content` under `key`.

        Raises
        ------
        ConversionError
            If the folder cannot be written or the disk is full.
        """
        note_path, artifact_path = self._paths(key)
        note = _Note(sha256=digest_bytes(content), size_bytes=len(content), weight_elements=weight_elements)
        try:
            replace_file(artifact_path, content)
            # The note comes last: without it there is no entry.
            replace_file(note_path, canonical_json(msgspec.to_builtins(note)))
        except OSError as error:
            raise self._unusable(error) from error
        return CacheEntry(path=artifact_path, **msgspec.structs.asdict(note))

    @contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Hold the only right to convert `key`; whoever waited should look again before converting.

        Raises
        ------
        ConversionError
            If the folder cannot be written.
        """
        note_path, _ = self._paths(key)
        lock = FileLock(note_path.with_suffix(".lock"))
        try:
            note_path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except OSError as error:
            raise self._unusable(error) from error
        try:
            yield
        finally:
            lock.release()

    def _unusable(self, error: OSError) -> ConversionError:
        return ConversionError(
            f"cannot keep a converted artifact in {self.folder}: {error}; free space or make it writable, "
            f"or put the cache elsewhere with [tool.qbench] cache or {CACHE_VARIABLE}"
        )

    def _paths(self, key: str) -> tuple[Path, Path]:
        folder = self.folder / key[:2]
        return folder / f"{key}.json", folder / f"{key}.tflite"


def cache_folder(configured: Path | None) -> Path:
    """Where the cache lies: as configured, else as `QBENCH_CACHE` says, else the user's cache folder."""
    if configured is not None:
        return configured
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named)
    return user_cache_path("qbench")


def cache_key(
    source: Source, spec: RecipeSpec, *, calibration_digest: str, function_digest: str = "", training_digest: str = ""
) -> str:
    """Digest of everything that the artifact of `source` under `spec` depends on."""
    return digest_parts(
        [
            RECIPE_VERSION,
            source.digest(),
            msgspec.json.encode(spec, order="sorted").decode(),
            function_digest,
            calibration_digest if spec.calibrated else "",
            *([training_digest] if spec.training is not None else []),
            *(f"{name}=={tool_version}" for name, tool_version in tool_versions().items()),
        ]
    )


def tool_versions() -> dict[str, str]:
    """Installed versions of the packages that convert, without importing them; empty where not installed."""
    return {name: _version(name) for name in _TOOLS}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
