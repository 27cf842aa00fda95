from __future__ import annotations

from pathlib import Path

import models_zoo as zoo
import numpy as np
import pytest
from session.lab import examples

from qbench.compare.pair import Settings, declare, read_pair
from qbench.compare.run import compare
from qbench.judge.tolerance import DEFAULT_TOLERANCE, Tolerance
from qbench.progress import NoProgress


@pytest.fixture
def settings(tmp_path):
    """A function that writes two artifacts and examples, and gives what compares them."""

    def write(baseline, candidate, **chosen):
        for name, content in (("a", baseline), ("b", candidate)):
            (tmp_path / f"{name}.tflite").write_bytes(content)
        np.savez(tmp_path / "d.npz", inputs=examples())
        paths = {"baseline": tmp_path / "a.tflite", "candidate": tmp_path / "b.tflite", "data": tmp_path / "d.npz"}
        return Settings(**{**paths, "latency": False, **chosen})

    return write


@pytest.mark.parametrize(
    ("baseline", "candidate", "quantizes"),
    [
        (zoo.dense_float(), zoo.dense_int8(), True),
        (zoo.dense_float(), zoo.dense_fp16(), True),
        (zoo.dense_float(), zoo.dense_hybrid(), True),
        (zoo.dense_float(), zoo.dense_float(seed=1), False),
        (zoo.dense_int8(), zoo.dense_float(), False),
        (zoo.dense_fp16(), zoo.dense_int8(), False),
        (zoo.dense_float(), b"no model", False),
    ],
)
def test_only_a_float_baseline_is_quantized(settings, baseline, candidate, quantizes):
    pair = read_pair(settings(baseline, candidate))
    assert pair.quantizes == quantizes
    assert [subject.recipe for subject in pair.subjects] == ["fp32" if quantizes else "baseline", "candidate"]


def test_what_is_said_nowhere_has_the_tolerances_of_a_project(settings):
    chosen = settings(zoo.dense_int8(), zoo.dense_int8(seed=1), tolerance=Tolerance(size=0.5))
    config = declare(chosen, read_pair(chosen))
    (subject,) = config.subjects
    resolved = config.tolerance_of(subject)
    expected = DEFAULT_TOLERANCE.overridden_by(Tolerance(size=0.5))
    differing = {key for key in expected.__struct_fields__ if getattr(resolved, key) != getattr(expected, key)}
    assert differing == {"accuracy_drop"}


def test_that_it_was_quantized_is_no_change_since_it_was_accepted(settings):
    comparison = compare(settings(zoo.dense_float(), zoo.dense_int8(seed=1)), NoProgress())
    (candidate,) = comparison.session.config.subjects
    assert comparison.session.blame.changes(candidate) == ()
    comparison = compare(settings(zoo.dense_int8(), zoo.dense_int8(seed=1)), NoProgress())
    assert comparison.session.blame.changes(candidate) != ()


def test_the_name_of_a_subject_holds_nothing_that_a_test_id_could_not(settings, tmp_path):
    chosen = settings(zoo.dense_int8(), zoo.dense_int8())
    names = {}
    for stem in ("new model (2)", "-x", "ü", "a" * 300, "artifacts"):
        short = stem[:100]
        path = Path(tmp_path / f"{short}.tflite")
        path.write_bytes(zoo.dense_int8())
        names[short[:9]] = read_pair(Settings(baseline=chosen.baseline, candidate=path)).candidate.model
    assert names == {
        "new model": "new_model_2_",
        "-x": "x",
        "ü": "model",
        "aaaaaaaaa": "a" * 60,
        "artifacts": "artifacts",
    }
