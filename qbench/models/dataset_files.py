"""Datasets that lie in `.npz` files: no code has to be written, imported or trusted to read one."""

from __future__ import annotations

import zipfile
import zlib
from typing import TYPE_CHECKING

import numpy as np

from qbench.errors import ConfigError, DatasetError
from qbench.models.datasets import SINGLE_INPUT, Dataset

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from qbench.models.datasets import Array

#: How the name of such a file ends.
SUFFIX = ".npz"

_INPUTS, _CALIBRATION = "inputs", "calibration"
_ALONE = ("labels", "groups")
_SCALARS = ("input_scale", "input_zero_point")

_EXPECTED = (
    "`inputs`, and where there are any `labels`, `calibration`, `groups`, `input_scale` and `input_zero_point`; of a "
    "model with several inputs `inputs.<name>` and `calibration.<name>`"
)


def read_dataset(path: Path, key: str, *, inputs: Iterable[str] = ()) -> Dataset:
    """The examples in an `.npz` file.

    Parameters
    ----------
    path
        A file that `numpy.savez` wrote. Its arrays are called as the parameters of `Dataset`; several inputs are
        ``inputs.<name>``. Python objects in it (pickles) are never loaded.
    key
        What says its name, for errors: a key of `[tool.qbench]`, or an option.
    inputs
        The model's names of its inputs, if they are known: arrays may then be called so.

    Raises
    ------
    ConfigError
        If the file is missing or is no `.npz`.
    DatasetError
        If it holds other arrays, Python objects, or arrays that do not fit together.
    """
    arrays = _arrays(path, key)
    named = {name: array for name, array in arrays.items() if name in set(inputs)}
    if named and not _of(arrays, _INPUTS):
        arrays = {name: array for name, array in arrays.items() if name not in named}
        arrays |= {f"{_INPUTS}.{name}": array for name, array in named.items()}
    known = (_INPUTS, _CALIBRATION)
    unknown = [name for name in arrays if name not in (*_ALONE, *_SCALARS) and name.partition(".")[0] not in known]
    given = _of(arrays, _INPUTS)
    if unknown or not given:
        raise DatasetError(f"{path}: found the arrays {sorted(arrays)}, expected {_EXPECTED}")
    scale, zero_point = (_scalar(path, arrays, name) for name in _SCALARS)
    return Dataset(
        inputs=given,
        labels=arrays.get("labels"),
        calibration=_of(arrays, _CALIBRATION) or None,
        input_scale=scale,
        input_zero_point=int(zero_point or 0),
        groups=arrays.get("groups"),
        name=path.name,
    )


def _arrays(path: Path, key: str) -> dict[str, Array]:
    """All arrays of the file by their names."""
    expected = "an .npz file, as numpy.savez writes"
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ConfigError(key, found=f"{path}, which holds one array", expected=expected)
        with archive:
            found: dict[str, object] = {name: archive[name] for name in archive.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        if "Object arrays" in str(error):
            raise DatasetError(
                f"{path}: found an array of Python objects, expected arrays of numbers or text: objects would run code "
                "when they are loaded, and are not. Pad examples of different lengths to one shape"
            ) from error
        # numpy takes whatever else it finds for a pickle, and says how to load that.
        said = "its content is something else" if isinstance(error, ValueError) else _said(error)
        raise ConfigError(key, found=f"{path}, which is no .npz file ({said})", expected=expected) from error
    if wrong := [name for name, array in found.items() if not isinstance(array, np.ndarray)]:
        raise ConfigError(key, found=f"{path} with {wrong[0]!r}, which is no array", expected=expected)
    return {name: np.asarray(array) for name, array in found.items()}


def _said(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _of(arrays: Mapping[str, Array], key: str) -> dict[str, Array]:
    """The arrays called `key`, by the names of the inputs."""
    named = {name.partition(".")[2]: array for name, array in arrays.items() if name.partition(".")[0] == key}
    return {name or SINGLE_INPUT: array for name, array in named.items()}


def _scalar(path: Path, arrays: Mapping[str, Array], name: str) -> float | None:
    if name not in arrays:
        return None
    array = arrays[name]
    if array.size != 1 or array.dtype.kind not in "iuf":
        raise DatasetError(f"{path}: found {name} of {array.dtype}{array.shape}, expected one number")
    return float(array.reshape(-1)[0])
