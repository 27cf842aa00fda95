"""From records to places in pictures."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qbench.records import Subject
from qbench.report.gallery import Confusion, SubjectGallery
from qbench.report.html.axis import axis_over
from qbench.report.html.confusion import confusion_of
from qbench.report.html.contest_plot import contest_plot
from qbench.report.html.contest_strips import contest_strips
from qbench.report.html.flips import MOST_PICTURE_BYTES, flips_by_subject
from qbench.report.html.history import history_plots
from qbench.report.html.intervals import quality_strips
from qbench.report.html.latency_strips import latency_strips
from qbench.report.html.operators import operators_of
from qbench.report.html.pareto import Choice, front, trade_off, trade_offs
from qbench.report.html.places import places_of
from qbench.report.wording import format_size, format_time
from qbench.verdicts import Verdict
from report.html import samples

_SUBJECT = Subject(model="net", recipe="int8")
_FINITE = st.floats(-1e300, 1e300)


@example(values=[5e9, 3e-299], log=None, zero=False)
@example(values=[5e-324, 1e300], log=True, zero=False)
@given(values=st.lists(_FINITE, min_size=1, max_size=20), log=st.sampled_from([None, False, True]), zero=st.booleans())
def test_every_value_has_a_place_and_larger_ones_are_further_right(values, log, zero):
    axis = axis_over(values, log=log, zero=zero)
    places = [axis.at(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(0 <= place <= 100 for place in places)
    assert all(0 <= tick.at <= 100 for tick in axis.marks(str))
    assert len(axis.ticks) <= 12


def test_an_axis_is_logarithmic_where_values_are_far_apart():
    assert axis_over([1.0, 9.0]).log
    assert not axis_over([1.0, 7.0]).log
    assert not axis_over([0.0, 9.0]).log
    assert axis_over([10.0, 1000.0]).ticks == (10.0, 100.0, 1000.0)


def test_ticks_are_numbers_that_people_count_in():
    assert axis_over([0.0, 40_400.0], ticks=3, zero=True).ticks == (0.0, 20_000.0, 40_000.0)


_CHOICES = st.lists(
    st.builds(Choice, recipe=st.text(max_size=3), cost=st.integers(1, 9), accuracy=st.integers(0, 9)), min_size=1
)


@given(_CHOICES)
def test_the_front_beats_all_others_and_is_beaten_by_none(choices):
    best = front(choices)
    for choice in choices:
        better = [
            other
            for other in choices
            if other.cost <= choice.cost
            and other.accuracy >= choice.accuracy
            and (other.cost < choice.cost or other.accuracy > choice.accuracy)
        ]
        assert (choice in best) == (not better)
    assert [choice.cost for choice in best] == sorted(choice.cost for choice in best)


def test_what_is_far_less_accurate_stands_at_the_lower_edge_and_hides_no_difference():
    choices = [
        Choice(recipe=recipe, cost=cost, accuracy=accuracy)
        for recipe, cost, accuracy in (("a", 4, 0.990), ("b", 3, 0.989), ("c", 2, 0.988), ("d", 1, 0.114))
    ]
    plot = trade_off(choices, "Size", "size", format_size)
    assert [dot.shape for dot in plot.dots] == ["circle", "circle", "circle", "below"]
    assert plot.dots[1].y - plot.dots[0].y > 20
    assert plot.dots[3].title == "d: accuracy 0.1140, 1 B; not beaten"
    assert any("An arrow" in text for text in plot.remarks)


def test_names_in_a_picture_hide_no_mark_and_no_other_name():
    record = samples.run(recipes=tuple(f"recipe-{number}" for number in range(12)))
    for plot in trade_offs(record.subjects):
        assert len(plot.dots) == 12
        assert len({label.text for label in plot.labels}) == len(plot.labels)


def test_a_model_with_one_recipe_has_no_picture_of_costs():
    assert trade_offs(samples.run(recipes=("int8",)).subjects) == []


def test_a_contest_is_drawn_group_by_group_with_its_limit_and_interval():
    plot = contest_plot(samples.verdict(_SUBJECT, "latency_ns", tolerance=0.05, contest=samples.contest()))
    assert [dot.kind for dot in plot.dots] == ["good", "good", "good", "bad"]
    assert [dot.shape for dot in plot.dots] == ["circle", "circle", "circle", "diamond"]
    places = {line.kind: line.y1 for line in plot.lines}
    assert places["zero"] > places["median"] > places["tolerance"] > plot.dots[3].y
    (band,) = plot.areas
    assert band.y < places["median"] < band.y + band.height
    assert "1 of 4 groups are above the limit of 1.050" in plot.summary


def test_a_floor_of_speedup_is_a_limit_of_the_inverse_ratio():
    contest = samples.contest(ratio=0.4, low=0.3, high=0.6, groups_ns=((100.0, 40.0), (100.0, 90.0)))
    plot = contest_plot(samples.verdict(_SUBJECT, "speedup", against="limit", tolerance=1.25, contest=contest))
    assert [dot.kind for dot in plot.dots] == ["good", "bad"]
    assert "limit of 0.800" in plot.summary
    assert plot.title == "int8 beside fp32: speedup"


def test_an_open_interval_reaches_to_the_edge():
    plot = contest_plot(samples.verdict(_SUBJECT, "latency_ns", contest=samples.contest(low=None, high=None)))
    assert [(band.y, band.height) for band in plot.areas] == [(0, 100)]


def test_no_contest_and_one_without_groups_have_no_picture():
    assert contest_plot(samples.verdict(_SUBJECT)) is None
    assert contest_plot(samples.verdict(_SUBJECT, contest=samples.contest(groups_ns=()))) is None


def test_intervals_share_an_axis_and_say_what_they_are():
    record = samples.run()
    fp32, accepted = quality_strips(record.verdicts, places_of(record))
    assert fp32.title == "accuracy: how much worse than fp32 of the same run"
    assert [row.name for row in accepted.rows] == ["fp32", "fp16", "dynamic", "int8"]
    assert accepted.interval_name == "90% interval (paired)"
    red = accepted.rows[-1]
    assert (red.value, red.interval) == ("3.00", "1.00 to 5.00")
    (zero, tolerance), (area,), (dot,) = red.lines, red.areas, red.dots
    assert zero.x1 < tolerance.x1 < area.x < dot.x < area.x + area.width
    assert (dot.kind, area.kind) == ("bad", "interval bad")


def test_a_drop_beyond_all_others_is_an_arrow_at_the_end():
    record = samples.run(recipes=tuple("abcdefgh"), red=False)
    verdicts = [
        samples.verdict(
            Subject(model="net", recipe=recipe),
            change=change,
            tolerance=0.005,
            paired=samples.paired(change - 0.001, change + 0.001),
        )
        for recipe, change in zip("abcdefgh", (0.001, 0.002, 0.001, 0.003, 0.001, 0.002, 0.001, 0.87), strict=True)
    ]
    (strips,) = quality_strips(verdicts, places_of(record))
    assert [row.dots[0].shape for row in strips.rows] == ["circle"] * 7 + ["beyond"]
    assert strips.rows[-1].dots[0].x == 100
    assert strips.rows[3].dots[0].x - strips.rows[0].dots[0].x > 15


def test_latency_is_drawn_from_its_percentiles():
    record = samples.run()
    strips = latency_strips(record.subjects, places_of(record))
    for row, subject in zip(strips.rows, record.subjects, strict=True):
        outer, inner = row.areas
        assert outer.x < inner.x < inner.x + inner.width < outer.x + outer.width
        assert row.interval.startswith(format_time(subject.latency_percentiles_ns[25]))


def test_operators_say_what_they_lose_alone_and_as_deployed_and_what_they_take():
    (gallery, *_) = samples.gallery(samples.run())
    found = operators_of(gallery)
    assert [(row.number, row.alone, row.deployed, row.flips) for row in found.rows] == [
        ("0", "40", "30", "0"),
        ("1", "39", "28", "1"),
        ("2", "38", "26", "2"),
        ("", "-", "-", "-"),
    ]
    assert found.rows[0].float_time == "2 us"
    assert found.rows[0].float_bar == 100
    assert found.rows[0].kernel == "kernel (no delegate)"
    assert len(found.plot.areas) == 2
    assert found.plot.summary == "The least is 2 CONV_2D int8: 26 dB as deployed."


def test_changes_of_a_confusion_are_better_or_worse():
    (gallery, *_) = samples.gallery(samples.run())
    table = confusion_of(gallery)
    assert [[(cell.now, cell.change, cell.kind) for cell in cells] for _, cells in table.rows] == [
        [(9, 0, "right"), (1, 0, "wrong"), (0, 0, "none")],
        [(0, 0, "none"), (7, -2, "worse"), (3, 2, "worse")],
        [(1, 1, "worse"), (0, 0, "none"), (8, -1, "worse")],
    ]
    assert (table.changed, table.left_out, table.against) == (4, 2, "what was accepted")


def test_many_classes_are_a_list_of_what_changed_most():
    counts = tuple(tuple(5 if row == column else 0 for column in range(40)) for row in range(40))
    now = tuple(
        tuple(3 if (row, column) == (4, 7) else value for column, value in enumerate(line))
        for row, line in enumerate(counts)
    )
    confusion = Confusion(classes=tuple(map(str, range(40))), before=counts, now=now)
    table = confusion_of(SubjectGallery(subject=_SUBJECT, confusion=confusion))
    assert table.rows == ()
    assert [(pair.actual, pair.predicted, pair.cell.change) for pair in table.pairs] == [("4", "7", 3)]


def test_counts_that_fit_no_classes_are_not_shown():
    confusion = Confusion(classes=("a", "b"), before=(), now=((1, 2),))
    assert confusion_of(SubjectGallery(subject=_SUBJECT, confusion=confusion)) is None


def test_pictures_stay_within_their_room_and_each_subject_has_some():
    record = samples.run(models=("a", "b", "c"))
    gallery = samples.gallery(record, flips=24, side=160)
    found = flips_by_subject(gallery)
    sizes = [sum(len(flip.png) for flip in flips.shown) for flips in found.values()]
    assert sum(sizes) <= MOST_PICTURE_BYTES
    assert min(sizes) > 0.7 * max(sizes)
    assert all(flips.without_room == sum(not flip.png for flip in flips.shown) for flips in found.values())


def test_history_goes_up_in_steps():
    (gallery, *_) = samples.gallery(samples.run())
    accuracy, size = history_plots(gallery.history)
    assert (accuracy.title, size.title) == ("Accepted accuracy", "Accepted size")
    assert accuracy.summary == "From 0.9600 to 0.9700 in 2 commits."
    assert [dot.y for dot in accuracy.dots] == sorted((dot.y for dot in accuracy.dots), reverse=True)
    assert history_plots(gallery.history[:1]) == []


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_moves_no_axis(value):
    assert axis_over([1.0, 2.0, value]) == axis_over([1.0, 2.0])


def test_verdicts_are_the_eight_that_badges_have_a_sign_for():
    assert len(Verdict) == 8


def test_contests_of_a_model_share_one_axis_with_their_limits():
    record = samples.run()
    slow = samples.verdict(
        _SUBJECT,
        "latency_ns",
        verdict=Verdict.FAIL,
        tolerance=0.05,
        contest=samples.contest(ratio=1.4, low=1.3, high=None),
    )
    same = samples.verdict(
        Subject(model="net", recipe="fp16"), "latency_ns", tolerance=0.05, contest=samples.contest(ratio=1.0)
    )
    speed = samples.verdict(_SUBJECT, "speedup", against="fp32", tolerance=2.0, contest=samples.contest(ratio=0.4))
    nothing = samples.verdict(_SUBJECT, "latency_ns", contest=samples.contest(ratio=None))
    accepted, fp32 = contest_strips([slow, same, speed, nothing, samples.verdict(_SUBJECT)], places_of(record))
    assert (accepted.title, fp32.title) == ("Latency beside what was accepted", "Latency beside fp32")
    assert [(row.name, row.value, row.interval) for row in accepted.rows] == [
        ("int8", "1.400", "1.300 to any"),
        ("fp16", "1.000", "0.990 to 1.030"),
    ]
    (one, limit), (bar,), (mark,) = accepted.rows[0].lines, accepted.rows[0].areas, accepted.rows[0].dots
    assert one.x1 < limit.x1 < bar.x < mark.x < bar.x + bar.width == 100
    assert (mark.kind, accepted.rows[1].dots[0].kind) == ("bad", "good")
    assert "limit 0.500" in fp32.rows[0].title


def test_no_line_goes_through_a_name():
    choices = [Choice(recipe="pruned", cost=6, accuracy=0.985), Choice(recipe="fp32", cost=40, accuracy=0.988)]
    plot = trade_off(choices, "Size", "size", format_size)
    name = next(label for label in plot.labels if label.text == "pruned")
    level = next(line for line in plot.lines if line.y1 == line.y2)
    assert (name.anchor, name.y) != ("start", level.y1) or name.dy != 4


def test_operators_that_flip_a_few_beside_one_that_flips_many_are_not_tinted():
    record = samples.run(recipes=("int8",))
    (shown,) = samples.gallery(record)
    flips = (53, 2, 27)
    reports = tuple(
        msgspec.structs.replace(report, flips_alone=count) for report, count in zip(shown.operators, flips, strict=True)
    )
    found = operators_of(msgspec.structs.replace(shown, operators=reports))
    assert [area.title.rpartition(" ")[2] for area in found.plot.areas] == ["53", "27"]
