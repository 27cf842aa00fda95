"""Resamples of examples: of means and of what is no mean, and what cannot be resampled."""

from __future__ import annotations

import math

import numpy as np
import pytest

from qbench.errors import MeasurementError
from qbench.judge.replicates import LEAST_RESAMPLES, resample_means, resample_whole


def difference(mean: np.ndarray, other: np.ndarray) -> float:
    return float(mean - other)


def test_values_of_an_example_may_have_any_shape():
    generator = np.random.default_rng(0)
    now, reference = generator.random((50, 2, 3)), generator.random((50, 2, 3))
    seen = []

    def worse(mean: np.ndarray, other: np.ndarray) -> float:
        seen.append((mean.shape, other.shape))
        return float(mean[0, 0] - other[1, 2])

    replicates = resample_means(now, reference, worse, resamples=500)
    assert set(seen) == {((2, 3), (2, 3))}
    assert replicates.change == pytest.approx(now[:, 0, 0].mean() - reference[:, 1, 2].mean())
    assert len(replicates.left_out) == 50


def test_with_less_time_the_resamples_are_the_first_of_those_with_more():
    now, reference = np.random.default_rng(0).random((2, 60))

    def change(drawn: np.ndarray) -> float:
        return float(now[drawn].mean() - reference[drawn].mean())

    answers = iter([True] * (60 + 700) + [False] * 10)
    hurried = resample_whole(change, 60, resamples=900, more=lambda: next(answers))
    assert len(hurried.resampled) == 700
    np.testing.assert_array_equal(hurried.resampled, resample_whole(change, 60, resamples=900).resampled[:700])


def test_one_example_says_nothing():
    with pytest.raises(MeasurementError, match="found 1 example, expected at least two"):
        resample_means(np.ones(1), np.zeros(1), difference)


def test_too_little_time_is_said():
    answers = iter([True] * (40 + LEAST_RESAMPLES - 1) + [False] * 10)
    with pytest.raises(MeasurementError, match="there was time for 499 resamples and at least 500 are needed"):
        resample_whole(lambda _: 0.0, 40, more=lambda: next(answers))


@pytest.mark.parametrize(("undefined", "refused"), [(0.02, False), (0.2, True)])
def test_resamples_without_a_value_are_left_out_up_to_a_share(undefined: float, refused: bool):  # noqa: FBT001
    generator = np.random.default_rng(0)

    def change(drawn: np.ndarray) -> float:
        return math.nan if len(drawn) == 50 and generator.random() < undefined else float(drawn.mean())

    if refused:
        with pytest.raises(MeasurementError, match=r"no value on \d+ of 1000 resamples"):
            resample_whole(change, 50, resamples=1_000)
    else:
        assert 960 <= len(resample_whole(change, 50, resamples=1_000).resampled) < 1_000
