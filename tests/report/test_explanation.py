"""A diagnosis as text: for a terminal of 80 columns, for a page, and as one line."""

from __future__ import annotations

import io

from diagnose.made_up import diagnosis, error, report
from msgspec.structs import replace
from rich.console import Console

from qbench.diagnose.evidence.records import CalibrationReport, FamilyResult, OperatorTime, RangeStability
from qbench.diagnose.records import Finding
from qbench.report.explanation import headline, markdown, print_diagnosis

FOUND = (
    Finding(
        cause="saturation",
        where="CONV_2D int8 't2'",
        severity=0.8,
        evidence="it clips; alone it flips 9 of 100",
        advice="calibrate",
    ),
    Finding(cause="dead channels", where="CONV_2D int8 't3'", severity=0.1, evidence="two are dead", advice="equalize"),
)


def _time(number):
    return OperatorTime(
        number=number, kernel=f"Convolution {number}", delegated=number != 1, nanoseconds=1500.0 * (number + 1)
    )


TIMES = tuple(_time(number) for number in range(3))


def printed(found, *, verbose=False, width=80):
    stream = io.StringIO()
    print_diagnosis(found, Console(file=stream, width=width, highlight=False), verbose=verbose)
    return stream.getvalue()


def test_the_headline_is_the_worst_cause_with_its_evidence():
    assert headline(diagnosis(findings=FOUND)) == ("CONV_2D int8 't2': saturation: it clips; alone it flips 9 of 100.")


def test_of_a_healthy_artifact_the_headline_says_what_quantizing_and_other_kernels_flip():
    assert headline(diagnosis()) == "nothing stands out: quantization: 1 of 1,000 predictions flip."
    same = (FamilyResult(family="xnnpack", accuracy=None, flips=0, max_output_steps=0, examples=100),)
    assert headline(diagnosis(families=same)).endswith("kernels: 0 of 100 flip on others.")
    families = (FamilyResult(family="reference", accuracy=None, flips=2, max_output_steps=1, examples=100),)
    assert headline(diagnosis(families=families)) == (
        "nothing stands out: quantization: 1 of 1,000 predictions flip; kernels: 2 of 100 flip on others (reference)."
    )


def test_a_headline_that_is_not_alarming_says_so():
    assert headline(diagnosis(findings=FOUND[1:])) == (
        "nothing alarming; the largest is CONV_2D int8 't3': dead channels: two are dead."
    )


def test_what_there_was_no_time_for_is_no_good_news():
    left = {"out_of_time": ("9 of 13 operators alone", "what operators flip")}
    said = "9 of 13 operators alone and what operators flip not looked at: no time"
    assert headline(diagnosis(**left)) == (
        f"{said}; else nothing stands out: quantization: 1 of 1,000 predictions flip."
    )
    assert headline(diagnosis(findings=FOUND[1:], **left)).startswith(f"{said}; else nothing alarming; the largest is ")
    assert headline(diagnosis(findings=FOUND, **left)).endswith(f"alone it flips 9 of 100; {said}.")
    assert f"Causes: {said}; else nothing stands out." in printed(diagnosis(**left), width=200)
    assert f"Causes: {said}; else nothing stands out." in markdown(diagnosis(**left))


def test_outputs_that_are_no_classes_are_said_to_flip_nothing_and_how_far_off_they_are():
    off = error(rmse=0.25, rmse_in_steps=2.5, sqnr_db=31.4)
    found = diagnosis(classes=False, evaluated=0, evaluated_flips=0, flips=0, output_error=off)
    said = "no row of classes: nothing flips; its output is off by 0.25 (rms, 2.5 steps, 31 dB below the values)"
    assert headline(found) == f"nothing stands out: {said}."
    text = printed(found, width=200)
    assert "100 examples looked at closely.\n" in text
    assert "predictions flip" not in text


def test_predictions_that_nobody_compared_are_no_zero():
    found = diagnosis(evaluated=0, evaluated_flips=0, flips=0)
    assert headline(found) == "nothing stands out: quantization: nobody compared predictions."
    real = replace(found, output_error=error(rmse=0.25, rmse_in_steps=None, sqnr_db=None))
    assert headline(real).endswith("nobody compared predictions; its output is off by 0.25 (rms).")


def test_causes_come_in_order_each_with_evidence_and_advice():
    lines = printed(diagnosis(findings=FOUND)).splitlines()
    first, second = lines.index("1. saturation: CONV_2D int8 't2'"), lines.index("2. dead channels: CONV_2D int8 't3'")
    assert lines[first + 1].strip() == "It clips; alone it flips 9 of 100."
    assert lines[first + 2].strip() == "Try: Calibrate."
    assert lines[second + 1].strip() == "Two are dead."


def test_a_healthy_artifact_is_said_to_be_one():
    assert "Causes: nothing stands out." in printed(diagnosis())


def test_no_line_of_a_table_is_wider_than_the_terminal_and_no_number_is_cut():
    long = tuple(
        replace(report(number, saturated=0.123), output=f"network/{'block' * 9}_{number}/Relu6") for number in range(3)
    )
    text = printed(diagnosis(operators=long, times=TIMES), verbose=True)
    assert max(len(line) for line in text.splitlines()) <= 80
    table = text[text.index("All operators") :]
    assert "12.3%" in table
    assert "4.5 us" in table
    assert "…" in table


def test_a_long_network_is_cut_to_the_worst_operators_in_their_order():
    operators = tuple(report(number, flips_alone=number % 10) for number in range(20))
    text = printed(diagnosis(operators=operators))
    table = text[text.index("The 8 worst of 20 operators") :].splitlines()[2:10]
    assert [int(line.split()[0]) for line in table] == [6, 7, 8, 9, 16, 17, 18, 19]
    assert "All operators" in printed(diagnosis(operators=operators), verbose=True)


def test_an_operator_that_is_blamed_is_among_the_worst_whatever_its_error():
    operators = tuple(report(number, flips_alone=number) for number in range(20))
    text = printed(diagnosis(operators=operators, findings=FOUND))
    rows = text[text.index("The 8 worst of 20 operators") :].splitlines()[2:10]
    assert [int(line.split()[0]) for line in rows] == [1, 2, 14, 15, 16, 17, 18, 19]


def test_what_was_not_run_alone_has_no_error_and_nan_is_not_hidden():
    operators = (replace(report(0), isolated=None), report(1, not_finite=3), report(2, rmse_in_steps=None, rmse=0.25))
    rows = printed(diagnosis(operators=operators)).split("All operators")[1].splitlines()[2:5]
    assert rows[0].split()[3] == "-"
    assert rows[1].split()[3] == "NaN"
    assert rows[2].split()[3] == "0.2r"


def test_kernels_and_times_of_both_sides_are_told_if_asked_for():
    text = printed(diagnosis(times=TIMES, float_times=TIMES[:1]), verbose=True)
    assert "Time in operators: 9 us for an example, 1.5 us in float." in text
    rows = text.split("Kernels that ran")[1].splitlines()
    assert rows[3].split() == ["1", "3", "us", "-", "no", "Convolution", "1"]
    assert "Kernels that ran" not in printed(diagnosis(times=TIMES))


def test_times_that_the_profiler_cannot_tell_from_nothing_are_bounds_and_make_no_sum():
    floor = OperatorTime(number=0, kernel="k", delegated=True, nanoseconds=7.8125, resolution_ns=7.8125)
    text = printed(diagnosis(times=(floor, *TIMES[1:]), float_times=TIMES), verbose=True)
    assert "Time in operators: 7.51 us for an example, 9 us in float." in text
    assert text.split("Kernels that ran")[1].splitlines()[2].split()[:3] == ["0", "<16", "ns"]
    small = replace(TIMES[1], nanoseconds=40.0)
    text = printed(diagnosis(times=(floor, small), float_times=(floor, small)))
    assert "Time in operators: <55.6 ns for an example.\n" in text


def test_calibration_changes_notes_and_what_has_no_counterpart_are_told():
    ranges = (RangeStability(tensor="logits;bias", low=-1, high=3, moved_by_subset=0.25, moved_by_order=0.5),)
    given = CalibrationReport(
        digest="abcdef0123456789", examples=500, constant_examples=0, duplicate_examples=0, ranges=ranges
    )
    others = {"changes": ("other ranges: X",), "notes": ("times: no library",), "unmatched": ("QUANTIZE 'q'",)}
    text = printed(diagnosis(calibration=given, **others), verbose=True, width=200)
    assert "Since it was accepted: other ranges: X." in text
    assert "Calibration: 500 examples, abcdef012345; ranges move by up to 25% from one half to the other." in text
    assert "logits: -1..3, moves by 25% by subset, by 50% by order of a moving average" in text
    assert "Not known: times: no library" in text
    assert "Not compared: QUANTIZE 'q'" in text


def test_the_page_has_all_of_it():
    page = markdown(diagnosis(findings=FOUND, times=TIMES, operators=tuple(report(number) for number in range(12))))
    assert page.startswith("**int8 of net against its float model**\n\n- quantization: 1 of 1,000 predictions flip.\n")
    assert (
        "1. **saturation: CONV_2D int8 't2'**  \n   It clips; alone it flips 9 of 100.  \n   Try: Calibrate.\n" in page
    )
    assert "| 11 | CONV_2D t12 | 0.30 |" in page
    assert "**Kernels that ran**" in page


def test_a_bar_in_a_name_does_not_end_its_cell():
    operators = (replace(report(0), output="a|b"), report(1), report(2))
    assert "CONV_2D a\\|b" in markdown(diagnosis(operators=operators))
