"""Reports on all operators: what is good looks good, and what was broken stands out."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import models_zoo
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from diagnose import faults
from diagnose.faults import committed, digits
from qbench.diagnose.operators.isolated import Unit, units
from qbench.diagnose.operators.observe import Laboratory
from qbench.diagnose.operators.reports import Limits, OperatorReports, operator_reports
from qbench.errors import DatasetError, WorkerCrashedError
from qbench.records import RuntimeOptions
from qbench.tflite.builder import Affine, Graph
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from diagnose.faults import Fault
    from qbench.diagnose.operators.records import OperatorReport, TensorError
    from qbench.tflite.graph import Array

_EXAMPLES = 128
_OPTIONS = RuntimeOptions()


def _images(examples: int = _EXAMPLES) -> Array:
    return digits().input_arrays[""][:examples]


@cache
def _reports(recipe: str, model: str = "mnist-dscnn") -> tuple[OperatorReport, ...]:
    reports, unmatched, *_ = operator_reports(
        committed("fp32", model), committed(recipe, model), (_images(),), options=_OPTIONS
    )
    assert unmatched == ()
    return reports


def _isolated(report: OperatorReport) -> TensorError:
    assert report.isolated is not None
    return report.isolated


def _deployed(report: OperatorReport) -> TensorError:
    assert report.cumulative is not None
    return report.cumulative


def test_a_good_artifact_rounds_and_does_little_else():
    reports = _reports("int8")
    assert [report.number for report in reports] == [-1, *range(12)]
    for report in reports[1:]:
        assert 0.2 < _isolated(report).rmse_in_steps < 0.6
        assert abs(_isolated(report).mean_error_in_steps) < 0.1
        assert _isolated(report).saturated == 0.0
        assert _isolated(report).dead_channels == 0
        assert report.flips_alone is not None
        assert report.flips_alone <= 1


def test_errors_as_deployed_hold_those_of_all_operators_before():
    first, *others = _reports("int8")[1:]
    assert _deployed(first) == _isolated(first)
    assert all(_deployed(report).rmse > _isolated(report).rmse for report in others)


def test_one_scale_for_all_channels_is_seen_where_channels_differ():
    reports = _reports("int8-per-tensor")
    worst = sorted(reports, key=lambda report: -(report.flips_alone or 0))[:2]
    assert [report.number for report in worst] == [5, 7]
    assert [report.operator for report in worst] == ["DEPTHWISE_CONV_2D int8"] * 2
    for report in worst:
        assert report.flips_alone > _EXAMPLES / 4
        assert _isolated(report).rmse_in_steps > 30
        assert _isolated(report).dead_channels > 20
    for report in reports:
        if report not in worst:
            assert report.flips_alone <= 2
            assert _isolated(report).sqnr_db > 30


@pytest.mark.parametrize(
    "make", [faults.saturated_weights, faults.shifted_zero_point, faults.per_tensor, faults.not_a_number]
)
def test_the_guilty_operator_has_the_largest_error_alone(make: Callable[[], Fault]):
    fault = make()
    reports, unmatched, *_ = operator_reports(fault.float_content, fault.content, (_images(64),), options=_OPTIONS)
    assert unmatched == ()

    def damage(report: OperatorReport) -> tuple[int, float]:
        error = _isolated(report)
        return error.not_finite, -np.inf if error.sqnr_db is None else -error.sqnr_db

    guilty = next(report for report in reports if report.number == fault.operator)
    assert max(reports, key=damage) is guilty
    assert max(report.flips_alone for report in reports) == guilty.flips_alone


def test_nan_is_counted_where_it_comes_from_and_flips_all():
    fault = faults.not_a_number()
    reports, *_ = operator_reports(fault.float_content, fault.content, (_images(16),), options=_OPTIONS)
    guilty = next(report for report in reports if report.number == fault.operator)
    assert _isolated(guilty).not_finite == 16 * 7 * 7  # One channel of 7 by 7 pixels.
    assert guilty.flips_alone == 16
    assert [_isolated(report).not_finite for report in reports if report is not guilty] == [0] * 11
    assert all((_deployed(report).not_finite > 0) == (report.number >= fault.operator) for report in reports)


def test_a_wrong_input_range_is_the_inputs_own():
    content = models_zoo.dense_int8()  # Its input holds -2.62 to 2.48.
    x = np.random.default_rng(0).normal(scale=20, size=(50, 4)).astype(np.float32)
    (entered, dense), *_ = operator_reports(models_zoo.dense_float(), content, (x,), options=_OPTIONS)
    assert (entered.number, entered.operator, entered.float_number) == (-1, "INPUT int8", -1)
    assert _isolated(entered).saturated == np.mean((x < -2.62 - 0.02) | (x > 2.48 + 0.02))
    assert entered.flips_alone > 0
    assert _isolated(dense).saturated > 0


@pytest.mark.parametrize("recipe", ["fp32", "fp16", "dynamic", "int8-symmetric", "int16x8"])
@pytest.mark.parametrize("model", ["mnist-dscnn", "mnist-cnn"])
def test_all_recipes_are_reported(model: str, recipe: str):
    reports, unmatched, *_ = operator_reports(
        committed("fp32", model), committed(recipe, model), (_images(16),), options=_OPTIONS
    )
    assert unmatched == ()
    for report in reports:
        assert report.note == ""
        assert report.flips_alone is not None
        assert report.flips_alone <= 1
        least = {"fp32": np.inf, "fp16": 55}.get(recipe, 28)
        for error in (_isolated(report), _deployed(report)):
            assert np.inf if error.sqnr_db is None else error.sqnr_db >= least
            assert error.values > 0


def test_other_kernels_are_those_asked_for():
    whole = {
        kernels: operator_reports(
            committed("fp32"), committed("int8"), (_images(4),), options=RuntimeOptions(kernels=kernels)
        )[0]
        for kernels in ("builtin", "reference", "no-delegates")
    }
    rmse = {kernels: [_isolated(report).rmse_in_steps for report in reports] for kernels, reports in whole.items()}
    assert rmse["builtin"] != rmse["reference"] != rmse["no-delegates"]
    np.testing.assert_allclose(rmse["builtin"], rmse["reference"], rtol=0.05)


def test_reports_are_the_same_every_time_and_in_batches_of_any_size(monkeypatch: pytest.MonkeyPatch):
    def run() -> tuple[OperatorReport, ...]:
        return operator_reports(committed("fp32"), committed("int8"), (_images(20),), options=_OPTIONS)[0]

    first = run()
    assert run() == first
    monkeypatch.setattr("qbench.diagnose.operators.observe._BATCH", 8)
    for one, other in zip(run(), first, strict=True):
        assert one.flips_alone == other.flips_alone
        assert _isolated(one).max_error_in_steps == _isolated(other).max_error_in_steps
        assert _isolated(one).rmse == pytest.approx(_isolated(other).rmse, rel=1e-12)


def test_flips_are_counted_for_the_operators_with_the_largest_errors():
    reports, *_ = operator_reports(
        committed("fp32"), committed("int8-per-tensor"), (_images(16),), options=_OPTIONS, limits=Limits(flips_alone=2)
    )
    assert [report.number for report in reports if report.flips_alone is not None] == [5, 7]


def test_progress_goes_up_to_the_end():
    told: list[tuple[int, int, str]] = []
    operator_reports(
        models_zoo.dense_float(),
        models_zoo.dense_int8(),
        (np.zeros((300, 4), np.float32),),
        options=_OPTIONS,
        progress=lambda done, total, doing="": told.append((done, total, doing)),
    )
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert {total for _, total, _ in told} == {1200}
    assert told[0][:2] == (0, 1200)


def test_outputs_that_are_no_classes_have_no_flips():
    content, float_content = _doubled("int8", Affine(0.1)), _doubled("float32", None)
    reports, *_ = operator_reports(float_content, content, (np.ones((3, 1), np.float32),), options=_OPTIONS)
    assert [report.flips_alone for report in reports] == [None, None]
    assert [_isolated(report).values for report in reports] == [3, 3]


def _doubled(dtype: str, affine: Affine | None) -> bytes:
    graph = Graph()
    x, y = graph.tensor("x", [1, 1], dtype, affine), graph.tensor("y", [1, 1], dtype, affine)
    graph.operator("ADD", [x, x], [y], schema.AddOptionsT(), version=2)
    return graph.build([x], [y])


def test_an_operator_that_cannot_run_alone_keeps_its_error_as_deployed(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise ValueError("it is made of glass")

    monkeypatch.setattr("qbench.tflite.cut._check_alone", refuse)
    reports, *_ = operator_reports(committed("fp32"), committed("int8"), (_images(4),), options=_OPTIONS)
    for report in reports[1:]:
        assert report.isolated is None
        assert report.flips_alone is None
        assert report.note == "not run alone: it is made of glass"
        assert _deployed(report).values > 0


def test_an_operator_that_ends_its_process_is_noted_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch):
    graph = Graph()
    x, y = graph.tensor("x", [1, 4], "int8", Affine(1.0)), graph.tensor("y", [1, 4], "int8", Affine(1e-9))
    graph.operator("ADD", [x, x], [y], schema.AddOptionsT(), version=2)
    deadly = graph.build([x], [y])

    def with_one_deadly(*args: Any) -> Iterator[Unit]:
        return (replace(unit, content=deadly) if unit.number == 3 else unit for unit in units(*args))

    monkeypatch.setattr("qbench.diagnose.operators.reports.units", with_one_deadly)
    reports, *_ = operator_reports(committed("fp32"), committed("int8"), (_images(4),), options=_OPTIONS)
    for report in reports:
        assert (report.isolated is None) == (report.number == 3)
        assert ("SIGABRT" in report.note) == (report.number == 3)
        assert _deployed(report).values > 0


def test_an_artifact_without_inputs_is_refused():
    graph = Graph()
    y = graph.tensor("y", [1, 4])
    graph.operator("RELU", [graph.constant("x", np.ones((1, 4), np.float32))], [y])
    content = graph.build([], [y])
    with pytest.raises(DatasetError, match="found no examples"):
        operator_reports(content, content, (), options=_OPTIONS)


def test_inputs_that_do_not_fit_are_refused():
    with pytest.raises(DatasetError, match="found examples for 2 inputs, a float model with 1"):
        operator_reports(committed("fp32"), committed("int8"), (_images(2), _images(2)), options=_OPTIONS)


def test_no_examples_are_refused():
    with pytest.raises(DatasetError, match="found no examples"):
        operator_reports(committed("fp32"), committed("int8"), (_images(0),), options=_OPTIONS)


def test_an_artifact_that_dies_is_named():
    def two(dtype: str, affine: Affine | None) -> bytes:
        graph = Graph()
        left, right, total = (graph.tensor(name, [1, 4], dtype, affine) for name in ("left", "right", "sum"))
        graph.operator("ADD", [left, right], [total], schema.AddOptionsT(), version=2)
        return graph.build([left, right], [total])

    x = np.zeros((2, 4), np.float32)
    with pytest.raises(WorkerCrashedError, match="running the quantized artifact"):
        operator_reports(two("float32", None), models_zoo.aborting(), (x, x), options=_OPTIONS)


class Clock:
    """A clock that goes on by a second each time that somebody looks at it."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 1
        return self.now


def _ended_after(looks: int, monkeypatch: pytest.MonkeyPatch, fault: Fault, flips_alone: int = 40) -> OperatorReports:
    monkeypatch.setattr("qbench.diagnose.operators.observe.time", Clock())
    limits = Limits(flips_alone=flips_alone, end=looks + 0.5)
    return operator_reports(fault.float_content, fault.content, (_images(16),), options=_OPTIONS, limits=limits)


def _looks(monkeypatch: pytest.MonkeyPatch, fault: Fault, flips_alone: int) -> int:
    clock = Clock()
    monkeypatch.setattr("qbench.diagnose.operators.observe.time", clock)
    limits = Limits(flips_alone=flips_alone, end=1e6)
    operator_reports(fault.float_content, fault.content, (_images(16),), options=_OPTIONS, limits=limits)
    return int(clock.now)


def test_where_the_time_is_over_the_worst_as_deployed_have_been_run_alone(monkeypatch: pytest.MonkeyPatch):
    fault = faults.saturated_weights()
    whole = _looks(monkeypatch, fault, 0)
    found = _ended_after(whole - 8, monkeypatch, fault, 0)
    alone = [report for report in found.reports if report.isolated is not None]
    left = [report for report in found.reports if report.isolated is None]
    assert (len(found.reports), len(left), found.examples) == (13, 9, 16)
    assert found.out_of_time == ("9 of 13 operators alone",)
    assert {report.note for report in left} == {"not run alone: there was no more time for it"}
    # The broken one is not among the first in the artifact.
    assert fault.operator in {report.number for report in alone}
    assert all(report.cumulative is not None for report in found.reports)
    worst = min(_deployed(report).sqnr_db or np.inf for report in left)
    assert all((_deployed(report).sqnr_db or np.inf) <= worst for report in alone)


@pytest.mark.parametrize("batch", [128, 4])
def test_flips_that_there_was_no_time_for_are_not_counted_and_errors_stay(batch: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("qbench.diagnose.operators.observe._BATCH", batch)
    monkeypatch.setattr(Laboratory, "is_half_over", False)
    fault = faults.per_tensor()
    whole = _looks(monkeypatch, fault, 3)
    found = _ended_after(whole - 1, monkeypatch, fault, 3)
    counted = [report for report in found.reports if report.flips_alone is not None]
    assert all(report.isolated is not None for report in found.reports)
    assert len(counted) == 2
    assert found.out_of_time == ("what 1 of 3 operators flip",)
    assert fault.operator in {report.number for report in counted}


def test_without_any_time_there_is_nothing():
    found = operator_reports(
        committed("fp32"), committed("int8"), (_images(4),), options=_OPTIONS, limits=Limits(end=0.0)
    )
    assert (found.reports, found.examples, found.out_of_time) == ((), 0, ("operators",))


def test_fewer_examples_leave_time_for_what_operators_flip(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("qbench.diagnose.operators.observe._BATCH", 4)
    fault = faults.per_tensor()
    whole = _looks(monkeypatch, fault, 2)
    found = _ended_after(whole // 2, monkeypatch, fault, 2)
    assert 0 < found.examples < 16
    assert found.out_of_time == ()
    assert {report.isolated.values // _size(report) for report in found.reports} == {found.examples}
    assert len([report for report in found.reports if report.flips_alone is not None]) == 2


def _size(report: OperatorReport) -> int:
    graph = read_model(committed("int8")).subgraphs[0]
    (tensor,) = (tensor for tensor in graph.tensors if tensor.name == report.output)
    return int(np.prod(tensor.shape[1:]))
