"""What stands on the page, and what it weighs."""

from __future__ import annotations

import re

import msgspec
import pytest

from qbench.report.html.page import render_page
from qbench.report.html.places import places_of
from qbench.report.html.worst import worst
from qbench.verdicts import Verdict
from report.html import samples

_MOST_BYTES = 6_000_000


def test_the_largest_page_stays_below_six_megabytes():
    """The project's own 22 subjects, each with more pictures, and larger ones, than there is room for."""
    record = samples.run(models=("a", "b"), recipes=tuple(f"recipe-{number}" for number in range(11)))
    assert len(record.subjects) == 22
    page = render_page(record, samples.gallery(record, flips=60, side=128)).encode()
    assert 4_000_000 < len(page) < _MOST_BYTES
    assert b"the page has no room for more" in page


def test_a_run_that_measured_nothing_is_a_page_too():
    record = msgspec.structs.replace(
        samples.run(), subjects=(), verdicts=(), verdict="interrupted", headline="", gated=False
    )
    page = render_page(record, [])
    assert "The run was cut short" in page
    assert "Nothing was judged." in page


def test_pictures_of_subjects_that_the_run_does_not_have_are_left_out():
    record = samples.run()
    others = samples.gallery(samples.run(models=("another",)))
    assert render_page(record, others) == render_page(record, [])


def test_a_page_says_the_same_each_time():
    record = samples.run()
    assert render_page(record, samples.gallery(record)) == render_page(record, samples.gallery(record))


def test_all_verdicts_stand_there_in_full():
    record = samples.run(models=("a", "b"))
    page = render_page(record, [])
    for verdict in record.verdicts:
        assert page.count(verdict.sentence.rstrip(".")) >= 1


@pytest.mark.parametrize("word", list(Verdict))
def test_every_verdict_has_a_sign_besides_its_colour(word):
    record = samples.run()
    verdicts = tuple(msgspec.structs.replace(verdict, verdict=word) for verdict in record.verdicts)
    page = render_page(msgspec.structs.replace(record, verdicts=verdicts), [])
    assert re.search(rf'<span aria-hidden="true">\S</span> {word}</span>', page)


@pytest.mark.parametrize(
    ("verdict", "title"),
    [("pass", "Nothing got worse"), ("measured", "Measured, and not judged"), ("fail", "A test failed")],
)
def test_the_title_says_how_it_ended(verdict, title):
    record = msgspec.structs.replace(samples.run(red=False), verdict=verdict)
    assert worst(record, places_of(record)).title == title


def test_the_worst_come_first_and_the_rest_is_counted():
    record = samples.run(models=tuple("abcdefgh"))
    found = worst(record, places_of(record))
    assert (found.title, len(found.cards), found.more) == ("8 metrics got worse", 5, 3)
    card = found.cards[0]
    assert card.cause == "an operator "
    assert "What to do" not in card.statement
    assert card.advice == "Undo it ."
    assert dict(card.figures) == {
        "now": "0.9300",
        "accepted": "0.9600",
        "worse by": "3 points",
        "tolerance": "0.2 points",
    }


def test_a_problem_that_a_verdict_says_is_said_once():
    record = samples.run()
    (red,) = [subject for subject in record.subjects if subject.recipe == "int8"]
    sentence = next(verdict.sentence for verdict in record.verdicts if verdict.verdict == Verdict.FAIL)
    said = msgspec.structs.replace(red, problems=(f"test_it failed: {sentence}",))
    page = render_page(msgspec.structs.replace(record, subjects=(said,)), [])
    assert "test_it failed" not in page


def test_commands_can_be_copied():
    page = render_page(samples.run(), [])
    assert "git checkout 0123456789abcdef<" in page
    assert "pytest &#39;test_it.py::test[net-int8]&#39; --benchmark-compare" in page
    assert "qbench explain net-int8" in page


def test_places_are_plain_and_differ_where_readable_names_are_the_same():
    record = samples.run(word=' "x"<y>\u202e', recipes=("int8",))
    twins = tuple(
        msgspec.structs.replace(record.subjects[0], model=model, recipe=recipe)
        for model, recipe in (("a-b", "c"), ("a", "b-c"))
    )
    page = render_page(msgspec.structs.replace(record, subjects=(*record.subjects, *twins)), [])
    places = re.findall(r'id="([^"]*)"', page)
    assert len(places) == len(set(places))
    assert all(re.fullmatch("[a-z0-9_-]+", place) for place in places)


def test_two_files_that_are_compared_stand_beside_the_first_of_them():
    page = render_page(samples.run(recipes=("baseline", "candidate"), red=False), [])
    assert "each beside baseline of the same run" in page
    assert "to baseline" in page
    assert "to fp32" not in page
    assert "each beside fp32 of the same run" in render_page(samples.run(), [])
    assert "each beside fp32 of the same run" in render_page(samples.run(recipes=("fp32", "baseline")), [])


def test_what_was_accepted_without_a_reason_is_not_said_half():
    record = samples.run(recipes=("int8",), red=False)
    (subject,) = record.subjects
    accepted = msgspec.structs.replace(subject.accepted, reason="", accepted_on="")
    page = render_page(
        msgspec.structs.replace(record, subjects=(msgspec.structs.replace(subject, accepted=accepted),)), []
    )
    assert "accepted :" not in page
    assert "<dt>Accepted</dt>" not in page
