"""Colours of the page can be told apart in both themes: WCAG 2.2, success criteria 1.4.3 and 1.4.11."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

_STYLE = files("qbench.report.html").joinpath("templates/page.css").read_text(encoding="utf-8")
_THEMES = dict(zip(("light", "dark"), re.findall(r":root \{(.*?)\}", _STYLE, re.DOTALL), strict=True))

_TEXT = [
    *((ink, ground) for ink in ("ink", "soft", "accent") for ground in ("ground", "surface")),
    *((ink, ground) for ink in ("fail", "warn", "good", "better") for ground in ("surface", f"{ink}-tint")),
    *(("ground", word) for word in ("fail", "warn", "good", "soft")),
    *(("ink", f"{word}-tint") for word in ("fail", "good")),
]
_MARKS = [("accent", "surface"), ("fail", "surface"), ("edge", "surface"), ("accent", "ground"), ("fail", "fail-tint")]


def _colour(theme, name):
    (found,) = re.findall(rf"--{name}: #([0-9a-f]{{6}});", _THEMES[theme])
    return [int(found[place : place + 2], 16) / 255 for place in (0, 2, 4)]


def _luminance(colour):
    """Relative luminance of sRGB: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(theme, one, other):
    low, high = sorted(_luminance(_colour(theme, name)) for name in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", _THEMES)
@pytest.mark.parametrize("pair", _TEXT, ids="-on-".join)
def test_text_is_readable(theme, pair):
    assert contrast(theme, *pair) >= 4.5


@pytest.mark.parametrize("theme", _THEMES)
@pytest.mark.parametrize("pair", _MARKS, ids="-on-".join)
def test_marks_are_seen(theme, pair):
    assert contrast(theme, *pair) >= 3.0


def test_colours_stand_in_the_two_themes_alone():
    rules = re.sub(r":root \{.*?\}", "", _STYLE, flags=re.DOTALL)
    assert not re.findall(r"#[0-9a-f]{3,8}\b|rgba?\(|hsla?\(", rules)
