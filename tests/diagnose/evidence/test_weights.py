"""Weights of artifacts against those of the float model that they were made of."""

from __future__ import annotations

import models_zoo as zoo
import numpy as np
import pytest

from diagnose import faults
from qbench.diagnose.evidence.weights import weight_reports
from qbench.diagnose.matching.match import match_graphs
from qbench.tflite.reader import read_model


def reports(content, float_content):
    model, floats = read_model(content), read_model(float_content)
    found, skipped = weight_reports(floats, model, match_graphs(model.subgraphs[0], floats.subgraphs[0]).constants)
    assert skipped == ()
    biases = ("int32", "int64", "float32")
    return [each for each in found if not each.operator.endswith(biases)], [
        each for each in found if each.operator.endswith(biases)
    ]


@pytest.mark.parametrize("make", [zoo.dense_int8, zoo.dense_hybrid, zoo.dense_int16, zoo.dense_uint8, zoo.dense_int4])
def test_rounding_leaves_half_a_step(make):
    floats = zoo.dense_float(4, 4) if make is zoo.dense_int4 else zoo.dense_float()
    weights, _ = reports(make(), floats)
    (found,) = weights
    assert found.operator.startswith("FULLY_CONNECTED ")
    assert 0 < found.rmse_in_steps <= found.max_error_in_steps <= 0.501
    assert found.worst_channel_sqnr_db > (15 if make is zoo.dense_int4 else 35)


def test_the_healthy_network_loses_what_rounding_takes():
    weights, biases = reports(faults.committed("int8"), faults.committed("fp32"))
    assert [each.number for each in weights] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10]
    assert all(0.2 < each.rmse_in_steps < 0.35 for each in weights + biases)
    assert all(each.max_error_in_steps <= 0.501 for each in weights + biases)
    assert not any(each.per_tensor for each in weights)
    assert all(each.input_spread < 10 for each in weights)
    # Channels that died in training: their kernels are hundreds of times larger than the rest.
    assert [each.number for each in weights if each.channel_spread > 100] == [5, 7]


def test_stored_weights_that_were_multiplied_are_far_from_the_float_ones_and_alone_so():
    fault = faults.saturated_weights()
    weights, _ = reports(fault.content, fault.float_content)
    assert [each.number for each in weights if each.rmse_in_steps > 0.5] == [fault.operator]


def test_one_scale_for_channels_of_other_sizes_loses_the_small_ones():
    fault = faults.per_tensor()
    (found,) = [each for each in reports(fault.content, fault.float_content)[0] if each.per_tensor]
    assert found.number == fault.operator
    assert found.worst_channel_sqnr_db < 3
    assert found.channel_spread > 100


def test_an_input_channel_that_takes_all_steps_stands_out_although_rounding_is_as_ever():
    fault = faults.unequal_channels()
    weights, _ = reports(fault.content, fault.float_content)
    assert [each.number for each in weights if each.input_spread > 50] == [fault.operator]
    assert all(each.max_error_in_steps <= 0.501 for each in weights)


def test_a_zero_point_of_weights_that_was_set_is_an_offset():
    shifted = faults.with_weight_zero_point(faults.committed("int8"), faults.POINTWISE, 5)
    (found,) = [each for each in reports(shifted, faults.committed("fp32"))[0] if each.number == faults.POINTWISE]
    assert found.mean_error_in_steps == pytest.approx(-5, abs=0.1)
    assert found.rmse_in_steps == pytest.approx(np.hypot(5, 0.29), abs=0.1)


def test_weights_whose_parameters_do_not_fit_are_said_not_to_be_compared():
    model, floats = read_model(zoo.dense_int8()), read_model(zoo.dense_float(4, 4))
    weights = (model.subgraphs[0].operators[0].inputs[1], floats.subgraphs[0].operators[0].inputs[1])
    found, (skipped,) = weight_reports(floats, model, {0: (weights,)})
    assert found == ()
    assert "its shape is (3, 4), theirs (4, 4)" in skipped


@pytest.mark.parametrize("recipe", ["fp16", "fp32"])
def test_weights_that_are_stored_as_float_are_compared_too(recipe):
    weights, biases = reports(faults.committed(recipe), faults.committed("fp32"))
    found = {each.number for each in weights + biases}
    assert len(found) == 10
    assert all(each.relative_error < 0.001 for each in weights + biases)
    assert not any(each.per_tensor or each.rmse_in_steps for each in weights + biases)
    others, biases = reports(faults.of_other_weights(recipe), faults.committed("fp32"))
    assert all(each.relative_error == pytest.approx(2, abs=0.01) for each in others + biases)


def test_what_float16_cannot_tell_from_0_is_no_difference():
    real = np.geomspace(1e-8, 9e-8, 48, dtype=np.float32)
    contents = (
        faults.with_constant(faults.committed("fp32"), faults.POINTWISE, 2, bias)
        for bias in (real.astype(np.float16).astype(np.float32), real)
    )
    _, biases = reports(*contents)
    assert all(each.relative_error == 0.0 for each in biases)
