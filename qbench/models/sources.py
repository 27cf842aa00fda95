"""What a model is built from: where it lies, of which kind it is, and the digest of its content."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, cast

import msgspec

from qbench.errors import ConfigError
from qbench.files import digest_file, digest_parts, digest_tree
from qbench.models.tables import check_function, convert_value, describe

SourceKind = Literal["keras", "saved_model", "tflite", "artifacts", "function"]

_EXPECTED = (
    "a .keras file, a SavedModel folder, a float .tflite file, 'module:function', "
    'or a table of finished artifacts such as {fp32 = "a.tflite", int8 = "b.tflite"}'
)


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is built from.

    Attributes
    ----------
    kind
        ``artifacts`` are finished `.tflite` files by recipe, made by somebody else.
    path
        The file or folder; for ``function`` the file that defines it.
    function
        ``module:function`` for that kind, else empty.
    artifacts
        Paths by recipe for the kind ``artifacts``.
    depends_on
        Further files whose content the result depends on.
    """

    kind: SourceKind
    path: Path
    function: str = ""
    artifacts: dict[str, Path] = {}
    depends_on: tuple[Path, ...] = ()

    @property
    def given_recipes(self) -> tuple[str, ...]:
        """Recipes that need no conversion because their artifact is given."""
        return tuple(self.artifacts)

    def digest(self) -> str:
        """SHA-256 of everything that the float model depends on.

        Raises
        ------
        OSError
            If a file cannot be read.
        """
        paths = [self.path, *self.depends_on, *self.artifacts.values()]
        contents = [digest_tree(path) if path.is_dir() else digest_file(path) for path in paths]
        return digest_parts([self.kind, self.function, *self.artifacts, *contents])


def read_source(raw: object, depends_on: tuple[str, ...], *, key: str, root: Path) -> Source:
    """Turn the value of `source` (and `source_files`) of the model at `key` into a `Source`.

    Raises
    ------
    ConfigError
        If a file is missing, or is not one of the kinds that can be a source.
    """
    further = tuple(
        existing_path(root / name, f"{key}.source_files", found=name, expected="an existing file")
        for name in depends_on
    )
    if isinstance(raw, Mapping):
        return _given_artifacts(raw, further, key=f"{key}.source", root=root)
    if not isinstance(raw, str):
        raise ConfigError(f"{key}.source", found=describe(raw), expected=_EXPECTED)
    if ":" in raw and not (root / raw).exists():
        check_function(raw, f"{key}.source", expected=_EXPECTED)
        path = find_module(raw.partition(":")[0], key=f"{key}.source", root=root)
        return Source(kind="function", path=path, function=raw, depends_on=further)
    path = existing_path(root / raw, f"{key}.source", found=raw, expected=_EXPECTED)
    return Source(kind=_kind_of(path, f"{key}.source"), path=path, depends_on=further)


def import_function(declared: str, *, key: str, root: Path) -> Callable[..., Any]:
    """The function that ``module:function`` names, with modules below `root` importable from now on.

    Raises
    ------
    ConfigError
        If it cannot be imported.
    """
    # Python remembers of a relative folder which one it meant first, wherever the process goes.
    folder = str(root.absolute())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    module, _, name = declared.partition(":")
    try:
        return cast("Callable[..., Any]", getattr(importlib.import_module(module), name))
    except (ImportError, AttributeError) as error:
        raise ConfigError(key, found=f"{declared!r} ({error})", expected="'module:function'") from error


def find_module(name: str, *, key: str, root: Path) -> Path:
    """The file of the module `name`, found without importing it or its packages.

    Raises
    ------
    ConfigError
        If there is no such module below `root` or installed.
    """
    relative = Path(*name.split("."))
    for candidate in (root / relative.with_suffix(".py"), root / relative / "__init__.py"):
        if candidate.is_file():
            return candidate
    try:
        spec = importlib.util.find_spec(name.split(".", maxsplit=1)[0])
    except (ImportError, ValueError):
        spec = None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        base = Path(folder).joinpath(*name.split(".")[1:])
        for candidate in (base.with_suffix(".py"), base / "__init__.py"):
            if candidate.is_file():
                return candidate
    # The origin of a module that is part of Python itself is a word, not a file.
    if spec and spec.origin and "." not in name and Path(spec.origin).is_file():
        return Path(spec.origin)
    raise ConfigError(key, found=f"the module {name!r}", expected=f"a module below {root} or an installed one")


def existing_path(path: Path, key: str, *, found: str, expected: str) -> Path:
    """`path`, if it exists.

    Raises
    ------
    ConfigError
        If it does not.
    """
    if not path.exists():
        raise ConfigError(key, found=f"{found!r}, which does not exist ({path})", expected=expected)
    return path


def _given_artifacts(raw: Mapping[str, object], further: tuple[Path, ...], *, key: str, root: Path) -> Source:
    names = convert_value(dict(raw), dict[str, str], key)
    if not names:
        raise ConfigError(key, found="an empty table", expected=_EXPECTED)
    paths = {
        recipe: existing_path(root / name, f"{key}.{recipe}", found=name, expected="an existing .tflite file")
        for recipe, name in names.items()
    }
    return Source(kind="artifacts", path=next(iter(paths.values())), artifacts=paths, depends_on=further)


def _kind_of(path: Path, key: str) -> SourceKind:
    if path.is_dir():
        if (path / "saved_model.pb").exists():
            return "saved_model"
        raise ConfigError(key, found=f"the folder {path.name!r} without a saved_model.pb", expected=_EXPECTED)
    if path.suffix == ".keras":
        return "keras"
    if path.suffix == ".tflite":
        return "tflite"
    raise ConfigError(key, found=f"{path.name!r}, a file of an unknown kind", expected=_EXPECTED)
