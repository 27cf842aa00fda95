"""The ready-made metrics against their definitions, by brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbench import metrics as ready
from qbench.errors import MeasurementError
from qbench.measure.metrics import call_metric, load_metric

_SEEDS = st.integers(0, 2**32 - 1)


def value(name: str, outputs: np.ndarray, labels: np.ndarray) -> float:
    """What a run would measure."""
    return call_metric(load_metric(f"qbench.metrics:{name}", key="k"), {"y": outputs}, labels).value


@pytest.mark.parametrize("name", ["mean_absolute_error", "root_mean_square_error", "embedding_cosine"])
@pytest.mark.parametrize(
    ("outputs", "labels"), [((6, 3), (6, 2)), ((6, 3), (5, 3)), ((6, 2, 3), (6, 3, 2)), ((6, 2), (6,))]
)
def test_outputs_and_labels_that_do_not_fit_are_refused(name: str, outputs: tuple[int, ...], labels: tuple[int, ...]):
    with pytest.raises(MeasurementError, match=r"raised ValueError: found outputs of shape .* expected the same"):
        value(name, np.ones(outputs, np.float32), np.ones(labels))


READY = ["mean_absolute_error", "root_mean_square_error", "embedding_cosine", "mean_iou", "roc_auc"]


@pytest.mark.parametrize("name", READY)
def test_without_labels_it_says_so(name: str):
    own = load_metric(f"qbench.metrics:{name}", key="k")
    with pytest.raises(MeasurementError, match="found a dataset without labels, expected a label for each example"):
        call_metric(own, {"y": np.ones((4, 2), np.float32)}, None)


@pytest.mark.parametrize("name", READY)
def test_of_several_outputs_it_says_what_to_do(name: str):
    own = load_metric(f"qbench.metrics:{name}", key="k")
    outputs = {name: np.ones((4, 2), np.float32) for name in ("boxes", "scores")}
    with pytest.raises(MeasurementError, match="found the outputs boxes, scores, expected one; call it from"):
        call_metric(own, outputs, np.zeros(4, int))


@pytest.mark.parametrize(("dtype", "classes"), [(np.uint8, 300), (np.int8, 200), (np.int8, 20), (np.int64, 300)])
def test_an_iou_does_not_depend_on_the_dtype_of_the_labels(dtype: type, classes: int):
    generator = np.random.default_rng(0)
    outputs = generator.random((3, 40, classes)).astype(np.float32)
    labels = outputs.argmax(axis=-1) % 100
    labels[0, :5] = -1 if np.issubdtype(dtype, np.signedinteger) else 255
    narrow = labels.astype(dtype)
    np.testing.assert_array_equal(narrow, labels)
    assert value("mean_iou", outputs, narrow) == value("mean_iou", outputs, labels)


@given(_SEEDS, st.sampled_from([(7,), (7, 1), (7, 4), (7, 2, 3)]))
def test_errors_of_a_regression(seed: int, shape: tuple[int, ...]):
    generator = np.random.default_rng(seed)
    outputs, labels = generator.normal(size=shape).astype(np.float32), generator.normal(size=shape)
    pairs = list(zip(outputs.ravel().tolist(), labels.ravel().tolist(), strict=True))
    assert value("mean_absolute_error", outputs, labels) == pytest.approx(
        sum(abs(a - b) for a, b in pairs) / len(pairs)
    )
    mean_square = sum((a - b) ** 2 for a, b in pairs) / len(pairs)
    assert value("root_mean_square_error", outputs, labels) == pytest.approx(math.sqrt(mean_square))


def test_labels_without_the_axis_of_length_one_are_not_broadcast():
    # (6, 1) less (6,) would be (6, 6) to numpy.
    outputs, labels = np.arange(6, dtype=np.float32)[:, np.newaxis], np.arange(6)
    assert value("mean_absolute_error", outputs, labels) == 0
    assert value("mean_absolute_error", outputs, labels[::-1]) == pytest.approx(3.0)


@given(_SEEDS)
def test_cosine_of_embeddings(seed: int):
    generator = np.random.default_rng(seed)
    outputs, labels = generator.normal(size=(5, 8)).astype(np.float32), generator.normal(size=(5, 8))
    expected = [
        float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))
        for a, b in zip(outputs.astype(float), labels, strict=True)
    ]
    assert value("embedding_cosine", outputs, labels) == pytest.approx(np.mean(expected))
    assert value("embedding_cosine", outputs, 3 * outputs) == pytest.approx(1)
    assert value("embedding_cosine", outputs, -outputs) == pytest.approx(-1)


def test_a_vector_of_zeros_has_no_cosine_and_is_not_passed_over():
    outputs = np.ones((4, 3), np.float32)
    outputs[2] = 0
    with pytest.raises(MeasurementError, match="NaN or infinite for 1 of 4 examples, the first of them example 2"):
        value("embedding_cosine", outputs, np.ones((4, 3)))


# --- segmentation -----------------------------------------------------------------------------------------


def iou_by_pixels(outputs: np.ndarray, labels: np.ndarray) -> float:
    """The mean over classes of pixels in both by pixels in either, counted one by one."""
    classes = outputs.shape[-1]
    predicted = outputs.reshape(-1, classes).argmax(axis=1)
    ratios = []
    for one in range(classes):
        both = either = 0
        for guess, label in zip(predicted.tolist(), labels.ravel().tolist(), strict=True):
            if 0 <= label < classes:
                both += guess == one and label == one
                either += one in {guess, label}
        if either:
            ratios.append(both / either)
    return sum(ratios) / len(ratios)


@given(_SEEDS, st.integers(2, 6))
def test_mean_iou_is_counted_over_all_pixels_of_all_images(seed: int, classes: int):
    generator = np.random.default_rng(seed)
    outputs = generator.integers(0, 3, (4, 3, 5, classes)).astype(np.float32)  # With ties.
    labels = generator.integers(0, classes, (4, 3, 5))
    labels[generator.random(labels.shape) < 0.2] = 255
    labels[0, 0, 0] = 0
    assert value("mean_iou", outputs, labels) == pytest.approx(iou_by_pixels(outputs, labels))


def test_a_class_that_occurs_nowhere_is_left_out():
    outputs = np.eye(5, dtype=np.float32)[[[0, 0, 1, 1]]]
    assert value("mean_iou", outputs, np.array([[0, 0, 1, 0]])) == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_images_are_not_averaged():
    # A perfect image of one pixel of class 1 does not weigh as much as nine.
    outputs = np.zeros((2, 10, 2), np.float32)
    outputs[0, :, 0] = 1
    outputs[1, :, 1] = 1
    labels = np.zeros((2, 10), int)
    labels[1, :] = 255
    labels[1, 0] = 1
    labels[0, 0] = 1
    assert value("mean_iou", outputs, labels) == pytest.approx((9 / 10 + 1 / 2) / 2)


@pytest.mark.parametrize(
    ("outputs", "labels"),
    [
        ((2, 4, 4, 1), np.zeros((2, 4, 4), int)),
        ((2, 4, 4, 3), np.zeros((2, 4, 4))),
        ((2, 4, 4, 3), np.zeros((2, 4), int)),
    ],
)
def test_what_is_no_segmentation_is_refused(outputs: tuple[int, ...], labels: np.ndarray):
    with pytest.raises(MeasurementError, match="expected scores of two or more classes in the last axis"):
        value("mean_iou", np.zeros(outputs, np.float32), labels)


def test_where_no_pixel_counts_there_is_no_value():
    with pytest.raises(MeasurementError, match="the metric 'mean_iou' is nan"):
        value("mean_iou", np.zeros((2, 3, 2), np.float32), np.full((2, 3), 255))


# --- ranking ----------------------------------------------------------------------------------------------


def auc_by_pairs(scores: np.ndarray, labels: np.ndarray) -> float:
    pairs = [(p, n) for p in scores[labels == 1].tolist() for n in scores[labels == 0].tolist()]
    return sum((p > n) + (p == n) / 2 for p, n in pairs) / len(pairs)


@given(_SEEDS, st.integers(2, 40), st.integers(1, 8))
def test_auc_is_the_share_of_ordered_pairs_and_ties_count_half(seed: int, examples: int, levels: int):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, examples)
    labels[:2] = (0, 1)
    scores = generator.integers(0, levels, examples).astype(np.float32)
    expected = pytest.approx(auc_by_pairs(scores, labels))
    assert value("roc_auc", scores[:, np.newaxis], labels) == expected
    assert value("roc_auc", scores, labels[:, np.newaxis]) == expected
    other = generator.integers(0, 3, examples).astype(np.float32)
    assert value("roc_auc", np.stack([other, scores + other], axis=1), labels) == expected
    assert value("roc_auc", -scores, labels) == pytest.approx(1 - auc_by_pairs(scores, labels))


@pytest.mark.parametrize(
    ("outputs", "labels", "message"),
    [
        ((4, 1), [1, 1, 1, 1], "found 4 positive and 0 negative examples, expected some of both"),
        ((4, 1), [0, 0, 0, 0], "found 0 positive and 4 negative examples, expected some of both"),
        ((4, 3), [0, 1, 0, 1], "expected one or two scores and a label of 0 or 1"),
        ((4, 1), [0, 1, 2, 1], "expected one or two scores and a label of 0 or 1"),
        ((4, 1), [-1, 1, -1, 1], "expected one or two scores and a label of 0 or 1"),
    ],
)
def test_what_has_no_auc_is_refused(outputs: tuple[int, ...], labels: list[int], message: str):
    with pytest.raises(MeasurementError, match=message):
        value("roc_auc", np.zeros(outputs, np.float32), np.array(labels))


def test_each_says_what_is_better():
    directions = {
        name: load_metric(f"qbench.metrics:{name}", key="k").metric.direction
        for name in dir(ready)
        if hasattr(getattr(ready, name), "__qbench_metric__")
    }
    assert directions == {
        "mean_absolute_error": "lower",
        "root_mean_square_error": "lower",
        "embedding_cosine": "higher",
        "mean_iou": "higher",
        "roc_auc": "higher",
    }
