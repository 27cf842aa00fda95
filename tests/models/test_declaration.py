"""What another commit declares, and what differs."""

from __future__ import annotations

import pytest

from qbench.models.declaration import baselines_folder, declaration, differences

BEFORE = b"""
[project]
name = "shop"
[tool.ruff]
line-length = 120
[tool.pytest.ini_options]
addopts = ["-ra"]
[tool.qbench]
recipes = ["fp32", "int8"]
[tool.qbench.tolerance]
size = 0.01
[tool.qbench.models.tiny]
a = 1
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"size = 0.01", b"size = 0.5", "tool.qbench.tolerance.size is 0.5; it was 0.01"),
        (b"size = 0.01", b"", "tool.qbench.tolerance.size is gone; it was 0.01"),
        (
            b'recipes = ["fp32", "int8"]',
            b'recipes = ["fp32", "int8"]\nretired = {tiny = "old"}',
            'tool.qbench.retired is `{"tiny": "old"}`; it was not there',
        ),
        (b'["-ra"]', b'["-k", "no"]', 'tool.pytest.ini_options.addopts is `["-k", "no"]`; it was `["-ra"]`'),
        (
            b"models.tiny]\na = 1",
            b"models.other]\nb = 2",
            (
                'tool.qbench.models.tiny is gone; it was `{"a": 1}`|'
                'tool.qbench.models.other is `{"b": 2}`; it was not there'
            ),
        ),
        (b"line-length = 120", b"line-length = 80", ""),
        (b"size = 0.01", b"size  =  0.010 # a comment", ""),
        (b"size = 0.01", b"size = 1979-05-27", 'tool.qbench.tolerance.size is "1979-05-27"; it was 0.01'),
    ],
)
def test_every_key_that_decides_and_differs_is_a_sentence(old: bytes, new: bytes, said: str):
    assert old in BEFORE
    found = differences(declaration(BEFORE), declaration(BEFORE.replace(old, new)))
    assert found == [line for line in said.split("|") if line]


def test_a_long_value_is_cut():
    (said,) = differences({}, {"qbench": {"recipes": ["x" * 1000]}})
    assert len(said) < 300
    assert said.endswith(" ...`; it was not there")


@pytest.mark.parametrize("content", [b"[", b"\xff", b"a = 1\na = 2"])
def test_what_is_no_toml_is_an_error_of_value(content: bytes):
    with pytest.raises(ValueError):  # noqa: PT011 - of the decoder or of the parser, each with its own words
        declaration(content)


@pytest.mark.parametrize(
    ("content", "folder"),
    [
        (BEFORE, "baselines"),
        (b"[tool.qbench]\nbaselines = 'ci/accepted'", "ci/accepted"),
        (b"[tool.qbench]\nbaselines = 7", None),
        (b"[tool]\nqbench = 1", None),
        (b"tool = 1", None),
        (b"", None),
        (None, None),
    ],
)
def test_the_folder_is_what_was_declared(content: bytes | None, folder: str | None):
    assert baselines_folder(declaration(content)) == folder


def test_what_would_be_cut_hides_nothing_behind_what_does_not_matter():
    added = {"tolerance": {"recipes": {f"r{number}": {"size": 0.0} for number in range(20)}, "size": 1000.0}}
    assert "tool.qbench.tolerance.size is 1000.0; it was not there" in differences({"qbench": {}}, {"qbench": added})
