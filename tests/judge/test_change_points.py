"""Change points of short series: where a mean changes, rarely where it does not; and what is said without ruptures."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from qbench.judge.change_points import FEWEST_VALUES, mean_shifts


@pytest.mark.parametrize("before", [4, 10, 30])
@pytest.mark.parametrize("after", [4, 10, 100])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_mean_that_shifts_is_found_where_it_does(before: int, after: int, noise: float):
    values = np.repeat([0.0, 1.0], [before, after]) + noise * np.random.default_rng(1).standard_normal(before + after)
    assert mean_shifts(values.tolist()) == (before,)


def test_several_shifts_are_in_order():
    assert mean_shifts(np.repeat([5.0, 7.0, 6.0], [10, 20, 10]).tolist()) == (10, 30)


@pytest.mark.parametrize(("length", "most"), [(8, 0.12), (20, 0.06), (100, 0.02)])
def test_noise_alone_rarely_shifts(length: int, most: float):
    noise = np.random.default_rng(0)
    found = [bool(mean_shifts(noise.standard_normal(length).tolist())) for _ in range(200)]
    assert np.mean(found) <= most


def test_the_unit_does_not_matter():
    values = np.random.default_rng(2).standard_normal(40) + np.repeat([0.0, 4.0], 20)
    assert mean_shifts(values.tolist()) == mean_shifts((1e9 * values).tolist()) == mean_shifts((1e-9 * values).tolist())


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 100, [0.0, 1.0] * (FEWEST_VALUES // 2 - 1)])
def test_too_few_values_or_equal_ones_have_none(values: list[float]):
    assert mean_shifts(values) == ()


def test_without_the_library_nothing_is_said_instead_of_none_found(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ruptures", None)
    assert mean_shifts([0.0] * 10 + [1.0] * 10) is None
