"""The same artifact on all families of kernels."""

from __future__ import annotations

import models_zoo as zoo
import numpy as np
import pytest
from accepted import accepted_artifact
from ai_edge_litert import schema_py_generated as schema

from benchmarks.data import mnist
from qbench.diagnose.evidence import families
from qbench.diagnose.evidence.families import family_results
from qbench.errors import DatasetError, MeasurementError, WorkerCrashedError
from qbench.models.datasets import Dataset
from qbench.records import RuntimeOptions
from qbench.runtime.process import RuntimeProcess
from qbench.tflite.builder import Affine, Graph


def _halves() -> bytes:
    """int8 outputs that are half of the inputs: odd ones end between two steps, where kernels round differently."""
    graph = Graph()
    x = graph.tensor("x", [1, 2], "int8", Affine(1.0))
    y = graph.tensor("y", [1, 2], "int8", Affine(2.0))
    weights = graph.constant("weights", np.eye(2, dtype=np.int8), Affine(1.0))
    bias = graph.constant("bias", np.zeros(2, np.int32), Affine(1.0))
    graph.operator("FULLY_CONNECTED", [x, weights, bias], [y], schema.FullyConnectedOptionsT(), version=4)
    return graph.build([x], [y])


#: XNNPACK makes 2 of 2.5, which is even, and predicts the other class; the runtime's own kernels make 3, as of 6 / 2.
_TIE, _CLEAR = [5.0, 6.0], [4.0, 6.0]


def _results(content, dataset, options=None, **how):
    found = family_results(content, dataset, options or RuntimeOptions(), **how)
    assert found.notes == ()
    return {result.family: result for result in found.results}


def _examples(*rows, labels=None):
    return Dataset(inputs=np.array(rows, np.float32), labels=labels)


class TestRounding:
    def test_flips_of_each_family_are_those_from_the_deployed_one(self):
        dataset = _examples(_TIE, _CLEAR, _TIE, labels=np.array([1, 1, 0]))
        found = _results(_halves(), dataset)
        assert list(found) == ["xnnpack", "builtin", "reference"]
        deployed, builtin = found["xnnpack"], found["builtin"]
        assert (deployed.flips, deployed.max_output_steps, deployed.accuracy) == (0, 0, pytest.approx(2 / 3))
        assert (builtin.flips, builtin.max_output_steps, builtin.accuracy) == (2, 1, pytest.approx(2 / 3))
        assert {result.examples for result in found.values()} == {3}

    def test_the_deployed_family_comes_first_whichever_it_is(self):
        found = _results(_halves(), _examples(_TIE, _CLEAR), RuntimeOptions(kernels="no-delegates"))
        assert list(found) == ["builtin", "xnnpack", "reference"]
        assert (found["builtin"].flips, found["xnnpack"].flips) == (0, 1)
        found = _results(_halves(), _examples(_TIE), RuntimeOptions(kernels="reference"))
        assert (next(iter(found)), found["reference"].flips) == ("reference", 0)

    def test_where_nothing_is_rounded_nothing_flips(self):
        for result in _results(_halves(), _examples(_CLEAR, [2.0, 8.0])).values():
            assert (result.flips, result.max_output_steps, result.accuracy) == (0, 0, None)


def test_a_real_network_differs_by_steps_and_hardly_by_predictions():
    found = _results(accepted_artifact("mnist-dscnn", "int8"), mnist(), examples=200)
    assert {result.examples for result in found.values()} == {200}
    accuracies = [result.accuracy for result in found.values()]
    assert min(accuracies) > 0.95
    assert max(accuracies) - min(accuracies) <= 0.01
    assert 0 < found["reference"].max_output_steps < 64
    assert all(result.flips <= 2 for result in found.values())


def test_outputs_that_are_no_row_of_classes_differ_by_steps_alone():
    inputs = np.random.default_rng(0).uniform(-1, 1, (20, 8, 8, 3)).astype(np.float32)
    found = _results(zoo.conv_int8(), Dataset(inputs=inputs))
    assert {(result.flips, result.accuracy) for result in found.values()} == {(0, None)}
    assert found["builtin"].max_output_steps <= 1


def test_float_outputs_have_no_steps():
    dataset = Dataset(inputs=np.random.default_rng(0).uniform(-1, 1, (20, 4)).astype(np.float32))
    assert {result.max_output_steps for result in _results(zoo.dense_hybrid(), dataset).values()} == {0}


class TestBounds:
    def test_no_more_examples_than_wanted(self):
        assert _results(_halves(), _examples(*[_TIE] * 9), examples=4)["reference"].examples == 4

    def test_a_limit_of_time_leaves_one_example_at_least(self):
        found = _results(_halves(), _examples(*[_TIE] * 9), limit_s=0.0)
        assert {result.examples for result in found.values()} == {1}

    def test_as_many_examples_as_the_time_allows_and_the_same_for_all(self, monkeypatch):
        monkeypatch.setattr(families, "_example_s", lambda *_: 1.0)
        found = _results(_halves(), _examples(*[_TIE] * 9), limit_s=15.5)
        assert {result.examples for result in found.values()} == {5}


class TestTrouble:
    def test_a_family_that_cannot_run_it_is_a_note(self, monkeypatch):
        """As where the kernels that are deployed have an operator that others lack, or crash."""
        ask = RuntimeProcess.ask

        def asked(process, request, *blobs, **how):
            return ask(process, request, *([zoo.aborting()] if request["kernels"] == "reference" else blobs), **how)

        monkeypatch.setattr(RuntimeProcess, "ask", asked)
        found = family_results(_halves(), _examples(_TIE), RuntimeOptions())
        assert [result.family for result in found.results] == ["xnnpack", "builtin"]
        (note,) = found.notes
        assert note.startswith("reference kernels: ")
        assert "SIGABRT" in note

    def test_what_crashes_as_it_is_deployed_is_an_error(self):
        dataset = Dataset(inputs={"left": np.zeros((1, 4), np.float32), "right": np.zeros((1, 4), np.float32)})
        with pytest.raises(WorkerCrashedError):
            family_results(zoo.aborting(), dataset, RuntimeOptions())

    def test_nan_is_an_error(self):
        with pytest.raises(MeasurementError, match="NaN"):
            family_results(zoo.nan_output(), Dataset(inputs=np.ones((3, 4), np.float32)), RuntimeOptions())

    def test_a_dataset_that_does_not_fit(self):
        with pytest.raises(DatasetError):
            family_results(_halves(), Dataset(inputs=np.ones((3, 5), np.float32)), RuntimeOptions())
