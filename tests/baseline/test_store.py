"""Reading what was accepted, and writing it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from baseline.examples import SUBJECT, assert_whole, baseline, content, predictions, write
from qbench.baseline.sources import FolderFiles
from qbench.baseline.store import BaselineReader, BaselineWriter
from qbench.errors import AcceptRefusedError, BaselineFormatError
from qbench.files import digest_bytes
from qbench.records import Subject

FP32 = Subject(model="tiny", recipe="fp32")
OTHER = Subject(model="other", recipe="int8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "baselines"


def reader_of(folder: Path) -> BaselineReader:
    return BaselineReader(FolderFiles(folder))


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {".lock"}


def test_what_is_written_is_read(folder: Path):
    write(folder)
    assert_whole(folder, 1)


def test_files_lie_where_the_documentation_says(folder: Path):
    write(folder)
    found = reader_of(folder).read(SUBJECT)
    assert found is not None
    assert found.predictions is not None
    assert files_in(folder) == {
        "tiny/int8.json",
        f"tiny/int8.predictions-{found.predictions.sha256[:12]}.npy",
        f"artifacts/{digest_bytes(content())}.tflite",
    }


def test_writing_the_same_again_changes_no_byte(folder: Path):
    write(folder)
    before = {name: (folder / name).read_bytes() for name in files_in(folder)}
    write(folder)
    assert {name: (folder / name).read_bytes() for name in files_in(folder)} == before


def test_a_new_baseline_replaces_the_old_one_and_its_files(folder: Path):
    write(folder, 1)
    write(folder, 2)
    assert_whole(folder, 2)
    assert len(files_in(folder)) == 3


def test_without_predictions_there_is_no_file_of_them(folder: Path):
    writer = BaselineWriter(folder)
    with writer.locked():
        writer.write(baseline(), content(), None)
    found = reader_of(folder).read(SUBJECT)
    assert found is not None
    assert reader_of(folder).predictions(found) is None
    assert not list(folder.rglob("*.npy"))


def test_the_subjects_are_those_that_have_a_baseline(folder: Path):
    assert reader_of(folder).subjects() == ()
    for subject in (SUBJECT, FP32, OTHER):
        write(folder, 1, subject)
    (folder / "README.json").write_text("{}")
    (folder / "artifacts" / "notes.json").write_text("{}")
    (folder / "tiny" / "deeper").mkdir()
    (folder / "tiny" / "deeper" / "x.json").write_text("{}")
    assert set(reader_of(folder).subjects()) == {SUBJECT, FP32, OTHER}


def test_a_subject_without_baseline_has_none(folder: Path):
    write(folder)
    assert reader_of(folder).read(FP32) is None


# --- damage -----------------------------------------------------------------------------------------------


def test_the_baseline_of_another_subject_is_refused(folder: Path):
    write(folder)
    (folder / "tiny" / "fp32.json").write_bytes((folder / "tiny" / "int8.json").read_bytes())
    with pytest.raises(BaselineFormatError, match=r"tiny/fp32\.json is the baseline of tiny-int8; expected tiny-fp32"):
        reader_of(folder).read(FP32)


def test_predictions_that_were_changed_are_refused(folder: Path):
    write(folder)
    (path,) = folder.glob("tiny/*.npy")
    changed = predictions()
    changed[7] += 1
    np.save(path, changed)
    reader = reader_of(folder)
    found = reader.read(SUBJECT)
    assert found is not None
    with pytest.raises(BaselineFormatError, match=r"is not the file that was accepted \(its SHA-256 differs\)"):
        reader.predictions(found)


def test_predictions_that_are_missing_are_refused(folder: Path):
    write(folder)
    (path,) = folder.glob("tiny/*.npy")
    path.unlink()
    reader = reader_of(folder)
    found = reader.read(SUBJECT)
    assert found is not None
    with pytest.raises(BaselineFormatError, match=rf"tiny/{path.name} is missing"):
        reader.predictions(found)


@pytest.mark.parametrize("damage", ["missing", "changed", "truncated"])
def test_an_artifact_that_is_not_the_accepted_one_is_none(folder: Path, damage: str):
    write(folder)
    (path,) = folder.glob("artifacts/*")
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"other bytes" if damage == "changed" else content()[:-1])
    reader = reader_of(folder)
    found = reader.read(SUBJECT)
    assert found is not None
    assert reader.artifact(found) is None


def test_accepting_again_repairs_what_was_damaged(folder: Path):
    write(folder)
    for path in [*folder.glob("artifacts/*"), *folder.glob("tiny/*")]:
        path.write_bytes(b"damaged")
    write(folder)
    assert_whole(folder, 1)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_metric_that_is_no_number_is_refused_and_nothing_is_written(folder: Path, value: float):
    write(folder, 1)
    before = files_in(folder)
    writer = BaselineWriter(folder)
    with (
        writer.locked(),
        pytest.raises(AcceptRefusedError, match="tiny-int8: a metric is not a finite number"),
    ):
        writer.write(baseline(2, metrics={"accuracy": value}), content(2), predictions(2))
    assert files_in(folder) == before
    assert_whole(folder, 1)


# --- sweeping ---------------------------------------------------------------------------------------------


def sweep(folder: Path) -> None:
    writer = BaselineWriter(folder)
    with writer.locked():
        writer.sweep(reader_of(folder))


def test_sweeping_removes_what_no_baseline_names_and_nothing_else(folder: Path):
    write(folder, 1)
    write(folder, 1, FP32)
    write(folder, 2, OTHER)
    kept = files_in(folder)
    (folder / "artifacts" / f"{'0' * 64}.tflite").write_bytes(b"old")
    (folder / "tiny" / "int8.predictions-000000000000.npy").write_bytes(b"old")
    for name in ("README.md", "artifacts/README.md", "tiny/notes.npy"):
        (folder / name).write_bytes(b"of somebody else")
    sweep(folder)
    assert files_in(folder) == kept | {"README.md", "artifacts/README.md", "tiny/notes.npy"}


def test_an_artifact_that_two_baselines_share_stays_until_neither_names_it(folder: Path):
    write(folder, 1)
    write(folder, 1, FP32)
    write(folder, 2)
    assert_whole(folder, 1, FP32)
    write(folder, 2, FP32)
    assert len(list(folder.glob("artifacts/*"))) == 1
    assert_whole(folder, 2, FP32)


def test_nothing_is_swept_while_a_baseline_cannot_be_read(folder: Path):
    write(folder, 1)
    write(folder, 2, OTHER)
    damaged = folder / "other" / "int8.json"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:40])
    before = files_in(folder)
    sweep(folder)
    assert files_in(folder) == before
    damaged.write_bytes(whole)
    assert_whole(folder, 2, OTHER)


def test_what_cannot_be_removed_does_not_stop_anything(folder: Path, monkeypatch: pytest.MonkeyPatch):
    write(folder, 1)
    (folder / "artifacts" / f"{'0' * 64}.tflite").write_bytes(b"old")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("not yours")

    monkeypatch.setattr(Path, "unlink", refuse)
    sweep(folder)
    assert_whole(folder, 1)
