"""MNIST, read from the files in this folder: no network, no TensorFlow, well under a second."""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qbench.errors import DatasetError
from qbench.models.datasets import Dataset
from qbench.models.training_set import TrainingSet

Array = npt.NDArray[np.uint8]

MNIST_FOLDER = Path(__file__).parent / "mnist"

TRAIN_IMAGES = "train-images-idx3-ubyte.gz"
TRAIN_LABELS = "train-labels-idx1-ubyte.gz"
TEST_IMAGES = "t10k-images-idx3-ubyte.gz"
TEST_LABELS = "t10k-labels-idx1-ubyte.gz"

#: Of the compressed files: verifying them costs no decompression of what is not needed.
SHA256 = {
    TRAIN_IMAGES: "0b367032e93c5d0cea0925647cfdb18614af8ee15f83e6f2fc2ad904a6835971",
    TRAIN_LABELS: "1787548bbe0bff1ec2ecdc0ef292b02df999e2d1a6002d27500982c652b17203",
    TEST_IMAGES: "1a1a05eab793c14bb050b398624a11b0ffd1a2953baed553b1b9bd079e2a20be",
    TEST_LABELS: "b91679a0acfe4ba0e50a2437a903084cba1f5f92592b016a25a7dfd00455798b",
}

#: Pixels are stored as 0..255; the models take 0..1.
PIXEL_SCALE = 1 / 255

CALIBRATION_EXAMPLES = 500
#: Calibration examples come from the first training images, so that the other 42 MB stay compressed.
CALIBRATION_POOL = 5_000
CALIBRATION_SEED = 20

#: What an IDX file of unsigned bytes starts with; the number of axes follows.
_IDX_UINT8 = bytes([0, 0, 0x08])


def mnist(folder: Path = MNIST_FOLDER) -> Dataset:
    """The 10,000 test images to evaluate on, 500 training images to calibrate with.

    Raises
    ------
    DatasetError
        If a file is missing, damaged or another one than expected.
    """
    pool = _read(folder, TRAIN_IMAGES, examples=CALIBRATION_POOL)
    return Dataset(
        inputs=_with_channel(_read(folder, TEST_IMAGES)),
        labels=_read(folder, TEST_LABELS),
        calibration=_with_channel(pool[_calibration_indices()]),
        input_scale=PIXEL_SCALE,
        name="mnist",
    )


def mnist_training(folder: Path = MNIST_FOLDER) -> TrainingSet:
    """All 60,000 training images to train on; those that calibrate are among them.

    Raises
    ------
    DatasetError
        As `mnist`.
    """
    images, labels = training_set(folder)
    return TrainingSet(inputs=images, labels=labels, input_scale=PIXEL_SCALE, name="mnist")


def training_set(folder: Path = MNIST_FOLDER) -> tuple[Array, Array]:
    """All 60,000 training images, uint8 of shape (60000, 28, 28, 1), and their labels.

    Raises
    ------
    DatasetError
        As `mnist`.
    """
    labels = _read(folder, TRAIN_LABELS)
    return _with_channel(_read(folder, TRAIN_IMAGES)), labels


def read_idx(path: Path, *, sha256: str, examples: int | None = None) -> Array:
    """The array in a gzip-compressed IDX file of unsigned bytes.

    Parameters
    ----------
    path
        The file.
    sha256
        What its compressed content must hash to.
    examples
        How many entries of the first axis to decompress; None for all.

    Raises
    ------
    DatasetError
        If the file is missing, has another checksum, or is no such IDX file.
    """
    compressed = _verified_bytes(path, sha256)
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(compressed)) as stream:
            return _parse_idx(stream, path, examples)
    except (EOFError, gzip.BadGzipFile, zlib.error, struct.error) as error:
        raise DatasetError(f"{path}: found damaged data ({error}), expected a whole .gz; {_advice(path)}") from error


def _read(folder: Path, name: str, *, examples: int | None = None) -> Array:
    return read_idx(folder / name, sha256=SHA256[name], examples=examples)


def _with_channel(images: Array) -> Array:
    return images[..., np.newaxis]


def _calibration_indices() -> npt.NDArray[Any]:
    # NumPy promises the raw stream of a bit generator for ever, but not what Generator.choice makes of it.
    keys = np.random.PCG64(CALIBRATION_SEED).random_raw(CALIBRATION_POOL)
    return np.argsort(keys, kind="stable")[:CALIBRATION_EXAMPLES]


def _verified_bytes(path: Path, sha256: str) -> bytes:
    try:
        compressed = path.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be read ({error.strerror}), expected a data file; {_advice(path)}"
        ) from error
    found = hashlib.sha256(compressed).hexdigest()
    if found != sha256:
        raise DatasetError(
            f"{path}: found SHA-256 {found} ({len(compressed)} bytes), expected {sha256}: the file is damaged "
            f"or another one; {_advice(path)}"
        )
    return compressed


def _parse_idx(stream: gzip.GzipFile, path: Path, examples: int | None) -> Array:
    """The IDX format: two zero bytes, the type, the number of axes, each length as uint32, the values."""
    magic = stream.read(4)
    if len(magic) != 4 or magic[:3] != _IDX_UINT8 or magic[3] == 0:
        raise DatasetError(
            f"{path}: found the magic number {magic.hex() or 'missing'}, expected {_IDX_UINT8.hex()} and the number "
            f"of axes, as in an IDX file of unsigned bytes; {_advice(path)}"
        )
    axes = magic[3]
    lengths = list(struct.unpack(f">{axes}I", stream.read(4 * axes)))
    if examples is not None:
        lengths[0] = min(lengths[0], examples)
    values = np.frombuffer(stream.read(math.prod(lengths)), dtype=np.uint8)
    if values.size != math.prod(lengths):
        raise DatasetError(
            f"{path}: found {values.size} values, expected {math.prod(lengths)} for the shape {lengths}; "
            f"{_advice(path)}"
        )
    return values.reshape(lengths)


def _advice(path: Path) -> str:
    return f"restore it with: git checkout -- {path}"
