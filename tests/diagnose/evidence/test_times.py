"""Times of operators on both sides."""

from __future__ import annotations

import models_zoo as zoo
import numpy as np
import pytest
from accepted import accepted_artifact

from benchmarks.data import mnist
from qbench.diagnose.evidence.times import operator_times, times_by_operator
from qbench.errors import DatasetError
from qbench.models.datasets import Dataset
from qbench.records import RuntimeOptions
from qbench.runtime import profiler
from qbench.runtime.profiler import KernelTime

_SMALL = Dataset(inputs=np.random.default_rng(0).uniform(-1, 1, (4, 4)).astype(np.float32))


def _kernel(number: int, name: str = "k", ns: float = 100.0) -> KernelTime:
    return KernelTime(number=number, kernel=name, delegated=True, nanoseconds=ns, resolution_ns=8.0)


@pytest.fixture(scope="module")
def found():
    contents = [accepted_artifact("mnist-cnn", recipe) for recipe in ("fp32", "int8")]
    return operator_times(*contents, mnist(), RuntimeOptions(), limit_s=0.5)


class TestRealNetwork:
    def test_both_sides_have_their_operators_and_kernels(self, found):
        assert found.notes == ()
        ours, floats = ({time.number: time for time in side} for side in (found.times, found.float_times))
        assert set(range(10)) <= set(ours)
        assert set(range(10)) <= set(floats)
        assert ours[0].kernel.startswith("Convolution (NHWC, QC8)")
        assert floats[0].kernel.startswith("Convolution (NHWC, F32)")
        assert (ours[9].kernel, ours[9].delegated, floats[9].delegated) == ("SOFTMAX", False, True)

    def test_every_time_says_how_far_it_may_be_off(self, found):
        assert all(0 <= time.resolution_ns < 500 for time in found.times + found.float_times)
        assert all(time.nanoseconds >= time.resolution_ns for time in found.times if time.delegated)


def test_both_sides_run_as_many_examples_at_once():
    """A float model of so many outputs needs fewer examples for its own times, and would stand on another scale."""
    found = operator_times(zoo.dense_float(4, 20_000), zoo.dense_int8(), _SMALL, RuntimeOptions(), limit_s=0.1)
    sides = (found.times, found.float_times)
    ours, floats = ({time.resolution_ns for time in side if time.delegated} for side in sides)
    assert ours == floats


def test_kernels_of_one_operator_are_added_up():
    copy = _kernel(profiler.UNKNOWN, "copy")
    first, unknown, again, second = times_by_operator(
        [_kernel(0, "a", 1.0), copy, _kernel(0, "b", 2.0), copy, _kernel(1)],
    )
    assert (first.number, first.kernel, first.nanoseconds, first.resolution_ns) == (0, "a + b", 3.0, 16.0)
    assert unknown == again, "nobody knows whether they are of one operator"
    assert (unknown.number, unknown.kernel, second.number) == (-1, "copy", 1)


def test_without_a_profiler_there_is_a_note():
    found = operator_times(zoo.dense_float(), zoo.dense_int8(), _SMALL, RuntimeOptions(kernels="reference"))
    assert (found.times, found.float_times) == ((), ())
    assert "cannot run reference kernels" in found.notes[0]


def test_a_version_that_nobody_tried_is_told(monkeypatch):
    monkeypatch.setattr(profiler, "TRIED_VERSIONS", ())
    found = operator_times(zoo.dense_float(), zoo.dense_int8(), _SMALL, RuntimeOptions(), limit_s=0.1)
    assert found.times
    assert "nobody tried the profiler" in found.notes[0]


def test_a_float_model_that_allows_one_example_only_is_run_with_one():
    inputs = Dataset(inputs=np.zeros((2, 4, 4, 3), np.float32))
    found = operator_times(zoo.float_island(), zoo.conv_int8(size=4), inputs, RuntimeOptions(), limit_s=0.1)
    assert {time.number for time in found.float_times} == set(range(6))
    assert {time.resolution_ns for time in found.float_times} == {500.0}
    assert max(time.resolution_ns for time in found.times) < 500


def test_a_dataset_that_does_not_fit():
    with pytest.raises(DatasetError):
        operator_times(
            zoo.dense_float(), zoo.dense_int8(), Dataset(inputs=np.ones((2, 9), np.float32)), RuntimeOptions()
        )
