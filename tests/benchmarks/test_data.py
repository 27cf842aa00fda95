"""The loader of the MNIST files: what it returns, and what it refuses."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.data import MNIST_FOLDER, SHA256, TEST_IMAGES, TRAIN_IMAGES, TRAIN_LABELS, mnist, read_idx, training_set
from qbench.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    from qbench.models.datasets import Dataset

#: Of the calibration images: another NumPy, or another way to choose them, must not change what INT8 was tuned on.
CALIBRATION_SHA256 = "fdbdbc13388c68dddd5bec405e73cae13abca3d53b855dac2a69dd88592bd1f6"


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return mnist()


@pytest.fixture(scope="module")
def training() -> tuple[np.ndarray, np.ndarray]:
    return training_set()


@pytest.fixture
def folder(tmp_path) -> Path:
    """A copy of the data that a test may damage."""
    return shutil.copytree(MNIST_FOLDER, tmp_path / "mnist")


def test_evaluation_is_the_test_set(dataset):
    images = dataset.input_arrays[""]
    assert images.shape == (10_000, 28, 28, 1)
    assert images.dtype == np.uint8
    assert dataset.labels.shape == (10_000,)
    assert dataset.name == "mnist"


def test_real_values_are_what_the_models_take(dataset):
    real = dataset.real_values(dataset.input_arrays[""][:100])
    assert real.dtype == np.float32
    assert (real.min(), real.max()) == (0.0, 1.0)


def test_labels_have_the_published_counts(dataset):
    assert np.bincount(dataset.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_images_stand_with_their_labels(dataset, training):
    """A mean image of each class, made from the training set, must recognise most of the test set."""
    images, labels = training
    means = np.stack([images[:5000][labels[:5000] == digit].mean(axis=0).ravel() for digit in range(10)])
    test = dataset.input_arrays[""][:1000].reshape(1000, -1).astype(np.float64)
    distances = np.square(means).sum(axis=1) - 2 * test @ means.T
    assert (distances.argmin(axis=1) == dataset.labels[:1000]).mean() > 0.7


def test_calibration_is_500_images_of_the_training_set_with_every_digit(dataset, training):
    calibration = dataset.calibration_arrays[""]
    assert calibration.shape == (500, 28, 28, 1)
    assert calibration.dtype == np.uint8
    images, labels = training
    label_of = {image.tobytes(): int(label) for image, label in zip(images, labels, strict=True)}
    found = [label_of[image.tobytes()] for image in calibration]
    assert np.bincount(found, minlength=10).min() >= 30


def test_calibration_is_no_evaluation_example(dataset):
    evaluation = {image.tobytes() for image in dataset.input_arrays[""]}
    calibration = {image.tobytes() for image in dataset.calibration_arrays[""]}
    assert len(calibration) == 500
    assert not evaluation & calibration


def test_calibration_is_the_same_everywhere(dataset):
    assert hashlib.sha256(dataset.calibration_arrays[""].tobytes()).hexdigest() == CALIBRATION_SHA256


def test_two_loads_are_equal(dataset):
    again = mnist()
    assert again.digest == dataset.digest
    assert again.calibration_digest == dataset.calibration_digest


def test_training_set_is_whole(training):
    images, labels = training
    assert images.shape == (60_000, 28, 28, 1)
    assert np.bincount(labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


def test_loading_needs_no_tensorflow():
    program = "import sys; from benchmarks.data import mnist; mnist(); sys.exit('tensorflow' in sys.modules)"
    root = MNIST_FOLDER.parent.parent.parent
    assert subprocess.run([sys.executable, "-c", program], cwd=root, check=False).returncode == 0


@pytest.mark.parametrize("name", sorted(SHA256))
def test_a_flipped_bit_is_refused(folder, name):
    damaged = bytearray((folder / name).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (folder / name).write_bytes(damaged)
    refusal = _refusal(folder, name)
    assert str(folder / name) in refusal
    assert SHA256[name] in refusal
    assert hashlib.sha256(damaged).hexdigest() in refusal
    assert f"git checkout -- {folder / name}" in refusal


@pytest.mark.parametrize("name", sorted(SHA256))
def test_a_truncated_file_is_refused(folder, name):
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[:-1])
    refusal = _refusal(folder, name)
    assert str(folder / name) in refusal
    assert f"{len(whole) - 1} bytes" in refusal


@pytest.mark.parametrize("name", sorted(SHA256))
def test_a_missing_file_is_refused(folder, name):
    (folder / name).unlink()
    refusal = _refusal(folder, name)
    assert str(folder / name) in refusal
    assert f"git checkout -- {folder / name}" in refusal


def test_training_images_in_the_place_of_test_images_are_refused(folder):
    shutil.copy(folder / TRAIN_IMAGES, folder / TEST_IMAGES)
    refusal = _refusal(folder, TEST_IMAGES)
    assert str(folder / TEST_IMAGES) in refusal
    assert SHA256[TRAIN_IMAGES] in refusal


def test_read_idx_stops_after_the_examples_asked_for():
    first = read_idx(MNIST_FOLDER / TRAIN_LABELS, sha256=SHA256[TRAIN_LABELS], examples=5)
    assert first.tolist() == [5, 0, 4, 1, 9]


IDX = bytes([0, 0, 8, 2]) + struct.pack(">2I", 2, 3) + bytes(range(6))


def test_read_idx_returns_the_array(tmp_path):
    assert _read_written(tmp_path, gzip.compress(IDX)).tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(gzip.compress(bytes([0, 0, 13]) + IDX[3:]), "00000d02", id="floats"),
        pytest.param(gzip.compress(b"PK\x03\x04"), "504b0304", id="a zip"),
        pytest.param(gzip.compress(b""), "missing", id="nothing inside"),
        pytest.param(gzip.compress(IDX[:7]), "damaged data", id="half a header"),
        pytest.param(gzip.compress(IDX[:-1]), "found 5 values, expected 6", id="a value too few"),
        pytest.param(gzip.compress(IDX)[:20], "damaged data", id="truncated gzip"),
        pytest.param(IDX, "damaged data", id="not compressed"),
        pytest.param(b"\x1f\x8b\x08\x00" + bytes(6) + b"\xff" * 20, "damaged data", id="no deflate stream"),
    ],
)
def test_content_that_is_no_idx_file_is_refused_even_with_its_own_checksum(tmp_path, content, says):
    with pytest.raises(DatasetError, match=says) as caught:
        _read_written(tmp_path, content)
    assert str(tmp_path / "file.gz") in str(caught.value)


def _read_written(folder: Path, content: bytes) -> np.ndarray:
    path = folder / "file.gz"
    path.write_bytes(content)
    return read_idx(path, sha256=hashlib.sha256(content).hexdigest())


def _refusal(folder: Path, name: str) -> str:
    """The message with which loading from `folder`, where `name` is damaged, is refused."""
    load = training_set if name == TRAIN_LABELS else mnist
    with pytest.raises(DatasetError) as caught:
        load(folder)
    return str(caught.value)
