"""Names, paths, messages, reasons, authors and labels that try to be more than text."""

from __future__ import annotations

import re

import pytest

from qbench.report.html.page import render_page
from report.html import samples

_RUN = "window.bad=1;document.title='bad';alert(1)"
_TRIES = {
    "script": f"</title></style></svg><script>{_RUN}</script>",
    "element": f'<img class=injected src=x onerror="{_RUN}"><svg class=injected onload="{_RUN}">',
    "attribute": f'" onfocus="{_RUN}" autofocus class="injected" x=\'',
    "quote": f"' onmouseover='{_RUN}' class='injected' x=\"",
    "address": f"javascript:{_RUN}",
    "style": "</style><style class=injected>body{display:none}</style>",
    "template": "{{ 7*7 }}{% raw %}<b class=injected>x</b>",
    "comment": f"--><script class=injected>{_RUN}</script><!--",
    "cdata": f"]]><script class=injected>{_RUN}</script><title>",
    "picture": f'<foreignObject><iframe class=injected srcdoc="<script>parent.{_RUN}</script>"></iframe>',
    "meta": "<meta class=injected http-equiv=refresh content='0;url=https://a.example'><base class=injected href=//x>",
    "turned": "\u202e\u2066\u200fcba\u0000\u001b[31m",
}
_POLICY = re.compile(r"default-src 'none';[^\"]*|default-src &#39;none&#39;;[^\"]*")
_ANYTHING = "default-src * data: 'unsafe-inline'"


def _page(word):
    record = samples.run(word=word)
    page = render_page(record, samples.gallery(record, word=word))
    return page.replace("<details", "<details open").replace("open open", "open")


def _without_policy(page):
    changed, times = _POLICY.subn(_ANYTHING, page)
    assert times == 1
    return changed


@pytest.fixture(scope="module")
def elements(browser):
    """What a harmless page consists of."""
    browser.open(_page("w"))
    return _count(browser)


def _count(browser):
    """Elements by tag, and attributes by name; but commands, which are left out where a name is no plain text."""
    return browser.run(
        "const n = {}, add = name => n[name] = (n[name] || 0) + 1;"
        "for (const e of document.querySelectorAll('*')) if (!e.closest('.commands')) {"
        " add(e.tagName); for (const a of e.attributes) add(a.name) } return n"
    )


@pytest.mark.parametrize("policy", [True, False], ids=["policy", "escaping alone"])
@pytest.mark.parametrize("kind", _TRIES)
def test_nothing_runs_and_nothing_is_built(browser, elements, kind, policy):
    """Also without the policy of the page, so that escaping alone is known to hold."""
    page = _page(_TRIES[kind])
    browser.open(page if policy else _without_policy(page))
    assert browser.run("return window.bad === undefined")
    assert browser.run("return document.querySelectorAll('.injected').length") == 0
    assert browser.run("return document.title").startswith("fail: ")
    assert _count(browser) == elements
    assert browser.logged("browser") == []


@pytest.mark.parametrize("kind", _TRIES)
def test_what_is_shown_is_what_was_said(browser, kind):
    browser.open(_page(_TRIES[kind]))
    said = browser.run("return document.querySelector('.card .statement').textContent")
    expected = _TRIES[kind]
    for character in "\u202e\u2066\u200f\u0000\u001b":
        expected = expected.replace(character, f"<U+{ord(character):04X}>")
    assert f"accuracy is 0.93 {expected}." in said


def test_text_is_never_turned_around():
    assert not set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200e\u200f\0") & set(_page(_TRIES["turned"]))


@pytest.mark.parametrize("width", [390, 1280])
def test_names_of_ten_thousand_characters_leave_the_rest_readable(browser, width):
    page = _page("n" * 10_000)
    assert len(page.encode()) < 6_000_000
    browser.open(page, width=width)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.run("return document.getElementById('worst').getBoundingClientRect().top") < 4000
