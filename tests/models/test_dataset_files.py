from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from qbench import Dataset
from qbench.errors import ConfigError, DatasetError
from qbench.models.config import parse_config
from qbench.models.dataset_files import read_dataset
from qbench.session.preparation import Datasets

_INPUTS = np.arange(24, dtype=np.uint8).reshape(6, 4)
_OTHERS = _INPUTS + 100


@pytest.fixture
def path(tmp_path):
    return tmp_path / "d.npz"


def _read(path, arrays, *, inputs=()):
    np.savez(path, **arrays)
    return read_dataset(path, "--data", inputs=inputs)


def test_arrays_are_the_parameters_of_a_dataset(path):
    given = {"labels": np.arange(6), "groups": np.array(list("aabbcc")), "input_scale": 0.5, "input_zero_point": 3}
    read = _read(path, {"inputs": _INPUTS, "calibration": _OTHERS, **given})
    same = Dataset(inputs=_INPUTS, calibration=_OTHERS, **given)
    assert (read.digest, read.calibration_digest) == (same.digest, same.calibration_digest)
    assert list(read.group_array) == list("aabbcc")
    assert (read.input_scale, read.input_zero_point, read.name) == (0.5, 3, "d.npz")


def test_several_inputs_are_given_by_their_names(path):
    names = ("inputs.a", "inputs.b", "calibration.a", "calibration.b")
    dataset = _read(path, {name: _INPUTS + 50 * number for number, name in enumerate(names)})
    assert sorted(dataset.input_arrays) == sorted(dataset.calibration_arrays) == ["a", "b"]
    np.testing.assert_array_equal(dataset.input_arrays["b"], _INPUTS + 50)


def test_where_the_model_is_known_arrays_may_be_called_as_its_inputs(path):
    dataset = _read(path, {"ids": _INPUTS, "mask": _OTHERS, "labels": np.arange(6)}, inputs=["ids", "mask"])
    assert sorted(dataset.input_arrays) == ["ids", "mask"]
    assert dataset.labels is not None


@pytest.mark.parametrize(
    ("names", "inputs"),
    [
        (["images"], []),
        (["inputs", "lables"], []),
        (["labels"], []),
        (["x", "lables"], ["x"]),
        (["inputs", "x"], ["x"]),
    ],
)
def test_an_array_that_means_nothing_is_refused(path, names, inputs):
    with pytest.raises(DatasetError, match=r"d\.npz: found the arrays \[.*\], expected `inputs`, and where there are"):
        _read(path, dict.fromkeys(names, _INPUTS), inputs=inputs)


@pytest.mark.parametrize("scale", [np.ones(2), np.array("a")], ids=str)
def test_a_scale_is_one_number(path, scale):
    with pytest.raises(DatasetError, match=r"found input_scale of .*, expected one number"):
        _read(path, {"inputs": _INPUTS, "input_scale": scale})


def test_objects_are_never_loaded(path):
    class Bomb:
        def __reduce__(self):
            return pytest.fail, ("a pickle was loaded",)

    with pytest.raises(DatasetError, match="found an array of Python objects, expected arrays of numbers or text"):
        _read(path, {"inputs": np.array([Bomb()], dtype=object)})


def _npy():
    stream = io.BytesIO()
    np.save(stream, _INPUTS)
    return stream.getvalue()


def _with_text():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("inputs", "no array")
    return stream.getvalue()


def _broken():
    stream = io.BytesIO()
    np.savez_compressed(stream, inputs=np.random.default_rng(0).integers(0, 255, 4000))
    content = bytearray(stream.getvalue())
    content[2000:2100] = bytes(100)
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, "which is no .npz file (No such file or directory)"),
        (b"", "which is no .npz file (No data left in file"),
        (b"text", "which is no .npz file ("),
        (b"PK\3\4 cut off", "which is no .npz file (File is not a zip file)"),
        (_broken(), "which is no .npz file ("),
        (_npy(), "which holds one array"),
        (_with_text(), "with 'inputs', which is no array"),
    ],
    ids=["missing", "empty", "text", "cut off", "damaged", "npy", "no array"],
)
def test_what_is_no_npz_is_refused(path, content, found):
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_dataset(path, "--data")
    assert found in str(caught.value)
    assert str(caught.value).startswith(f"--data: found {path}")
    assert "pickle" not in str(caught.value)


def test_a_model_declares_such_a_file(tmp_path, path):
    (tmp_path / "a.tflite").write_bytes(b"artifact")
    table = {"models": {"m": {"source": "a.tflite", "dataset": "d.npz"}}}
    with pytest.raises(
        ConfigError, match=r"models\.m\.dataset: found 'd\.npz', which does not exist .* or an \.npz file"
    ):
        parse_config(table, root=tmp_path)
    np.savez(path, inputs=_INPUTS)
    config = parse_config(table, root=tmp_path)
    datasets = Datasets(config)
    assert datasets.of("m") is datasets.of("m")
    assert datasets.of("m").digest == Dataset(inputs=_INPUTS).digest
    assert config.expected_kinds(config.subjects[0]) == config.metric_kinds
