"""Biases are read as kernels read them, and held against the float ones as far as float32 can tell these apart."""

from __future__ import annotations

import numpy as np
import pytest

from diagnose import faults
from qbench.diagnose.evidence.biases import Bias, bias_of
from qbench.diagnose.evidence.weights import weight_reports
from qbench.diagnose.matching.match import match_graphs
from qbench.tflite.reader import read_model


def bias_report(content, operator=faults.POINTWISE):
    model, floats = read_model(content), read_model(faults.committed("fp32"))
    found, _ = weight_reports(floats, model, match_graphs(model.subgraphs[0], floats.subgraphs[0]).constants)
    (report,) = [each for each in found if each.number == operator and each.operator.endswith("int32")]
    return report


@pytest.mark.parametrize("scale", [1e-3, 1e-7, 1e-8, 2e-9])
def test_what_a_converter_rounds_in_float32_is_no_error(scale):
    real = np.random.default_rng(0).uniform(-3.5, 3.5, 1000).astype(np.float32)
    stored = np.rint(real / np.float32(scale)).astype(np.int64)
    difference, steps = Bias(scales=np.array([scale]), scale_factor=1.0).apart(stored, real)
    assert np.abs(difference).max() <= max(0.51 * scale, 3.5 * 2**-22)
    assert np.sqrt(np.mean(np.square(steps))) < 0.35
    assert np.abs(steps).max() < 1


def test_a_bias_that_is_another_is_steps_apart_whatever_the_scale():
    real = np.array([1.0, -2.0], np.float32)
    for scale in (1e-3, 1e-9):
        stored = np.rint(np.array([1.1, -2.0]) / scale).astype(np.int64)
        _, steps = Bias(scales=np.array([scale]), scale_factor=1.0).apart(stored, real)
        assert steps[0] > 90
        assert abs(steps[1]) <= 0.5


def test_a_record_that_is_wrong_beside_a_bias_that_is_right_is_told_and_no_error():
    report = bias_report(faults.with_bias(faults.committed("int8"), faults.POINTWISE, record=40.0))
    assert report.bias_scale_factor == pytest.approx(40.0)
    assert report.rmse_in_steps < 0.35


def test_a_bias_that_is_right_for_its_record_alone_is_an_error():
    fault = faults.rescaled_output(factor=3.0)
    report = bias_report(fault.content, fault.operator)
    assert report.bias_scale_factor == pytest.approx(1 / 3)
    assert report.rmse_in_steps > 100
    assert bias_report(fault.content, faults.POINTWISE).bias_scale_factor == 1.0


def test_a_bias_without_parameters_is_read_all_the_same():
    report = bias_report(faults.off_the_delegate().content, faults.DEPTHWISE)
    assert report.bias_scale_factor == 1.0
    assert 0.2 < report.rmse_in_steps < 0.35


def test_a_channel_at_the_limit_is_counted_and_the_others_are_judged():
    report = bias_report(faults.with_bias(faults.committed("int8"), faults.POINTWISE, limit=7))
    assert report.at_limit == 1
    assert report.rmse_in_steps < 0.35
    assert bias_report(faults.committed("int8")).at_limit == 0


def test_what_is_no_bias_of_quantized_operands_is_none():
    graph = read_model(faults.committed("int8")).subgraphs[0]
    _, weights, bias = graph.operators[faults.POINTWISE].inputs
    assert bias_of(graph, faults.POINTWISE, bias) is not None
    assert bias_of(graph, faults.POINTWISE, weights) is None
    assert bias_of(graph, faults.MEAN, graph.operators[faults.MEAN].inputs[1]) is None
    floats = read_model(faults.committed("fp32")).subgraphs[0]
    assert bias_of(floats, 0, floats.operators[0].inputs[2]) is None
