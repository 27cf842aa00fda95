from __future__ import annotations

import pytest

from qbench.report.plain_text import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mnist-cnn 1.0", "mnist-cnn 1.0"),
        ("Größe 模型 🙂", "Größe 模型 🙂"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\nb\rc\td", "a\\nb\\rc\\td"),
        ("a\u202eb\u200bc", "a\\u202eb\\u200bc"),
        ("a\udc80b", "a\\udc80b"),
        ("", ""),
    ],
)
def test_only_what_is_no_character_of_its_own_is_escaped(text, shown):
    assert plain(text) == shown
