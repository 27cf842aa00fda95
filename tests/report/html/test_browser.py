"""The page in a real browser: it loads nothing, fits, and can be read with a keyboard, a screen reader, no script."""

from __future__ import annotations

import base64
import json
import re
from itertools import pairwise

import pytest

from qbench.report.html.page import render_page
from report.html import samples


@pytest.fixture(scope="module")
def page():
    record = samples.run(models=("net", "other"))
    return render_page(record, samples.gallery(record))


@pytest.fixture(scope="module")
def unfolded(page):
    return page.replace("<details", "<details open").replace("open open", "open")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_loads_nothing_and_has_no_errors(browser, unfolded, width, theme):
    browser.open(unfolded, width=width, theme=theme)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    wide = browser.run(
        "return [...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1"
        " && !e.closest('.wide, pre, svg')).map(e => e.outerHTML.slice(0, 90))"
    )
    assert wide == []
    assert browser.logged("browser") == []
    asked = [json.loads(text)["message"] for text in browser.logged("performance")]
    urls = [each["params"]["request"]["url"] for each in asked if each["method"] == "Network.requestWillBeSent"]
    assert [url for url in urls if not url.startswith("data:")] == [browser.run("return location.href")]


def test_both_themes_are_drawn(browser, page):
    grounds = []
    for theme in ("light", "dark"):
        browser.open(page, theme=theme)
        grounds.append(browser.run("return getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(247, 247, 245)", "rgb(18, 20, 23)"]


def test_a_large_picture_is_whole(browser):
    record = samples.run(recipes=("int8",))
    browser.open(render_page(record, samples.gallery(record, flips=1, side=120)))
    (size,) = browser.run("return [...document.images].map(image => [image.complete, image.naturalWidth])")
    assert size == [True, 120]
    encoded = re.findall(r"base64,([^\"]+)", render_page(record, samples.gallery(record, flips=1, side=120)))
    assert [base64.b64decode(each) for each in encoded] == [samples.gallery(record, flips=1, side=120)[0].flips[0].png]


def test_pictures_are_shown(browser, unfolded):
    browser.open(unfolded)
    assert browser.run("return [...document.images].length") == 24
    assert browser.run("return [...document.images].every(image => image.complete && image.naturalWidth === 8)")


def test_a_screen_reader_is_told_of_headings_tables_and_marks(browser, unfolded):
    browser.open(unfolded)
    nodes = browser.nodes()
    assert {role for role, _ in nodes} >= {"banner", "navigation", "main", "contentinfo", "table", "rowheader"}
    assert ("heading", "fail 2 metrics got worse") in nodes
    assert ("heading", "fail accuracy of net-int8") in nodes
    assert ("image", "int8: accuracy 0.9300, 25.0 kB; fails") in nodes
    assert ("image", "group 4: 1.120, 112 ns beside 100 ns") in nodes
    tables = browser.run(
        "return [...document.querySelectorAll('table')].map(table => [!!table.caption && !!table.caption.innerText,"
        " [...table.querySelectorAll('th')].every(head => head.scope)])"
    )
    assert len(tables) > 20
    assert all(all(each) for each in tables)


def test_headings_are_in_order(browser, unfolded):
    browser.open(unfolded)
    levels = browser.run("return [...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(e => +e.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(second - first <= 1 for first, second in pairwise(levels))


def test_names_of_places_are_used_once_and_every_link_has_one(browser, unfolded):
    browser.open(unfolded)
    assert browser.run("return new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size") == browser.run(
        "return document.querySelectorAll('[id]').length"
    )
    assert browser.run(
        "return [...document.links].every(a => a.getAttribute('href')[0] === '#' && document.querySelector(a.hash))"
    )


def test_the_keyboard_reaches_the_failures_and_is_seen(browser, page):
    browser.open(page)
    seen = []
    for _ in range(14):
        for kind in ("keyDown", "keyUp"):
            browser.command("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        seen.append(
            browser.run(
                "const e = document.activeElement; return [e.innerText, getComputedStyle(e).outlineStyle !== 'none']"
            )
        )
    words = [text for text, _ in seen]
    assert words[0] == "Skip to what the run says"
    assert words.index("What got worse") < words.index("net-int8")
    assert all(outlined for _, outlined in seen)


def test_without_script_all_of_it_is_there(browser, page):
    browser.open(page, script=False)
    root = browser.command("DOM.getDocument")["root"]["nodeId"]
    shown = browser.command("DOM.getOuterHTML", nodeId=root)["outerHTML"]
    assert "accuracy is 0.93" in shown
    assert "<script" not in shown
    words = {name for role, name in browser.nodes() if role == "heading"}
    assert "What got worse" in words


def test_what_is_folded_is_printed(browser, page):
    browser.open(page)
    browser.command("Emulation.setEmulatedMedia", media="print", features=[])
    hidden = browser.run(
        "return [...document.querySelectorAll('details:not([open]) > :not(summary)')]"
        ".filter(e => !e.checkVisibility()).length"
    )
    assert hidden == 0
    assert browser.run("return getComputedStyle(document.documentElement).getPropertyValue('--ground')") == "#f7f7f5"
