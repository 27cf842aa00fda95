"""The site builds without a warning, its links lead somewhere, and a page loads nothing from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest
from docs.pages import DOCS, ROOT, documented_pages, page_name

if TYPE_CHECKING:
    from pathlib import Path

_HANGS_S = 300.0

#: What a browser fetches by itself, by element.
_FETCHED = {
    "script": "src",
    "img": "src",
    "link": "href",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
}

#: Links of a head that say where something is, without fetching it.
_SAID = {"canonical", "next", "prev"}


class _Page(HTMLParser):
    """What a page of the site fetches, where it links to, and which places it has."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        said = dict(attrs)
        if place := said.get("id"):
            self.ids.add(place)
        wanted = said.get(_FETCHED.get(tag, ""))
        if wanted and not (tag == "link" and said.get("rel") in _SAID):
            self.fetched.append(wanted)
        if tag == "a" and said.get("href"):
            self.links.append(said["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_HANGS_S,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, _Page]:
    # 404.html has absolute links: it is shown wherever something is not.
    found = [path for path in site.rglob("*.html") if path.name != "404.html"]
    assert len(found) >= len(list(DOCS.rglob("*.md")))
    return {path: _Page(path.read_text(encoding="utf-8")) for path in found}


def test_links_of_the_site_lead_to_pages_and_places_that_it_has(pages):
    broken = [
        f"{path.name}: {link}"
        for path, page in pages.items()
        for link in page.links
        if not urlsplit(link).scheme and not _leads_somewhere(path, link, pages)
    ]
    assert broken == []


def _leads_somewhere(path, link, pages):
    target = urlsplit(link)
    file = (path.parent / unquote(target.path)).resolve() if target.path else path
    if file.is_dir():
        file = file / "index.html"
    if file not in pages:
        return file.is_file()
    # Skipping to the content and the top are places of every page.
    return not target.fragment or unquote(target.fragment) in pages[file].ids | {"__skip"}


def test_pages_fetch_what_the_site_has_and_nothing_else(site, pages):
    for path, page in pages.items():
        assert page.fetched
        for wanted in page.fetched:
            assert not urlsplit(wanted).scheme, f"{path.name} fetches {wanted}"
            assert not wanted.startswith("//"), f"{path.name} fetches {wanted}"
            assert (path.parent / unquote(urlsplit(wanted).path)).is_file(), f"{path.name}: there is no {wanted}"
    for sheet in site.rglob("*.css"):
        outside = re.findall(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//[^)'\"]+", sheet.read_text(encoding="utf-8"))
        assert outside == [], sheet.name


@pytest.mark.parametrize("path", documented_pages(), ids=page_name)
def test_links_work_where_the_repository_is_read(path):
    """As on a forge, where pages are files in folders."""
    links = re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8"))
    for link in links:
        target = urlsplit(link)
        if not target.scheme and target.path:
            assert (path.parent / unquote(target.path)).exists(), link
