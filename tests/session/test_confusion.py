"""Counts of classes by classes."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from qbench.session.compared import Compared
from qbench.session.confusion import confusion

_CLASS = st.integers(0, 6)
_EXAMPLES = st.lists(st.tuples(_CLASS, _CLASS, _CLASS), min_size=1, max_size=40).map(np.array)


def made(examples: np.ndarray, *without: str) -> Compared:
    """From rows of a label, a prediction before and one now."""
    label, before, now = examples.astype(np.min_scalar_type(examples.max())).T
    return Compared(
        now=now,
        before=None if "before" in without else before,
        labels=None if "labels" in without else label,
        against="" if "before" in without else "baseline",
    )


def counted(rows: np.ndarray, columns: np.ndarray, classes: list[int]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(((rows == row) & (columns == column)).sum()) for column in classes) for row in classes)


@given(_EXAMPLES, st.integers(2, 8))
def test_every_count_is_that_of_its_label_and_prediction(examples: np.ndarray, most: int):
    found = confusion(made(examples), most=most)
    assert found.rows == "label"
    classes = list(map(int, found.classes))
    assert classes == sorted(set(classes))
    assert len(classes) == min(most, 1 + examples.max())
    assert len(classes) + found.left_out == 1 + examples.max()
    label, before, now = examples.T
    assert found.before == counted(label, before, classes)
    assert found.now == counted(label, now, classes)


@given(_EXAMPLES)
def test_without_labels_rows_are_what_was_predicted_before(examples: np.ndarray):
    found = confusion(made(examples, "labels"))
    _, before, now = examples.T
    assert found.rows == "before"
    assert found.now == counted(before, now, list(map(int, found.classes)))
    assert not np.asarray(found.before)[~np.eye(len(found.classes), dtype=bool)].any()


def test_with_nothing_before_there_are_counts_of_now_alone():
    found = confusion(made(np.array([[0, 9, 1], [1, 9, 1]]), "before"))
    assert (found.before, found.now) == ((), ((0, 1), (0, 1)))
    assert confusion(made(np.array([[0, 9, 1]]), "before", "labels")) is None


@pytest.mark.parametrize("without", [[], ["labels"]])
def test_of_many_classes_those_with_most_flips_are_shown(without: list[str]):
    # Class 1000 has most examples, classes 7 and 300 change.
    examples = np.array([[1000, 1000, 1000]] * 50 + [[7, 7, 300]] * 3 + [[20, 20, 30]])
    found = confusion(made(examples, *without), most=2)
    assert found.classes == ("7", "300")
    assert (found.before, found.now, found.left_out) == (((3, 0), (0, 0)), ((0, 3), (0, 0)), 999)


def test_an_example_counts_once_for_a_class():
    # Two examples flip to class 1, and one each from classes 0, 2 and 5, which is its label and was its prediction.
    examples = np.array([[0, 0, 1], [2, 2, 1], [5, 5, 6]])
    assert confusion(made(examples), most=2).classes == ("0", "1")
