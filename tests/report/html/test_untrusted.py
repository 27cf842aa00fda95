"""What text from outside becomes before it is escaped, and names of places made from it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from qbench.report.html.untrusted import LONGEST_TEXT, Anchors, finalize, shown


def test_characters_that_turn_text_around_are_seen():
    assert shown("a\u202eb\u2066c\u200fd") == "a<U+202E>b<U+2066>c<U+200F>d"


def test_characters_that_no_page_may_hold_are_seen():
    assert shown("a\0b\x1bc\ud800d\x85e") == "a<U+0000>b<U+001B>c<U+D800>d<U+0085>e"


def test_what_joins_letters_and_what_ends_lines_stays():
    assert (
        shown("\u0645\u06cc\u200c\u062e \U0001f469\u200d\U0001f52c\n\t\u00e9")
        == "\u0645\u06cc\u200c\u062e \U0001f469\u200d\U0001f52c\n\t\u00e9"
    )


def test_a_long_text_says_how_much_of_it_is_missing():
    assert shown("x" * 10_000) == "x" * LONGEST_TEXT + "… (8,000 more characters)"


def test_markup_of_the_templates_is_left_alone():
    assert finalize(Markup("<b>\u202e")) == "<b>\u202e"
    assert finalize("<b>") == "<b>"


@given(st.text(max_size=300))
def test_what_is_shown_can_be_written_as_utf8_and_shown_again(text):
    once = shown(text)
    once.encode("utf-8")
    assert shown(once) == once


@given(st.lists(st.tuples(st.sampled_from(["model", "subject"]), st.text(max_size=80)), max_size=12))
def test_places_have_harmless_names_each_once(wanted):
    anchors = Anchors()
    names = [anchors.new(kind, name) for kind, name in wanted]
    assert len(set(names)) == len(names)
    for name, (kind, _) in zip(names, wanted, strict=True):
        assert name.startswith(kind)
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")


def test_places_of_ordinary_names_are_readable():
    anchors = Anchors()
    assert [anchors.new("subject", name) for name in ("mnist-mlp-int8", "mnist mlp/int8", "")] == [
        "subject-mnist-mlp-int8",
        "subject-mnist-mlp-int8__2",
        "subject",
    ]
