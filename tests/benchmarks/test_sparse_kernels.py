"""What a cell of the table of sparse kernels says, on networks without zeros: no TensorFlow is needed for that."""

from __future__ import annotations

import pytest
from small_network import network, weights

from benchmarks.self.sparse_kernels import KERNELS, Errors, contest_cell, microseconds, sparse_tensors


@pytest.fixture
def errors():
    return Errors()


@pytest.mark.parametrize("kernels", KERNELS)
def test_artifacts_that_differ_are_not_timed(errors, kernels):
    cell = contest_cell(network(), network(weights(1)), KERNELS[kernels], errors, None)
    assert cell.startswith("**wrong**: off by ")


def test_the_same_artifact_is_timed(errors):
    cell = contest_cell(network(), network(), KERNELS["XNNPACK"], errors, None)
    assert "wrong" not in cell
    assert cell.endswith(" us")
    assert not errors.reasons


def test_what_is_refused_is_said_once(errors):
    cells = [contest_cell(network(), b"TFL3", KERNELS["XNNPACK"], errors, None) for _ in range(2)]
    assert cells == ["**does not load** [1]"] * 2
    (reason,) = errors.reasons
    assert reason.startswith("the sparse one: the runtime refuses the artifact")


def test_a_dense_artifact_has_no_sparse_tensors():
    assert sparse_tensors(network()) == "0, 0 DENSIFY"


@pytest.mark.parametrize(("ns", "shown"), [(6470.2, "6.47"), (44_840.0, "44.8"), (2_360_000.0, "2,360")])
def test_times_have_three_digits(ns, shown):
    assert microseconds(ns) == shown
