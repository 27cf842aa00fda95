"""What a page shows beside the record, gathered from real sessions."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import matplotlib.image
import models_zoo as zoo
import msgspec
import numpy as np
import pytest
from baseline.scratch_git import commit, init
from pictured import CLASSES, SIDE, network, photos

import qbench.session.explained
import qbench.session.gallery
from qbench.baseline.schema import encode_baseline
from qbench.baseline.sources import FolderFiles
from qbench.models.datasets import Dataset
from qbench.progress import NoProgress
from qbench.records import Artifact, Subject
from qbench.session import Session, SessionOptions
from qbench.session.explained import Explanations
from qbench.session.gallery import gallery
from qbench.verdicts import SubjectResult
from session.lab import FP32, INT8, labels_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qbench.report.gallery import SubjectGallery
    from session.lab import Lab

_QUICK = ("size", "accuracy")


def dataset(images: np.ndarray, **fields: Any) -> Dataset:
    """Images with the labels that the first float model predicts, but for every fifth."""
    plain = Dataset(inputs=images, input_scale=1 / 255)
    labels = labels_of_dataset(network(), plain)
    labels[::5] = (labels[::5] + 1) % CLASSES
    return Dataset(**{"inputs": images, "labels": labels, "input_scale": 1 / 255, "name": "photos", **fields})


def labels_of_dataset(content: bytes, given: Dataset) -> np.ndarray:
    return labels_of(content, given.real_values(given.input_arrays[""]))


@pytest.fixture(autouse=True)
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long operators are timed changes nothing here."""
    monkeypatch.setattr(qbench.session.explained, "_TIMING_S", 0.02)


@pytest.fixture
def pictured(lab: Lab) -> Lab:
    """A project of images whose present state is accepted."""
    lab.table["tolerance"]["accuracy_drop"] = 0.2
    lab.dataset = dataset(photos())
    lab.source("fp32", network())
    lab.source("int8", network(quantized=True))
    assert lab.accept().refused == {}
    return lab


def measured(lab: Lab, kinds: Iterable[str] = _QUICK, **options: Any) -> Session:
    session = lab.session(**options)
    lab.run(session, kinds=kinds)
    return session


def gathered(session: Session, limit_s: float = 0.0) -> dict[Subject, SubjectGallery]:
    found = gallery(session, session.finish(), progress=NoProgress(), limit_s=limit_s)
    return {each.subject: each for each in found}


def controller_of(lab: Lab, session: Session) -> Session:
    """A session that measured nothing and took over what another process did, as under pytest-xdist."""
    other = lab.session()
    crossed = msgspec.json.decode(
        msgspec.json.encode(list(session.results.values()), enc_hook=str),
        type=list[SubjectResult],
        dec_hook=lambda kind, text: kind(text),
    )
    other.merge({result.subject: result for result in crossed})
    return other


def pixels(png: bytes) -> np.ndarray:
    return np.rint(matplotlib.image.imread(io.BytesIO(png), format="png") * 255).astype(np.uint8)


def predictions(lab: Lab, content: bytes) -> np.ndarray:
    return labels_of_dataset(content, lab.dataset)


class TestFlips:
    def test_the_picture_of_a_flip_is_that_example(self, pictured: Lab):
        pictured.source("int8", network(1, quantized=True))
        found = gathered(measured(pictured))[INT8]
        before, now = (predictions(pictured, network(seed, quantized=True)) for seed in (0, 1))
        assert found.against == "baseline"
        assert found.flips_total == np.count_nonzero(before != now)
        assert 0 < len(found.flips) <= 24
        for flip in found.flips:
            np.testing.assert_array_equal(pixels(flip.png), photos()[flip.example, ..., 0])
            assert (flip.width, flip.height) == (SIDE, SIDE)
            assert (flip.before, flip.now) == (before[flip.example], now[flip.example])
            assert flip.label == pictured.dataset.labels[flip.example]

    def test_those_that_became_wrong_come_first_and_those_that_became_right_last(self, pictured: Lab):
        pictured.source("fp32", network(1))
        flips = gathered(measured(pictured))[FP32].flips
        became = [0 if flip.before == flip.label else 2 if flip.now == flip.label else 1 for flip in flips]
        places = [(kind, flip.example) for kind, flip in zip(became, flips, strict=True)]
        assert places == sorted(places)
        assert flips[0].before == flips[0].label

    def test_nothing_flips_where_nothing_changed(self, pictured: Lab):
        for found in gathered(measured(pictured)).values():
            assert (found.against, found.flips, found.flips_total) == ("baseline", (), 0)
            assert found.confusion.before == found.confusion.now

    def test_where_nothing_was_accepted_they_are_counted_against_fp32(self, pictured: Lab):
        (pictured.baselines / "tiny" / "int8.json").unlink()
        pictured.source("int8", network(1, quantized=True))
        found = gathered(measured(pictured))
        now, floats = predictions(pictured, network(1, quantized=True)), predictions(pictured, network())
        assert (found[INT8].against, found[INT8].flips_total) == ("fp32", np.count_nonzero(now != floats))
        assert found[FP32].against == "baseline"

    def test_fp32_itself_has_nothing_to_be_held_against(self, pictured: Lab):
        (pictured.baselines / "tiny" / "fp32.json").unlink()
        found = gathered(measured(pictured))[FP32]
        assert (found.against, found.flips_total) == ("", 0)
        assert found.confusion.before == ()

    def test_without_labels_rows_of_confusion_are_what_was_predicted_before(self, lab: Lab):
        lab.dataset = dataset(photos(), labels=None)
        lab.source("fp32", network())
        lab.source("int8", network(quantized=True))
        lab.accept()
        lab.source("int8", network(1, quantized=True))
        found = gathered(measured(lab))[INT8]
        assert {flip.label for flip in found.flips} == {None}
        assert [flip.example for flip in found.flips] == sorted(flip.example for flip in found.flips)
        assert found.confusion.rows == "before"
        assert np.sum(found.confusion.now) - np.trace(found.confusion.now) == found.flips_total > 0

    def test_examples_that_are_no_images_have_no_picture(self, accepted: Lab):
        accepted.source("int8", zoo.dense_int8(seed=1))
        found = gathered(measured(accepted))[INT8]
        assert found.flips
        assert not any(flip.png or flip.width for flip in found.flips)


class TestAnotherDataset:
    def test_the_accepted_artifact_is_held_against_where_it_was_evaluated_again(self, pictured: Lab):
        pictured.dataset = dataset(photos(seed=1))
        pictured.source("int8", network(1, quantized=True))
        found = gathered(measured(pictured))[INT8]
        before, now = (predictions(pictured, network(seed, quantized=True)) for seed in (0, 1))
        assert (found.against, found.flips_total) == ("baseline", np.count_nonzero(before != now))
        np.testing.assert_array_equal(pixels(found.flips[0].png), photos(seed=1)[found.flips[0].example, ..., 0])
        assert any("was evaluated again" in note for note in found.notes)

    @pytest.mark.parametrize("where", ["without a gate", "in another process"])
    def test_fp32_is_where_it_was_not(self, pictured: Lab, where: str):
        pictured.dataset = dataset(photos(seed=1))
        pictured.source("int8", network(1, quantized=True))
        session = measured(pictured, gate=where != "without a gate")
        if where == "in another process":
            session = controller_of(pictured, session)
        found = gathered(session)[INT8]
        floats, now = predictions(pictured, network()), predictions(pictured, network(1, quantized=True))
        assert (found.against, found.flips_total) == ("fp32", np.count_nonzero(floats != now))
        assert any("flips are counted against fp32 of this run" in note for note in found.notes)

    def test_examples_that_a_test_gave_are_those_that_are_shown(self, pictured: Lab):
        given = dataset(photos(seed=2))
        pictured.source("int8", network(1, quantized=True))
        session = pictured.session()
        session.measure_accuracy(INT8, None, given)
        found = gathered(session)[INT8]
        np.testing.assert_array_equal(pixels(found.flips[0].png), photos(seed=2)[found.flips[0].example, ..., 0])

        elsewhere = gathered(controller_of(pictured, session))[INT8]
        assert not any(flip.png for flip in elsewhere.flips)
        assert "its examples cannot be shown: it was measured on others than the declared ones" in elsewhere.notes


class TestAnotherProcess:
    def test_who_merged_results_shows_what_the_process_that_measured_would(self, pictured: Lab):
        pictured.source("int8", network(1, quantized=True))
        session = measured(pictured)
        here, there = gathered(session, 30.0), gathered(controller_of(pictured, session), 30.0)
        for subject in (FP32, INT8):
            assert there[subject].flips == here[subject].flips
            assert there[subject].confusion == here[subject].confusion
            assert len(there[subject].times) == len(here[subject].times)
        assert there[INT8].operators == here[INT8].operators != ()
        assert there[INT8].findings == here[INT8].findings

    def test_nothing_is_converted(self, pictured: Lab):
        pictured.model["source"] = "fp32.tflite"
        pictured.table["recipes"] = ["fp32", "fp16"]
        session, fp16 = pictured.session(), Subject(model="tiny", recipe="fp16")
        lost = Artifact(subject=fp16, path=pictured.root / "gone.tflite", sha256="0" * 64, size_bytes=1)
        session.merge({fp16: SubjectResult(subject=fp16, artifact=lost, measured={"size"})})
        found = gathered(session, 30.0)[fp16]
        assert found.operators == ()
        assert [note for note in found.notes if "operators" in note] == [
            "its operators cannot be looked at: tiny-fp16 is not in the cache, and was not to be converted now"
        ]


class TestOperators:
    def test_artifacts_are_explained_and_timed_and_the_float_model_is_timed_alone(self, pictured: Lab):
        found = gathered(measured(pictured), 30.0)
        assert [each.operator for each in found[INT8].operators] == ["INPUT int8", "FULLY_CONNECTED int8"]
        assert found[INT8].times
        assert found[INT8].float_times
        assert found[FP32].times
        assert (found[FP32].operators, found[FP32].float_times) == ((), ())

    @pytest.mark.parametrize("where", ["here", "in another process"])
    def test_examples_that_flip_are_known_from_the_run(
        self, pictured: Lab, monkeypatch: pytest.MonkeyPatch, where: str
    ):
        cases: list[Any] = []
        monkeypatch.setattr("qbench.session.blame.diagnose", lambda case, *_: cases.append(case))
        session = measured(pictured)
        gathered(controller_of(pictured, session) if where == "in another process" else session, 30.0)
        ((floats, ours),) = [case.predictions for case in cases]
        np.testing.assert_array_equal(floats, predictions(pictured, network()))
        np.testing.assert_array_equal(ours, predictions(pictured, network(quantized=True)))

    def test_without_time_it_is_said_how_to_have_it(self, pictured: Lab):
        found = gathered(measured(pictured), 0.0)[INT8]
        assert (found.operators, found.times) == ((), ())
        assert (
            "its operators were not looked at: the time for that was over; `qbench explain tiny int8` does it"
            in found.notes
        )

    def test_what_a_failing_gate_found_is_not_looked_for_again(self, pictured: Lab):
        pictured.source("int8", network(1, quantized=True))
        session = measured(pictured)
        assert session.why(INT8, "accuracy")
        found = gathered(session, 0.0)[INT8]
        assert found.operators == session.blame.made[INT8].operators != ()

    def test_those_that_failed_come_first_and_then_those_that_flip(
        self, pictured: Lab, monkeypatch: pytest.MonkeyPatch
    ):
        explained: list[Subject] = []
        monkeypatch.setattr(Explanations, "of", lambda _, subject, __: explained.append(subject))
        pictured.source("int8", network(1, quantized=True))
        found = gathered(measured(pictured), 30.0)
        assert explained == [INT8, FP32]
        # Not even a defect of ours is an error of the run.
        assert any(note.startswith("its operators cannot be looked at (AttributeError") for note in found[INT8].notes)

    def test_more_rows_than_a_page_has_room_for_are_left_out(self, pictured: Lab, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(qbench.session.gallery, "_OPERATORS", 3)
        found = gathered(measured(pictured), 30.0)[INT8]
        assert (found.operators, found.times) == ((), ())
        assert any("are left out to keep the page small" in note for note in found.notes)


class TestWhateverHappens:
    def test_nothing_that_was_measured_changes(self, pictured: Lab):
        pictured.source("int8", network(1, quantized=True))
        session = pictured.session()
        pictured.run(session, [INT8], _QUICK)
        before = msgspec.json.encode(list(session.results.values()), enc_hook=str)
        gathered(session, 30.0)
        assert msgspec.json.encode(list(session.results.values()), enc_hook=str) == before

    @pytest.mark.parametrize("content", [zoo.aborting(), zoo.string_input(), zoo.nan_output(), b"no model"])
    def test_an_artifact_that_cannot_be_measured_has_nothing_to_show(self, accepted: Lab, content: bytes):
        accepted.source("int8", content)
        session = measured(accepted)
        for each in (session, controller_of(accepted, session)):
            found = gathered(each, 30.0)
            assert (found[INT8].flips, found[INT8].confusion, found[INT8].operators) == ((), None, ())
            assert found[FP32].times

    def test_ctrl_c_ends_it_with_what_there_is(self, pictured: Lab, monkeypatch: pytest.MonkeyPatch):
        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("qbench.session.blame.diagnose", interrupted)
        pictured.source("int8", network(1, quantized=True))
        found = gathered(measured(pictured), 30.0)[INT8]
        assert found.flips
        assert "gathering what is shown here was interrupted" in found.notes

    def test_an_error_in_one_part_leaves_the_others(self, pictured: Lab, monkeypatch: pytest.MonkeyPatch):
        def broken(*_: object, **__: object) -> None:
            raise ValueError("no such thing")

        monkeypatch.setattr(qbench.session.gallery, "confusion", broken)
        pictured.source("int8", network(1, quantized=True))
        found = gathered(measured(pictured), 30.0)[INT8]
        assert found.flips
        assert found.operators
        assert "its confusion cannot be shown (ValueError: no such thing)" in found.notes

    def test_a_baseline_that_is_no_longer_declared_has_a_place(self, pictured: Lab):
        del pictured.model["source"]["int8"]
        found = gathered(measured(pictured), 30.0)[INT8]
        assert (found.flips, found.operators) == ((), ())
        assert len(found.history) == 1


class TestHistory:
    def test_drift_is_counted_from_the_declared_anchor(self, pictured: Lab):
        pictured.table["tolerance"]["size"] = 0.03
        grown = pictured.baseline(INT8)
        init(pictured.root)
        for share in (0.90, 0.925, 0.95, 0.975, 1.0):
            sizes = {"size_bytes": share * grown.metrics["size_bytes"]}
            past = msgspec.structs.replace(grown, metrics={**grown.metrics, **sizes})
            (pictured.baselines / "tiny" / "int8.json").write_bytes(encode_baseline(past))
            commit(pictured.root)
        (said,) = gathered(measured(pictured))[INT8].drift
        assert "size_bytes is " in said
        assert "11.11% worse than" in said
        pictured.model["anchor"] = "main"
        found = gathered(measured(pictured))[INT8]
        assert (found.drift, len(found.history)) == ((), 5)
        pictured.model["anchor"] = "nowhere"
        found = gathered(measured(pictured))[INT8]
        assert any("anchor: git knows no commit 'nowhere'" in note for note in found.notes)

    def test_baselines_that_are_given_in_memory_have_none(self, pictured: Lab):
        session = Session(pictured.config, SessionOptions(gate=True), baselines=FolderFiles(pictured.baselines))
        pictured.run(session, kinds=_QUICK)
        assert gathered(session)[INT8].history == ()


class TestRoom:
    def test_pictures_have_a_limit_and_those_that_failed_most_of_it(
        self, pictured: Lab, monkeypatch: pytest.MonkeyPatch
    ):
        pictured.table["tolerance"] |= {"accuracy_regression": 1.0, "accuracy_drop": 1.0}
        pictured.model["tolerance"] = {"recipes": {"int8": {"accuracy_regression": 0.0}}}
        pictured.source("fp32", network(2))
        pictured.source("int8", network(1, quantized=True))
        session = measured(pictured)
        whole = gathered(session)
        size = len(whole[INT8].flips[0].png)
        monkeypatch.setattr(qbench.session.gallery, "_PICTURE_BYTES", 10 * size)
        found = gathered(session)
        pictures = {subject: [flip.png for flip in found[subject].flips if flip.png] for subject in found}
        assert 0 < sum(len(png) for each in pictures.values() for png in each) <= 10 * size
        assert len(pictures[INT8]) > 3 * len(pictures[FP32]) > 0
        # All are still told.
        assert [flip.example for flip in found[FP32].flips] == [flip.example for flip in whole[FP32].flips]

    def test_confusion_has_fewer_classes_where_there_are_many_subjects(
        self, pictured: Lab, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(qbench.session.gallery, "_COUNTS", 2 * 2 * 4)
        for found in gathered(measured(pictured)).values():
            assert (len(found.confusion.classes), found.confusion.left_out) == (2, 1)
