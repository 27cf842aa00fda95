"""Calibration as a tested input: ranges, copies, stability, and by which factor a normalisation is off."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnose.made_up import fed
from qbench.diagnose.evidence.calibration import (
    calibration_report,
    infinite_values,
    input_reports,
    range_stability,
)
from qbench.diagnose.evidence.normalisation import input_range_mismatch, mismatch
from qbench.models.datasets import Dataset
from qbench.records import TensorSpec

FLOAT = TensorSpec(name="x", dtype="float32", shape=(1, 4))
INT8 = TensorSpec(name="x", dtype="int8", shape=(1, 4), scales=(1 / 255,), zero_points=(-128,))


def examples(count, seed=0, low=0.0, high=1.0):
    return np.random.default_rng(seed).uniform(low, high, (count, 4)).astype(np.float32)


class TestInputs:
    def test_ranges_of_both_sets_and_of_what_the_input_holds(self):
        dataset = Dataset(inputs=np.array([[0, 1, 2, 3]], np.float32), calibration=examples(9, high=0.5))
        (report,) = input_reports(dataset, (INT8,))
        assert (report.low, report.high, report.mean) == (0.0, 3.0, 1.5)
        assert report.calibration_high == pytest.approx(0.5, abs=0.05)
        assert (report.represents_low, report.represents_high) == pytest.approx((0.0, 1.0))
        assert report.saturated == 0.5

    def test_calibration_examples_beyond_the_evaluation_are_counted_once_each(self):
        calibration = examples(48, seed=1)
        calibration[3, 1:3] = 4.0
        calibration[5, 0] = -0.2
        calibration[7, 0] = np.inf
        (report,) = input_reports(Dataset(inputs=examples(60), calibration=calibration), (INT8,))
        assert (report.calibration_examples, report.calibration_beyond) == (48, 1)

    def test_a_value_within_a_step_of_the_range_is_not_clipped(self):
        inside, outside = ([-step, 1 + step, 0.5, 0.5] for step in (0.9 / 255, 1.1 / 255))
        for values, share in ((inside, 0.0), (outside, 0.5)):
            dataset = Dataset(inputs=np.array([values], np.float32))
            assert input_reports(dataset, (INT8,))[0].saturated == share

    def test_stored_values_are_compared_as_the_real_ones_that_they_stand_for(self):
        dataset = Dataset(inputs=np.array([[0, 255, 3, 4]], np.uint8), input_scale=1 / 255)
        (report,) = input_reports(dataset, (INT8,))
        assert (report.low, report.high) == pytest.approx((0.0, 1.0))

    def test_integers_that_stand_for_themselves_have_no_range(self):
        tokens = TensorSpec(name="x", dtype="int32", shape=(1, 4))
        assert input_reports(Dataset(inputs=np.ones((3, 4), np.int32)), (tokens,)) == ()

    def test_several_inputs_are_found_by_their_names(self):
        specs = (FLOAT, TensorSpec(name="y", dtype="float32", shape=(1, 4)))
        dataset = Dataset(inputs={"y": examples(3, high=9.0), "x": examples(3)})
        assert [(report.name, report.high > 2) for report in input_reports(dataset, specs)] == [
            ("x", False),
            ("y", True),
        ]

    def test_a_sorted_set_is_looked_at_from_end_to_end(self):
        ascending = np.linspace(0, 1, 5000, dtype=np.float32)[:, np.newaxis].repeat(4, axis=1)
        assert input_reports(Dataset(inputs=ascending), (FLOAT,))[0].high > 0.99

    def test_ranges_are_those_of_finite_values_and_the_others_are_counted(self):
        inputs, calibration = examples(5), examples(3, 1)
        inputs[1, 2], inputs[4, 0], calibration[0, 0] = np.inf, -np.inf, np.inf
        dataset = Dataset(inputs=inputs, calibration=calibration)
        (report,) = input_reports(dataset, (INT8,))
        limits = [report.low, report.high, report.mean, report.deviation]
        assert np.isfinite([*limits, report.calibration_high, report.calibration_mean]).all()
        assert report.saturated == 2 / 20
        assert list(infinite_values(dataset)) == [
            "2 evaluation values are infinite; ranges are those of the others",
            "1 calibration value is infinite; ranges are those of the others",
        ]

    def test_an_input_of_infinite_values_alone_has_no_range(self):
        endless = np.full((3, 4), np.inf, np.float32)
        assert input_reports(Dataset(inputs=endless), (FLOAT,)) == ()
        (report,) = input_reports(Dataset(inputs=examples(3), calibration=endless), (FLOAT,))
        assert report.calibration_low is None


class TestReport:
    def test_a_dataset_without_calibration_has_none(self):
        assert calibration_report(Dataset(inputs=examples(3))) is None

    def test_the_digest_is_that_of_the_content(self):
        one, other = (Dataset(inputs=examples(9), calibration=examples(9, seed)) for seed in (1, 2))
        reports = [calibration_report(dataset) for dataset in (one, one, other)]
        assert reports[0].digest == reports[1].digest == one.calibration_digest != reports[2].digest

    def test_constant_and_repeated_examples_are_counted(self):
        calibration = np.concatenate([examples(5, 1), examples(5, 1)[:2], np.full((3, 4), 0.5, np.float32)])
        report = calibration_report(Dataset(inputs=examples(9), calibration=calibration))
        assert (report.examples, report.constant_examples, report.duplicate_examples) == (10, 3, 4)

    def test_copies_with_a_little_noise_are_counted_and_other_examples_are_not(self):
        inputs = np.random.default_rng(0).uniform(0, 1, (50, 100)).astype(np.float32)
        noise = np.random.default_rng(1).normal(0, 0.01, (7, 100)).astype(np.float32)
        # Ten times the noise is a tenth of the variance: another example.
        calibration = np.concatenate([inputs[10:17] + noise, 1 - inputs[:5], inputs[20:27] + 10 * noise])
        assert calibration_report(Dataset(inputs=inputs, calibration=calibration)).near_copies == 7

    def test_more_than_can_be_compared_in_a_moment_is_not_compared(self, monkeypatch):
        monkeypatch.setattr("qbench.diagnose.evidence.calibration._MOST_MULTIPLICATIONS", 10)
        assert calibration_report(Dataset(inputs=examples(9), calibration=examples(9, 1))).near_copies is None


class TestStability:
    def test_halves_that_reach_equally_far_do_not_move(self):
        (found,) = range_stability({"t": np.tile([[-1.0, 3.0]], (8, 1))})
        assert (found.low, found.high, found.moved_by_subset, found.moved_by_order) == (-1.0, 3.0, 0.0, 0.0)

    def test_one_example_that_reaches_further_moves_the_range_of_its_half(self):
        pairs = np.tile([[0.0, 1.0]], (8, 1))
        pairs[3] = [0.0, 5.0]
        (found,) = range_stability({"t": pairs})
        assert found.moved_by_subset == pytest.approx(4 / 5)

    def test_a_moving_average_depends_on_the_order(self):
        pairs = np.stack([np.zeros(60), np.linspace(1, 5, 60)], axis=1)
        (found,) = range_stability({"t": pairs})
        assert found.moved_by_order > 0.3
        assert found.moved_by_subset < 0.05

    def test_the_least_stable_comes_first_and_a_constant_tensor_does_not_move(self):
        steady, loose = np.tile([[0.0, 1.0]], (4, 1)), np.array([[0, 1], [0, 9], [0, 1], [0, 9.0]])
        found = range_stability({"flat": np.zeros((4, 2)), "steady": steady, "loose": loose})
        assert [each.tensor for each in found] == ["loose", "flat", "steady"]

    def test_one_example_has_no_halves(self):
        assert range_stability({"t": np.array([[0.0, 1.0]]), "none": np.zeros((0, 2))}) == ()


class TestNormalisation:
    @pytest.mark.parametrize(
        ("low", "high", "said"),
        [
            (0.0, 255.0, "255 times as wide, as pixels of 0..255 are"),
            (0.0, 1 / 255, "255 times narrower, as pixels divided by 255 are"),
            (-1.0, 1.0, "a mean was subtracted from the one and not from the other"),
            (0.0, 3.0, "3 times as wide"),
            (0.0, 0.2, "5 times narrower"),
            (0.5, 1.5, "shifted"),
            (0.5, 0.5, "every calibration value is 0.5"),
        ],
    )
    def test_what_was_done_to_calibration_is_named(self, low, high, said):
        clause = mismatch(fed(calibration_low=low, calibration_high=high, calibration_mean=(low + high) / 2))
        assert said in clause
        assert "evaluation inputs span 0..1" in clause

    def test_evaluation_that_was_normalised_and_calibration_that_was_not(self):
        clause = mismatch(fed(low=-1.0, high=1.0, mean=0.0, calibration_low=0.0, calibration_high=1.0))
        assert "a mean was subtracted" in clause

    def test_an_example_that_reaches_further_is_no_other_preprocessing(self):
        given = {"calibration_high": 4.0, "calibration_examples": 48}
        assert mismatch(fed(calibration_beyond=1, **given)) == (
            "1 of 48 examples reaches beyond what is evaluated: evaluation inputs span 0..1, calibration 0..4"
        )
        assert mismatch(fed(calibration_beyond=4, **given)).startswith("4 of 48 examples reach beyond ")
        assert mismatch(fed(calibration_beyond=40, **given)).endswith(": 4 times as wide")

    def test_the_same_range_about_another_mean(self):
        assert "has the mean 0.9" in mismatch(fed(calibration_mean=0.9))

    @given(st.floats(-5, 5), st.floats(0.1, 10), st.floats(0.9, 1.1), st.floats(-0.05, 0.05), st.floats(-0.4, 0.4))
    def test_data_of_one_kind_is_never_called_another(self, low, width, stretch, shift, mean_shift):
        deviation = 0.3 * width
        given_report = fed(
            low=low,
            high=low + width,
            mean=low + width / 2,
            deviation=deviation,
            calibration_low=low + shift * width,
            calibration_high=low + shift * width + stretch * width,
            calibration_mean=low + width / 2 + mean_shift * deviation,
        )
        assert mismatch(given_report) == ""

    def test_ranges_without_an_end_have_no_relation(self):
        endless = fed(high=float("inf"), calibration_low=0.0, calibration_high=2.0)
        assert mismatch(fed(calibration_high=float("inf"))) == ""
        assert "wide" not in mismatch(endless)
        assert input_range_mismatch(endless, symmetric=False) == ""

    def test_an_input_that_holds_what_it_is_given_fits(self):
        assert input_range_mismatch(fed(), symmetric=False) == ""
        assert input_range_mismatch(fed(represents_low=None, represents_high=None), symmetric=False) == ""

    def test_an_input_that_clips_does_not(self):
        clause = input_range_mismatch(fed(represents_high=0.8, saturated=0.04), symmetric=False)
        assert clause == "the input holds 0..0.8, evaluation inputs span 0..1: 4.0% of the values are clipped"

    def test_a_quantized_range_holds_0_whether_the_values_do_or_not(self):
        assert input_range_mismatch(fed(low=0.8, high=1.0), symmetric=False) == ""
