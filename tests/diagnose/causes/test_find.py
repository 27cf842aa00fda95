"""From evidence to causes: which cause, at which operator, and in which order."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from diagnose.made_up import EXAMPLES, chain, diagnosis, fed, report, tensor, weights
from qbench.diagnose.causes.find import find_causes
from qbench.diagnose.evidence.records import (
    CalibrationReport,
    FamilyResult,
    OperatorTime,
    OptionsReport,
    RangeStability,
)

#: From this severity on a cause is printed as one to act on.
ALARMING = 0.25


def causes(found, graph=None):
    return [(each.cause, each.where) for each in find_causes(found, graph or chain())]


def with_operator(changed, others=(0, 1, 2)):
    return tuple(changed if number == changed.number else report(number) for number in others)


def test_a_healthy_artifact_has_no_causes():
    assert causes(diagnosis()) == []


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"not_finite": 3}, "not finite"),
        ({"saturated": 0.05, "float_high": 12.0}, "saturation"),
        ({"range_use": 0.1, "float_high": 0.6}, "range too wide"),
        ({"mean_error_in_steps": 3.0, "rmse_in_steps": 3.02}, "zero point"),
        ({"dead_channels": 4}, "dead channels"),
        ({"rmse_in_steps": 9.0, "sqnr_db": 12.0}, "operator error"),
    ],
)
def test_what_is_wrong_with_an_operator_is_named_there(changed, cause):
    assert causes(diagnosis(operators=with_operator(report(1, **changed)))) == [(cause, "CONV_2D int8 't2'")]


def test_the_name_is_the_first_of_those_that_a_converter_joined():
    graph = chain(t2=tensor("relu;bias;conv"))
    named = report(1, dead_channels=16)
    operators = with_operator(replace(named, output="relu;bias;conv"))
    assert causes(diagnosis(operators=operators), graph) == [("dead channels", "CONV_2D int8 'relu'")]


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"rmse_in_steps": 30.0, "max_error_in_steps": 90.0}, "weights differ"),
        ({"per_tensor": True, "worst_channel_sqnr_db": 3.0}, "weights per tensor"),
        ({"per_tensor": True}, "weights per tensor"),
    ],
)
def test_what_is_wrong_with_weights_is_named_at_their_operator(changed, cause):
    found = diagnosis(weights=(weights(0), weights(1, **changed), weights(2)))
    assert causes(found) == [(cause, "CONV_2D int8 't2'")]


def test_one_scale_for_all_channels_is_no_cause_where_all_have_it_and_no_channel_loses():
    assert causes(diagnosis(weights=tuple(weights(number, per_tensor=True) for number in range(3)))) == []


def test_one_large_input_channel_is_a_cause_where_the_operator_does_damage():
    unequal = (weights(1, input_spread=200.0),)
    assert causes(diagnosis(weights=unequal)) == []
    hurt = with_operator(report(1, rmse_in_steps=18.0, sqnr_db=9.0))
    assert causes(diagnosis(weights=unequal, operators=hurt)) == [("unequal channels", "CONV_2D int8 't2'")]


def test_weights_of_few_bits_are_coarse_where_the_operator_does_damage():
    coarse = (weights(1, operator="CONV_2D int4", worst_channel_sqnr_db=18.0),)
    assert causes(diagnosis(weights=coarse)) == []
    hurt = with_operator(report(1, rmse_in_steps=6.0, sqnr_db=18.0))
    (finding,) = find_causes(diagnosis(weights=coarse, operators=hurt), chain())
    assert (finding.cause, finding.where) == ("coarse weights", "CONV_2D int8 't2'")
    assert "rounded well, to int4, and the channel that loses most keeps 18 dB" in finding.evidence


class TestBiases:
    def test_a_bias_of_another_scale_than_kernels_take_is_named_with_the_factor(self):
        other = weights(1, operator="CONV_2D int32", rmse_in_steps=900.0, bias_scale_factor=1 / 3)
        hurt = with_operator(report(1, rmse_in_steps=80.0, sqnr_db=-5.0, flips_alone=90))
        (finding,) = find_causes(diagnosis(weights=(weights(1), other), operators=hurt), chain())
        assert (finding.cause, finding.where) == ("bias scale", "CONV_2D int8 't2'")
        assert "is 1/3 times its input's scale times its weights'" in finding.evidence
        assert finding.severity > 0.5

    def test_a_record_that_is_wrong_beside_a_bias_that_is_right_is_worth_knowing_and_no_more(self):
        record = weights(1, operator="CONV_2D int32", bias_scale_factor=40.0)
        operators = with_operator(report(1, flips_alone=30))
        (finding,) = find_causes(diagnosis(weights=(record,), operators=operators), chain())
        assert finding.cause == "bias scale"
        assert "what is stored is right, and the record is not" in finding.evidence
        assert finding.severity < ALARMING

    def test_a_bias_at_the_limit_has_a_cause_of_its_own(self):
        limit = weights(1, operator="CONV_2D int32", at_limit=2)
        (finding,) = find_causes(diagnosis(weights=(limit,)), chain())
        assert (finding.cause, finding.where) == ("bias does not fit", "CONV_2D int8 't2'")
        assert "the bias of 2 channels is beyond what int32 holds" in finding.evidence

    def test_a_bias_is_never_called_coarse(self):
        coarse = weights(1, operator="CONV_2D int32", worst_channel_sqnr_db=9.0)
        hurt = with_operator(report(1, rmse_in_steps=18.0, sqnr_db=9.0))
        assert causes(diagnosis(weights=(coarse,), operators=hurt)) == [("operator error", "CONV_2D int8 't2'")]


def test_weights_that_are_stored_as_float_are_others_by_their_norm():
    given = {"operator": "CONV_2D float16", "rmse_in_steps": 0.0, "max_error_in_steps": 0.0}
    near, far = (weights(1, relative_error=error, **given) for error in (0.0005, 1.4))
    assert causes(diagnosis(weights=(weights(0), near))) == []
    (finding,) = find_causes(diagnosis(weights=(weights(0), far)), chain())
    assert finding.cause == "weights differ"
    assert "'w1' is 140.0% of their norm from the float weights" in finding.evidence


def test_other_options_are_a_cause_above_what_else_is_wrong_with_the_operator():
    options = OptionsReport(
        number=1, operator="CONV_2D int8", output="t2", differences=("its stride_w is 2, the float model's 1",)
    )
    hurt = with_operator(report(1, rmse_in_steps=30.0, sqnr_db=2.0, flips_alone=80, saturated=0.05, float_high=9.0))
    found = find_causes(diagnosis(operators=hurt, options=(options,)), chain())
    assert [each.cause for each in found] == ["options differ", "saturation"]
    assert found[0].evidence.startswith("its stride_w is 2, the float model's 1; alone it flips 80")
    idle = find_causes(diagnosis(options=(options,)), chain())
    assert [each.cause for each in idle] == ["options differ"]
    assert idle[0].severity >= ALARMING


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"weighted": 3, "unmatched_weighted": 2}, "2 of 3 operators with weights have no counterpart in it"),
        ({"weighted": 3, "other_outputs": "its outputs have 3 values"}, "its outputs have 3 values"),
    ],
)
def test_another_model_is_above_all_that_comes_of_it(changed, said):
    operators = with_operator(report(2, sqnr_db=-3.0, rmse_in_steps=50.0, flips_alone=EXAMPLES))
    found = find_causes(diagnosis(operators=operators, **changed), chain())
    assert [(each.cause, each.evidence) for each in found][:1] == [("another model", said)]
    assert found[0].severity > 2 * found[1].severity - 1e-9
    few = diagnosis(weighted=3, unmatched_weighted=1)
    assert causes(few) == []


def test_who_was_run_together_with_others_is_not_the_only_one_meant():
    together = "together with 0 CONV_2D, 1 CONV_2D; flips not counted: so"
    hurt = replace(report(2, sqnr_db=-3.0, rmse_in_steps=50.0), note=together)
    (finding,) = find_causes(diagnosis(operators=with_operator(hurt)), chain())
    assert "it was run together with 0 CONV_2D, 1 CONV_2D, of which nothing is known" in finding.evidence


class TestRanges:
    @pytest.mark.parametrize(("zero_point", "shift"), [(-32, "+96"), (127, "+255"), (-100, "+28")])
    def test_a_range_that_is_wide_enough_and_elsewhere_is_a_zero_point(self, zero_point, shift):
        graph = chain(t2=tensor("t2", zero_point=zero_point))
        (finding,) = find_causes(diagnosis(operators=with_operator(report(1, saturated=0.02))), graph)
        assert (finding.cause, finding.where) == ("zero point", "CONV_2D int8 't2'")
        assert f"{shift} steps off" in finding.evidence
        assert "the zero point -128 holds them all" in finding.advice

    def test_of_a_shift_downward_the_sign_is_told(self):
        graph = chain(t2=tensor("t2", scale=4 / 255, zero_point=-128))
        values = {"saturated": 0.3, "float_low": -3.0, "float_high": 0.9}
        (finding,) = find_causes(diagnosis(operators=with_operator(report(1, **values))), graph)
        assert finding.cause == "zero point"
        assert "-191 steps off" in finding.evidence

    def test_a_range_that_a_few_examples_exceed_is_not_shifted(self):
        values = {"saturated": 0.02, "float_high": 6.2}
        assert causes(diagnosis(operators=with_operator(report(1, **values)))) == [("saturation", "CONV_2D int8 't2'")]

    def test_a_range_that_is_too_narrow_is_not_called_shifted_wherever_it_lies(self):
        graph = chain(t2=tensor("t2", scale=3 / 255, zero_point=0))
        found = diagnosis(operators=with_operator(report(1, saturated=0.3, float_high=12.0)))
        assert causes(found, graph) == [("saturation", "CONV_2D int8 't2'")]

    def test_the_error_alone_counts_where_it_is_known_and_the_one_as_deployed_where_it_is_not(self):
        alone = replace(report(1), isolated=report(1, saturated=0.2, float_high=9.0).isolated)
        deployed = replace(report(1, saturated=0.2, float_high=9.0), isolated=None)
        for operator in (alone, deployed):
            found = causes(diagnosis(operators=with_operator(operator)))
            assert found == [("saturation", "CONV_2D int8 't2'")]

    def test_an_offset_among_larger_errors_is_not_one(self):
        scattered = report(1, mean_error_in_steps=3.0, rmse_in_steps=5.0)
        assert causes(diagnosis(operators=with_operator(scattered))) == []

    def test_of_few_examples_a_channel_may_be_one_value_by_chance(self):
        dead = with_operator(report(1, dead_channels=4))
        assert causes(diagnosis(operators=dead, examples=8)) == []

    def test_a_few_clipped_values_that_do_no_damage_are_no_cause(self):
        assert causes(diagnosis(operators=with_operator(report(1, saturated=0.005, float_high=6.2)))) == []

    def test_a_wide_range_of_16_bits_or_of_the_specification_is_no_cause(self):
        wide = report(1, range_use=0.1, float_high=0.6)
        graph = chain(t2=tensor("t2", dtype="int16", scale=6 / 32767, zero_point=0))
        assert causes(diagnosis(operators=with_operator(wide)), graph) == []

    def test_clipping_is_blamed_for_no_error_that_other_values_have(self):
        given = {"saturated": 0.02, "float_high": 6.5, "sqnr_db": 4.0, "rmse_in_steps": 40.0}
        for share, cause in ((0.9, "saturation"), (0.1, "operator error")):
            operators = with_operator(report(1, saturated_error=share, **given))
            assert causes(diagnosis(operators=operators)) == [(cause, "CONV_2D int8 't2'")]

    def test_of_values_far_from_0_the_offset_is_to_be_subtracted(self):
        graph = chain(t2=tensor("t2", scale=304 / 255))
        far = report(1, range_use=0.026, float_low=296.0, float_high=304.0, sqnr_db=58.0, rmse=0.35, flips_alone=None)
        (finding,) = find_causes(diagnosis(operators=with_operator(far)), graph)
        assert finding.cause == "range too wide"
        assert "2.6% of it is in use, for zero has to be in it" in finding.evidence
        assert "subtract the offset of about 300" in finding.advice
        # 58 dB of what lies at 300 is a seventh of what the values vary by.
        assert finding.severity >= ALARMING

    def test_a_zero_point_of_16_bits_is_0_and_never_shifted(self):
        graph = chain(t2=tensor("t2", dtype="int16", scale=6 / 32767, zero_point=0))
        found = diagnosis(operators=with_operator(report(1, saturated=0.02, float_high=6.7)))
        assert causes(found, graph) == [("saturation", "CONV_2D int8 't2'")]

    def test_few_examples_do_not_make_a_range_too_wide(self):
        wide = with_operator(report(1, range_use=0.1, float_high=0.6))
        assert causes(diagnosis(operators=wide, examples=2)) == []

    def test_who_does_more_damage_than_what_it_is_fed_is_blamed_itself(self):
        feeder = report(0, range_use=0.15, float_high=0.9, flips_alone=0)
        guilty = report(1, rmse_in_steps=106.0, sqnr_db=-8.0, flips_alone=90)
        found = find_causes(diagnosis(operators=(feeder, guilty, report(2)), flips=50, evaluated_flips=600), chain())
        assert [(each.cause, each.where[-4:]) for each in found] == [
            ("operator error", "'t2'"),
            ("range too wide", "'t1'"),
        ]

    def test_who_hands_on_what_it_is_fed_leaves_its_damage_to_who_fed_it(self):
        feeder = report(0, saturated=0.3, float_high=20.0, flips_alone=40)
        reader = report(1, rmse_in_steps=34.0, sqnr_db=7.0, flips_alone=44)
        (finding,) = find_causes(diagnosis(operators=(feeder, reader, report(2))), chain())
        alone = find_causes(diagnosis(operators=(feeder, report(1), report(2))), chain())
        assert (finding.cause, finding.where) == ("saturation", "CONV_2D int8 't1'")
        assert finding.severity > alone[0].severity

    def test_who_reads_what_is_badly_represented_is_not_blamed(self):
        operators = (report(0, saturated=0.3, float_high=20.0), report(1, rmse_in_steps=40.0, sqnr_db=3.0), report(2))
        assert causes(diagnosis(operators=operators)) == [("saturation", "CONV_2D int8 't1'")]


class TestOrder:
    def test_what_flips_more_alone_comes_first(self):
        operators = (
            report(0, flips_alone=10, saturated=0.2, float_high=9.0),
            report(1),
            report(2, flips_alone=60, saturated=0.1, float_high=9.0),
        )
        found = find_causes(diagnosis(operators=operators), chain())
        assert [each.where[-4:] for each in found] == ["'t3'", "'t1'"]
        assert f"alone it flips 60 of {EXAMPLES}" in found[0].evidence

    def test_what_flips_comes_before_what_only_may_be_wrong(self):
        operators = (report(0, flips_alone=1), report(1, flips_alone=24, saturated=0.1, float_high=9.0), report(2))
        shared = (weights(0, per_tensor=True, worst_channel_sqnr_db=6.0),)
        given = {"operators": operators, "weights": shared, "flips": 27, "evaluated": 1500, "evaluated_flips": 27}
        found = find_causes(diagnosis(**given), chain())
        assert [each.cause for each in found] == ["saturation", "weights per tensor"]
        assert found[0].severity >= ALARMING > found[1].severity

    def test_what_flips_comes_before_what_is_slow(self):
        operators = with_operator(report(1, flips_alone=8, saturated=0.1, float_high=9.0))
        given = {"operators": operators, "flips": 9, "evaluated": 1500, "evaluated_flips": 9, "fallen": ("CONV_2D",)}
        assert [cause for cause, _ in causes(diagnosis(**given))] == ["saturation", "off the delegate"]

    def test_of_what_flips_as_much_a_fact_that_is_never_right_comes_first(self):
        operators = (report(0, flips_alone=20, saturated=0.1, float_high=9.0), report(1, flips_alone=20), report(2))
        found = causes(diagnosis(operators=operators, weights=(weights(1, rmse_in_steps=40.0),)))
        assert [cause for cause, _ in found] == ["weights differ", "saturation"]

    def test_one_flip_is_chance(self):
        for flips, is_alarming in ((1, False), (2, True)):
            operators = with_operator(report(1, flips_alone=flips, saturated=0.1, float_high=9.0))
            (finding,) = find_causes(diagnosis(operators=operators, evaluated=100, flips=2, evaluated_flips=2), chain())
            assert (finding.severity >= ALARMING) is is_alarming

    def test_an_error_of_a_tenth_is_alarming_where_nothing_can_flip(self):
        for decibels, is_alarming in ((13.0, True), (40.0, False)):
            clipped = report(1, saturated=0.1, float_high=9.0, sqnr_db=decibels, flips_alone=None)
            (finding,) = find_causes(diagnosis(operators=with_operator(clipped), flips=0, evaluated_flips=0), chain())
            assert (finding.severity >= ALARMING) is is_alarming

    def test_operators_flip_examples_that_flip_anyway_and_few_of_those_are_no_damage(self):
        blamed = [("operator error", "CONV_2D int8 't2'")]
        few, many = (with_operator(report(1, flips_alone=flips)) for flips in (4, 14))
        assert causes(diagnosis(operators=few, flips=5, evaluated_flips=5)) == []
        assert causes(diagnosis(operators=few, flips=5, evaluated_flips=50)) == blamed
        assert causes(diagnosis(operators=many, flips=5, evaluated_flips=5)) == blamed
        # Where nothing flips, what an operator flips alone is all there is.
        assert causes(diagnosis(operators=few, flips=0, evaluated_flips=0)) == blamed
        one = with_operator(report(1, flips_alone=1))
        assert causes(diagnosis(operators=one, flips=0, evaluated_flips=0)) == []

    def test_damage_of_others_that_flows_through_an_operator_counts_nothing(self):
        guilty = report(0, dead_channels=16, sqnr_db=6.0, rmse_in_steps=30.0, flips_alone=30)
        hurt = report(1)
        downstream = replace(hurt, cumulative=guilty.isolated)
        assert causes(diagnosis(operators=(guilty, downstream, report(2)))) == [("dead channels", "CONV_2D int8 't1'")]

    def test_the_first_operator_that_gives_nan_is_above_everything_and_those_behind_it_are_silent(self):
        operators = (report(0, dead_channels=16, flips_alone=100), report(1, not_finite=5), report(2, not_finite=9))
        found = causes(diagnosis(operators=operators, inputs=(fed(calibration_high=255.0),)))
        assert found[0] == ("not finite", "CONV_2D int8 't2'")
        assert [cause for cause, _ in found].count("not finite") == 1

    def test_nan_of_the_float_model_is_said_of_the_float_model(self):
        operators = (report(0), *(report(number, not_finite=5, float_not_finite=5) for number in (1, 2)))
        assert causes(diagnosis(operators=operators)) == [("not finite", "the float model's 't2'")]

    def test_a_calibration_of_another_kind_is_above_all_that_it_explains(self):
        operators = with_operator(report(1, saturated=0.9, float_high=99.0, flips_alone=EXAMPLES))
        given = fed(calibration_high=255.0, represents_high=255.0)
        found = find_causes(diagnosis(operators=operators, inputs=(given,)), chain())
        assert [each.cause for each in found] == ["calibration differs", "saturation"]
        assert found[0].severity > 2 * found[1].severity - 1e-9

    def test_ranges_that_most_operators_exceed_are_one_cause_of_the_model(self):
        operators = tuple(report(number, saturated=0.2, float_high=20.0) for number in range(6))
        found = causes(diagnosis(operators=operators), chain(6))
        assert found[0] == ("calibration differs", "the model's ranges")
        assert len(found) == 7

    def test_weights_that_are_others_throughout_are_one_cause_of_the_model(self):
        other = tuple(weights(number, rmse_in_steps=40.0) for number in range(6))
        operators = tuple(report(number) for number in range(6))
        assert causes(diagnosis(weights=other, operators=operators), chain(6))[0] == (
            "weights differ",
            "the model's weights",
        )


def test_two_findings_at_each_of_three_operators_are_three_operators_and_not_the_model():
    other = tuple(
        weights(number, rmse_in_steps=40.0, weights=name)
        for number in range(3)
        for name in (f"w{number}", f"b{number}")
    )
    others = (*other, *(weights(number) for number in range(3, 12)))
    operators = tuple(report(number) for number in range(12))
    found = causes(diagnosis(weights=others, operators=operators), chain(12))
    assert {where for _, where in found} == {f"CONV_2D int8 't{number}'" for number in (1, 2, 3)}
    (first, *_) = find_causes(diagnosis(weights=other), chain())
    assert (first.where, first.evidence) == (
        "the model's weights",
        "the weights of 3 of 3 operators are not the float model's",
    )


def test_of_a_model_that_was_trained_further_ranges_are_judged_and_not_weights_or_errors():
    operators = (report(0, sqnr_db=3.0, rmse_in_steps=50.0), report(1, saturated=0.2, float_high=9.0), report(2))
    other = tuple(weights(number, rmse_in_steps=30.0) for number in range(3))
    found = diagnosis(operators=operators, weights=other, retrained=True)
    assert causes(found) == [("saturation", "CONV_2D int8 't2'")]


class TestCalibration:
    def test_a_difference_that_does_no_harm_is_mild_and_hides_no_operator(self):
        guilty = with_operator(report(1, flips_alone=90))
        other = (weights(1, rmse_in_steps=70.0),)
        given = fed(calibration_mean=0.5)
        found = find_causes(diagnosis(operators=guilty, weights=other, inputs=(given,)), chain())
        assert [each.cause for each in found] == ["weights differ", "calibration differs"]
        assert found[0].severity > 0.7
        assert found[1].severity < ALARMING

    def test_one_example_that_reaches_further_is_told_from_other_preprocessing(self):
        for beyond, cure in ((1, "take them out"), (40, "the same preprocessing")):
            given = fed(calibration_high=30.0, represents_high=30.0, calibration_examples=48, calibration_beyond=beyond)
            (finding,) = find_causes(diagnosis(inputs=(given,)), chain())
            assert cure in finding.advice
            assert ("1 of 48 examples reaches beyond" in finding.evidence) is (beyond == 1)

    def test_a_difference_that_most_ranges_show_is_one_of_the_model(self):
        operators = tuple(report(number, range_use=0.1, float_high=0.6, flips_alone=20) for number in range(6))
        given = fed(calibration_low=-1.0)
        first, *others = find_causes(diagnosis(operators=operators, inputs=(given,)), chain(6))
        assert first.cause == "calibration differs"
        assert first.severity > 0.9
        assert all(each.severity < 0.5 for each in others)

    def test_a_calibration_and_the_range_that_came_of_it_are_one_cause(self):
        given = fed(calibration_high=255.0, represents_high=255.0)
        assert [cause for cause, _ in causes(diagnosis(inputs=(given,)))] == ["calibration differs"]

    def test_what_was_not_calibrated_is_not_blamed_on_calibration(self):
        assert causes(diagnosis(inputs=(fed(calibration_high=255.0),), calibrated=False)) == []

    def test_the_range_of_the_input_tells_without_the_calibration_examples(self):
        given = fed(calibration_low=None, calibration_high=None, calibration_mean=None, represents_high=255.0)
        (finding,) = find_causes(diagnosis(inputs=(given,)), chain())
        assert (finding.cause, finding.where) == ("input range", "input 'x'")
        assert "255 times as wide" in finding.evidence

    def test_half_a_range_is_unused_by_design_where_zero_points_are_0(self):
        given = fed(represents_low=-1.0, represents_high=1.0)
        symmetric = chain(**{f"t{index}": tensor(f"t{index}", zero_point=0) for index in range(4)})
        assert causes(diagnosis(inputs=(given,)), symmetric) == []
        assert causes(diagnosis(inputs=(given,))) == [("input range", "input 'x'")]

    @pytest.mark.parametrize(("high", "first"), [(2.5, "weights differ"), (30.0, "input range")])
    def test_an_input_that_loses_a_bit_or_two_explains_nothing_else(self, high, first):
        other = (weights(1, rmse_in_steps=40.0),)
        found = find_causes(diagnosis(inputs=(fed(represents_high=high),), weights=other), chain())
        assert [each.cause for each in found] == [first, *({"weights differ", "input range"} - {first})]

    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            ({"near_copies": 3}, "3 of 50 examples are nearly evaluation examples"),
            ({"duplicate_examples": 40}, "40 of 50 examples are copies of others"),
            (
                {"ranges": (RangeStability(tensor="t;u", low=0, high=1, moved_by_subset=0.8, moved_by_order=0),)},
                "the range of 't' moves by 80%",
            ),
        ],
    )
    def test_a_poor_set_is_a_mild_cause(self, changed, said):
        given = CalibrationReport(digest="d", examples=50, constant_examples=0, duplicate_examples=0)
        (finding,) = find_causes(diagnosis(calibration=replace(given, **changed)), chain())
        assert (finding.cause, finding.where) == ("calibration differs", "the calibration set")
        assert said in finding.evidence
        assert finding.severity < 0.25

    def test_examples_of_one_value_each_are_of_another_kind(self):
        given = CalibrationReport(digest="d", examples=50, constant_examples=40, duplicate_examples=0)
        (finding,) = find_causes(diagnosis(calibration=given), chain())
        assert "40 of 50 examples are of one value throughout" in finding.evidence


class TestKernels:
    def test_kernels_that_flip_more_than_quantizing_are_a_cause(self):
        families = (
            FamilyResult(family="xnnpack", accuracy=0.9, flips=0, max_output_steps=0, examples=100),
            FamilyResult(family="reference", accuracy=0.8, flips=9, max_output_steps=12, examples=100),
        )
        (finding,) = find_causes(diagnosis(families=families), chain())
        assert (finding.cause, finding.where) == ("kernels differ", "reference kernels")
        assert causes(diagnosis(families=families, evaluated_flips=90)) == []

    def test_an_operator_that_is_slower_than_in_float_and_matters_is_a_cause(self):
        def times(slow):
            return tuple(
                OperatorTime(number=number, kernel="k", delegated=True, nanoseconds=slow if number == 1 else 1000.0)
                for number in range(3)
            )

        ((cause, where),) = causes(diagnosis(times=times(3000.0), float_times=times(1000.0)))
        assert (cause, where) == ("slow operator", "CONV_2D int8 't2'")
        assert causes(diagnosis(times=times(1200.0), float_times=times(1000.0))) == []
        # Three times as long, of an invoke in which that is next to nothing.
        assert causes(diagnosis(times=times(300.0), float_times=times(100.0))) == []
        assert causes(diagnosis(times=times(3000.0))) == []

    def test_a_model_of_16_bits_that_no_delegate_runs_is_slow_as_a_whole(self):
        operators = tuple(replace(report(number), operator="CONV_2D int16xint8") for number in range(3))

        def times(each, *, delegated):
            return tuple(
                OperatorTime(number=number, kernel="k", delegated=delegated, nanoseconds=each) for number in range(3)
            )

        given = {"operators": operators, "float_times": times(100.0, delegated=True)}
        (finding,) = find_causes(diagnosis(times=times(900.0, delegated=False), **given), chain())
        assert (finding.cause, finding.where) == ("slow operator", "the model")
        assert "9 times as long as in float: no operator runs in the delegate" in finding.evidence
        assert causes(diagnosis(times=times(150.0, delegated=False), **given)) == []
