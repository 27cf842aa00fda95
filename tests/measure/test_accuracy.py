"""What outputs say: predictions, accuracy, distance from the float model."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbench.errors import DatasetError, MeasurementError
from qbench.measure.accuracy import (
    check_labels,
    choose_output,
    is_class_row,
    output_error,
    predictions,
    real_output,
    top_k_accuracy,
)
from qbench.measure.evaluate import Evaluation
from qbench.records import TensorSpec


def outputs(*arrays: np.ndarray, scale: float | None = None, zero_point: int = 0) -> Evaluation:
    """An evaluation that gave `arrays`; with a scale they are quantized."""
    affine = {} if scale is None else {"scales": (scale,), "zero_points": (zero_point,)}
    specs = tuple(
        TensorSpec(name=f"out{index}", dtype=array.dtype.name, shape=array.shape[1:], **affine)
        for index, array in enumerate(arrays)
    )
    return Evaluation(outputs=arrays, specs=specs, batch=1, workers=1)


def rows(*values: list[float]) -> np.ndarray:
    return np.array(values, np.float32)


# --- real values ------------------------------------------------------------------------------------------


def test_quantized_outputs_become_real_values():
    real = real_output(outputs(np.array([[-128, 0, 127]], np.int8), scale=0.5, zero_point=-128), 0)
    np.testing.assert_array_equal(real, rows([0, 64, 127.5]))


def test_float_outputs_are_real_values():
    given = rows([0.1, 0.2])
    assert real_output(outputs(given), 0) is given


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_named_by_output_and_example(bad: float):
    values = np.zeros((6, 2, 2), np.float32)
    values[3, 0, 1] = values[3, 1, 1] = values[5, 0, 0] = bad
    with pytest.raises(MeasurementError) as caught:
        real_output(outputs(np.zeros((6, 1), np.float32), values), 1)
    assert "'out1' is NaN or infinite for 2 of 6 examples, the first of them example 3" in str(caught.value)


# --- which output -----------------------------------------------------------------------------------------

TWO = (
    TensorSpec(name="boxes", dtype="float32", shape=(1, 4)),
    TensorSpec(name="scores", dtype="float32", shape=(1, 9)),
)


@pytest.mark.parametrize(
    ("specs", "wanted", "index"),
    [(TWO[:1], None, 0), (TWO[:1], 0, 0), (TWO[:1], "boxes", 0), (TWO, 1, 1), (TWO, "scores", 1), (TWO, "boxes", 0)],
)
def test_choose_output(specs: tuple[TensorSpec, ...], wanted: str | int | None, index: int):
    assert choose_output(specs, wanted) == index


@pytest.mark.parametrize(
    ("specs", "wanted"),
    [(TWO, None), (TWO, 2), (TWO, -1), (TWO, "score"), (TWO[:1], "scores"), (TWO[:1], 1), ((), None)],
)
def test_an_output_that_is_not_there_is_refused_with_those_that_are(specs, wanted):
    with pytest.raises(MeasurementError) as caught:
        choose_output(specs, wanted)
    assert str([spec.name for spec in specs]) in str(caught.value)
    assert repr(wanted) in str(caught.value)


# --- predictions ------------------------------------------------------------------------------------------


def test_predictions_are_the_largest_values_and_the_first_of_equals():
    got = predictions(outputs(rows([0, 1, 0], [2, 2, 1], [5, 5, 5], [-3, -2, -1])), 0)
    assert got.tolist() == [1, 0, 0, 2]


@pytest.mark.parametrize(
    ("classes", "dtype"), [(2, "uint8"), (10, "uint8"), (256, "uint8"), (257, "uint16"), (70_000, "uint32")]
)
def test_predictions_take_the_smallest_type_that_holds_every_class(classes: int, dtype: str):
    values = np.zeros((2, classes), np.float32)
    values[1, -1] = 1
    got = predictions(outputs(values), 0)
    assert got.dtype == dtype
    assert got.tolist() == [0, classes - 1]


def test_axes_of_one_around_the_classes_do_not_matter():
    assert predictions(outputs(rows([0, 1], [1, 0]).reshape(2, 1, 2, 1)), 0).tolist() == [1, 0]


@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 3, 2), (5, 1, 1)])
def test_what_is_not_a_row_of_classes_has_no_prediction(shape: tuple[int, ...]):
    evaluation = outputs(np.zeros(shape, np.float32))
    assert not is_class_row(evaluation, 0)
    with pytest.raises(MeasurementError, match=r"'out0' gives float32.* expected one value for each of two or more"):
        predictions(evaluation, 0)


def test_nan_is_no_prediction():
    with pytest.raises(MeasurementError, match="NaN or infinite for 1 of 2 examples"):
        predictions(outputs(rows([0, 1], [math.nan, 0])), 0)


# --- labels -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [np.array([0, 2, 1]), np.array([[0], [2], [1]], np.uint8), [0, 2, 1]])
def test_labels_are_one_class_for_each_example(labels):
    assert check_labels(labels, classes=3, name="digits").tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("labels", "first"), [([0, 3, 4], "label 3 of example 1"), ([0, 1, -1], "label -1 of example 2")]
)
def test_labels_out_of_range_are_refused(labels: list[int], first: str):
    with pytest.raises(DatasetError) as caught:
        check_labels(np.array(labels), classes=3, name="digits")
    count = 2 if first.startswith("label 3") else 1
    assert f"'digits': {count} labels are out of range, the first is {first}" in str(caught.value)
    assert "3 classes, expected 0 to 2" in str(caught.value)


@pytest.mark.parametrize(
    "labels",
    [np.array([0.0, 1.0]), np.array([True, False]), np.array(["a", "b"]), np.eye(2, dtype=int), [0.5, 1.0]],
)
def test_labels_that_are_no_class_indices_are_refused(labels):
    with pytest.raises(DatasetError, match=r"'digits': labels are \S+ of shape .* expected one class index"):
        check_labels(labels, classes=2, name="digits")


# --- top-k ------------------------------------------------------------------------------------------------


def test_top_k_counts_labels_among_the_k_largest():
    evaluation, labels = outputs(rows([4, 3, 2, 1], [4, 3, 2, 1], [4, 3, 2, 1], [4, 3, 2, 1])), np.array([0, 1, 2, 3])
    assert [top_k_accuracy(evaluation, 0, labels, k) for k in (1, 2, 3)] == [0.25, 0.5, 0.75]


def test_among_equals_lower_indices_come_first():
    evaluation = outputs(rows([1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 0]))
    labels = np.array([0, 1, 2, 3])
    assert [top_k_accuracy(evaluation, 0, labels, k) for k in (1, 2, 3)] == [0.25, 0.5, 0.75]


@pytest.mark.parametrize("k", [4, 5])
def test_a_k_that_no_label_could_miss_is_refused(k: int):
    with pytest.raises(MeasurementError, match=f"top_k is {k} and the artifact has 4 classes"):
        top_k_accuracy(outputs(rows([4, 3, 2, 1])), 0, np.array([3]), k)


@settings(deadline=None)  # other work on the machine is no failure
@given(
    st.lists(
        st.tuples(st.lists(st.integers(-2, 2), min_size=5, max_size=5), st.integers(0, 4)), min_size=1, max_size=20
    ),
    st.integers(1, 4),
)
def test_top_k_is_the_slow_definition(cases: list[tuple[list[int], int]], k: int):
    scores, labels = np.array([row for row, _ in cases], np.int8), np.array([label for _, label in cases], np.uint8)
    evaluation = outputs(scores, scale=0.1)
    hits = sum(label in sorted(range(5), key=lambda index, row=row: -row[index])[:k] for row, label in cases)
    assert top_k_accuracy(evaluation, 0, labels, k) == hits / len(cases)
    if k == 1:
        assert top_k_accuracy(evaluation, 0, labels, k) == np.mean(predictions(evaluation, 0) == labels)


# --- distance from the float model ------------------------------------------------------------------------


def test_sqnr_and_the_largest_error_in_steps():
    floats = rows([1.0, -2.0], [3.0, 0.5])
    stored = np.array([[2, -4], [5, 1]], np.int8)  # 1, -2, 2.5, 0.5
    error = output_error(outputs(stored, scale=0.5), outputs(floats), 0)
    assert error.sqnr_db == pytest.approx(10 * math.log10((1 + 4 + 9 + 0.25) / 0.25))
    assert error.max_error_lsb == 1.0


def test_a_tenth_of_the_amplitude_is_twenty_decibel():
    floats = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    error = output_error(outputs(floats * np.float32(1.1)), outputs(floats), 0)
    assert error.sqnr_db == pytest.approx(20, abs=1e-4)


def test_an_output_that_is_not_quantized_has_no_step():
    assert output_error(outputs(rows([1, 2.5])), outputs(rows([1, 2])), 0).max_error_lsb is None


@pytest.mark.parametrize("floats", [rows([1, 2]), rows([0, 0])])
def test_without_noise_there_is_no_ratio(floats: np.ndarray):
    error = output_error(outputs(floats.astype(np.int8), scale=1.0), outputs(floats), 0)
    assert (error.sqnr_db, error.max_error_lsb) == (None, 0.0)


def test_without_a_signal_there_is_no_ratio():
    assert output_error(outputs(rows([1, 2])), outputs(rows([0, 0])), 0).sqnr_db is None


def test_the_float_model_may_have_the_output_elsewhere():
    ours = outputs(rows([1, 2]), rows([9, 9, 9]))
    floats = outputs(rows([9, 9, 9]), rows([1, 2]))
    assert output_error(ours, floats, 0, reference_index=1).sqnr_db is None
    with pytest.raises(MeasurementError, match=r"the shape \(1, 2\), the float model's \(1, 3\)"):
        output_error(ours, floats, 0)


def test_nan_on_either_side_is_refused():
    good, bad = outputs(rows([1, 2])), outputs(rows([1, math.nan]))
    for ours, floats in ((good, bad), (bad, good)):
        with pytest.raises(MeasurementError, match="NaN"):
            output_error(ours, floats, 0)
